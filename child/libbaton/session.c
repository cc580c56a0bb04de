/* SPDX-License-Identifier: MIT */
/*
 * The session engine: parses a client's frames, unmasks them in place and enforces every rule of
 * RFC 6455 that a server can see. It answers nothing: Pongs, Close frames and the end of the
 * connection are its host's, conn.c. It assembles no messages, unpacks none and copies no payload.
 */
#include "libbaton/session.h"

#include <string.h>

#include "handoff/utf8.h"
#include "libbaton/deflate.h"
#include "libbaton/mask.h"

enum {
	BIT_FINAL = 0x80,
	BITS_RESERVED = 0x70,
	BIT_PACKED = SESSION_PACKED,
	BITS_OPCODE = 0x0f,
	BIT_CONTROL = 0x08,
	BIT_MASKED = 0x80,
	BITS_LENGTH = 0x7f,
	LENGTH_IS_16_BIT = 126,
	LENGTH_IS_64_BIT = 127,
};

enum frame_result {
	FRAME_OK,
	FRAME_NEED_MORE,
	FRAME_BAD, /* only code and fault are set */
};

/* One header, read. */
struct frame {
	uint64_t payload_bytes;
	uint8_t header_bytes;
	uint8_t opcode;
	bool is_final;
	bool is_packed;
	uint8_t mask[MASK_BYTES];
	uint16_t code;
	const char *fault;
};

static enum frame_result frame_refuse(struct frame *frame, uint16_t code, const char *fault)
{
	frame->code = code;
	frame->fault = fault;
	return FRAME_BAD;
}

/* RSV1 means something on the first frame of a message, RFC 7692, 6. */
static bool has_foreign_bits(const struct session *session, uint8_t byte)
{
	bool begins =
		(byte & BITS_OPCODE) == SESSION_TEXT || (byte & BITS_OPCODE) == SESSION_BINARY;
	return byte & (session->may_pack && begins ? BITS_RESERVED & ~BIT_PACKED : BITS_RESERVED);
}

/* What is wrong with the first byte of a header, or NULL. */
static const char *first_byte_fault(const struct session *session, uint8_t byte)
{
	if ((byte & BITS_RESERVED) && has_foreign_bits(session, byte)) {
		return "reserved bits are set";
	}
	switch (byte & BITS_OPCODE) {
	case SESSION_CONTINUATION:
		return session->message_opcode == 0 ? "continuation without a message" : NULL;
	case SESSION_TEXT:
	case SESSION_BINARY:
		return session->message_opcode != 0 ? "new message inside a message" : NULL;
	case SESSION_OP_CLOSE:
	case SESSION_OP_PING:
	case SESSION_OP_PONG:
		return byte & BIT_FINAL ? NULL : "fragmented control frame";
	default: /* sixteen values of a nibble, not an enum */
		return "reserved opcode";
	}
}

static const char *second_byte_fault(uint8_t first, uint8_t byte)
{
	if (!(byte & BIT_MASKED)) {
		return "frame is not masked";
	}
	if ((first & BIT_CONTROL) && (byte & BITS_LENGTH) > SESSION_MAX_CONTROL) {
		return "control frame is too long";
	}
	return NULL;
}

/* The payload length behind the second byte. */
static enum frame_result frame_parse_length(struct frame *frame, const uint8_t *data, size_t len)
{
	uint64_t bytes = data[1] & BITS_LENGTH;
	size_t extended = bytes == LENGTH_IS_16_BIT ? 2 : bytes == LENGTH_IS_64_BIT ? 8 : 0;
	if (extended == 8 && len > 2 && data[2] & 0x80) {
		return frame_refuse(frame, SESSION_PROTOCOL_ERROR,
				    "frame length has its top bit set");
	}
	if (len < 2 + extended) {
		return FRAME_NEED_MORE;
	}
	if (extended != 0) {
		bytes = 0;
		for (size_t i = 0; i < extended; i++) {
			bytes = bytes << 8 | data[2 + i];
		}
		if (bytes < (extended == 2 ? LENGTH_IS_16_BIT : UINT16_MAX + 1)) {
			return frame_refuse(frame, SESSION_PROTOCOL_ERROR,
					    "frame length is not minimal");
		}
	}
	frame->payload_bytes = bytes;
	frame->header_bytes = (uint8_t)(2 + extended + MASK_BYTES);
	return FRAME_OK;
}

static enum frame_result frame_check_limits(struct frame *frame, const struct session *session,
					    const struct session_limits *limits)
{
	uint64_t before = frame->opcode == SESSION_CONTINUATION ? session->message_bytes : 0;
	uint64_t most = frame->is_packed ? deflate_packed_limit(limits->message_bytes)
					 : limits->message_bytes;
	if (limits->frame_bytes != 0 && frame->payload_bytes > limits->frame_bytes) {
		return frame_refuse(frame, SESSION_TOO_BIG, "frame is too big");
	}
	/* before may exceed most: limits may be other ones than at the last frame. */
	if (most != 0 && (before > most || frame->payload_bytes > most - before)) {
		return frame_refuse(frame, SESSION_TOO_BIG, "message is too big");
	}
	return FRAME_OK;
}

/* Judges each byte as soon as it is there, so that nobody waits for the rest of a bad header. */
static enum frame_result frame_parse(struct frame *frame, const struct session *session,
				     const struct session_limits *limits, const uint8_t *data,
				     size_t len)
{
	if (len == 0) {
		return FRAME_NEED_MORE;
	}
	const char *fault = first_byte_fault(session, data[0]);
	if (fault == NULL && len > 1) {
		fault = second_byte_fault(data[0], data[1]);
	}
	if (fault != NULL) {
		return frame_refuse(frame, SESSION_PROTOCOL_ERROR, fault);
	}
	if (len < 2) {
		return FRAME_NEED_MORE;
	}
	frame->opcode = data[0] & BITS_OPCODE;
	frame->is_final = data[0] & BIT_FINAL;
	frame->is_packed =
		frame->opcode == SESSION_CONTINUATION ? session->is_packed : data[0] & BIT_PACKED;
	enum frame_result result = frame_parse_length(frame, data, len);
	if (result == FRAME_OK && !(frame->opcode & BIT_CONTROL)) {
		result = frame_check_limits(frame, session, limits);
	}
	if (result != FRAME_OK) {
		return result;
	}
	if (len < frame->header_bytes) {
		return FRAME_NEED_MORE;
	}
	memcpy(frame->mask, data + frame->header_bytes - MASK_BYTES, MASK_BYTES);
	return FRAME_OK;
}

static enum session_event session_fail(struct session *session, uint16_t code, const char *why,
				       struct session_piece *piece_r)
{
	session->ended = true;
	*piece_r = (struct session_piece){.at = (uint8_t *)why, .len = strlen(why), .code = code};
	return SESSION_ERROR;
}

static enum session_event session_take_close(struct session *session, uint8_t *at, size_t len,
					     struct session_piece *piece_r)
{
	uint16_t code = SESSION_NO_CODE;
	if (len == 1) {
		return session_fail(session, SESSION_PROTOCOL_ERROR, "half a close code", piece_r);
	}
	if (len >= 2) {
		code = (uint16_t)(at[0] << 8 | at[1]);
		at += 2;
		len -= 2;
		if (!session_code_is_valid(code)) {
			return session_fail(session, SESSION_PROTOCOL_ERROR, "invalid close code",
					    piece_r);
		}
	}
	uint32_t utf8 = UTF8_BETWEEN;
	if (!utf8_feed(&utf8, at, len) || utf8 != UTF8_BETWEEN) {
		return session_fail(session, SESSION_BAD_DATA, "close reason is not UTF-8",
				    piece_r);
	}
	session->ended = true;
	*piece_r = (struct session_piece){.at = at, .len = len, .code = code};
	return SESSION_CLOSE;
}

/* data begins with the header. Nothing of the session changes until the frame is complete. */
static enum session_event session_take_control(struct session *session, struct frame *frame,
					       uint8_t *data, size_t len, size_t *used_r,
					       struct session_piece *piece_r)
{
	size_t payload_bytes = (size_t)frame->payload_bytes;
	if (len - frame->header_bytes < payload_bytes) {
		return SESSION_NEED_MORE;
	}
	uint8_t *at = data + frame->header_bytes;
	mask_apply(at, payload_bytes, frame->mask);
	*used_r = frame->header_bytes + payload_bytes;
	if (frame->opcode == SESSION_OP_CLOSE) {
		return session_take_close(session, at, payload_bytes, piece_r);
	}
	*piece_r = (struct session_piece){.at = at, .len = payload_bytes};
	return frame->opcode == SESSION_OP_PING ? SESSION_PING : SESSION_PONG;
}

static void session_begin_frame(struct session *session, const struct frame *frame)
{
	if (frame->opcode != SESSION_CONTINUATION) {
		session->message_opcode = frame->opcode;
		session->message_bytes = 0;
		session->message_begun = false;
		session->is_packed = frame->is_packed;
		session->utf8 = UTF8_BETWEEN;
	}
	session->message_bytes += frame->payload_bytes;
	session->frame_left = frame->payload_bytes;
	session->frame_is_final = frame->is_final;
	session->in_frame = true;
	memcpy(session->mask, frame->mask, MASK_BYTES);
}

static bool session_feed_text(struct session *session, const uint8_t *at, size_t len, bool last)
{
	uint32_t utf8 = session->utf8;
	bool is_valid = utf8_feed(&utf8, at, len) && (!last || utf8 == UTF8_BETWEEN);
	session->utf8 = (uint8_t)utf8;
	return is_valid;
}

/* What is there of the current frame's payload. Adds to *used_r, where the header may stand. */
static enum session_event session_take_payload(struct session *session, uint8_t *at, size_t len,
					       size_t *used_r, struct session_piece *piece_r)
{
	if (len == 0 && session->frame_left > 0) {
		return SESSION_NEED_MORE;
	}
	if (len > session->frame_left) {
		len = (size_t)session->frame_left;
	}
	mask_apply(at, len, session->mask);
	*used_r += len;
	session->frame_left -= len;
	session->in_frame = session->frame_left > 0;
	bool last = session->frame_is_final && !session->in_frame;

	if (session->message_opcode == SESSION_TEXT && !session->is_packed &&
	    !session_feed_text(session, at, len, last)) {
		return session_fail(session, SESSION_BAD_DATA, "text is not UTF-8", piece_r);
	}
	*piece_r = (struct session_piece){
		.at = at,
		.len = len,
		.opcode = session->message_opcode,
		.first = !session->message_begun,
		.last = last,
		.packed = session->is_packed,
	};
	session->message_begun = true;
	if (last) {
		session->message_opcode = 0;
	}
	return SESSION_PIECE;
}

enum session_event session_next(struct session *session, const struct session_limits *limits,
				uint8_t *data, size_t len, size_t *used_r,
				struct session_piece *piece_r)
{
	*used_r = 0;
	if (session->ended) {
		*used_r = len;
		return SESSION_NEED_MORE;
	}
	if (session->in_frame) {
		return session_take_payload(session, data, len, used_r, piece_r);
	}
	struct frame frame;
	switch (frame_parse(&frame, session, limits, data, len)) {
	case FRAME_NEED_MORE:
		return SESSION_NEED_MORE;
	case FRAME_BAD:
		*used_r = len;
		return session_fail(session, frame.code, frame.fault, piece_r);
	case FRAME_OK:
		break;
	}
	if (frame.opcode & BIT_CONTROL) {
		return session_take_control(session, &frame, data, len, used_r, piece_r);
	}
	session_begin_frame(session, &frame);
	*used_r = frame.header_bytes;
	return session_take_payload(session, data + frame.header_bytes, len - frame.header_bytes,
				    used_r, piece_r);
}

size_t session_write_header(uint8_t to[SESSION_MAX_OUT_HEADER], enum session_opcode opcode,
			    bool more, uint64_t payload_bytes)
{
	to[0] = (uint8_t)(opcode | (more ? 0 : BIT_FINAL));
	if (payload_bytes < LENGTH_IS_16_BIT) {
		to[1] = (uint8_t)payload_bytes;
		return 2;
	}
	size_t extended = payload_bytes <= UINT16_MAX ? 2 : 8;
	to[1] = extended == 2 ? LENGTH_IS_16_BIT : LENGTH_IS_64_BIT;
	for (size_t i = 0; i < extended; i++) {
		to[2 + i] = (uint8_t)(payload_bytes >> 8 * (extended - 1 - i));
	}
	return 2 + extended;
}

bool session_code_is_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}
