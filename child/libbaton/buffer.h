/* SPDX-License-Identifier: MIT */
/* Bytes that gather: appended at the end. Made when needed, NULL when empty. */
#ifndef BATON_BUFFER_H
#define BATON_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
	size_t length; /* bytes that are there */
	size_t size;   /* of at */
	uint8_t at[];
};

/*
 * Appends, making or growing *buffer. expected: how much it will hold in the end, 0 when nobody
 * knows; it is not grown beyond that without need. False when there is no memory; *buffer is as
 * it was.
 */
bool buffer_append(struct buffer **buffer, const void *from, size_t len, size_t expected);

void buffer_free(struct buffer **buffer); /* sets NULL */

/* 0 for NULL. */
size_t buffer_length(const struct buffer *buffer);

#endif
