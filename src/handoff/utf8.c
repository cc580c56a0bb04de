/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 validation that can stop and go on at any byte, for text that comes in pieces. A table
 * driven automaton decides; blocks of plain ASCII, which most text is, never reach it. It does not
 * decode and does not say where a text went wrong. Both sides call it: libbaton's session engine
 * for messages, the gateway for what a child wants a client to read.
 *
 * A row of the table holds, for one byte, the next state of every state. A state is the position
 * of its six bits in a row, so that one step is a load and a shift.
 */
#include "handoff/utf8.h"

#include <string.h>

enum {
	BLOCK = 32,
	STATE_BITS = 63, /* what a shift looks at; above lie the other states of the row */
};

enum state {
	STATE_BETWEEN = UTF8_BETWEEN,
	STATE_BAD = 6,     /* is never left */
	STATE_NEED_1 = 12, /* one more continuation byte */
	STATE_NEED_2 = 18,
	STATE_NEED_3 = 24,
	STATE_AFTER_E0 = 30, /* then A0..BF, or the form is overlong */
	STATE_AFTER_ED = 36, /* then 80..9F, or it is a surrogate */
	STATE_AFTER_F0 = 42, /* then 90..BF, or the form is overlong */
	STATE_AFTER_F4 = 48, /* then 80..8F, or it is beyond U+10FFFF */
};

#define TO(from, next) ((uint64_t)STATE_##next << STATE_##from)
#define INSIDE(need_1, need_2, need_3, e0, ed, f0, f4)                                 \
	(TO(BAD, BAD) | TO(NEED_1, need_1) | TO(NEED_2, need_2) | TO(NEED_3, need_3) | \
	 TO(AFTER_E0, e0) | TO(AFTER_ED, ed) | TO(AFTER_F0, f0) | TO(AFTER_F4, f4))
/* A byte that may stand between characters breaks one off, and the other way round. */
#define BEGINS(next) (TO(BETWEEN, next) | INSIDE(BAD, BAD, BAD, BAD, BAD, BAD, BAD))
#define CONTINUES(e0, ed, f0, f4) \
	(TO(BETWEEN, BAD) | INSIDE(BETWEEN, NEED_1, NEED_2, e0, ed, f0, f4))

static const uint64_t table[256] = {
	[0x00 ... 0x7f] = BEGINS(BETWEEN),
	[0x80 ... 0x8f] = CONTINUES(BAD, NEED_1, BAD, NEED_2),
	[0x90 ... 0x9f] = CONTINUES(BAD, NEED_1, NEED_2, BAD),
	[0xa0 ... 0xbf] = CONTINUES(NEED_1, BAD, NEED_2, BAD),
	[0xc0 ... 0xc1] = BEGINS(BAD),
	[0xc2 ... 0xdf] = BEGINS(NEED_1),
	[0xe0] = BEGINS(AFTER_E0),
	[0xe1 ... 0xec] = BEGINS(NEED_2),
	[0xed] = BEGINS(AFTER_ED),
	[0xee ... 0xef] = BEGINS(NEED_2),
	[0xf0] = BEGINS(AFTER_F0),
	[0xf1 ... 0xf3] = BEGINS(NEED_3),
	[0xf4] = BEGINS(AFTER_F4),
	[0xf5 ... 0xff] = BEGINS(BAD),
};

static bool block_is_ascii(const uint8_t *at)
{
	uint64_t lanes[2] = {0, 0}; /* two, because gcc makes one vector register of them at -O2 */
	for (size_t i = 0; i < BLOCK; i += sizeof lanes) {
		uint64_t here[2];
		memcpy(here, at + i, sizeof here);
		lanes[0] |= here[0];
		lanes[1] |= here[1];
	}
	return ((lanes[0] | lanes[1]) & 0x8080808080808080) == 0;
}

static uint64_t step(uint64_t state, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		state = table[at[i]] >> (state & STATE_BITS);
	}
	return state & STATE_BITS;
}

bool utf8_feed(uint32_t *state, const uint8_t *at, size_t len)
{
	uint64_t now = *state;
	for (; len >= BLOCK; at += BLOCK, len -= BLOCK) {
		if (now != STATE_BETWEEN || !block_is_ascii(at)) {
			now = step(now, at, BLOCK);
		}
	}
	now = step(now, at, len);
	*state = (uint32_t)now;
	return now != STATE_BAD;
}

size_t utf8_fit(const char *text, size_t max)
{
	size_t len = strnlen(text, max + 1);
	if (len > max) {
		len = max;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
			len--; /* text[len] goes on a character */
		}
	}
	return len;
}
