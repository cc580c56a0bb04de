/* SPDX-License-Identifier: MIT */
/*
 * The hand-over: see handover.h. Here are the queue, the choice and the offer; what happens to an
 * offer when its child is slow or dead is takeback.c's. Choosing is pool.c's, speaking native.c's.
 */
#include "pool/handover_private.h"

#include "config/config.h"

#include <assert.h>
#include <stdlib.h>

enum {
	MAX_REFUSERS = 3,     /* children that said they have no room, each counted once */
	WATCH_AFTER_MS = 100, /* most waits are over by then, and cost no system call */
};

enum dealt { DEALT, DEALT_NOBODY, DEALT_GONE };

/* ---- set-up ---- */

static void handle_watch_timer(struct loop_timer *timer);
static void handle_queue_timer(struct loop_timer *timer);

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
	loop_lane_init(&self->watch_lane, loop, handle_watch_timer);
	loop_lane_init(&self->queue_lane, loop, handle_queue_timer);
	loop_lane_init(&self->offer_lane, loop, handover_handle_offer_timer);
	return messages_init(&self->messages, messages_needed(pools, pool_count));
}

void handover_finish(struct handover *self)
{
	loop_lane_finish(&self->watch_lane);
	loop_lane_finish(&self->queue_lane);
	loop_lane_finish(&self->offer_lane);
	messages_finish(&self->messages);
}

int handover_pool_init(struct pool *pool, struct handover *self, const struct config_pool *config,
		       unsigned index)
{
	*pool = (struct pool){.handover = self, .config = config, .index = index};
	pool->waiting.prev = pool->waiting.next = &pool->waiting;
	pool->count = config->children;
	pool->seats = calloc(pool->count, sizeof *pool->seats);
	return pool->seats != NULL ? 0 : -1;
}

void handover_pool_finish(struct pool *pool)
{
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

/* ---- messages ---- */

static void release_spare(struct ticket *ticket)
{
	if (ticket->holds_spare) {
		messages_release(&ticket->pool->handover->messages);
		ticket->holds_spare = false;
	}
}

static void give_message(struct ticket *ticket)
{
	if (ticket->message != NULL) {
		release_spare(ticket);
		messages_give(&ticket->pool->handover->messages, ticket->message);
		ticket->message = NULL;
	}
}

/* Makes sure of a message. DEALT_GONE: the client has left, and the ticket with it. */
static enum dealt write_message(struct ticket *ticket)
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

void handover_fail(struct ticket *ticket, enum refusal refusal, int status)
{
	assert(ticket->state == TICKET_IDLE);
	loop_timer_stop(&ticket->timer);
	give_message(ticket);
	ticket->pool->handover->events->failed(ticket, refusal, status);
}

/* ---- the queue ---- */

static unsigned queue_time_left(struct ticket *ticket)
{
	uint64_t now_ms = loop_now_ms(ticket->pool->handover->loop);
	if (ticket->wait_until_ms == 0) {
		ticket->wait_until_ms = now_ms + ticket->pool->config->queue_timeout_ms;
	}
	return ticket->wait_until_ms > now_ms ? (unsigned)(ticket->wait_until_ms - now_ms) : 0;
}

/* Most wait for a few ms only: who holds a message needs no further look at its socket, and is
 * watched only when it takes longer. */
static void queue_insert(struct ticket *ticket, struct ticket *before)
{
	struct handover *self = ticket->pool->handover;
	ticket->state = TICKET_WAITING;
	ticket->next = before;
	ticket->prev = before->prev;
	before->prev->next = ticket;
	before->prev = ticket;
	ticket->pool->waiting_count++;
	ticket->pool->waiting_for_any += ticket->by_hash ? 0 : 1;
	unsigned left_ms = queue_time_left(ticket);
	if (ticket->message != NULL && left_ms > WATCH_AFTER_MS) {
		loop_timer_start(&self->watch_lane, &ticket->timer, WATCH_AFTER_MS);
	} else {
		loop_timer_start(&self->queue_lane, &ticket->timer, left_ms);
		self->events->waits(ticket);
	}
}

static void queue_remove(struct ticket *ticket)
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

/* Puts an IDLE ticket into the queue; it holds a message only while few do. */
static void queue_put(struct ticket *ticket, struct ticket *before)
{
	struct messages *messages = &ticket->pool->handover->messages;
	bool may_hold = ticket->holds_spare || messages_hold(messages);
	if (!may_hold && handover_asks(ticket->pool)) {
		give_message(ticket); /* it can be written again */
	} else if (!may_hold && ticket->message != NULL) {
		handover_fail(ticket, REFUSAL_QUEUE_FULL,
			      0); /* its head is consumed: nobody can wait so */
		return;
	}
	if (may_hold) {
		ticket->holds_spare = true;
		enum dealt written = write_message(ticket);
		if (written == DEALT_GONE) {
			messages_release(messages);
			return;
		}
		if (written == DEALT_NOBODY) {
			release_spare(ticket);
		}
	}
	queue_insert(ticket, before);
}

static void handle_watch_timer(struct loop_timer *timer)
{
	struct ticket *ticket = loop_owner(timer, struct ticket, timer);
	struct handover *self = ticket->pool->handover;
	loop_timer_start(&self->queue_lane, timer, queue_time_left(ticket));
	self->events->waits(ticket);
}

static void handle_queue_timer(struct loop_timer *timer)
{
	struct ticket *ticket = loop_owner(timer, struct ticket, timer);
	queue_remove(ticket);
	handover_fail(ticket, REFUSAL_QUEUE_TIMEOUT, 0);
}

void handover_withdraw(struct ticket *ticket)
{
	queue_remove(ticket);
	give_message(ticket);
}

void handover_refuse_waiting(struct pool *pool, enum refusal refusal)
{
	while (pool->waiting.next != &pool->waiting) {
		struct ticket *ticket = pool->waiting.next;
		queue_remove(ticket);
		handover_fail(ticket, refusal, 0);
	}
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

enum handoff_result handover_send_offer(struct ticket *ticket, struct receiver *receiver)
{
	struct handover *self = ticket->pool->handover;
	const struct config_pool *config = ticket->pool->config;
	self->events->passes(ticket);
	enum handoff_result result = send_message(ticket, &receiver->link);
	if (result == HANDOFF_OK) {
		release_spare(ticket);
		link_offer(ticket, receiver);
		ticket->offered_ms = loop_now_ms(self->loop);
		if (ticket->deadline_ms == 0) {
			ticket->pool->asked += handover_asks(ticket->pool) ? 1 : 0;
			ticket->deadline_ms = ticket->offered_ms + config->handover_timeout_ms;
		}
		loop_timer_start(&self->offer_lane, &ticket->timer, config->offer_timeout_ms);
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

/* Offers to whoever is best, and the next best while the best has no room for messages. */
static enum dealt deal(struct ticket *ticket)
{
	struct seat *seat;
	while (handover_choose(ticket, &seat) == POOL_SEAT) {
		enum dealt written = write_message(ticket);
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
	if (!must_wait && deal(ticket) != DEALT_NOBODY) {
		return REFUSAL_NONE;
	}
	if (pool->waiting_count >= pool->config->queue) {
		give_message(ticket);
		return REFUSAL_QUEUE_FULL;
	}
	queue_put(ticket, &pool->waiting);
	return REFUSAL_NONE;
}

void handover_deal_again(struct ticket *ticket)
{
	struct pool *pool = ticket->pool;
	pool->handover->dealt_again++;
	if (pool->is_failed || pool->is_stopping) {
		handover_fail(ticket, pool->is_failed ? REFUSAL_POOL_FAILED : REFUSAL_STOPPING, 0);
	} else if (deal(ticket) == DEALT_NOBODY) {
		queue_put(ticket, pool->waiting.next);
	}
}

/* Affinity: another seat than this must take it, and still may. */
static bool waits_for_other(const struct ticket *ticket, const struct seat *seat)
{
	const struct seat *wants = ticket->wants;
	return wants != NULL && wants != seat && pool_seat_has_room(wants);
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
		queue_remove(ticket);
		if (deal(ticket) == DEALT_NOBODY) {
			queue_put(ticket, next);
		}
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
	give_message(ticket);
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
	if (status != 0 || __builtin_popcountll(ticket->refusers) >= MAX_REFUSERS) {
		handover_fail(ticket, REFUSAL_BY_CHILD, status);
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
	give_message(ticket);
	receiver->taken++;
	pool->allowed += answer->status == 0 ? 1 : 0;
	pool->denied += answer->status == 0 ? 0 : 1;
	pool->handover->events->answered(ticket, answer);
	handover_serve(receiver);
	return true;
}
