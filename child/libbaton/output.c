/* SPDX-License-Identifier: MIT */
/*
 * Output of connections. While a connection's own event runs, small writes gather in the batch of
 * the process, so that everything one read produced leaves in one send. Larger ones, and writes to
 * other connections, go to the kernel from where they are; only what it refuses is copied.
 */
#include "libbaton/output.h"

#include "libbaton/conn.h"
#include "libbaton/host.h"
#include "libbaton/packing.h"
#include "libbaton/queue.h"
#include "libbaton/topics.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	COPY_BYTES = 4096, /* up to here a copy into the batch is cheaper than a call of its own */
	PARTS = 3,         /* batch, head, body */
	DRAIN_PARTS = 64,  /* of the queue, for one write */
};

/* Bytes that the kernel took, or -1 when the connection broke. */
static ssize_t write_parts(struct baton_conn *conn, struct iovec *parts, size_t count)
{
	const struct msghdr packet = {.msg_iov = parts, .msg_iovlen = count};
	ssize_t sent = count == 1 ? send(conn->fd, parts[0].iov_base, parts[0].iov_len,
					 MSG_DONTWAIT | MSG_NOSIGNAL)
				  : sendmsg(conn->fd, &packet, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent >= 0) {
		conn->sent = conn->baton->keepalive.round;
		return sent;
	}
	switch (errno) {
	case EAGAIN:
	case EINTR:
	case ENOBUFS:
	case ENOMEM:
		return 0;
	default:
		conn_break(conn);
		return -1;
	}
}

/* Queues what lies behind the first sent bytes of parts. False: the connection broke. */
static bool enqueue(struct baton_conn *conn, const struct iovec *parts, size_t count, size_t sent)
{
	for (size_t i = 0; i < count; i++) {
		size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
		sent -= skip;
		if (skip < parts[i].iov_len &&
		    !queue_append(&conn->queue, (const char *)parts[i].iov_base + skip,
				  parts[i].iov_len - skip)) {
			/* Half a frame cannot be taken back. */
			conn_break(conn);
			return false;
		}
	}
	return true;
}

/*
 * A message that goes on as it came (an echo, a relay) has room for a header in front of it, since
 * the client's is never shorter, RFC 6455, 5.2: one part instead of two saves the kernel 2 % of the
 * whole at 16 KiB.
 */
static void join_in_place(const struct baton *baton, struct iovec parts[PARTS])
{
	struct iovec *head = &parts[1], *body = &parts[2];
	if (body->iov_len > 0 && body->iov_base == baton->in_place) {
		uint8_t *start = (uint8_t *)body->iov_base - head->iov_len;
		memcpy(start, head->iov_base, head->iov_len);
		*head = (struct iovec){start, head->iov_len + body->iov_len};
		body->iov_len = 0;
	}
}

/* Writes the batch and these parts, which must follow on parts[0]. */
static int write_now(struct baton_conn *conn, struct iovec parts[PARTS])
{
	struct baton *baton = conn->baton;
	bool is_current = baton->current == conn;
	parts[0].iov_base = baton->batch;
	parts[0].iov_len = is_current ? baton->batch_length : 0;
	join_in_place(baton, parts);
	size_t total = parts[0].iov_len + parts[1].iov_len + parts[2].iov_len;
	size_t skip = parts[0].iov_len == 0 ? 1 : 0; /* an empty part costs the kernel time, too */
	size_t end = parts[2].iov_len > 0 ? 3 : parts[1].iov_len > 0 ? 2 : 1;
	ssize_t sent = write_parts(conn, parts + skip, end - skip);
	if (sent < 0) {
		return BATON_CLOSED;
	}
	int result = BATON_SENT;
	if ((size_t)sent < total) {
		result = enqueue(conn, parts, PARTS, (size_t)sent) ? BATON_QUEUED : BATON_CLOSED;
	}
	if (is_current) {
		baton->batch_length = 0;
	}
	return result;
}

void output_flush(struct baton_conn *conn)
{
	struct baton *baton = conn->baton;
	if (baton->current == conn && baton->batch_length > 0) {
		struct iovec parts[PARTS] = {{0}};
		write_now(conn, parts);
	}
}

static void add_to_batch(struct baton *baton, const void *from, size_t len)
{
	if (len > 0) {
		memcpy(baton->batch + baton->batch_length, from, len);
		baton->batch_length += len;
	}
}

int output_put(struct baton_conn *conn, const void *head, size_t head_len, const void *body,
	       size_t len)
{
	struct baton *baton = conn->baton;
	struct iovec parts[PARTS] = {{0}, {(void *)head, head_len}, {(void *)body, len}};
	bool is_small = baton->current == conn && head_len + len <= COPY_BYTES;
	if (is_small && conn->queue == NULL &&
	    baton->batch_length + head_len + len > HOST_BATCH_BYTES) {
		output_flush(conn);
	}
	if (conn->state == CONN_ENDED) {
		return BATON_CLOSED;
	}
	if (conn->queue != NULL) { /* the batch is empty then: it came before */
		return enqueue(conn, parts, PARTS, 0) ? BATON_QUEUED : BATON_CLOSED;
	}
	if (is_small) {
		add_to_batch(baton, head, head_len);
		add_to_batch(baton, body, len);
		return BATON_SENT;
	}
	return write_now(conn, parts);
}

/* As far as the kernel takes it; nothing is batched. */
static int share_now(struct baton_conn *conn, struct shared *frame)
{
	struct iovec whole = {frame->at, frame->length};
	ssize_t sent = conn->queue == NULL ? write_parts(conn, &whole, 1) : 0;
	if (sent < 0) {
		return BATON_CLOSED;
	}
	if ((size_t)sent == frame->length) {
		return BATON_SENT;
	}
	if (!queue_share(&conn->queue, frame, (size_t)sent)) {
		conn_break(conn);
		return BATON_CLOSED;
	}
	return BATON_QUEUED;
}

int output_share(struct baton_conn *conn, struct shared *frame)
{
	bool is_batched = conn->baton->current == conn && conn->queue == NULL;
	int result = is_batched ? output_put(conn, frame->at, frame->length, NULL, 0)
				: share_now(conn, frame);
	if (result >= 0) {
		conn->bytes_out += frame->length;
	}
	return result;
}

static int put_frame(struct baton_conn *conn, enum session_opcode opcode, bool more,
		     const void *payload, size_t len)
{
	uint8_t header[SESSION_MAX_OUT_HEADER];
	size_t header_len = session_write_header(header, opcode, more, len);
	int result = output_put(conn, header, header_len, payload, len);
	if (result >= 0) {
		conn->bytes_out += header_len + len;
	}
	return result;
}

int output_frame(struct baton_conn *conn, enum session_opcode opcode, const void *payload,
		 size_t len)
{
	return put_frame(conn, opcode, false, payload, len);
}

void output_close(struct baton_conn *conn, unsigned code, const void *why, size_t len)
{
	uint8_t payload[SESSION_MAX_CONTROL] = {(uint8_t)(code >> 8), (uint8_t)code};
	if (code == SESSION_NO_CODE) {
		output_frame(conn, SESSION_OP_CLOSE, NULL, 0);
		return;
	}
	if (len > 0) {
		memcpy(payload + 2, why, len);
	}
	output_frame(conn, SESSION_OP_CLOSE, payload, 2 + len);
}

static bool fits(const struct baton_conn *conn, size_t frame_len)
{
	const struct baton *baton = conn->baton;
	size_t waits =
		queue_length(conn->queue) + (baton->current == conn ? baton->batch_length : 0);
	return waits == 0 || (waits <= baton->send_limit && frame_len <= baton->send_limit - waits);
}

bool output_has_room(struct baton_conn *conn, size_t len)
{
	size_t frame_len = len + SESSION_MAX_OUT_HEADER;
	if (fits(conn, frame_len)) {
		return true;
	}
	if (conn->queue != NULL) {
		return false;
	}
	output_flush(conn); /* perhaps all of the batch has a place in the socket */
	return fits(conn, frame_len);
}

bool output_drain(struct baton_conn *conn)
{
	struct iovec parts[DRAIN_PARTS];
	ssize_t sent = write_parts(conn, parts, queue_parts(conn->queue, parts, DRAIN_PARTS));
	if (sent < 0) {
		return false;
	}
	if (sent > 0) {
		conn->heard = conn->baton->keepalive.round; /* the client has read: it lives */
	}
	if (sent > 0 && (conn->state == CONN_CLOSING || conn->state == CONN_FLUSHING)) {
		loop_timer_stop(
			&conn->timer); /* conn_settle starts it anew: somebody still reads */
	}
	queue_take(&conn->queue, (size_t)sent);
	return conn->queue == NULL;
}

static enum session_opcode opcode_of(const struct baton_conn *conn, int type)
{
	if (conn->is_mid_message) {
		return SESSION_CONTINUATION;
	}
	return (type & ~BATON_MORE) == BATON_TEXT ? SESSION_TEXT : SESSION_BINARY;
}

/* One message or piece of one; there is room for it. Pieces leave as they are. */
static int put_message(struct baton_conn *conn, int type, const void *data, size_t len)
{
	bool more = type & BATON_MORE;
	struct deflate_bytes packed;
	if (conn->terms.out_bits != 0 && !more && !conn->is_mid_message &&
	    packing_pack(conn, data, len, &packed)) {
		return put_frame(conn, opcode_of(conn, type) | SESSION_PACKED, false, packed.at,
				 packed.len);
	}
	return put_frame(conn, opcode_of(conn, type), more, data, len);
}

int baton_send(struct baton_conn *conn, int type, const void *data, size_t len)
{
	bool more = type & BATON_MORE;
	unsigned kind = (unsigned)type & ~(unsigned)BATON_MORE; /* BATON_TEXT, BATON_BINARY */
	if (kind - BATON_TEXT > BATON_BINARY - BATON_TEXT || len > PTRDIFF_MAX) {
		errno = EINVAL;
		return BATON_INVALID;
	}
	if (conn->state != CONN_OPEN) {
		return BATON_CLOSED;
	}
	if (!output_has_room(conn, len)) {
		return conn->state == CONN_OPEN ? BATON_FULL : BATON_CLOSED;
	}
	if (conn->state != CONN_OPEN) {
		return BATON_CLOSED;
	}
	int result = put_message(conn, type, data, len);
	if (result >= 0) {
		conn->is_mid_message = more;
		conn->messages_out += !more;
	}
	if (result == BATON_QUEUED) {
		conn_settle_unless_current(conn);
	}
	if (!more && conn->subscriptions != NULL && conn->state == CONN_OPEN) {
		topics_release_held(conn);
	}
	return conn->state == CONN_ENDED ? BATON_CLOSED : result;
}
