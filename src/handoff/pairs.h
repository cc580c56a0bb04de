/* SPDX-License-Identifier: MIT */
/*
 * "KEY=VALUE\0" pairs, the payload of most messages of handoff.h: writing, checking once on
 * arrival, finding. No allocation.
 */
#ifndef BATON_HANDOFF_PAIRS_H
#define BATON_HANDOFF_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct handoff_message;

/*
 * A writer of pairs over the caller's memory. When something does not fit, overflow is set, and
 * stays set, and length no longer counts. Keys are [A-Z0-9_-]; a value has no NUL.
 */
struct handoff_pairs {
	char *at;
	size_t size, length;
	bool overflow;
};

void handoff_pairs_init(struct handoff_pairs *, void *buf, size_t size);
void handoff_pairs_add(struct handoff_pairs *, const char *key, const char *value, size_t len);
void handoff_pairs_add_number(struct handoff_pairs *, const char *key, uint64_t value);

/* Is the payload empty or a sequence of well-formed pairs? Checked once, where it arrives. */
bool handoff_pairs_are_valid(const char *payload, size_t bytes);

/* The value of a key, NUL-terminated, inside payload; NULL when absent. payload must be valid. */
const char *handoff_pairs_find(const char *payload, size_t bytes, const char *key);

/* A decimal value; fallback when the key is absent; false when it is no number below 2^63. */
bool handoff_pairs_number(const char *payload, size_t bytes, const char *key, uint64_t fallback,
			  uint64_t *value_r);

/* The same of a message, for settings: the fallback also for what is no such number. */
uint64_t handoff_number(const struct handoff_message *, const char *key, uint64_t fallback);

/* The same where more than INT32_MAX makes no difference: milliseconds, codes. */
unsigned handoff_small_number(const struct handoff_message *, const char *key, unsigned fallback);

#endif
