/* SPDX-License-Identifier: MIT */
/*
 * One message on its way to many: framed once, and packed once for each window size that was
 * agreed with somebody, however many get it.
 */
#ifndef BATON_PUBLICATION_H
#define BATON_PUBLICATION_H

#include "libbaton/deflate.h"

#include <stdbool.h>
#include <stddef.h>

struct baton_conn;
struct shared;

struct publication {
	bool is_text;
	const void *data; /* the publisher's */
	size_t len;
	struct shared *frames[DEFLATE_MOST_BITS + 1]; /* [0]: plain; else by window bits, NULL: not
							 made yet */
};

/* False without memory, and nothing is to be finished. */
bool publication_init(struct publication *, bool is_text, const void *data, size_t len);
void publication_finish(struct publication *);

/* The frame that this connection gets; it lives until publication_finish, or for who shares it. */
struct shared *publication_frame(struct publication *, struct baton_conn *);

#endif
