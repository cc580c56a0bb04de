/* SPDX-License-Identifier: MIT */
/*
 * A child as an author would write it, against the installed library (test_install.py). Its own
 * functions have the names of libbaton's inner ones: they must not meet.
 */
#include <baton.h>

#include <stdio.h>

int conn_create(void);
int loop_run(void);
int table_find(void);
int handoff_send(void);
int queue_append(void);
int deflate_create(void);

int conn_create(void)
{
	return 1;
}
int loop_run(void)
{
	return 1;
}
int table_find(void)
{
	return 1;
}
int handoff_send(void)
{
	return 1;
}
int queue_append(void)
{
	return 1;
}
int deflate_create(void)
{
	return 1;
}

static int handle_open(struct baton_conn *conn, void *data)
{
	(void)data;
	baton_subscribe(conn, "all");
	return BATON_ACCEPT;
}

static void handle_message(struct baton_conn *conn, int type, const void *text, size_t len,
			   void *app)
{
	struct baton **baton = app;
	(void)conn;
	baton_publish(*baton, "all", NULL, type, text, len);
}

int main(void)
{
	static const struct baton_app app = {
		.size = sizeof app, .open = handle_open, .message = handle_message};
	int calls = conn_create() + loop_run() + table_find() + handoff_send() + queue_append() +
		    deflate_create();
	static struct baton *baton;
	baton = baton_create(&app, &baton);
	if (baton == NULL) {
		fprintf(stderr, "%s\n", baton_explain());
		return 2;
	}
	int result = baton_run(baton);
	baton_destroy(baton);
	return result == 0 && calls == 6 ? 0 : 1;
}
