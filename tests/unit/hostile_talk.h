/* SPDX-License-Identifier: MIT */
/*
 * Makes the frames of hostile_table.h: payload, header and what follows from them for the frames
 * behind. Says when a row has no sense after what was said before.
 */
#ifndef TESTS_HOSTILE_TALK_H
#define TESTS_HOSTILE_TALK_H

#include "hostile_table.h"
#include "session_sequence.h"

enum {
	MOST_PAYLOAD = 400, /* of a frame that is of no row for the limits */
	HUGE_BYTES = 65536,
};

/* What a client has said so far. */
struct talk {
	struct sequence wire;
	struct session_limits limits;
	unsigned message; /* its opcode, 0 outside one */
	uint64_t announced;
	char owed[4]; /* the rest of the character within which the last fragment ended */
	const struct row *last;
	unsigned frames;
	unsigned said[ROWS]; /* frames of each row, over all talks */
	uint16_t code;       /* of the last frame, if it is a Close */
};

struct made { /* a payload */
	uint64_t announced;
	size_t len;
	uint8_t bytes[HUGE_BYTES + 1000];
};

static inline void add(struct made *made, const void *bytes, size_t len)
{
	memcpy(made->bytes + made->len, bytes, len);
	made->len += len;
}

static inline void add_bytes(struct made *made, size_t len)
{
	uint32_t word = below(UINT32_MAX);
	for (size_t i = 0; i < len; i++) {
		made->bytes[made->len++] = (uint8_t)(word >> (i % 3 * 8)) ^ (uint8_t)i;
	}
}

static inline void add_text(struct made *made, size_t most)
{
	made->len += make_text(made->bytes + made->len, most);
}

/* The beginning of a character; its rest, NUL-terminated, goes to owed. */
static inline void add_cut(struct made *made, char owed[4])
{
	static const char *const characters[] = {"\xc3\xbc",         "\xe2\x82\xac",
						 "\xed\x9f\xbf",     "\xf0\x9f\x98\x80",
						 "\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80"};
	const char *character = characters[below(sizeof characters / sizeof characters[0])];
	size_t part = 1 + below((uint32_t)strlen(character) - 1);
	add(made, character, part);
	strcpy(owed, character + part);
}

static inline void add_fault(struct made *made)
{
	const char *fault = faults[below(sizeof faults / sizeof faults[0])];
	add(made, fault, strlen(fault));
}

static inline void add_code(struct made *made, struct talk *talk, unsigned code)
{
	uint8_t bytes[] = {(uint8_t)(code >> 8), (uint8_t)code};
	add(made, bytes, sizeof bytes);
	talk->code = (uint16_t)code;
}

static inline unsigned good_code(void)
{
	static const uint16_t codes[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
					 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
	return one_in(4) ? 3000 + below(2000) : codes[below(sizeof codes / sizeof codes[0])];
}

/* The payload of text: what is owed comes first, or is missed by a fault. */
static inline void make_text_payload(struct made *made, struct talk *talk, enum payload kind)
{
	size_t most = one_in(8) ? 120 + below(MOST_PAYLOAD - 150) : below(24);
	if (kind != BAD_TEXT || one_in(2)) {
		add(made, talk->owed, strlen(talk->owed));
	}
	bool is_missed = made->len == 0 && talk->owed[0] != '\0';
	add(made, "(", is_missed ? 1 : 0); /* what comes next could complete the character */
	talk->owed[0] = '\0';
	add_text(made, most);
	if (kind == CUT_TEXT) {
		add_cut(made, talk->owed);
	} else if (kind == BAD_TEXT) {
		add_fault(made);
		add_text(made, below(12));
	}
}

/* False: no such payload here. */
static inline bool make_limit_payload(struct made *made, const struct talk *talk, enum payload kind)
{
	uint64_t frame = talk->limits.frame_bytes, left = talk->limits.message_bytes;
	left -= talk->message == 0 ? 0 : talk->announced;
	if (frame == 0) {
		return false;
	}
	switch (kind) {
	case TO_FRAME_LIMIT:
		add_bytes(made, frame);
		return true;
	case TO_MESSAGE_LIMIT:
		add_bytes(made, left <= frame ? left : 0);
		return left <= frame;
	case OVER_FRAME_LIMIT:
		add_bytes(made, below(9));
		made->announced = one_in(3)   ? frame + 1
				  : one_in(2) ? INT64_MAX
					      : frame + below(99999) + 1;
		return true;
	default:
		add_bytes(made, below(9));
		made->announced = left + 1;
		return left < frame;
	}
}

static inline void make_close_payload(struct made *made, struct talk *talk, enum payload kind)
{
	static const uint16_t unsent[] = {1004, 1005, 1006, 1015};
	char rest[4];
	if (kind == CODE_TOO_LOW) {
		add_code(made, talk, below(1000));
	} else if (kind == CODE_NOT_TO_SEND) {
		add_code(made, talk, unsent[below(4)]);
	} else if (kind == CODE_UNDEFINED) {
		add_code(made, talk, one_in(3) ? 1016 : one_in(2) ? 2999 : 1016 + below(1984));
	} else if (kind == CODE_TOO_HIGH) {
		add_code(made, talk, one_in(3) ? 5000 : one_in(2) ? 65535 : 5000 + below(60000));
	} else {
		add_code(made, talk, good_code());
	}
	if (kind != CODE_ALONE) {
		add_text(made, one_in(8) ? 117 : below(30));
	}
	if (kind == BAD_REASON) {
		add_fault(made);
	} else if (kind == CUT_REASON) {
		add_cut(made, rest);
	}
}

/* False: no such payload here, and nothing has changed. */
static inline bool make_payload(struct made *made, struct talk *talk, const struct row *row)
{
	made->len = 0;
	made->announced = 0;
	switch (row->payload) {
	case NOTHING:
		talk->code = 1005;
		return row->ends != 1007 || talk->owed[0] != '\0';
	case BYTES:
		add_bytes(made, below(40));
		return true;
	case TEXT:
	case CUT_TEXT:
	case BAD_TEXT:
		make_text_payload(made, talk, row->payload);
		return true;
	case CONTROL:
		add_bytes(made, one_in(4) ? SESSION_MAX_CONTROL : below(SESSION_MAX_CONTROL));
		return true;
	case OVER_CONTROL:
		add_bytes(made, 126 + below(10));
		made->announced = one_in(3) ? HUGE_BYTES + below(9) : made->len;
		return true;
	case MIDDLE_BYTES:
		add_bytes(made, one_in(2) ? 126 : 126 + below(MOST_PAYLOAD - 126));
		return true;
	case MOST_7_BITS:
		add_bytes(made, 125);
		return true;
	case MOST_16_BITS:
		add_bytes(made, below(9));
		made->announced = HUGE_BYTES - 1;
		return true;
	case HUGE_PAYLOAD:
		add_bytes(made, HUGE_BYTES - 1 + below(one_in(2) ? 3 : 900));
		return talk->limits.frame_bytes == 0;
	case TO_FRAME_LIMIT:
	case TO_MESSAGE_LIMIT:
	case OVER_FRAME_LIMIT:
	case OVER_MESSAGE_LIMIT:
		return make_limit_payload(made, talk, row->payload);
	case HALF_CODE:
		add_bytes(made, 1);
		return true;
	case CODE_ALONE:
	case CODE_AND_REASON:
	case CODE_TOO_LOW:
	case CODE_NOT_TO_SEND:
	case CODE_UNDEFINED:
	case CODE_TOO_HIGH:
	case BAD_REASON:
	case CUT_REASON:
		make_close_payload(made, talk, row->payload);
		return true;
	}
	return false;
}

static inline bool fits_where(const struct talk *talk, enum where where)
{
	switch (where) {
	case ANYWHERE:
		return true;
	case OUTSIDE:
		return talk->message == 0;
	case INSIDE:
		return talk->message != 0;
	case IN_TEXT:
		return talk->message == SESSION_TEXT;
	case IN_BINARY:
		return talk->message == SESSION_BINARY;
	}
	return false;
}

/* Would the limits end the session before the row does? */
static inline bool keeps_limits(const struct talk *talk, const struct row *row, uint64_t bytes)
{
	if (talk->limits.frame_bytes == 0 || row->ends == 1002 || row->ends == 1009) {
		return true;
	}
	uint64_t before = talk->message == 0 ? 0 : talk->announced;
	return row->opcodes[0] > '2' ||
	       (bytes <= talk->limits.frame_bytes && before + bytes <= talk->limits.message_bytes);
}

static inline void put_length(struct sequence *wire, const struct row *row, uint64_t len)
{
	unsigned mask = row->bare ? 0 : 0x80;
	unsigned form = len > 65535 ? 127 : len > 125 ? 126 : (unsigned)len;
	if (row->form != MINIMAL) {
		form = row->form == LONG_16 ? 126 : 127;
	}
	put(wire, mask + form);
	if (row->form == TOP_BIT) {
		len |= (uint64_t)1 << 63 | (uint64_t)below(UINT32_MAX) << 31;
	}
	for (int shift = form == 127 ? 56 : form == 126 ? 8 : -8; shift >= 0; shift -= 8) {
		put(wire, (unsigned)(len >> shift) & 0xff);
	}
}

static inline void put_payload(struct sequence *wire, const struct row *row,
			       const struct made *made)
{
	bool is_masked = !row->bare, is_zero = one_in(20);
	uint8_t mask[4] = {0};
	for (size_t i = 0; is_masked && i < 4; i++) {
		mask[i] = is_zero ? 0 : (uint8_t)below(256);
		put(wire, mask[i]);
	}
	for (size_t i = 0; i < made->len; i++) {
		put(wire, made->bytes[i] ^ mask[i % 4]);
	}
}

/* Says a frame of this row, or false: it has no sense here, and nothing has changed. */
static inline bool talk_say(struct talk *talk, const struct row *row)
{
	static struct made made;
	char owed[sizeof talk->owed];
	memcpy(owed, talk->owed, sizeof owed);
	if (!fits_where(talk, row->where) || !make_payload(&made, talk, row)) {
		return false;
	}
	uint64_t announced = made.announced != 0 ? made.announced : made.len;
	if (!keeps_limits(talk, row, announced)) {
		memcpy(talk->owed, owed, sizeof owed);
		return false;
	}
	char digit = row->opcodes[below((uint32_t)strlen(row->opcodes))];
	unsigned opcode = (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
	bool is_final = row->fin == '?' ? one_in(2) : row->fin == '1';
	put(&talk->wire,
	    opcode + (is_final ? 0x80 : 0) + (row->reserved ? 0x10 * (1 + below(7)) : 0));
	put_length(&talk->wire, row, announced);
	put_payload(&talk->wire, row, &made);
	if (opcode <= SESSION_BINARY) {
		talk->announced = announced + (opcode == 0 ? talk->announced : 0);
		talk->message = is_final ? 0 : opcode == 0 ? talk->message : opcode;
	}
	talk->last = row;
	talk->frames++;
	talk->said[row - table]++;
	return true;
}

#endif
