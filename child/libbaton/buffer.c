/* SPDX-License-Identifier: MIT */
/*
 * The memory that a connection takes beside its struct and its queue: a message that is not
 * complete, bytes that cannot be used yet, an offer that is answered later. It knows no limits: who
 * appends has checked them.
 */
#include "libbaton/buffer.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_BYTES = 96 }; /* a whole malloc chunk; a cut frame header needs no more */

static bool grow(struct buffer **buffer, size_t need, size_t expected)
{
	struct buffer *old = *buffer;
	size_t size = old != NULL ? 2 * old->size : LEAST_BYTES;
	if (size < need) {
		size = need;
	}
	if (expected >= need && size > expected) {
		size = expected;
	}
	struct buffer *fresh = realloc(old, sizeof *fresh + size);
	if (fresh == NULL) {
		return false;
	}
	if (old == NULL) {
		fresh->length = 0;
	}
	fresh->size = size;
	*buffer = fresh;
	return true;
}

bool buffer_append(struct buffer **buffer, const void *from, size_t len, size_t expected)
{
	const struct buffer *old = *buffer;
	size_t end = buffer_length(old);
	if ((old == NULL || end + len > old->size) && !grow(buffer, end + len, expected)) {
		return false;
	}
	if (len > 0) {
		memcpy((*buffer)->at + end, from, len);
		(*buffer)->length += len;
	}
	return true;
}

void buffer_free(struct buffer **buffer)
{
	free(*buffer);
	*buffer = NULL;
}

size_t buffer_length(const struct buffer *buffer)
{
	return buffer != NULL ? buffer->length : 0;
}
