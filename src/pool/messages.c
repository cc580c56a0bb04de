/* SPDX-License-Identifier: MIT */
/*
 * The buffers of offers and of those that wait: see messages.h. Called by handover.c only. Waiting
 * is bounded apart from offering, so a pool whose children are blocked cannot starve the others.
 */
#include "pool/messages.h"

#include "handoff/handoff.h"
#include "pages.h"

#include <assert.h>
#include <stdlib.h>

int messages_init(struct messages *self, size_t offers)
{
	*self = (struct messages){.count = offers + MESSAGES_SPARE};
	self->free = calloc(self->count, sizeof *self->free);
	self->memory = pages_create(self->count * HANDOFF_MAX_BYTES);
	if (self->free == NULL || self->memory == NULL) {
		messages_finish(self);
		return -1;
	}
	while (self->free_count < self->count) {
		char *last = self->memory + (self->count - ++self->free_count) * HANDOFF_MAX_BYTES;
		self->free[self->free_count - 1] = last;
	}
	return 0;
}

void messages_finish(struct messages *self)
{
	pages_free(self->memory, self->count * HANDOFF_MAX_BYTES);
	free(self->free);
	*self = (struct messages){0};
}

char *messages_take(struct messages *self)
{
	return self->free_count > 0 ? self->free[--self->free_count] : NULL;
}

void messages_give(struct messages *self, char *message)
{
	assert(self->free_count < self->count);
	self->free[self->free_count++] = message;
}

bool messages_hold(struct messages *self)
{
	if (self->spare_used == MESSAGES_SPARE) {
		return false;
	}
	self->spare_used++;
	return true;
}

void messages_release(struct messages *self)
{
	assert(self->spare_used > 0);
	self->spare_used--;
}
