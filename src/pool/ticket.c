/* SPDX-License-Identifier: MIT */
/*
 * One ticket: the message that its child will get, and the end without a child. A message is
 * written once, when a child may take it (the head is consumed by that), and kept until TAKEN. Part
 * of handover.c's module.
 */
#include "pool/handover_private.h"

#include <assert.h>

void ticket_release_spare(struct ticket *ticket)
{
	if (ticket->holds_spare) {
		messages_release(&ticket->pool->handover->messages);
		ticket->holds_spare = false;
	}
}

void ticket_give_message(struct ticket *ticket)
{
	if (ticket->message != NULL) {
		ticket_release_spare(ticket);
		messages_give(&ticket->pool->handover->messages, ticket->message);
		ticket->message = NULL;
	}
}

enum dealt ticket_write_message(struct ticket *ticket)
{
	struct handover *self = ticket->pool->handover;
	if (ticket->message != NULL) {
		return DEALT;
	}
	char *message = messages_take(&self->messages);
	if (message == NULL) {
		return DEALT_NOBODY;
	}
	size_t bytes =
		self->events->write(ticket, message, HANDOFF_MAX_BYTES - HANDOFF_HEADER_BYTES);
	if (bytes == 0) {
		messages_give(&self->messages, message);
		return DEALT_GONE;
	}
	ticket->message = message;
	ticket->message_bytes = bytes;
	return DEALT;
}

void ticket_fail(struct ticket *ticket, enum refusal refusal, int status)
{
	assert(ticket->state == TICKET_IDLE);
	loop_timer_stop(&ticket->timer);
	ticket_give_message(ticket);
	ticket->pool->handover->events->failed(ticket, refusal, status);
}
