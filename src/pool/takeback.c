/* SPDX-License-Identifier: MIT */
/*
 * Offers that did not end in TAKEN: the child is slow, shut or dead. What it has not read is taken
 * back out of its queue, exactly (native.c), and dealt anew; what a living child has read stays its
 * own, or two of them would answer. Part of handover.c's module, apart for its size.
 */
#include "pool/handover_private.h"

#include "config/config.h"

enum { MAX_DEATHS = 3 }; /* a client whose request kills child after child gets 503 */

struct came_back {
	struct receiver *receiver;
	size_t count;
	struct ticket *tickets[POOL_MAX_QUESTIONS];
};

static bool is_among(const struct came_back *back, const struct ticket *ticket)
{
	for (size_t i = 0; i < back->count; i++) {
		if (back->tickets[i] == ticket) {
			return true;
		}
	}
	return false;
}

/* A child that refuses what it has not read, and is asked again, has the same offer there twice. */
static void note_came_back(void *data, uint64_t id)
{
	struct came_back *back = data;
	struct ticket *ticket = handover_find_offer(back->receiver, id);
	if (ticket != NULL && !is_among(back, ticket)) {
		back->tickets[back->count++] = ticket;
	}
}

static struct came_back take_back(struct receiver *receiver, bool resend_others)
{
	struct came_back back = {.receiver = receiver};
	native_take_back(&receiver->link, resend_others, note_came_back, &back);
	receiver->pool->handover->taken_back += back.count;
	return back;
}

/* Could somebody else take it now? Affinity never moves for slowness, or a room would split. */
static bool may_move(const struct ticket *ticket)
{
	struct seat *own = &ticket->receiver->seat, *other;
	const enum seat_state state = own->state;
	if (ticket->by_hash) {
		return false;
	}
	own->state = SEAT_SHUT; /* however few it has: it did not read */
	enum pool_choice choice = handover_choose(ticket, &other);
	own->state = state;
	return choice == POOL_SEAT;
}

/* An offer that came back goes elsewhere, or, with nowhere better to go, into the same queue. */
static void place(struct ticket *ticket)
{
	struct receiver *receiver = ticket->receiver;
	uint64_t now_ms = loop_now_ms(ticket->pool->handover->loop);
	bool moves = may_move(ticket);
	handover_end_offer(ticket);
	if (now_ms >= ticket->deadline_ms) {
		ticket_fail(ticket, REFUSAL_HANDOVER_TIMEOUT, 0);
	} else if (moves || handover_send_offer(ticket, receiver) != HANDOFF_OK) {
		handover_deal_again(ticket);
	}
}

/* A question is worth no child's life: its client hears that nobody answered. */
static void give_up_asking(struct ticket *ticket)
{
	struct receiver *receiver = ticket->receiver;
	handover_end_offer(ticket);
	receiver->unanswered++;
	ticket_fail(ticket, REFUSAL_HANDOVER_TIMEOUT, 0);
	handover_serve(receiver);
}

/* The child has read it: TAKEN comes, or the child is as good as dead; or the answer to a question
 * comes in time, or too late. */
static void wait_for_reader(struct ticket *ticket)
{
	struct handover *self = ticket->pool->handover;
	const bool asks = handover_asks(ticket->pool);
	const uint64_t now_ms = loop_now_ms(self->loop),
		       until_ms = asks ? ticket->deadline_ms
				       : ticket->offered_ms + ticket->pool->config->ping_timeout_ms;
	if (now_ms < until_ms) {
		loop_timer_start(&self->offer_lane, &ticket->timer, (unsigned)(until_ms - now_ms));
	} else if (loop_timer_grace(&self->offer_lane, &ticket->timer)) {
		return;
	} else if (asks) {
		give_up_asking(ticket);
	} else {
		self->events->mute(ticket->receiver);
	}
}

/*
 * An offer has not been acknowledged in time. If somebody else is prompt, or its whole time is up,
 * everything that the child has not read is taken back. What it has read stays its own.
 */
void handover_handle_offer_timer(struct loop_timer *timer)
{
	struct ticket *ticket = loop_owner(timer, struct ticket, timer);
	struct receiver *receiver = ticket->receiver;
	struct handover *self = ticket->pool->handover;
	if (loop_now_ms(self->loop) < ticket->deadline_ms && !may_move(ticket)) {
		handover_start_offer_timer(ticket);
		return;
	}
	struct came_back back = take_back(receiver, true);
	bool was_read = !is_among(&back, ticket);
	if (back.count > 0) {
		handover_suspect(receiver);
	}
	for (size_t i = 0; i < back.count; i++) {
		place(back.tickets[i]);
	}
	if (was_read) { /* last: the receiver may be shut by it */
		wait_for_reader(ticket);
	}
}

void handover_shut(struct receiver *receiver)
{
	receiver->seat.state = SEAT_SHUT;
	struct came_back back = take_back(receiver, true);
	for (size_t i = 0; i < back.count; i++) {
		handover_end_offer(back.tickets[i]);
		handover_deal_again(back.tickets[i]);
	}
	handover_serve(receiver); /* who waited for it waits no longer */
}

void handover_died(struct receiver *receiver)
{
	receiver->seat.state = SEAT_SHUT;
	struct came_back back = take_back(receiver, false);
	receiver->unanswered = 0;
	for (size_t i = 0; i < receiver->seat.max_offers; i++) {
		struct ticket *ticket = receiver->offers[i];
		if (ticket == NULL) {
			continue;
		}
		handover_end_offer(ticket);
		ticket->deaths +=
			is_among(&back, ticket) ? 0 : 1; /* what it never read did not kill it */
		if (ticket->deaths >= MAX_DEATHS) {
			ticket_fail(ticket, REFUSAL_CHILDREN_DIED, 0);
		} else {
			handover_deal_again(ticket);
		}
	}
	handover_serve(receiver); /* who waited for it waits no longer */
}
