/* SPDX-License-Identifier: MIT */
/*
 * The host of the session engine: one recv an event into the buffer of the process, the events
 * drained, messages assembled and unpacked, control frames answered. What this writes is batched
 * by output.c and leaves when conn_settle is called, by our caller. Never a second read: a client
 * that floods waits for its next turn like everybody.
 */
#include "libbaton/receive.h"

#include "libbaton/buffer.h"
#include "libbaton/conn.h"
#include "libbaton/host.h"
#include "libbaton/output.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Of one read, after which its rest waits for the next turn: 64 KiB of packed zeroes are 64 MiB of
 * work, and every other client would wait for it. */
enum { MOST_UNPACKED_BYTES = 256 * 1024 };

/* The events of a socket from which one read need not take all. */
enum { STOPS_EARLY = LOOP_LEFT | LOOP_HANGUP | LOOP_URGENT };

static const char no_memory[] = "no memory";

/* The client's direction has ended without a Close. What is queued for it is still written. */
static void handle_end_of_file(struct baton_conn *conn)
{
	if (conn->state == CONN_LINGERING) {
		conn_break(conn);
		return;
	}
	conn_set_end(conn, SESSION_ABNORMAL, NULL, 0);
	conn->state = CONN_FLUSHING;
}

static void deliver(struct baton_conn *conn, int type, const void *data, size_t len)
{
	struct baton *baton = conn->baton;
	conn->messages_in += (type & BATON_MORE) == 0;
	if (baton->app.message != NULL) {
		baton->app.message(conn, type, data, len, baton->data);
	}
}

static void deliver_whole(struct baton_conn *conn, const struct session_piece *piece,
			  const void *data, size_t len)
{
	struct deflate_bytes whole = {data, len};
	if (!piece->packed ||
	    packing_unpack(conn, piece->opcode == SESSION_TEXT, data, len, &whole)) {
		conn->baton->unpacked_bytes += piece->packed ? whole.len : 0;
		deliver(conn, piece->opcode, whole.at, whole.len);
	}
}

static void handle_piece(struct baton_conn *conn, const struct session_piece *piece)
{
	if (conn->state != CONN_OPEN) {
		return;
	}
	if (piece->first && piece->last) {
		conn->baton->in_place = piece->at;
		deliver_whole(conn, piece, piece->at, piece->len);
		conn->baton->in_place = NULL;
		return;
	}
	if ((conn->baton->app.flags & BATON_PIECES) && !piece->packed) {
		if (piece->last || piece->len > 0) {
			deliver(conn, piece->opcode | (piece->last ? 0 : BATON_MORE), piece->at,
				piece->len);
		}
		return;
	}
	size_t expected = (size_t)conn->session.message_bytes; /* what its frames have announced */
	if (!buffer_append(&conn->message, piece->at, piece->len, expected)) {
		conn_fail(conn, 1011, no_memory, sizeof no_memory - 1);
		return;
	}
	if (piece->last) {
		/* Out of the connection first: a callback that closes it puts the reason there. */
		struct buffer *whole = conn->message;
		conn->message = NULL;
		deliver_whole(conn, piece, whole->at, whole->length);
		buffer_free(&whole);
	}
}

/* A client that pings and never reads gets no Pong beyond send_limit: it would get our memory. */
static void handle_ping(struct baton_conn *conn, const struct session_piece *piece)
{
	if (conn->state == CONN_OPEN && output_has_room(conn, piece->len)) {
		output_frame(conn, SESSION_OP_PONG, piece->at, piece->len);
	}
}

/* has_more: the client wrote behind its Close; unread, that would make close() send a reset. */
static void handle_close(struct baton_conn *conn, const struct session_piece *piece, bool has_more)
{
	bool is_answer = conn->state == CONN_CLOSING;
	conn->state = CONN_FLUSHING;
	conn->lingers = has_more;
	if (!is_answer) {
		conn_set_end(conn, piece->code, piece->at, piece->len);
		output_close(conn, piece->code, piece->at, piece->len);
	}
}

static void handle_error(struct baton_conn *conn, const struct session_piece *piece)
{
	if (conn->state == CONN_OPEN) {
		conn_fail(conn, piece->code, (const char *)piece->at, piece->len);
	} else {
		conn_break(conn); /* our Close has been written; a valid answer will not come */
	}
}

static void handle(struct baton_conn *conn, enum session_event event,
		   const struct session_piece *piece, size_t behind)
{
	switch (event) {
	case SESSION_PIECE:
		handle_piece(conn, piece);
		break;
	case SESSION_PING:
		handle_ping(conn, piece);
		break;
	case SESSION_CLOSE:
		handle_close(conn, piece, behind > 0);
		break;
	case SESSION_ERROR:
		handle_error(conn, piece);
		break;
	case SESSION_PONG:
	case SESSION_NEED_MORE:
		break;
	}
}

static bool is_listening(const struct baton_conn *conn)
{
	return conn->state == CONN_CLOSING || (conn->state == CONN_OPEN && !conn->is_paused);
}

/* Behind our Close nothing is unpacked, so the client's is found at once. */
static bool has_worked_enough(const struct baton_conn *conn)
{
	return conn->state == CONN_OPEN && conn->baton->unpacked_bytes >= MOST_UNPACKED_BYTES;
}

/* Callbacks may close, break or pause the connection at any point of this. */
static void feed(struct baton_conn *conn, uint8_t *data, size_t len)
{
	struct baton *baton = conn->baton;
	enum session_event event = SESSION_PONG;
	baton->unpacked_bytes = 0;
	while (event != SESSION_NEED_MORE && is_listening(conn) && !has_worked_enough(conn)) {
		struct session_piece piece;
		size_t used;
		event = session_next(&conn->session, &baton->limits, data, len, &used, &piece);
		data += used;
		len -= used;
		handle(conn, event, &piece, len);
	}
	if (len > 0 && conn->state <= CONN_CLOSING && !buffer_append(&conn->kept, data, len, len)) {
		conn_break(conn);
	}
	if (len > 0 && has_worked_enough(conn)) {
		conn_go_on_later(conn);
	}
}

/* Puts what was kept before the place of the next read, and returns where it begins. */
static uint8_t *unpack_kept(struct baton_conn *conn, uint8_t *before)
{
	struct buffer *kept = conn->kept;
	if (kept != NULL) {
		before -= kept->length;
		memcpy(before, kept->at, kept->length);
		buffer_free(&conn->kept);
	}
	return before;
}

void receive_kept(struct baton_conn *conn)
{
	uint8_t *end = conn->baton->receive + sizeof conn->baton->receive;
	if (conn->kept != NULL && is_listening(conn)) {
		uint8_t *begin = unpack_kept(conn, end);
		feed(conn, begin, (size_t)(end - begin));
	}
}

void receive_read(struct baton_conn *conn, unsigned events)
{
	bool goes_on_later = conn->state == CONN_OPEN && loop_timer_is_running(&conn->timer);
	if (conn->state != CONN_LINGERING &&
	    (goes_on_later || conn->is_deferred || buffer_length(conn->kept) > SESSION_MAX_TAIL)) {
		receive_kept(conn); /* the end of file is behind it; and there is room to read then */
		conn->has_more = true;
		return;
	}
	uint8_t *to = conn->baton->receive + SESSION_MAX_TAIL;
	ssize_t got = recv(conn->fd, to, HOST_RECEIVE_BYTES, MSG_DONTWAIT);
	if (got < 0) {
		conn->has_more |= errno == EINTR;
		if (errno != EAGAIN && errno != EINTR) {
			conn_break(conn);
		}
		return;
	}
	/* A read that was not filled has emptied the socket, epoll(7), Q9; but an end may follow, and
	 * at an urgent mark a read stops early. So it does behind a descriptor that came on a Unix
	 * socket: whoever sends one there waits for the answer to what follows until his next byte. */
	conn->has_more |= got == HOST_RECEIVE_BYTES || (events & STOPS_EARLY);
	if (got == 0) {
		handle_end_of_file(conn);
		return;
	}
	if (conn->state == CONN_LINGERING) {
		return;
	}
	conn->heard = conn->baton->keepalive.round;
	conn->bytes_in += (uint64_t)got;
	uint8_t *begin = unpack_kept(conn, to);
	feed(conn, begin, (size_t)(to + got - begin));
}
