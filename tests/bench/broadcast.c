/* SPDX-License-Identifier: MIT */
/*
 * The child of the broadcast figure: all its clients subscribe to one topic, and what one of them
 * sends goes to all, the sender too. Run by bench.py.
 */
#include "libbaton/baton.h"

#include <stdio.h>

static struct baton *baton;

static int subscribe(struct baton_conn *conn, void *app)
{
	(void)app;
	return baton_subscribe(conn, "all") == 0 ? BATON_ACCEPT : 503;
}

static void publish(struct baton_conn *conn, int type, const void *data, size_t len, void *app)
{
	(void)conn;
	(void)app;
	baton_publish(baton, "all", NULL, type, data, len);
}

int main(void)
{
	static const struct baton_app app = {
		.size = sizeof app, .open = subscribe, .message = publish};
	baton = baton_create(&app, NULL);
	if (baton == NULL) {
		fprintf(stderr, "baton-broadcast: %s\n", baton_explain());
		return 2;
	}
	int result = baton_run(baton);
	baton_destroy(baton);
	return result == 0 ? 0 : 1;
}
