/* SPDX-License-Identifier: MIT */
/*
 * The WebSocket session engine (RFC 6455, server side), sans-I/O: bytes in, events out; frame
 * headers out. Pure: no descriptor, no clock, no allocation, no callback. conn.c is its host.
 * It keeps nothing between reads but a few numbers, so an idle connection costs sizeof(struct
 * session) and no buffer: what cannot be used yet is left with the host, at most
 * SESSION_MAX_TAIL bytes. Packed messages (permessage-deflate) it marks and does not unpack.
 */
#ifndef BATON_SESSION_H
#define BATON_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SESSION_MAX_HEADER = 14,     /* a client's frame header, RFC 6455, 5.2 */
	SESSION_MAX_OUT_HEADER = 10, /* ours: no mask */
	SESSION_MAX_CONTROL = 125,   /* RFC 6455, 5.5 */
	SESSION_MAX_TAIL = SESSION_MAX_HEADER + SESSION_MAX_CONTROL,
};

enum session_opcode {
	SESSION_CONTINUATION = 0,
	SESSION_TEXT = 1,
	SESSION_BINARY = 2,
	SESSION_OP_CLOSE = 8,
	SESSION_OP_PING = 9,
	SESSION_OP_PONG = 10,
	SESSION_PACKED =
		0x40, /* added to the opcode of a message's first frame: RSV1, RFC 7692, 6 */
};

enum { /* close codes, RFC 6455, 7.4.1, and the registry */
       SESSION_NORMAL = 1000,
       SESSION_GOING_AWAY = 1001,
       SESSION_PROTOCOL_ERROR = 1002,
       SESSION_NO_CODE = 1005,
       SESSION_ABNORMAL = 1006,
       SESSION_BAD_DATA = 1007,
       SESSION_POLICY = 1008,
       SESSION_TOO_BIG = 1009,
};

struct session_limits {
	uint64_t frame_bytes;   /* most payload of one data frame; 0: no limit of its own */
	uint64_t message_bytes; /* most payload of one message over all its frames; 0: none */
};

/* Zeroed is the state of a session that has just opened; then the host sets may_pack. */
struct session {
	uint64_t frame_left;    /* payload bytes of the current data frame still to come */
	uint64_t message_bytes; /* announced so far for the current message */
	uint8_t mask[4];        /* rotated to the next payload byte */
	uint8_t utf8;           /* utf8.h: state inside a text message; it fits */
	uint8_t message_opcode; /* text or binary while a message is open, else 0 */
	bool frame_is_final : 1;
	bool in_frame : 1;      /* a data frame's header was read, its end was not */
	bool message_begun : 1; /* a piece of the current message was given out */
	bool ended : 1;         /* Close or error seen: every further byte is swallowed */
	bool may_pack : 1;      /* permessage-deflate was agreed on */
	bool is_packed : 1;     /* the current message is packed */
};

enum session_event {
	SESSION_NEED_MORE, /* nothing complete is left in data; keep what was not used */
	SESSION_PIECE,     /* bytes of a message (may be none, at the end of an empty one) */
	SESSION_PING,      /* answer with a Pong of the same payload */
	SESSION_PONG,
	SESSION_CLOSE, /* the peer's Close: code (1005: none given) and reason */
	SESSION_ERROR, /* fail the connection with code; reason is a static sentence */
};

struct session_piece {
	uint8_t *at; /* into data, unmasked in place; for SESSION_ERROR the sentence */
	size_t len;
	uint8_t opcode; /* SESSION_TEXT or SESSION_BINARY */
	bool first;     /* begins the message */
	bool last;      /* ends it: first && last is a whole message */
	bool packed;    /* all pieces of the message together are to be unpacked */
	uint16_t code;  /* SESSION_CLOSE, SESSION_ERROR */
};

/*
 * The next event of data[0..len). *used_r says how many bytes it took (0 with SESSION_NEED_MORE
 * when what is left begins an incomplete header or control frame; the host keeps those bytes,
 * never more than SESSION_MAX_TAIL, and puts them before what it reads next). Payload is
 * unmasked in place; *piece_r points into data and lives until the host reuses it. Call again
 * with the rest until SESSION_NEED_MORE.
 *
 * Refused with 1002: RSV bits (but RSV1 on a message's first frame, where may_pack), reserved
 * opcodes, unmasked frames (5.1), lengths that are not minimal or have the top bit set (5.2),
 * fragmented or long control frames (5.5), a continuation without a message and a new message
 * inside one (5.4), Close payload of one byte and codes that must not be sent (7.4). With 1007:
 * text, or a Close reason, that is not UTF-8 (8.1), as soon as it cannot become valid; packed text
 * is for the host to check. With 1009: limits, by the announced length, before the payload; for a
 * packed message deflate_packed_limit(message_bytes).
 */
enum session_event session_next(struct session *, const struct session_limits *, uint8_t *data,
				size_t len, size_t *used_r, struct session_piece *piece_r);

/* Writes our frame header (FIN set unless more, no mask, minimal length). Returns its length. */
size_t session_write_header(uint8_t to[SESSION_MAX_OUT_HEADER], enum session_opcode, bool more,
			    uint64_t payload_bytes);

/* May this code stand in a Close frame (RFC 6455, 7.4; 1012-1014 by the registry)? */
bool session_code_is_valid(unsigned code);

#endif
