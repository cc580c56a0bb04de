/* SPDX-License-Identifier: MIT */
/*
 * A list of parts, taken from the front. A part is a piece of memory that small writes fill, or a
 * reference to a frame that was published: a hundred slow readers of one message hold it once. It
 * knows no limits and writes nothing: output.c does.
 */
#include "libbaton/queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum {
	LEAST_BYTES = 256, /* of a part; each next one is twice as large */
	MOST_BYTES = 16 * 1024,
	COPY_BYTES = 128, /* up to here a copy costs no more memory than a reference */
};

struct part {
	struct part *next;
	struct shared *shared; /* NULL: own */
	size_t start, end;     /* of the bytes that wait, in shared->at or in own */
	size_t size;           /* of own */
	uint8_t own[];
};

struct queue {
	struct part *first, *last;
	size_t length;
};

/* ---- frames for many ---- */

struct shared *shared_create(size_t length)
{
	struct shared *shared = malloc(sizeof *shared + length);
	if (shared != NULL) {
		shared->references = 1;
		shared->length = length;
	}
	return shared;
}

void shared_release(struct shared *shared)
{
	if (--shared->references == 0) {
		free(shared);
	}
}

/* ---- parts ---- */

static struct part *add_part(struct queue **at, size_t own_bytes)
{
	struct part *part = malloc(sizeof *part + own_bytes);
	struct queue *queue = *at != NULL ? *at : calloc(1, sizeof *queue);
	if (part == NULL || queue == NULL) {
		free(part);
		free(queue != *at ? queue : NULL);
		return NULL;
	}
	*part = (struct part){.size = own_bytes};
	if (queue->last != NULL) {
		queue->last->next = part;
	} else {
		queue->first = part;
	}
	queue->last = part;
	*at = queue;
	return part;
}

static size_t next_size(const struct queue *queue, size_t len)
{
	size_t size = queue != NULL ? 2 * queue->last->size : LEAST_BYTES;
	if (size < LEAST_BYTES) {
		size = LEAST_BYTES;
	}
	if (size > MOST_BYTES) {
		size = MOST_BYTES;
	}
	return len > size ? len : size;
}

static void fill(struct queue *queue, const void *from, size_t len)
{
	struct part *part = queue->last;
	memcpy(part->own + part->end, from, len);
	part->end += len;
	queue->length += len;
}

bool queue_append(struct queue **queue, const void *from, size_t len)
{
	const struct part *last = *queue != NULL ? (*queue)->last : NULL;
	bool fits = last != NULL && last->shared == NULL && len <= last->size - last->end;
	if (!fits && add_part(queue, next_size(*queue, len)) == NULL) {
		return false;
	}
	fill(*queue, from, len);
	return true;
}

bool queue_share(struct queue **queue, struct shared *shared, size_t skip)
{
	size_t len = shared->length - skip;
	if (len <= COPY_BYTES) {
		return queue_append(queue, shared->at + skip, len);
	}
	struct part *part = add_part(queue, 0);
	if (part == NULL) {
		return false;
	}
	shared->references++;
	part->shared = shared;
	part->start = skip;
	part->end = shared->length;
	(*queue)->length += len;
	return true;
}

size_t queue_parts(const struct queue *queue, struct iovec *parts_r, size_t most)
{
	size_t count = 0;
	for (struct part *part = queue->first; part != NULL && count < most; part = part->next) {
		uint8_t *at = part->shared != NULL ? part->shared->at : part->own;
		parts_r[count].iov_base = at + part->start;
		parts_r[count].iov_len = part->end - part->start;
		count++;
	}
	return count;
}

/* ---- the end ---- */

static void drop_first(struct queue *queue)
{
	struct part *part = queue->first;
	queue->first = part->next;
	if (part->shared != NULL) {
		shared_release(part->shared);
	}
	free(part);
}

void queue_take(struct queue **at, size_t len)
{
	struct queue *queue = *at;
	assert(len <= queue->length);
	queue->length -= len;
	if (queue->length == 0) {
		queue_free(at);
		return;
	}
	while (len > 0) {
		size_t here = queue->first->end - queue->first->start;
		if (len < here) {
			queue->first->start += len;
			return;
		}
		len -= here;
		drop_first(queue);
	}
}

void queue_free(struct queue **at)
{
	struct queue *queue = *at;
	while (queue != NULL && queue->first != NULL) {
		drop_first(queue);
	}
	free(queue);
	*at = NULL;
}

size_t queue_length(const struct queue *queue)
{
	return queue != NULL ? queue->length : 0;
}
