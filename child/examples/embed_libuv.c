/* SPDX-License-Identifier: MIT */
/*
 * A baton child inside a libuv loop. libuv polls baton_fd and keeps the time for it; what else
 * the program does with libuv goes on beside it, here a timer that tells every client the count
 * of its ticks. Messages come back as they are. The rules are those of embed_libev.c.
 */
#include "libbaton/baton.h"

#include <stdio.h>
#include <uv.h>

enum { TICK_MS = 200 };

struct host {
	struct baton *baton;
	uv_poll_t readable;
	uv_timer_t due;
	uv_timer_t tick;
	unsigned ticks;
};

static int handle_open(struct baton_conn *conn, void *data)
{
	(void)data;
	return baton_subscribe(conn, "ticks") == 0 ? BATON_ACCEPT : 503;
}

static void handle_message(struct baton_conn *conn, int type, const void *text, size_t len,
			   void *data)
{
	(void)data;
	baton_send(conn, type, text, len);
}

static void handle_due(uv_timer_t *timer);

static void dispatch(struct host *host)
{
	int wait_ms = baton_dispatch(host->baton);
	uv_timer_stop(&host->due);
	if (wait_ms == -2) { /* drained, or the gateway is gone: nothing is left to do */
		uv_stop(host->readable.loop);
	} else if (wait_ms >= 0) {
		uv_update_time(host->due.loop); /* it counts from there, not from now */
		uv_timer_start(&host->due, handle_due, (uint64_t)wait_ms, 0);
	}
}

static void handle_due(uv_timer_t *timer)
{
	dispatch(timer->data);
}

static void handle_readable(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events;
	dispatch(poll->data);
}

static void handle_tick(uv_timer_t *timer)
{
	struct host *host = timer->data;
	char text[32];
	int len = snprintf(text, sizeof text, "tick %u", ++host->ticks);
	baton_publish(host->baton, "ticks", NULL, BATON_TEXT, text, (size_t)len);
}

static void close_all(struct host *host, uv_loop_t *loop)
{
	uv_close((uv_handle_t *)&host->readable, NULL);
	uv_close((uv_handle_t *)&host->due, NULL);
	uv_close((uv_handle_t *)&host->tick, NULL);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_loop_close(loop);
}

/* 0, or -1 when libuv does not want our descriptor. */
static int run(struct host *host)
{
	uv_loop_t loop;
	if (uv_loop_init(&loop) != 0) {
		return -1;
	}
	uv_timer_init(&loop, &host->due);
	uv_timer_init(&loop, &host->tick);
	if (uv_poll_init(&loop, &host->readable, baton_fd(host->baton)) != 0) {
		return -1;
	}
	host->readable.data = host->due.data = host->tick.data = host;
	uv_poll_start(&host->readable, UV_READABLE, handle_readable);
	uv_timer_start(&host->tick, handle_tick, TICK_MS, TICK_MS);
	dispatch(host);
	uv_run(&loop, UV_RUN_DEFAULT);
	close_all(host, &loop);
	return 0;
}

int main(void)
{
	static const struct baton_app app = {
		.size = sizeof app, .open = handle_open, .message = handle_message};
	struct host host = {.baton = baton_create(&app, NULL)};
	if (host.baton == NULL) {
		fprintf(stderr, "baton-embed-libuv: %s\n", baton_explain());
		return 2;
	}
	int result = run(&host);
	baton_destroy(host.baton);
	return result == 0 ? 0 : 1;
}
