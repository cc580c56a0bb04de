/* SPDX-License-Identifier: MIT */
/*
 * The frames of a hostile client and of a good one, and how each ends a session by RFC 6455 (the
 * number is the section; 7.4.2 with the registry of close codes). test_session_hostile.c makes
 * sequences of them.
 */
#ifndef TESTS_HOSTILE_TABLE_H
#define TESTS_HOSTILE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

enum where {
	ANYWHERE,
	OUTSIDE,
	INSIDE, /* a fragmented message */
	IN_TEXT,
	IN_BINARY,
};

enum form {
	MINIMAL,
	LONG_16, /* 16 bits for what needs none */
	LONG_64, /* 64 bits for what needs less */
	TOP_BIT,
};

enum payload {
	BYTES,
	NOTHING,
	TEXT,
	CUT_TEXT, /* its end is within a character */
	BAD_TEXT,
	CONTROL,
	OVER_CONTROL, /* more than 125 bytes, or so it says */
	MIDDLE_BYTES, /* a length of 16 bits */
	MOST_7_BITS,  /* 125 */
	MOST_16_BITS, /* 65535, or so it says */
	HUGE_PAYLOAD, /* 65535, the last of 16 bits, or more */
	TO_FRAME_LIMIT,
	TO_MESSAGE_LIMIT,
	OVER_FRAME_LIMIT,
	OVER_MESSAGE_LIMIT,
	CODE_ALONE,
	CODE_AND_REASON,
	HALF_CODE,
	CODE_TOO_LOW,
	CODE_NOT_TO_SEND,
	CODE_UNDEFINED,
	CODE_TOO_HIGH,
	BAD_REASON,
	CUT_REASON,
};

enum { GOES_ON = 0, CLOSES = 1 }; /* or the code with which the session fails */

struct row {
	const char *section, *says, *opcodes; /* one of these hexadecimal digits */
	char fin;                             /* '0', '1' or '?' */
	enum where where;
	enum payload payload;
	uint16_t ends;
	enum form form;
	bool reserved, bare; /* RSV bits; no mask */
};

#define ALL   "0123456789abcdef"
#define KNOWN "01289a"

static const struct row table[] = {
	{"5.6", "text", "1", '1', OUTSIDE, TEXT, .ends = GOES_ON},
	{"5.6", "binary", "2", '1', OUTSIDE, BYTES, .ends = GOES_ON},
	{"5.6", "empty message", "12", '1', OUTSIDE, NOTHING, .ends = GOES_ON},
	{"5.4", "text begins", "1", '0', OUTSIDE, TEXT, .ends = GOES_ON},
	{"5.4", "binary begins", "2", '0', OUTSIDE, BYTES, .ends = GOES_ON},
	{"5.4", "text goes on", "0", '0', IN_TEXT, TEXT, .ends = GOES_ON},
	{"5.4", "text ends", "0", '1', IN_TEXT, TEXT, .ends = GOES_ON},
	{"5.4", "binary goes on", "0", '0', IN_BINARY, BYTES, .ends = GOES_ON},
	{"5.4", "binary ends", "0", '1', IN_BINARY, BYTES, .ends = GOES_ON},
	{"5.4", "empty fragment", "0", '0', INSIDE, NOTHING, .ends = GOES_ON},
	{"5.6", "fragment begins within a character", "1", '0', OUTSIDE, CUT_TEXT, .ends = GOES_ON},
	{"5.6", "fragment ends within a character", "0", '0', IN_TEXT, CUT_TEXT, .ends = GOES_ON},
	{"5.5.2", "ping", "9", '1', ANYWHERE, CONTROL, .ends = GOES_ON},
	{"5.5.3", "pong", "a", '1', ANYWHERE, CONTROL, .ends = GOES_ON},
	{"5.2", "largest length of 7 bits", "2", '1', OUTSIDE, MOST_7_BITS, .ends = GOES_ON},
	{"5.2", "length of 16 bits", "2", '1', OUTSIDE, MIDDLE_BYTES, .ends = GOES_ON},
	{"5.2", "length where 64 bits begin", "2", '1', OUTSIDE, HUGE_PAYLOAD, .ends = GOES_ON},
	{"10.4", "as large as a frame may be", "2", '?', OUTSIDE, TO_FRAME_LIMIT, .ends = GOES_ON},
	{"10.4", "as large as a message may be", "0", '?', IN_BINARY, TO_MESSAGE_LIMIT,
	 .ends = GOES_ON},

	{"5.5.1", "close without a code", "8", '1', ANYWHERE, NOTHING, .ends = CLOSES},
	{"7.4", "close with a code", "8", '1', ANYWHERE, CODE_ALONE, .ends = CLOSES},
	{"5.5.1", "close with a reason", "8", '1', ANYWHERE, CODE_AND_REASON, .ends = CLOSES},

	{"5.2", "RSV bits", ALL, '?', ANYWHERE, BYTES, .ends = 1002, .reserved = true},
	{"5.2", "reserved data opcode", "34567", '?', ANYWHERE, BYTES, .ends = 1002},
	{"5.2", "reserved control opcode", "bcdef", '?', ANYWHERE, BYTES, .ends = 1002},
	{"5.1", "no mask", ALL, '?', ANYWHERE, BYTES, .ends = 1002, .bare = true},
	{"5.2", "16 bits for a small length", KNOWN, '?', ANYWHERE, BYTES, .ends = 1002,
	 .form = LONG_16},
	{"5.2", "64 bits for a small length", KNOWN, '?', ANYWHERE, BYTES, .ends = 1002,
	 .form = LONG_64},
	{"5.2", "16 bits for 125", KNOWN, '?', ANYWHERE, MOST_7_BITS, .ends = 1002,
	 .form = LONG_16},
	{"5.2", "64 bits for 65535", KNOWN, '?', ANYWHERE, MOST_16_BITS, .ends = 1002,
	 .form = LONG_64},
	{"5.2", "64 bits for a middle one", KNOWN, '?', ANYWHERE, MIDDLE_BYTES, .ends = 1002,
	 .form = LONG_64},
	{"5.2", "top bit of a length", KNOWN, '?', ANYWHERE, BYTES, .ends = 1002, .form = TOP_BIT},
	{"5.5", "fragmented control frame", "89a", '0', ANYWHERE, CONTROL, .ends = 1002},
	{"5.5", "long control frame", "89a", '1', ANYWHERE, OVER_CONTROL, .ends = 1002},
	{"5.4", "continuation of nothing", "0", '?', OUTSIDE, BYTES, .ends = 1002},
	{"5.4", "message inside a message", "12", '?', INSIDE, BYTES, .ends = 1002},
	{"5.5.1", "half a close code", "8", '1', ANYWHERE, HALF_CODE, .ends = 1002},
	{"7.4.2", "close code below 1000", "8", '1', ANYWHERE, CODE_TOO_LOW, .ends = 1002},
	{"7.4.1", "close code not to be sent", "8", '1', ANYWHERE, CODE_NOT_TO_SEND, .ends = 1002},
	{"7.4.2", "close code not defined", "8", '1', ANYWHERE, CODE_UNDEFINED, .ends = 1002},
	{"7.4.2", "close code above 4999", "8", '1', ANYWHERE, CODE_TOO_HIGH, .ends = 1002},

	{"5.5.1", "close reason is not UTF-8", "8", '1', ANYWHERE, BAD_REASON, .ends = 1007},
	{"5.5.1", "close reason is cut", "8", '1', ANYWHERE, CUT_REASON, .ends = 1007},
	{"8.1", "text is not UTF-8", "1", '?', OUTSIDE, BAD_TEXT, .ends = 1007},
	{"8.1", "fragment is not UTF-8", "0", '?', IN_TEXT, BAD_TEXT, .ends = 1007},
	{"8.1", "text is cut", "1", '1', OUTSIDE, CUT_TEXT, .ends = 1007},
	{"8.1", "last fragment is cut", "0", '1', IN_TEXT, CUT_TEXT, .ends = 1007},
	{"8.1", "empty end within a character", "0", '1', IN_TEXT, NOTHING, .ends = 1007},

	{"10.4", "frame is too large", "12", '?', OUTSIDE, OVER_FRAME_LIMIT, .ends = 1009},
	{"10.4", "fragment is too large", "0", '?', INSIDE, OVER_FRAME_LIMIT, .ends = 1009},
	{"10.4", "message is too large", "0", '?', INSIDE, OVER_MESSAGE_LIMIT, .ends = 1009},
};

enum { ROWS = sizeof table / sizeof table[0] };

/* What no text has (RFC 3629); at most four bytes each. */
static const char *const faults[] = {
	"\xc0\x80",
	"\xc1\xbf",
	"\xe0\x80\x80",
	"\xe0\x9f\xbf",
	"\xed\xa0\x80",
	"\xed\xbf",
	"\xf0\x80\x80\x80",
	"\xf0\x8f\xbf\xbf",
	"\xf4\x90\x80\x80",
	"\xf5\x80",
	"\xf8\x88",
	"\xfe",
	"\xff",
	"\x80",
	"\xbf",
	"\xc3(",
	"\xe2\x82(",
	"\xf0\x9f\x98(",
	"\xc3\xc3",
	"\xe2(\xa1",
};

#endif
