/* SPDX-License-Identifier: MIT */
/*
 * Memory for the messages of offers: buffers of HANDOFF_MAX_BYTES, made once. A connection holds
 * one from the moment its head is consumed until a child has taken it, so nothing is allocated for
 * a stranger. Pages that no message ever reached do not exist.
 */
#ifndef BATON_MESSAGES_H
#define BATON_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>

enum { MESSAGES_SPARE = 256 }; /* buffers for those that wait, beside those for offers */

struct messages {
	char *memory;
	char **free; /* stack: the one that was used last is still in the cache */
	size_t count, free_count;
	size_t spare_used; /* by those that wait, at most MESSAGES_SPARE */
};

/* For at most `offers` offers at a time. 0, or -1 with errno. */
int messages_init(struct messages *, size_t offers);
void messages_finish(struct messages *);

/* NULL: none is left. The one for an offer is always there while each offer has one. */
char *messages_take(struct messages *);
void messages_give(struct messages *, char *message);

/* A holder begins to wait (false: too many do, it must not hold one) or ceases to. */
bool messages_hold(struct messages *);
void messages_release(struct messages *);

#endif
