/* SPDX-License-Identifier: MIT */
/* Bytes in a queue: appended at the end, taken from the front. Made when needed, NULL when
 * empty. */
#ifndef BATON_BUFFER_H
#define BATON_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
	size_t start;  /* the first byte that has not been taken */
	size_t length; /* bytes from there */
	size_t size;   /* of at */
	uint8_t at[];
};

/*
 * Appends, making or growing *buffer. expected: how much it will hold in the end, 0 when nobody
 * knows; it is not grown beyond that without need. False when there is no memory; *buffer is as
 * it was.
 */
bool buffer_append(struct buffer **buffer, const void *from, size_t len, size_t expected);

/* Takes len bytes from the front, and frees the buffer when none is left. */
void buffer_take(struct buffer **buffer, size_t len);

void buffer_free(struct buffer **buffer); /* sets NULL */

/* 0 for NULL. */
size_t buffer_length(const struct buffer *buffer);

#endif
