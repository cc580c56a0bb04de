/* SPDX-License-Identifier: MIT */
/*
 * A connection's states and its end: who may read, who may write, which wait runs. It parses
 * nothing and formats nothing: receive.c, output.c and offer.c do, and call conn_settle
 * afterwards. The close callback follows at the end of the turn, in turn.c.
 *
 * O_NONBLOCK is never set: the flag is shared with the gateway and whoever else holds the socket.
 * Every call on it carries MSG_DONTWAIT instead.
 */
#include "libbaton/conn.h"

#include "handoff/utf8.h"
#include "libbaton/buffer.h"
#include "libbaton/host.h"
#include "libbaton/offer.h"
#include "libbaton/output.h"
#include "libbaton/queue.h"
#include "libbaton/receive.h"
#include "libbaton/topics.h"
#include "libbaton/turn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CLOSING_MS = 5000, /* for the client's Close, and for each step of a slow last write */
	LINGERING_MS = 2000,
	THROTTLE_BYTES = 64 * 1024, /* queued: beyond it a client that does not read is not read */
	MAX_REASON = SESSION_MAX_CONTROL - 2,
};

struct baton_conn *conn_create(struct baton *baton, uint64_t id, int fd)
{
	const struct deflate_settings *settings = &baton->packing.settings;
	bool has_takeover = settings->has_out_takeover || settings->has_in_takeover;
	struct baton_conn *conn =
		calloc(1, sizeof *conn + (has_takeover ? sizeof conn->takeover[0] : 0));
	if (conn != NULL) {
		conn->io.fd = -1;
		conn->baton = baton;
		conn->id = id;
		conn->fd = fd;
		conn->code = SESSION_ABNORMAL;
	}
	return conn;
}

void conn_discard(struct baton_conn *conn)
{
	assert(conn->state == CONN_OPENING && conn->kept == NULL);
	close(conn->fd);
	free(conn);
}

/* ---- the end ---- */

void conn_set_end(struct baton_conn *conn, unsigned code, const void *why, size_t len)
{
	conn->code = (uint16_t)code;
	buffer_free(&conn->message);
	if (len > 0 && buffer_append(&conn->message, why, len, len + 1) &&
	    !buffer_append(&conn->message, "", 1, len + 1)) {
		buffer_free(&conn->message);
	}
}

static void end(struct baton_conn *conn)
{
	if (conn->state == CONN_ENDED) {
		return;
	}
	struct baton *baton = conn->baton;
	size_t unsent = queue_length(conn->queue);
	if (baton->current == conn) {
		unsent += baton->batch_length;
		baton->batch_length = 0;
	}
	/* The 101 is in queues too, but not in bytes_out. */
	conn->bytes_out -= unsent < conn->bytes_out ? unsent : conn->bytes_out;
	loop_timer_stop(&conn->timer);
	loop_io_remove(baton->loop, &conn->io);
	close(conn->fd);
	conn->fd = -1;
	buffer_free(&conn->kept);
	queue_free(&conn->queue);
	topics_leave(conn);
	if (conn->terms.has_out_takeover || conn->terms.has_in_takeover) {
		deflate_context_destroy(conn->takeover[0]);
	}
	conn->state = CONN_ENDED;
	turn_defer(conn);
}

void conn_break(struct baton_conn *conn)
{
	if (conn->state <= CONN_CLOSING) {
		conn_set_end(conn, SESSION_ABNORMAL, NULL, 0);
	}
	end(conn);
}

void conn_end_with(struct baton_conn *conn, unsigned code, const char *why)
{
	conn_set_end(conn, code, why, strlen(why));
	end(conn);
}

/* ---- what the loop does for it ---- */

static bool wants_to_read(const struct baton_conn *conn)
{
	switch ((enum conn_state)conn->state) {
	case CONN_OPEN:
		return !conn->is_paused && !conn->is_throttled;
	case CONN_CLOSING:
	case CONN_LINGERING:
		return true;
	case CONN_OPENING:
	case CONN_FLUSHING:
	case CONN_ENDED:
		break;
	}
	return false;
}

static unsigned wanted_events(const struct baton_conn *conn)
{
	if (conn->state == CONN_OPENING) {
		return LOOP_LEFT; /* BATON_LATER: nothing is read yet, but who leaves is noticed */
	}
	return (wants_to_read(conn) ? LOOP_READ | LOOP_LEFT | LOOP_URGENT : 0u) |
	       (conn->queue != NULL ? (unsigned)LOOP_WRITE : 0);
}

static void drain_queue(struct baton_conn *conn)
{
	struct baton *baton = conn->baton;
	conn->has_more = true; /* also of a queue that is filled anew before this event ends */
	if (!output_drain(conn)) {
		return;
	}
	conn->is_throttled = false;
	if (conn->state == CONN_OPEN && baton->app.writable != NULL) {
		baton->app.writable(conn, baton->data);
	}
}

static void handle_event(struct loop_io *io, unsigned events)
{
	struct baton_conn *conn = loop_owner(io, struct baton_conn, io);
	struct baton *baton = conn->baton;
	baton->current = conn;
	if (conn->state == CONN_OPENING) {
		conn_break(conn);
	}
	if ((events & LOOP_WRITE) && conn->queue != NULL) {
		drain_queue(conn);
	}
	if ((events & LOOP_READ) && wants_to_read(conn)) {
		receive_read(conn, events);
	}
	conn_settle(conn);
	baton->current = NULL;
}

/*
 * Edge-triggered: of a socket that was read empty the kernel need not find out once more that it
 * is empty, before each wait. A change of what is watched tells the present state anew: so whoever
 * left something behind (has_more) asks for that.
 */
static void watch_socket(struct baton_conn *conn)
{
	if (conn->state == CONN_ENDED) {
		return;
	}
	struct loop *loop = conn->baton->loop;
	unsigned wanted = wanted_events(conn);
	int failed = 0;
	if (conn->io.fd < 0 && wanted != 0) {
		failed = loop_io_add(loop, &conn->io, conn->fd, wanted | LOOP_EDGE, handle_event);
	} else if (conn->io.fd >= 0 && (wanted != conn->interest || conn->has_more)) {
		failed = loop_io_change(loop, &conn->io, wanted | LOOP_EDGE);
	}
	conn->has_more = false;
	conn->interest = wanted & CONN_INTERESTS;
	if (failed != 0) {
		conn_break(conn);
	}
}

static void start_wait(struct baton_conn *conn, struct loop_lane *lane, unsigned wait_ms)
{
	loop_timer_start(lane, &conn->timer, host_wait_ms(conn->baton, wait_ms));
}

/* CLOSING, FLUSHING: output_drain stops the timer whenever the client has read something. */
static void wait_for_close(struct baton_conn *conn)
{
	if (!loop_timer_is_running(&conn->timer)) {
		start_wait(conn, &conn->baton->closing, CLOSING_MS);
	}
}

/* FLUSHING: what is next depends on what has left. */
static void finish_flushing(struct baton_conn *conn)
{
	if (conn->queue != NULL) {
		wait_for_close(conn);
	} else if (conn->lingers) {
		/* close() with unread data would send a reset, and that can overtake our last
		 * words. */
		shutdown(conn->fd, SHUT_WR);
		conn->state = CONN_LINGERING;
		start_wait(conn, &conn->baton->lingering, LINGERING_MS);
	} else {
		end(conn);
	}
}

void conn_settle(struct baton_conn *conn)
{
	struct baton *baton = conn->baton;
	if (baton->current == conn) {
		output_flush(conn);
	}
	if (conn->state == CONN_CLOSING) {
		wait_for_close(conn);
	} else if (conn->state == CONN_FLUSHING) {
		finish_flushing(conn);
	}
	size_t most =
		baton->send_limit / 2 < THROTTLE_BYTES ? baton->send_limit / 2 : THROTTLE_BYTES;
	if (queue_length(conn->queue) > most) {
		conn->is_throttled = true;
	}
	watch_socket(conn);
}

void conn_settle_unless_current(struct baton_conn *conn)
{
	if (conn->baton->current != conn) {
		conn_settle(conn);
	}
}

void conn_handle_timeout(struct loop_timer *timer)
{
	struct baton_conn *conn = loop_owner(timer, struct baton_conn, timer);
	unsigned state = conn->state;
	size_t waits = queue_length(conn->queue);
	/* It may be this process that stood still: what came in time is looked at first. */
	handle_event(&conn->io, LOOP_READ | LOOP_WRITE);
	bool has_read = queue_length(conn->queue) < waits;
	if (conn->state == state && !has_read) {
		conn_break(conn);
	}
}

void conn_go_on_later(struct baton_conn *conn)
{
	loop_timer_start(&conn->baton->later, &conn->timer, 0);
}

void conn_handle_later(struct loop_timer *timer)
{
	turn_defer(loop_owner(timer, struct baton_conn, timer));
}

/* ---- closing ---- */

/* What of a reason fits into a Close frame; nothing of one that a client would have to fail for. */
static size_t reason_length(const char *why)
{
	uint32_t utf8 = UTF8_BETWEEN;
	size_t len = why != NULL ? utf8_fit(why, MAX_REASON) : 0;
	bool is_valid = utf8_feed(&utf8, (const uint8_t *)why, len) && utf8 == UTF8_BETWEEN;
	return is_valid ? len : 0;
}

void conn_close(struct baton_conn *conn, unsigned code, const char *why)
{
	if (conn->state == CONN_OPENING) {
		offer_refuse(conn, 503);
		return;
	}
	if (conn->state != CONN_OPEN) {
		return;
	}
	size_t len = reason_length(why);
	if (!session_code_is_valid(code)) {
		code = 1011;
	}
	conn_set_end(conn, code, why, len);
	conn->who = CONN_BY_CHILD;
	conn->state = CONN_CLOSING;
	start_wait(conn, &conn->baton->closing, CLOSING_MS);
	if (conn->kept != NULL) {
		turn_defer(conn); /* the client's Close may be in what was not looked at */
	}
	output_close(conn, code, why, len);
	conn_settle_unless_current(conn);
}

void conn_fail(struct baton_conn *conn, unsigned code, const char *why, size_t len)
{
	conn_set_end(conn, code, why, len);
	conn->who = CONN_BY_CHILD;
	conn->lingers = true;
	conn->state = CONN_FLUSHING;
	output_close(conn, code, why, len);
}

void conn_close_now(struct baton_conn *conn, unsigned code)
{
	conn_close(conn, code, NULL);
	if (conn->state == CONN_CLOSING) {
		conn->state = CONN_FLUSHING; /* so that the code stands though nobody answers */
	}
	conn_break(conn);
}

/* ---- public ---- */

void baton_close(struct baton_conn *conn, int code, const char *why)
{
	conn_close(conn, code > 0 ? (unsigned)code : 0, why);
}

void baton_pause(struct baton_conn *conn, bool pause)
{
	if (conn->state > CONN_OPEN || conn->is_paused == pause) {
		return;
	}
	conn->is_paused = pause;
	if (!pause && conn->state == CONN_OPEN && conn->kept != NULL) {
		turn_defer(conn); /* no callback inside this call */
	}
	conn_settle_unless_current(conn);
}

size_t baton_queued(const struct baton_conn *conn)
{
	return queue_length(conn->queue);
}

void **baton_user(struct baton_conn *conn)
{
	return &conn->user;
}

uint64_t baton_id(const struct baton_conn *conn)
{
	return conn->id;
}
