/* SPDX-License-Identifier: MIT */
/*
 * Steps one connection from connect() to the server's end of file and judges every byte on the
 * way. It never decides what comes next, and it counts no ends: that is for the modes (upgrade,
 * idle, echo), which call it.
 */
#include "life.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { ECHO_BYTES = 64, READ_BYTES = 4096, CLOSE_CODE = 1000 };

enum tally_outcome life_outcome(int error)
{
	return error == ECONNRESET || error == EPIPE ? TALLY_RESET : TALLY_UNREACHABLE;
}

void life_abandon(struct life *life, enum tally_outcome outcome)
{
	peer_finish(&life->peer);
	life->state = LIFE_FREE;
	life->outcome = outcome;
}

static enum life_event end(struct life *life, enum tally_outcome outcome)
{
	life_abandon(life, outcome);
	return LIFE_ENDED;
}

static enum life_event end_wrong(struct life *life, struct life_context *context, const char *why)
{
	tally_explain(context->tally, "%s", why);
	return end(life, TALLY_WRONG);
}

static int watch(struct life *life, struct life_context *context, int op, uint32_t events,
		 uint64_t id)
{
	struct epoll_event event = {.events = events, .data.u64 = id};
	return epoll_ctl(context->epfd, op, life->peer.fd, &event);
}

/* 0: all of it left. The bytes are few and the socket's queue is empty, so short is an error. */
static int send_all(struct life *life, const void *data, size_t len)
{
	ssize_t sent = send(life->peer.fd, data, len, MSG_NOSIGNAL);
	if (sent >= 0 && (size_t)sent < len) {
		errno = EPIPE;
		return -1;
	}
	return sent < 0 ? -1 : 0;
}

static int send_request(struct life *life)
{
	char request[PEER_REQUEST_BYTES];
	return send_all(life, request, peer_request(&life->peer, request));
}

static enum life_event begin_connect(struct life *life, struct life_context *context, uint64_t id)
{
	if (peer_connect(&life->peer) < 0) {
		if (errno == EAGAIN) {
			life->state = LIFE_BACKLOG;
			return LIFE_WAITS;
		}
		return end(life, TALLY_UNREACHABLE);
	}
	/* On loopback the connection mostly stands already: try, and save a turn of the loop. */
	bool sent = send_request(life) == 0;
	if (!sent && errno != EAGAIN) {
		return end(life, life_outcome(errno));
	}
	life->state = sent ? LIFE_HEAD : LIFE_CONNECT;
	if (watch(life, context, EPOLL_CTL_ADD, sent ? EPOLLIN : EPOLLOUT, id) < 0) {
		return end(life, TALLY_UNREACHABLE);
	}
	return LIFE_WAITS;
}

enum life_event life_start(struct life *life, struct life_context *context, uint64_t id,
			   uint64_t begin_ns)
{
	life->status = 0;
	life->messages = 0;
	life->begin_ns = begin_ns;
	life->step_ns = context->now_ns;
	life->reader = (struct frames_reader){0};
	life->peer.fd = -1;
	return begin_connect(life, context, id);
}

enum life_event life_retry(struct life *life, struct life_context *context, uint64_t id)
{
	return life->state == LIFE_BACKLOG ? begin_connect(life, context, id) : LIFE_WAITS;
}

static enum life_event handle_connected(struct life *life, struct life_context *context,
					uint64_t id)
{
	if (send_request(life) < 0) {
		return errno == EAGAIN ? LIFE_WAITS : end(life, life_outcome(errno));
	}
	life->state = LIFE_HEAD;
	if (watch(life, context, EPOLL_CTL_MOD, EPOLLIN, id) < 0) {
		return end(life, TALLY_UNREACHABLE);
	}
	return LIFE_WAITS;
}

static enum life_event handle_head(struct life *life, struct life_context *context,
				   const uint8_t *data, size_t len)
{
	size_t used = 0;
	switch (peer_reply(&life->peer, context->tally, data, len, &used, &life->status)) {
	case PEER_MORE:
		return LIFE_WAITS;
	case PEER_REFUSED:
		return end(life, TALLY_REFUSED);
	case PEER_WRONG:
		return end(life, TALLY_WRONG);
	case PEER_UPGRADED:
		break;
	}
	if (used < len) {
		return end_wrong(life, context, "bytes behind the 101 that nobody asked for");
	}
	tally_upgrade(context->tally, context->now_ns - life->begin_ns);
	life->state = LIFE_OPEN;
	return LIFE_UPGRADED;
}

static size_t echo_offset(uint64_t id, unsigned messages)
{
	return frames_offset(id, messages);
}

/* WAITS: the piece is right, and the frame may go on. */
static enum life_event judge_piece(struct life *life, struct life_context *context, uint64_t id,
				   const struct frames_piece *piece)
{
	if (piece->masked) {
		return end_wrong(life, context, "a masked frame from the server");
	}
	if (life->state == LIFE_CLOSE && piece->first == (FRAMES_FIN | FRAMES_CLOSE)) {
		life->state = piece->last ? LIFE_END_OF_FILE : LIFE_CLOSE;
		return LIFE_WAITS;
	}
	if (piece->first == (FRAMES_FIN | FRAMES_CLOSE)) {
		return end(life, TALLY_EOF);
	}
	if (life->state != LIFE_ECHO || piece->first != (FRAMES_FIN | FRAMES_BINARY) ||
	    piece->length != ECHO_BYTES) {
		return end_wrong(life, context, "a frame that nobody asked for");
	}
	const uint8_t *expected = frames_plain(echo_offset(id, life->messages)) + piece->offset;
	if (memcmp(piece->data, expected, piece->len) != 0) {
		return end_wrong(life, context, "an echo with other bytes");
	}
	if (!piece->last) {
		return LIFE_WAITS;
	}
	life->messages++;
	context->tally->messages_ok++;
	tally_time(&context->tally->echo, context->now_ns - life->step_ns);
	life->state = LIFE_OPEN;
	return LIFE_ECHOED;
}

static enum life_event handle_frames(struct life *life, struct life_context *context, uint64_t id,
				     const uint8_t *data, size_t len)
{
	const uint8_t *end_of_data = data + len;
	enum life_event happened = LIFE_WAITS;
	struct frames_piece piece;
	while (frames_read(&life->reader, &data, end_of_data, &piece)) {
		enum life_event event = judge_piece(life, context, id, &piece);
		if (event == LIFE_ENDED) {
			return event;
		}
		happened = event != LIFE_WAITS ? event : happened;
		if (life->state == LIFE_END_OF_FILE) {
			break;
		}
	}
	if (life->state == LIFE_END_OF_FILE && data < end_of_data) {
		return end_wrong(life, context, "bytes behind the Close frame");
	}
	return happened;
}

enum life_event life_handle(struct life *life, struct life_context *context, uint64_t id,
			    uint32_t events)
{
	uint8_t data[READ_BYTES];
	if (life->state == LIFE_CONNECT && (events & EPOLLOUT) != 0) {
		return handle_connected(life, context, id);
	}
	ssize_t len = recv(life->peer.fd, data, sizeof data, 0);
	if (len < 0 && errno == EAGAIN) {
		return LIFE_WAITS;
	}
	if (len <= 0 && life->state == LIFE_HEAD) {
		tally_unanswered(context->tally, life->peer.fd);
	}
	if (len < 0) {
		return end(life, life_outcome(errno));
	}
	if (len == 0) {
		return end(life, life->state == LIFE_END_OF_FILE ? TALLY_OK : TALLY_EOF);
	}
	if (life->state == LIFE_END_OF_FILE) {
		return end_wrong(life, context, "bytes behind the Close frame");
	}
	if (life->state == LIFE_HEAD) {
		return handle_head(life, context, data, (size_t)len);
	}
	return handle_frames(life, context, id, data, (size_t)len);
}

enum life_event life_echo(struct life *life, struct life_context *context, uint64_t id)
{
	uint8_t frame[FRAMES_HEAD_MAX + ECHO_BYTES];
	size_t len = frames_copy(frame, sizeof frame, FRAMES_BINARY,
				 echo_offset(id, life->messages), ECHO_BYTES, 0);
	context->tally->messages_sent++;
	life->step_ns = context->now_ns;
	life->state = LIFE_ECHO;
	return send_all(life, frame, len) < 0 ? end(life, life_outcome(errno)) : LIFE_WAITS;
}

enum life_event life_close(struct life *life, struct life_context *context)
{
	uint8_t frame[FRAMES_HEAD_MAX];
	size_t len = frames_close(frame, CLOSE_CODE);
	life->step_ns = context->now_ns;
	life->state = LIFE_CLOSE;
	return send_all(life, frame, len) < 0 ? end(life, life_outcome(errno)) : LIFE_WAITS;
}
