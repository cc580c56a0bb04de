/* SPDX-License-Identifier: MIT */
/*
 * The life of the library in a process: create, run (or dispatch inside another loop), stop,
 * destroy, and the end of each turn. What a connection does is in conn.c, what the gateway says
 * in channel.c. Nothing here or below writes to stderr or ends the process.
 *
 * Symbols that baton.h does not declare are internal; the build hides them.
 */
#include "libbaton/baton.h"

#include "libbaton/conn.h"
#include "libbaton/handshake.h"
#include "libbaton/host.h"
#include "libbaton/settings.h"
#include "libbaton/startup.h"
#include "libbaton/termination.h"
#include "libbaton/turn.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIGTERM_DRAIN_MS = 1000 };

static const char *explanation = "baton_create was not called";

const char *baton_explain(void)
{
	return explanation;
}

/* ---- create and destroy ---- */

static int fail_start(const char *why, int error)
{
	explanation = why;
	errno = error;
	return -1;
}

/* The command that helps, with this program's own name in it, as it was called: a name without a
 * slash was found in PATH, and baton looks there too. */
static const char *how_to_start(void)
{
	static char text[256];
	snprintf(text, sizeof text,
		 "this program is a baton child: start it with  baton serve --child %s",
		 program_invocation_name);
	return text;
}

/* Before anything else is made: a failure here is a mistake at the command line. */
static int find_channel(int *fd_r)
{
	switch (startup_find_channel(fd_r)) {
	case STARTUP_OK:
		break;
	case STARTUP_NOT_A_CHILD:
		return fail_start(how_to_start(), ENOTCONN);
	case STARTUP_WRONG_PROTOCOL:
		return fail_start("the gateway and this program speak different versions of the "
				  "protocol: BATON_PROTOCOL is not 1",
				  ENOTCONN);
	case STARTUP_BAD_FD:
		return fail_start("BATON_FD is set, but is not the channel to a gateway", ENOTCONN);
	}
	return 0;
}

static void handle_turn_end(void *data);

static int start(struct baton *baton, int channel_fd)
{
	baton->loop = loop_create();
	if (baton->loop == NULL || table_init(&baton->table) != 0 || watch_init(baton) != 0) {
		return -1;
	}
	loop_lane_init(&baton->closing, baton->loop, conn_handle_timeout);
	loop_lane_init(&baton->lingering, baton->loop, conn_handle_timeout);
	loop_lane_init(&baton->later, baton->loop, conn_handle_later);
	drain_init(baton);
	keepalive_init(baton);
	handshake_prepare();
	loop_on_turn_end(baton->loop, handle_turn_end, baton);
	return channel_start(baton, channel_fd);
}

/* Mostly buffers, which cost nothing until they are used: calloc maps them and clears nothing. */
static struct baton *allocate(const struct baton_app *app, void *data)
{
	struct baton *baton = calloc(1, sizeof *baton);
	if (baton != NULL) {
		memcpy(&baton->app, app, app->size);
		baton->data = data;
		baton->channel.io.fd = -1;
		settings_init(baton);
	}
	return baton;
}

struct baton *baton_create(const struct baton_app *app, void *data)
{
	int fd;
	if (app == NULL || app->size < sizeof app->size || app->size > sizeof *app) {
		fail_start("struct baton_app is wrong: .size must be sizeof(struct baton_app)",
			   EINVAL);
		return NULL;
	}
	if (find_channel(&fd) != 0) {
		return NULL;
	}
	struct baton *baton = allocate(app, data);
	if (baton == NULL || start(baton, fd) != 0) {
		int error = errno;
		baton_destroy(baton);
		close(fd);
		fail_start("no memory or no descriptor for the event loop", error);
		return NULL;
	}
	explanation = "nothing is wrong";
	return baton;
}

static void close_all(struct baton *baton)
{
	for (size_t i = 0; i < baton->table.bucket_count; i++) {
		struct baton_conn *conn = baton->table.buckets[i];
		for (; conn != NULL; conn = conn->next_in_table) {
			conn_close_now(conn, SESSION_GOING_AWAY);
		}
	}
	turn_finish(baton);
	baton->is_stopped = true; /* the reports go at once */
	channel_flush(baton);
}

void baton_destroy(struct baton *baton)
{
	if (baton == NULL) {
		return;
	}
	if (baton->loop != NULL && baton->drain.lane.loop != NULL) {
		baton->is_in_turn = true; /* nobody needs to be woken any more */
		close_all(baton);
		channel_finish(baton);
		loop_lane_finish(&baton->closing);
		loop_lane_finish(&baton->lingering);
		loop_lane_finish(&baton->later);
		drain_finish(&baton->drain);
		keepalive_finish(&baton->keepalive);
	}
	packing_finish(&baton->packing);
	watch_finish(baton);
	table_finish(&baton->table);
	loop_destroy(baton->loop);
	free(baton);
}

/* ---- turns ---- */

static bool is_over(const struct baton *baton)
{
	bool is_drained = baton->drain.is_running && baton->table.count == 0 &&
			  baton->channel.questions.first == NULL &&
			  channel_is_quiet(&baton->channel);
	bool is_orphan = channel_is_lost(&baton->channel) && baton->table.count == 0;
	return baton->is_stopped || baton->drain.is_over || is_drained || is_orphan;
}

static void handle_turn_end(void *data)
{
	struct baton *baton = data;
	if (termination_has_come(baton)) {
		drain_begin(baton, SIGTERM_DRAIN_MS);
	}
	turn_finish(baton);
	channel_flush(baton);
	uint64_t begun_ms = loop_now_ms(baton->loop);
	loop_refresh(baton->loop);
	uint64_t lag_ms = loop_now_ms(baton->loop) - begun_ms;
	if (lag_ms > baton->lag_ms) {
		baton->lag_ms = lag_ms;
	}
}

static int turn(struct baton *baton, int max_wait_ms)
{
	baton->is_in_turn = true;
	int result = loop_turn(baton->loop, max_wait_ms);
	baton->is_in_turn = false;
	return result;
}

void host_nudge(struct baton *baton)
{
	if (!baton->is_in_turn) {
		loop_refresh(baton->loop); /* a deadline counts from now, not from the last turn */
		loop_wake(baton->loop);
	}
}

unsigned host_wait_ms(struct baton *baton, unsigned wait_ms)
{
	host_nudge(baton);
	uint64_t from_turn_ms = loop_behind_ms(baton->loop) + wait_ms;
	return from_turn_ms < UINT_MAX ? (unsigned)from_turn_ms : UINT_MAX;
}

int baton_run(struct baton *baton)
{
	struct termination termination;
	if (termination_begin(&termination, baton) != 0) {
		return -1;
	}
	int result = 0;
	while (result == 0 && !is_over(baton)) {
		result = turn(baton, -1);
	}
	int error = errno;
	/* Who was told to end already, and now saves what it has, is not to die of being told
	 * again. */
	termination_end(&termination, baton->drain.is_running);
	errno = error;
	return result;
}

void baton_stop(struct baton *baton)
{
	baton->is_stopped = true;
	host_nudge(baton);
}

int baton_fd(const struct baton *baton)
{
	return loop_fd(baton->loop);
}

int baton_dispatch(struct baton *baton)
{
	if (is_over(baton) || turn(baton, 0) != 0 || is_over(baton)) {
		return -2;
	}
	return loop_wait_ms(baton->loop);
}

struct baton_conn *baton_find(struct baton *baton, uint64_t id)
{
	return table_find(&baton->table, id);
}

size_t baton_count(const struct baton *baton)
{
	return baton->table.count;
}
