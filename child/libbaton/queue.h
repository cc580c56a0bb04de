/* SPDX-License-Identifier: MIT */
/*
 * Output that the kernel did not take: bytes of a connection's own, and frames that many
 * connections wait with and nobody copies. Made when needed, NULL when empty.
 */
#ifndef BATON_QUEUE_H
#define BATON_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct iovec;
struct queue;

/* A whole frame on its way to many. Freed with its last reference. */
struct shared {
	size_t references;
	size_t length;
	uint8_t at[];
};

/* One reference, to be released; NULL when there is no memory. at is the caller's to fill. */
struct shared *shared_create(size_t length);
void shared_release(struct shared *);

/* Appends a copy; len is at least 1. False when there is no memory; *queue is as it was. */
bool queue_append(struct queue **queue, const void *from, size_t len);

/* Appends what lies behind the first skip bytes of it (at least one), by reference unless a copy
 * is cheaper. The same results. */
bool queue_share(struct queue **queue, struct shared *shared, size_t skip);

/* The front of it, at most most parts. Returns how many. */
size_t queue_parts(const struct queue *queue, struct iovec *parts_r, size_t most);

/* Takes len bytes from the front, and frees the queue when none is left. */
void queue_take(struct queue **queue, size_t len);

void queue_free(struct queue **queue); /* sets NULL */

size_t queue_length(const struct queue *queue); /* 0 for NULL */

#endif
