/* SPDX-License-Identifier: MIT */
/*
 * baton-echo: sends every message back as it came. The smallest useful child, the one that the
 * tests and benchmarks start, and the page to begin reading baton.h with.
 *
 * --who, for the demo page: the message {"do":"who"} is answered with the pid of this process.
 *
 * A message that finds the client's queue full (it sends and does not read) is dropped; the
 * library stops reading such a client long before that.
 */
#include "libbaton/baton.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void message(struct baton_conn *conn, int type, const void *data, size_t len, void *app)
{
	(void)app;
	baton_send(conn, type, data, len);
}

static void message_or_who(struct baton_conn *conn, int type, const void *data, size_t len,
			   void *app)
{
	static const char who[] = "{\"do\":\"who\"}";
	if (len != strlen(who) || memcmp(data, who, len) != 0) {
		message(conn, type, data, len, app);
		return;
	}
	char hello[64];
	int hello_len =
		snprintf(hello, sizeof hello, "{\"what\":\"hello\",\"pid\":%d}", (int)getpid());
	baton_send(conn, BATON_TEXT, hello, (size_t)hello_len);
}

int main(int argc, char **argv)
{
	static struct baton_app echo = {.size = sizeof echo, .message = message};
	const char *name = argc > 0 ? argv[0] : "baton-echo";
	if (argc == 2 && strcmp(argv[1], "--who") == 0) {
		echo.message = message_or_who;
	} else if (argc > 1) {
		fprintf(stderr, "usage: baton-echo [--who]\n"
				"sends every message back, as a child of baton\n"
				"--who: answers {\"do\":\"who\"} with its pid\n");
		return 2;
	}
	struct baton *baton = baton_create(&echo, NULL);
	if (baton == NULL) {
		fprintf(stderr, "%s: %s\n", name, baton_explain());
		return 2;
	}
	int result = baton_run(baton);
	if (result != 0) {
		fprintf(stderr, "%s: the event loop failed: %s\n", name, strerror(errno));
	}
	baton_destroy(baton);
	return result == 0 ? 0 : 1;
}
