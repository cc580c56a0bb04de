/* SPDX-License-Identifier: MIT */
/*
 * Deadlines of any lengths beside each other: a heap, so that each costs the logarithm of how many
 * there are (the lanes of loop/timers.h want waits of equal length). Pure: time is an argument.
 */
#ifndef BATON_DEADLINES_H
#define BATON_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lives in what it serves. Zeroed before first use. */
struct deadline {
	uint64_t due_ms;
	uint64_t number; /* of two that are due at once the one that was set first is first */
	size_t place;    /* in at, plus one; 0: it does not run */
};

struct deadlines {
	struct deadline **at;
	size_t count, size;
	uint64_t next_number;
};

/* (Re)sets it. False without memory, and it does not run then; never where it ran, or one was
 * cleared since the last. */
bool deadlines_set(struct deadlines *, struct deadline *, uint64_t due_ms);
void deadlines_clear(struct deadlines *, struct deadline *); /* safe when it does not run */
struct deadline *deadlines_first(const struct deadlines *);  /* NULL: none runs */
void deadlines_free(struct deadlines *);

#endif
