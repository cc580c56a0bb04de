/* SPDX-License-Identifier: MIT */
/*
 * baton-status: tells its WebSocket clients once a second what `baton status --json` tells. While
 * nobody listens it asks nothing. The first message to a client is {"what":"hello","pid":N}; when
 * the gateway does not answer, {"what":"error","text":"..."} takes the status' place. What
 * clients send is ignored.
 */
#include "libbaton/baton.h"
#include "status/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	EVERY_MS = 1000,
	LEAST_MS =
		200, /* between two questions, however many newcomers would like an answer at once */
};

struct client {
	struct client *prev, *next;
	struct baton_conn *conn;
};

struct status {
	struct baton *baton;
	struct ask *ask;
	const char *path;
	struct client *clients;
	uint64_t asked_ms;
};

static uint64_t clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Who does not read misses this one: the next one tells all anew. */
static void tell_all(struct status *status, const char *text, size_t len)
{
	for (struct client *client = status->clients; client != NULL; client = client->next) {
		baton_send(client->conn, BATON_TEXT, text, len);
	}
}

static void handle_answer(const char *text, size_t len, void *data)
{
	struct status *status = data;
	char why[400];
	if (text ==
	    NULL) { /* without the path: it is the operator's business, and needs no quoting */
		len = (size_t)snprintf(why, sizeof why,
				       "{\"what\":\"error\",\"text\":\"The gateway does not answer "
				       "at its control socket: %s.\"}",
				       strerror(errno));
		text = why;
	}
	if (len > 0) {
		tell_all(status, text, len);
	}
}

static void ask(struct status *status)
{
	uint64_t now_ms = clock_ms();
	if (status->clients != NULL && now_ms - status->asked_ms >= LEAST_MS) {
		status->asked_ms = now_ms;
		ask_now(status->ask, now_ms);
	}
}

static void handle_tick(void *data)
{
	ask(data);
}

static int handle_open(struct baton_conn *conn, void *app)
{
	struct status *status = app;
	struct client *client = calloc(1, sizeof *client);
	if (client == NULL) {
		return 503;
	}
	client->conn = conn;
	client->next = status->clients;
	if (client->next != NULL) {
		client->next->prev = client;
	}
	status->clients = client;
	*baton_user(conn) = client;
	baton_accept(conn, NULL);
	char hello[64];
	int len = snprintf(hello, sizeof hello, "{\"what\":\"hello\",\"pid\":%d}", (int)getpid());
	baton_send(conn, BATON_TEXT, hello, (size_t)len);
	ask(status);        /* a newcomer need not wait for the next second */
	return BATON_LATER; /* accepted already */
}

static void handle_close(struct baton_conn *conn, int code, const char *why, void *app)
{
	struct status *status = app;
	struct client *client = *baton_user(conn);
	(void)code;
	(void)why;
	if (client == NULL) {
		return;
	}
	if (client->prev != NULL) {
		client->prev->next = client->next;
	} else {
		status->clients = client->next;
	}
	if (client->next != NULL) {
		client->next->prev = client->prev;
	}
	free(client);
}

/* Where a gateway's control socket is when its configuration does not say (configuration.md). */
static const char *default_path(void)
{
	static char path[sizeof((struct sockaddr_un *)0)->sun_path];
	const char *directory = getenv("XDG_RUNTIME_DIR");
	if (geteuid() == 0) {
		return "/run/baton/control.sock";
	}
	if (directory != NULL && directory[0] == '/') {
		snprintf(path, sizeof path, "%s/baton.sock", directory);
	} else {
		snprintf(path, sizeof path, "/tmp/baton-%u.sock", (unsigned)geteuid());
	}
	return path;
}

static int serve(struct status *status)
{
	status->ask = ask_create(status->baton, status->path, handle_answer, status);
	if (status->ask == NULL ||
	    baton_timer(status->baton, EVERY_MS, EVERY_MS, handle_tick, status) == NULL) {
		return -1;
	}
	return baton_run(status->baton);
}

int main(int argc, char **argv)
{
	static const struct baton_app app = {
		.size = sizeof app,
		.open = handle_open,
		.close = handle_close,
	};
	struct status status = {.path = argc > 1 ? argv[1] : default_path()};
	if (argc > 2 || status.path[0] == '-') {
		fprintf(stderr, "usage: baton-status [CONTROL_SOCKET]\n"
				"what `baton status` tells, every second, as a child of baton\n");
		return 2;
	}
	status.baton = baton_create(&app, &status);
	if (status.baton == NULL) {
		fprintf(stderr, "baton-status: %s\n", baton_explain());
		return 2;
	}
	int result = serve(&status);
	if (result != 0) {
		fprintf(stderr, "baton-status: %s\n", strerror(errno));
	}
	ask_destroy(status.ask);
	baton_destroy(status.baton);
	return result == 0 ? 0 : 1;
}
