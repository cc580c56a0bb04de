/* SPDX-License-Identifier: MIT */
/*
 * The hand-over: see handover.h. Here are the choice and the offer, and what children say to it.
 * The module's other files: ticket.c (the message of one connection, and its end), waiting.c (the
 * queue), takeback.c (an offer whose child is slow or dead). Choosing is pool.c's, speaking
 * native.c's.
 */
#include "pool/handover_private.h"

#include "config/config.h"

#include <assert.h>
#include <stdlib.h>

enum { MAX_REFUSERS = 3 }; /* children that said they have no room, each counted once */

/* ---- set-up ---- */

bool handover_asks(const struct pool *pool)
{
	return pool->config->kind == CONFIG_KIND_AUTH;
}

static unsigned max_offers(const struct config_pool *config)
{
	return config->kind == CONFIG_KIND_AUTH ? POOL_MAX_QUESTIONS : POOL_MAX_OFFERS;
}

/* Each offer of these pools has a message while it stands. */
static size_t messages_needed(const struct config_pool *pools, size_t count)
{
	size_t needed = 0;
	for (size_t i = 0; i < count; i++) {
		needed += (size_t)pools[i].children * max_offers(&pools[i]);
	}
	return needed;
}

int handover_init(struct handover *self, struct loop *loop, const struct handover_events *events,
		  const struct config_pool *pools, size_t pool_count)
{
	*self = (struct handover){.events = events, .loop = loop};
	loop_lane_init(&self->watch_lane, loop, waiting_handle_watch_timer);
	loop_lane_init(&self->offer_lane, loop, handover_handle_offer_timer);
	return messages_init(&self->messages, messages_needed(pools, pool_count));
}

void handover_finish(struct handover *self)
{
	loop_lane_finish(&self->watch_lane);
	loop_lane_finish(&self->offer_lane);
	messages_finish(&self->messages);
}

int handover_pool_init(struct pool *pool, struct handover *self, const struct config_pool *config,
		       unsigned index)
{
	*pool = (struct pool){.handover = self, .config = config, .index = index};
	pool->waiting.prev = pool->waiting.next = &pool->waiting;
	pool->count = config->children;
	loop_lane_init(&pool->waiting_lane, self->loop, waiting_handle_timer);
	pool->seats = calloc(pool->count, sizeof *pool->seats);
	return pool->seats != NULL ? 0 : -1;
}

void handover_pool_finish(struct pool *pool)
{
	if (pool->handover != NULL) {
		loop_lane_finish(&pool->waiting_lane);
	}
	free(pool->seats);
	pool->seats = NULL;
}

void handover_receiver_init(struct receiver *receiver, struct pool *pool, unsigned index)
{
	receiver->pool = pool;
	receiver->seat.index = index;
	receiver->seat.max_offers = max_offers(pool->config);
	receiver->link.channel = receiver->link.child_end = NATIVE_NO_LINK;
	pool->seats[index] = &receiver->seat;
}

/* ---- offers ---- */

struct ticket *handover_find_offer(const struct receiver *receiver, uint64_t id)
{
	for (size_t i = 0; i < receiver->seat.max_offers; i++) {
		if (receiver->offers[i] != NULL && receiver->offers[i]->id == id) {
			return receiver->offers[i];
		}
	}
	return NULL;
}

static void link_offer(struct ticket *ticket, struct receiver *receiver)
{
	size_t place = 0;
	while (receiver->offers[place] != NULL) {
		place++;
		assert(place < receiver->seat.max_offers);
	}
	receiver->offers[place] = ticket;
	receiver->seat.offered++;
	ticket->receiver = receiver;
	ticket->state = TICKET_OFFERED;
}

void handover_end_offer(struct ticket *ticket)
{
	struct receiver *receiver = ticket->receiver;
	size_t place = 0;
	assert(ticket->state == TICKET_OFFERED && receiver->seat.offered > 0);
	while (receiver->offers[place] != ticket) {
		place++;
		assert(place < receiver->seat.max_offers);
	}
	receiver->offers[place] = NULL;
	receiver->seat.offered--;
	ticket->receiver = NULL;
	ticket->state = TICKET_IDLE;
	loop_timer_stop(&ticket->timer);
}

void handover_suspect(struct receiver *receiver)
{
	if (receiver->seat.state == SEAT_OPEN) {
		receiver->seat.state = SEAT_SUSPECT;
		receiver->pool->handover->events->suspected(receiver);
	}
}

static enum handoff_result send_message(const struct ticket *ticket, const struct native_link *link)
{
	if (handover_asks(ticket->pool)) {
		return native_ask(link, ticket->id, ticket->message, ticket->message_bytes);
	}
	return native_offer(link, ticket->id, ticket->message, ticket->message_bytes, ticket->fd);
}

void handover_start_offer_timer(struct ticket *ticket)
{
	struct handover *self = ticket->pool->handover;
	const uint64_t now_ms = loop_now_ms(self->loop);
	unsigned wait_ms = ticket->pool->config->offer_timeout_ms;
	/* Who has come back from the dead after the deadline gets the child's time to read once. */
	if (ticket->deadline_ms > now_ms && ticket->deadline_ms - now_ms < wait_ms) {
		wait_ms = (unsigned)(ticket->deadline_ms - now_ms);
	}
	loop_timer_start(&self->offer_lane, &ticket->timer, wait_ms);
}

enum handoff_result handover_send_offer(struct ticket *ticket, struct receiver *receiver)
{
	struct handover *self = ticket->pool->handover;
	const struct config_pool *config = ticket->pool->config;
	self->events->passes(ticket);
	enum handoff_result result = send_message(ticket, &receiver->link);
	if (result == HANDOFF_OK) {
		ticket_release_spare(ticket);
		link_offer(ticket, receiver);
		ticket->offered_ms = loop_now_ms(self->loop);
		if (ticket->deadline_ms == 0) {
			ticket->pool->asked += handover_asks(ticket->pool) ? 1 : 0;
			ticket->deadline_ms = ticket->offered_ms + config->handover_timeout_ms;
		}
		handover_start_offer_timer(ticket);
	}
	return result;
}

enum pool_choice handover_choose(const struct ticket *ticket, struct seat **seat_r)
{
	const struct pool *pool = ticket->pool;
	if (ticket->by_hash) {
		return pool_pick_by_hash(pool->seats, pool->count, ticket->key_hash, seat_r);
	}
	return pool_pick_least(pool->seats, pool->count, seat_r);
}

enum dealt handover_deal(struct ticket *ticket)
{
	struct seat *seat;
	while (handover_choose(ticket, &seat) == POOL_SEAT) {
		enum dealt written = ticket_write_message(ticket);
		if (written != DEALT) {
			return written;
		}
		struct receiver *receiver = loop_owner(seat, struct receiver, seat);
		if (handover_send_offer(ticket, receiver) == HANDOFF_OK) {
			return DEALT;
		}
		handover_suspect(receiver);
	}
	ticket->wants = seat;
	return DEALT_NOBODY;
}

enum refusal handover_submit(struct ticket *ticket)
{
	struct pool *pool = ticket->pool;
	if (pool->is_stopping) {
		return REFUSAL_STOPPING;
	}
	if (pool->is_failed) {
		return REFUSAL_POOL_FAILED;
	}
	/* Others were here first; but who waits for a certain child keeps nobody from the rest. */
	bool must_wait = pool->waiting_for_any > 0 && !ticket->by_hash;
	if (!must_wait && handover_deal(ticket) != DEALT_NOBODY) {
		return REFUSAL_NONE;
	}
	if (pool->waiting_count >= pool->config->queue) {
		ticket_give_message(ticket);
		return REFUSAL_QUEUE_FULL;
	}
	waiting_put(ticket, &pool->waiting);
	return REFUSAL_NONE;
}

void handover_deal_again(struct ticket *ticket)
{
	struct pool *pool = ticket->pool;
	pool->handover->dealt_again++;
	if (pool->is_failed || pool->is_stopping) {
		ticket_fail(ticket, pool->is_failed ? REFUSAL_POOL_FAILED : REFUSAL_STOPPING, 0);
	} else if (handover_deal(ticket) == DEALT_NOBODY) {
		waiting_put(ticket, pool->waiting.next);
	}
}

/* ---- what children say ---- */

bool handover_taken(struct receiver *receiver, uint64_t id)
{
	struct ticket *ticket = handover_find_offer(receiver, id);
	if (ticket == NULL) {
		return false;
	}
	handover_end_offer(ticket);
	ticket_give_message(ticket);
	receiver->seat.live++;
	receiver->taken++;
	receiver->pool->handover->events->taken(ticket, receiver);
	handover_serve(receiver);
	return true;
}

bool handover_refused(struct receiver *receiver, uint64_t id, int status)
{
	struct ticket *ticket = handover_find_offer(receiver, id);
	if (ticket == NULL) {
		return false;
	}
	handover_end_offer(ticket);
	receiver->seat.is_full = receiver->seat.is_full || status == 0;
	ticket->refusers |= (uint64_t)1 << (receiver->seat.index % 64);
	if (status != 0) {
		ticket_fail(ticket, REFUSAL_BY_CHILD, status);
	} else if (__builtin_popcountll(ticket->refusers) >= MAX_REFUSERS) {
		ticket_fail(ticket, REFUSAL_CHILDREN_FULL, 0);
	} else {
		handover_deal_again(ticket);
	}
	handover_serve(receiver); /* one offer fewer, or no room any more: both concern who waits */
	return true;
}

bool handover_answered(struct receiver *receiver, uint64_t id, const struct handover_answer *answer)
{
	struct pool *pool = receiver->pool;
	struct ticket *ticket = handover_find_offer(receiver, id);
	if (ticket == NULL) {
		pool->ignored++;
		return false;
	}
	handover_end_offer(ticket);
	ticket_give_message(ticket);
	receiver->taken++;
	pool->allowed += answer->status == 0 ? 1 : 0;
	pool->denied += answer->status == 0 ? 0 : 1;
	pool->handover->events->answered(ticket, answer);
	handover_serve(receiver);
	return true;
}
