/* SPDX-License-Identifier: MIT */
/*
 * Draining: a walk over the table that starts closing handshakes at an even pace, so that the
 * clients do not all come back at once, and ends what is left at the deadline. No connection is
 * added meanwhile (channel.c refuses offers), so the table's buckets stand still.
 */
#include "libbaton/drain.h"

#include "libbaton/conn.h"
#include "libbaton/host.h"

enum {
	TICK_MS = 20,
	AT_ONCE = 10, /* a few need no pace */
	LEAST_PER_SECOND =
		100,         /* a small child is not slower than this, however long it may take */
	WINDOW_PERCENT = 80, /* of the deadline; the rest is for the answers */
};

/* How many should have begun to close elapsed_ms after the beginning. */
static size_t target(const struct drain *drain, uint64_t elapsed_ms)
{
	uint64_t window_ms = (uint64_t)drain->deadline_ms * WINDOW_PERCENT / 100;
	if (elapsed_ms >= window_ms) {
		return drain->total;
	}
	uint64_t even = drain->total * elapsed_ms / window_ms;
	uint64_t least = elapsed_ms * LEAST_PER_SECOND / 1000;
	return AT_ONCE + (size_t)(even > least ? even : least);
}

static void close_some(struct baton *baton, size_t most)
{
	struct drain *drain = &baton->drain;
	while (drain->closed < most && drain->cursor < baton->table.bucket_count) {
		struct baton_conn *conn = baton->table.buckets[drain->cursor++];
		for (; conn != NULL; conn = conn->next_in_table) {
			drain->closed++;
			conn_close(conn, SESSION_GOING_AWAY, NULL);
		}
	}
}

static void end_all(struct baton *baton)
{
	for (size_t i = 0; i < baton->table.bucket_count; i++) {
		struct baton_conn *conn = baton->table.buckets[i];
		for (; conn != NULL; conn = conn->next_in_table) {
			conn_break(conn); /* it stays in the table until the turn ends */
		}
	}
	baton->drain.is_over = true;
}

static void advance(struct baton *baton)
{
	struct drain *drain = &baton->drain;
	uint64_t elapsed_ms = loop_now_ms(baton->loop) - drain->begun_ms;
	close_some(baton, target(drain, elapsed_ms));
	if (elapsed_ms >= drain->deadline_ms) {
		end_all(baton);
		return;
	}
	uint64_t left_ms = drain->deadline_ms - elapsed_ms;
	bool is_done = drain->cursor == baton->table.bucket_count;
	loop_timer_start(&drain->lane, &drain->tick,
			 is_done || left_ms < TICK_MS ? (unsigned)left_ms : TICK_MS);
}

static void handle_tick(struct loop_timer *timer)
{
	advance(loop_owner(timer, struct baton, drain.tick));
}

void drain_init(struct baton *baton)
{
	loop_lane_init(&baton->drain.lane, baton->loop, handle_tick);
}

void drain_finish(struct drain *drain)
{
	loop_lane_finish(&drain->lane);
}

/* SIGTERM during a long drain: the earlier end counts. */
static void shorten(struct baton *baton, unsigned deadline_ms)
{
	struct drain *drain = &baton->drain;
	uint64_t end_ms = loop_now_ms(baton->loop) - drain->begun_ms + deadline_ms;
	if (end_ms < drain->deadline_ms) {
		drain->deadline_ms = (unsigned)end_ms;
		advance(baton);
	}
}

void drain_begin(struct baton *baton, unsigned deadline_ms)
{
	struct drain *drain = &baton->drain;
	if (drain->is_running) {
		shorten(baton, deadline_ms);
		return;
	}
	drain->is_running = true;
	drain->begun_ms = loop_now_ms(baton->loop);
	drain->deadline_ms = deadline_ms;
	if (baton->app.drain != NULL) {
		baton->app.drain(baton, deadline_ms, baton->data);
	}
	drain->total = baton->table.count;
	advance(baton);
}
