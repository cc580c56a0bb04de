/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of bytes for the tests of the session engine: a fixed seed, so that a failure
 * comes again; text, and reads that cut anywhere. What the sequences are is each test's business.
 */
#ifndef TESTS_SESSION_SEQUENCE_H
#define TESTS_SESSION_SEQUENCE_H

#include "session_plain.h"

static uint64_t seed = 0x6261746f6e;

static inline uint32_t below(uint32_t bound)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % bound;
}

static inline bool one_in(uint32_t n)
{
	return below(n) == 0;
}

struct sequence {
	size_t len;
	uint8_t bytes[MAX_WIRE];
};

static inline void put(struct sequence *to, unsigned byte)
{
	assert_in_range(to->len, 0, MAX_WIRE - 1);
	to->bytes[to->len++] = (uint8_t)byte;
}

/* Valid; less than four bytes shorter than most. */
static inline size_t make_text(uint8_t *to, size_t most)
{
	size_t len = 0;
	bool is_ascii = one_in(3);
	while (len + 4 <= most) {
		size_t row = is_ascii ? 0 : below(sizeof well_formed / sizeof well_formed[0]);
		for (size_t i = 0; i < well_formed[row].len; i++) {
			unsigned from = well_formed[row].from[i];
			to[len++] = (uint8_t)(from + below(well_formed[row].to[i] - from + 1u));
		}
	}
	return len;
}

static inline void feed_in_cuts(struct host *host, const struct sequence *sequence)
{
	uint32_t most = one_in(3) ? 3 : one_in(2) ? 40 : MAX_WIRE;
	for (size_t at = 0; at < sequence->len;) {
		size_t part = 1 + below(most);
		part = part < sequence->len - at ? part : sequence->len - at;
		host_feed(host, sequence->bytes + at, part);
		at += part;
	}
}

#endif
