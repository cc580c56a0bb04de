/* SPDX-License-Identifier: MIT */
/*
 * Keepalive without a timer a connection. A position walks over the table, a slice a tick; eight
 * walks (rounds) make one interval. A connection keeps two bytes: the rounds in which it last
 * heard and last sent anything. When it has been silent in either direction for an interval it
 * gets a ping, since middle boxes time each direction; when nothing has come for two, it ends.
 *
 * Time is counted in ticks that ran, not on the clock: a callback that blocks for a minute makes
 * nobody look dead. But a loop that is busy keeps its pace: a late tick walks a few slices more. A
 * table that grows under the walk is seen in part twice in that round, which the stamps do not
 * mind. All is up to one round late.
 */
#include "libbaton/keepalive.h"

#include "libbaton/conn.h"
#include "libbaton/host.h"
#include "libbaton/output.h"

enum {
	ROUNDS = 8,  /* an interval */
	SLICES = 16, /* a round, a tick each; so intervals below 128 ms count as 128 ms */
	MOST_SLICES = SLICES / 2, /* that a late tick walks: what waits unread is read in between */
};

static const char no_pong[] = "no pong";

static void ping(struct baton_conn *conn)
{
	conn->sent = conn->baton->keepalive.round; /* also when it must wait: one is enough */
	if (output_has_room(conn, 0)) {
		output_frame(conn, SESSION_OP_PING, NULL, 0);
		conn_settle(conn);
	}
}

static void visit(struct keepalive *keepalive, struct baton_conn *conn)
{
	if (conn->state != CONN_OPEN) {
		return; /* it has a wait of its own, or waits for the author */
	}
	if (conn->is_paused) {
		conn->heard = keepalive->round; /* it is us who do not listen */
	}
	unsigned silent_in = (uint8_t)(keepalive->round - conn->heard);
	unsigned silent_out = (uint8_t)(keepalive->round - conn->sent);
	if (silent_in > 2 * ROUNDS) { /* one more: a ping had a whole interval for its answer */
		conn->who = CONN_BY_KEEPALIVE;
		conn_end_with(conn, SESSION_ABNORMAL, no_pong);
	} else if (silent_in == ROUNDS || (silent_in < ROUNDS && silent_out >= ROUNDS)) {
		ping(conn);
	}
}

/* Whoever ends meanwhile stays in the table until the turn ends. */
static void walk(struct baton *baton)
{
	struct keepalive *keepalive = &baton->keepalive;
	size_t slice = (baton->table.bucket_count + SLICES - 1) / SLICES;
	for (; slice > 0 && keepalive->cursor < baton->table.bucket_count; slice--) {
		struct baton_conn *conn = baton->table.buckets[keepalive->cursor++];
		for (; conn != NULL; conn = conn->next_in_table) {
			visit(keepalive, conn);
		}
	}
	if (keepalive->cursor >= baton->table.bucket_count) {
		keepalive->cursor = 0;
		keepalive->round++;
	}
}

static unsigned tick_ms(const struct keepalive *keepalive)
{
	unsigned wait_ms = keepalive->interval_ms / (ROUNDS * SLICES);
	return wait_ms > 0 ? wait_ms : 1;
}

void keepalive_begin(struct baton *baton)
{
	struct keepalive *keepalive = &baton->keepalive;
	if (keepalive->interval_ms > 0 && !loop_timer_is_running(&keepalive->tick)) {
		host_nudge(baton);
		loop_timer_start(&keepalive->lane, &keepalive->tick, tick_ms(keepalive));
	}
}

static void handle_tick(struct loop_timer *timer)
{
	struct baton *baton = loop_owner(timer, struct baton, keepalive.tick);
	uint64_t late = loop_timer_late_ms(&baton->keepalive.lane, timer) / tick_ms(&baton->keepalive);
	for (uint64_t slice = 0; slice <= late && slice < MOST_SLICES; slice++) {
		walk(baton);
	}
	if (baton->table.count > 0) {
		keepalive_begin(baton);
	}
}

void keepalive_init(struct baton *baton)
{
	loop_lane_init(&baton->keepalive.lane, baton->loop, handle_tick);
}

void keepalive_finish(struct keepalive *keepalive)
{
	loop_lane_finish(&keepalive->lane);
}
