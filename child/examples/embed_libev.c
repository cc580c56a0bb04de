/* SPDX-License-Identifier: MIT */
/*
 * A baton child inside a libev loop. libev watches baton_fd and keeps the time for it; what else
 * the program does with libev goes on beside it, here a timer that tells every client the count
 * of its ticks. Messages come back as they are.
 *
 * Three rules: dispatch when the descriptor is readable, and when the time has come that the last
 * dispatch named; stop when it says so. Calls such as baton_publish may be made from any of
 * libev's callbacks: where they need a dispatch, they make the descriptor readable.
 */
#include "libbaton/baton.h"

#include <ev.h>
#include <stdio.h>

enum { TICK_MS = 200 };

struct host {
	struct baton *baton;
	struct ev_loop *loop;
	ev_io readable;
	ev_timer due;
	ev_timer tick;
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

static void dispatch(struct host *host)
{
	int wait_ms = baton_dispatch(host->baton);
	ev_timer_stop(host->loop, &host->due);
	if (wait_ms == -2) { /* drained, or the gateway is gone: nothing is left to do */
		ev_break(host->loop, EVBREAK_ALL);
	} else if (wait_ms >= 0) {
		ev_timer_set(&host->due, wait_ms / 1000.0, 0.0);
		ev_timer_start(host->loop, &host->due);
	}
}

static void handle_readable(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop, (void)events;
	dispatch(io->data);
}

static void handle_due(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	dispatch(timer->data);
}

static void handle_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	struct host *host = timer->data;
	char text[32];
	int len = snprintf(text, sizeof text, "tick %u", ++host->ticks);
	baton_publish(host->baton, "ticks", NULL, BATON_TEXT, text, (size_t)len);
}

static void run(struct host *host)
{
	host->loop = ev_default_loop(0);
	ev_io_init(&host->readable, handle_readable, baton_fd(host->baton), EV_READ);
	ev_timer_init(&host->due, handle_due, 0.0, 0.0);
	ev_timer_init(&host->tick, handle_tick, TICK_MS / 1000.0, TICK_MS / 1000.0);
	host->readable.data = host->due.data = host->tick.data = host;
	ev_io_start(host->loop, &host->readable);
	ev_timer_start(host->loop, &host->tick);
	dispatch(host);
	ev_run(host->loop, 0);
}

int main(void)
{
	static const struct baton_app app = {
		.size = sizeof app, .open = handle_open, .message = handle_message};
	struct host host = {.baton = baton_create(&app, NULL)};
	if (host.baton == NULL) {
		fprintf(stderr, "baton-embed-libev: %s\n", baton_explain());
		return 2;
	}
	run(&host);
	baton_destroy(host.baton);
	return 0;
}
