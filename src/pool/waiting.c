/* SPDX-License-Identifier: MIT */
/*
 * The queue of a pool: who waits for a child, for how long, and who is next. Oldest first; who must
 * have a certain child keeps nobody from the others. Part of handover.c's module.
 */
#include "pool/handover_private.h"

#include "config/config.h"
#include "pool/hash.h"

#include <assert.h>

enum { WATCH_AFTER_MS = 100 }; /* most waits are over by then, and cost no system call */

static unsigned time_left(struct ticket *ticket)
{
	uint64_t now_ms = loop_now_ms(ticket->pool->handover->loop);
	if (ticket->wait_until_ms == 0) {
		ticket->wait_until_ms = now_ms + ticket->pool->config->queue_timeout_ms;
	}
	return ticket->wait_until_ms > now_ms ? (unsigned)(ticket->wait_until_ms - now_ms) : 0;
}

/* Most wait for a few ms only: who holds a message needs no further look at its socket, and is
 * watched only when it takes longer. */
static void insert(struct ticket *ticket, struct ticket *before)
{
	struct handover *self = ticket->pool->handover;
	ticket->state = TICKET_WAITING;
	ticket->next = before;
	ticket->prev = before->prev;
	before->prev->next = ticket;
	before->prev = ticket;
	ticket->pool->waiting_count++;
	ticket->pool->waiting_for_any += ticket->by_hash ? 0 : 1;
	unsigned left_ms = time_left(ticket);
	if (ticket->message != NULL && left_ms > WATCH_AFTER_MS) {
		loop_timer_start(&self->watch_lane, &ticket->timer, WATCH_AFTER_MS);
	} else {
		loop_timer_start(&ticket->pool->waiting_lane, &ticket->timer, left_ms);
		self->events->waits(ticket);
	}
}

static void take_out(struct ticket *ticket)
{
	assert(ticket->state == TICKET_WAITING);
	ticket->prev->next = ticket->next;
	ticket->next->prev = ticket->prev;
	ticket->prev = ticket->next = NULL;
	ticket->pool->waiting_count--;
	ticket->pool->waiting_for_any -= ticket->by_hash ? 0 : 1;
	ticket->state = TICKET_IDLE;
	loop_timer_stop(&ticket->timer);
}

/* It holds a message only while few do. */
void waiting_put(struct ticket *ticket, struct ticket *before)
{
	struct messages *messages = &ticket->pool->handover->messages;
	bool may_hold = ticket->holds_spare || messages_hold(messages);
	if (!may_hold && handover_asks(ticket->pool)) {
		ticket_give_message(ticket); /* it can be written again */
	} else if (!may_hold && ticket->message != NULL) {
		ticket_fail(ticket, REFUSAL_QUEUE_FULL,
			    0); /* its head is consumed: nobody can wait so */
		return;
	}
	if (may_hold) {
		ticket->holds_spare = true;
		enum dealt written = ticket_write_message(ticket);
		if (written == DEALT_GONE) {
			messages_release(messages);
			return;
		}
		if (written == DEALT_NOBODY) {
			ticket_release_spare(ticket);
		}
	}
	insert(ticket, before);
}

void waiting_handle_watch_timer(struct loop_timer *timer)
{
	struct ticket *ticket = loop_owner(timer, struct ticket, timer);
	struct handover *self = ticket->pool->handover;
	loop_timer_start(&ticket->pool->waiting_lane, timer, time_left(ticket));
	self->events->waits(ticket);
}

void waiting_handle_timer(struct loop_timer *timer)
{
	struct ticket *ticket = loop_owner(timer, struct ticket, timer);
	take_out(ticket);
	ticket_fail(ticket, REFUSAL_QUEUE_TIMEOUT, 0);
}

void handover_withdraw(struct ticket *ticket)
{
	take_out(ticket);
	ticket_give_message(ticket);
}

void handover_refuse_waiting(struct pool *pool, enum refusal refusal)
{
	while (pool->waiting.next != &pool->waiting) {
		struct ticket *ticket = pool->waiting.next;
		take_out(ticket);
		ticket_fail(ticket, refusal, 0);
	}
}

/* ---- serving ---- */

/* Affinity: another seat than this must take it, and still may. The one that was chosen is not the
 * best any more where a better one has been opened or has room again. */
static bool waits_for_other(const struct ticket *ticket, const struct seat *seat)
{
	const struct seat *wants = ticket->wants;
	return wants != NULL && wants != seat && pool_seat_has_room(wants) &&
	       hash_weight(ticket->key_hash, wants->index) >=
		       hash_weight(ticket->key_hash, seat->index);
}

/* Who waits for another seat, or finds none, is passed over; the others go in their order. */
void handover_serve(struct receiver *receiver)
{
	struct pool *pool = receiver->pool;
	struct seat *seat = &receiver->seat, *chosen;
	bool nobody_has_room = false; /* for those to whom any child will do */
	for (struct ticket *ticket = pool->waiting.next, *next; ticket != &pool->waiting;
	     ticket = next) {
		next = ticket->next;
		if (seat->state != SEAT_SHUT && seat->offered == seat->max_offers) {
			return;
		}
		if (ticket->by_hash ? waits_for_other(ticket, seat) : nobody_has_room) {
			continue;
		}
		if (handover_choose(ticket, &chosen) != POOL_SEAT) {
			nobody_has_room = nobody_has_room || !ticket->by_hash;
			if (nobody_has_room && pool->waiting_for_any == pool->waiting_count) {
				return;
			}
			continue;
		}
		take_out(ticket);
		if (handover_deal(ticket) == DEALT_NOBODY) {
			waiting_put(ticket, next);
		}
	}
}
