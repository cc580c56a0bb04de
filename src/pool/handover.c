/* SPDX-License-Identifier: MIT */
/*
 * The hand-over: see handover.h. Choosing is pool.c's, speaking is native.c's; here are the offers,
 * the queue, the deadlines, and what happens to an offer when its child is slow, full or dead.
 */
#include "pool/handover.h"

#include "config/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	MAX_DEATHS = 3,   /* a client whose request kills child after child gets 503 */
	MAX_REFUSALS = 3, /* children that said they have no room */
	MEMORY_BYTES = POOL_MAX_OFFERS * HANDOFF_MAX_BYTES,
};

enum dealt { DEALT, DEALT_NOBODY, DEALT_GONE };

/* ---- set-up ---- */

static void handle_queue_timer(struct loop_timer *timer);
static void handle_offer_timer(struct loop_timer *timer);

void handover_init(struct handover *self, struct loop *loop, const struct handover_events *events)
{
	*self = (struct handover){.events = events, .loop = loop};
	loop_lane_init(&self->queue_lane, loop, handle_queue_timer);
	loop_lane_init(&self->offer_lane, loop, handle_offer_timer);
}

void handover_finish(struct handover *self)
{
	loop_lane_finish(&self->queue_lane);
	loop_lane_finish(&self->offer_lane);
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

int handover_receiver_init(struct receiver *receiver, struct pool *pool, unsigned index)
{
	void *memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	if (memory == MAP_FAILED) {
		return -1;
	}
	receiver->pool = pool;
	receiver->seat.index = index;
	receiver->link.channel = receiver->link.child_end = NATIVE_NO_LINK;
	receiver->memory = memory;
	for (size_t i = 0; i < POOL_MAX_OFFERS; i++) {
		receiver->offers[i].message = receiver->memory + i * HANDOFF_MAX_BYTES;
	}
	pool->seats[index] = &receiver->seat;
	return 0;
}

void handover_receiver_finish(struct receiver *receiver)
{
	if (receiver->memory != NULL) {
		munmap(receiver->memory, MEMORY_BYTES);
		receiver->memory = NULL;
	}
}

/* ---- tickets ---- */

static void queue_insert(struct pool *pool, struct ticket *ticket, struct ticket *before)
{
	ticket->state = TICKET_WAITING;
	ticket->next = before;
	ticket->prev = before->prev;
	before->prev->next = ticket;
	before->prev = ticket;
	pool->waiting_count++;
	uint64_t now_ms = loop_now_ms(pool->handover->loop);
	if (ticket->wait_until_ms == 0) {
		ticket->wait_until_ms = now_ms + pool->config->queue_timeout_ms;
	}
	uint64_t until_ms = ticket->wait_until_ms;
	loop_timer_start(&pool->handover->queue_lane, &ticket->timer,
			 until_ms > now_ms ? (unsigned)(until_ms - now_ms) : 0);
}

static void queue_remove(struct ticket *ticket)
{
	assert(ticket->state == TICKET_WAITING);
	ticket->prev->next = ticket->next;
	ticket->next->prev = ticket->prev;
	ticket->prev = ticket->next = NULL;
	ticket->pool->waiting_count--;
	ticket->state = TICKET_IDLE;
	loop_timer_stop(&ticket->timer);
}

static void ticket_forget_message(struct ticket *ticket)
{
	free(ticket->kept);
	ticket->kept = NULL;
}

static void fail(struct ticket *ticket, enum refusal refusal, int status)
{
	assert(ticket->state == TICKET_IDLE);
	loop_timer_stop(&ticket->timer);
	ticket_forget_message(ticket);
	ticket->pool->handover->events->failed(ticket, refusal, status);
}

void handover_withdraw(struct ticket *ticket)
{
	queue_remove(ticket);
	ticket_forget_message(ticket);
}

/* ---- offers ---- */

static struct offer *offer_find(struct receiver *receiver, uint64_t id)
{
	for (size_t i = 0; i < POOL_MAX_OFFERS; i++) {
		struct ticket *ticket = receiver->offers[i].ticket;
		if (ticket != NULL && ticket->id == id) {
			return &receiver->offers[i];
		}
	}
	return NULL;
}

static struct offer *offer_free_place(struct receiver *receiver)
{
	for (size_t i = 0; i < POOL_MAX_OFFERS; i++) {
		if (receiver->offers[i].ticket == NULL) {
			return &receiver->offers[i];
		}
	}
	return NULL;
}

/* Ends an offer; the ticket is on its own again. */
static struct ticket *offer_end(struct receiver *receiver, struct offer *offer)
{
	struct ticket *ticket = offer->ticket;
	assert(ticket->state == TICKET_OFFERED && receiver->seat.offered > 0);
	offer->ticket = NULL;
	receiver->seat.offered--;
	ticket->receiver = NULL;
	ticket->state = TICKET_IDLE;
	loop_timer_stop(&ticket->timer);
	return ticket;
}

/* The head is consumed: until somebody else holds the message, the ticket must. */
static bool ticket_keep(struct ticket *ticket, const struct offer *offer)
{
	if (ticket->kept == NULL) {
		ticket->kept = malloc(offer->bytes);
		if (ticket->kept == NULL) {
			return false;
		}
		memcpy(ticket->kept, offer->message, offer->bytes);
		ticket->kept_bytes = offer->bytes;
	}
	return true;
}

static size_t offer_write(struct offer *offer, struct ticket *ticket)
{
	if (ticket->kept != NULL) {
		memcpy(offer->message, ticket->kept, ticket->kept_bytes);
		return ticket->kept_bytes;
	}
	return ticket->pool->handover->events->write(ticket, offer->message, HANDOFF_MAX_BYTES -
							     HANDOFF_HEADER_BYTES);
}

static void suspect(struct receiver *receiver)
{
	if (receiver->seat.state == SEAT_OPEN) {
		receiver->seat.state = SEAT_SUSPECT;
		receiver->pool->handover->events->suspected(receiver);
	}
}

/* Offers to this receiver. DEALT_NOBODY: it has no room for messages and is suspect now. */
static enum dealt offer_to(struct ticket *ticket, struct receiver *receiver)
{
	struct handover *self = ticket->pool->handover;
	struct offer *offer = offer_free_place(receiver);
	offer->bytes = offer_write(offer, ticket);
	if (offer->bytes == 0) {
		return DEALT_GONE;
	}
	enum handoff_result result = native_offer(&receiver->link, ticket->id, offer->message,
						  offer->bytes, ticket->fd);
	if (result != HANDOFF_OK) {
		suspect(receiver);
		if (!ticket_keep(ticket, offer)) {
			fail(ticket, REFUSAL_HANDOVER_TIMEOUT, 0);
			return DEALT_GONE;
		}
		return DEALT_NOBODY;
	}
	ticket_forget_message(ticket);
	offer->ticket = ticket;
	receiver->seat.offered++;
	ticket->receiver = receiver;
	ticket->state = TICKET_OFFERED;
	if (ticket->deadline_ms == 0) {
		ticket->deadline_ms =
			loop_now_ms(self->loop) + ticket->pool->config->handover_timeout_ms;
	}
	loop_timer_start(&self->offer_lane, &ticket->timer, ticket->pool->config->offer_timeout_ms);
	return DEALT;
}

static enum pool_choice choose(const struct ticket *ticket, struct seat **seat_r)
{
	const struct pool *pool = ticket->pool;
	if (ticket->by_hash) {
		return pool_pick_by_hash(pool->seats, pool->count, ticket->key_hash, seat_r);
	}
	return pool_pick_least(pool->seats, pool->count, seat_r);
}

/* Offers to whoever is best, and the next best while the best turns out to be busy. */
static enum dealt deal(struct ticket *ticket)
{
	struct seat *seat;
	while (choose(ticket, &seat) == POOL_SEAT) {
		enum dealt dealt = offer_to(ticket, loop_owner(seat, struct receiver, seat));
		if (dealt != DEALT_NOBODY) {
			return dealt;
		}
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
	bool must_wait = pool->waiting_count > 0 && !ticket->by_hash; /* others were here first */
	if (!must_wait && deal(ticket) != DEALT_NOBODY) {
		return REFUSAL_NONE;
	}
	if (pool->waiting_count >= pool->config->queue) {
		ticket_forget_message(ticket);
		return REFUSAL_QUEUE_FULL;
	}
	queue_insert(pool, ticket, &pool->waiting);
	return REFUSAL_NONE;
}

/* What came back from a child: to another one, or to the front of the queue. */
static void deal_again(struct ticket *ticket)
{
	struct pool *pool = ticket->pool;
	pool->handover->dealt_again++;
	if (pool->is_failed || pool->is_stopping) {
		fail(ticket, pool->is_failed ? REFUSAL_POOL_FAILED : REFUSAL_STOPPING, 0);
	} else if (deal(ticket) == DEALT_NOBODY) {
		queue_insert(pool, ticket, pool->waiting.next);
	}
}

void handover_serve(struct receiver *receiver)
{
	struct pool *pool = receiver->pool;
	struct seat *seat = &receiver->seat;
	struct seat *chosen;
	for (struct ticket *ticket = pool->waiting.next, *next;
	     ticket != &pool->waiting && seat->offered < POOL_MAX_OFFERS; ticket = next) {
		next = ticket->next;
		bool waits_for_other = ticket->by_hash && ticket->wants != NULL && ticket->wants != seat;
		if (waits_for_other || choose(ticket, &chosen) != POOL_SEAT) {
			continue;
		}
		queue_remove(ticket);
		if (deal(ticket) == DEALT_NOBODY) {
			queue_insert(pool, ticket, next);
		}
	}
}

void handover_refuse_waiting(struct pool *pool, enum refusal refusal)
{
	while (pool->waiting.next != &pool->waiting) {
		struct ticket *ticket = pool->waiting.next;
		queue_remove(ticket);
		fail(ticket, refusal, 0);
	}
}

/* ---- what children say ---- */

bool handover_taken(struct receiver *receiver, uint64_t id)
{
	struct offer *offer = offer_find(receiver, id);
	if (offer == NULL) {
		return false;
	}
	struct ticket *ticket = offer_end(receiver, offer);
	receiver->seat.live++;
	receiver->taken++;
	receiver->pool->handover->events->taken(ticket, receiver);
	handover_serve(receiver);
	return true;
}

bool handover_refused(struct receiver *receiver, uint64_t id, int status)
{
	struct offer *offer = offer_find(receiver, id);
	if (offer == NULL) {
		return false;
	}
	struct ticket *ticket = offer_end(receiver, offer);
	if (status != 0) {
		fail(ticket, REFUSAL_BY_CHILD, status);
		return true;
	}
	receiver->seat.is_full = true;
	if (++ticket->refusals >= MAX_REFUSALS || !ticket_keep(ticket, offer)) {
		fail(ticket, REFUSAL_BY_CHILD, 0);
	} else {
		deal_again(ticket);
	}
	return true;
}

/* ---- taking back ---- */

struct came_back {
	struct receiver *receiver;
	size_t count;
	struct offer *offers[POOL_MAX_OFFERS];
};

static void note_came_back(void *data, uint64_t id)
{
	struct came_back *back = data;
	struct offer *offer = offer_find(back->receiver, id);
	if (offer != NULL) {
		back->offers[back->count++] = offer;
	}
}

static struct came_back take_back(struct receiver *receiver, bool resend_others)
{
	struct came_back back = {.receiver = receiver};
	native_take_back(&receiver->link, resend_others, note_came_back, &back);
	receiver->pool->handover->taken_back += back.count;
	return back;
}

static void send_elsewhere(struct receiver *receiver, struct offer *offer)
{
	struct ticket *ticket = offer_end(receiver, offer);
	if (ticket_keep(ticket, offer)) {
		deal_again(ticket);
	} else {
		fail(ticket, REFUSAL_HANDOVER_TIMEOUT, 0);
	}
}

/* Could somebody else take it now? Affinity never moves for slowness, or a room would split. */
static bool may_move(const struct ticket *ticket)
{
	struct seat *seat;
	return !ticket->by_hash && choose(ticket, &seat) == POOL_SEAT &&
	       seat != &ticket->receiver->seat;
}

/* An offer that came back and has nowhere better to go stands in the same queue again. */
static void offer_again(struct receiver *receiver, struct offer *offer)
{
	struct ticket *ticket = offer->ticket;
	if (native_offer(&receiver->link, ticket->id, offer->message, offer->bytes, ticket->fd) ==
	    HANDOFF_OK) {
		loop_timer_start(&receiver->pool->handover->offer_lane, &ticket->timer,
				 receiver->pool->config->offer_timeout_ms);
	} else {
		send_elsewhere(receiver, offer);
	}
}

static void handle_queue_timer(struct loop_timer *timer)
{
	struct ticket *ticket = loop_owner(timer, struct ticket, timer);
	queue_remove(ticket);
	fail(ticket, REFUSAL_QUEUE_TIMEOUT, 0);
}

/*
 * An offer has not been acknowledged in time. If somebody else is prompt, or the whole time is up,
 * everything that the child has not read is taken back. What it has read stays its own: TAKEN
 * comes, or the heartbeat ends the child.
 */
static void handle_offer_timer(struct loop_timer *timer)
{
	struct ticket *ticket = loop_owner(timer, struct ticket, timer);
	struct receiver *receiver = ticket->receiver;
	struct handover *self = ticket->pool->handover;
	uint64_t now_ms = loop_now_ms(self->loop);
	if (now_ms < ticket->deadline_ms && !may_move(ticket)) {
		loop_timer_start(&self->offer_lane, timer, ticket->pool->config->offer_timeout_ms);
		return;
	}
	struct came_back back = take_back(receiver, true);
	if (back.count > 0) {
		suspect(receiver);
	}
	for (size_t i = 0; i < back.count; i++) {
		struct offer *offer = back.offers[i];
		if (now_ms >= offer->ticket->deadline_ms) {
			fail(offer_end(receiver, offer), REFUSAL_HANDOVER_TIMEOUT, 0);
		} else if (may_move(offer->ticket)) {
			send_elsewhere(receiver, offer);
		} else {
			offer_again(receiver, offer);
		}
	}
}

void handover_shut(struct receiver *receiver)
{
	receiver->seat.state = SEAT_SHUT;
	struct came_back back = take_back(receiver, true);
	for (size_t i = 0; i < back.count; i++) {
		send_elsewhere(receiver, back.offers[i]);
	}
}

void handover_died(struct receiver *receiver)
{
	receiver->seat.state = SEAT_SHUT;
	take_back(receiver, false);
	for (size_t i = 0; i < POOL_MAX_OFFERS; i++) {
		struct offer *offer = &receiver->offers[i];
		if (offer->ticket == NULL) {
			continue;
		}
		if (++offer->ticket->deaths >= MAX_DEATHS) {
			fail(offer_end(receiver, offer), REFUSAL_CHILDREN_DIED, 0);
		} else {
			send_elsewhere(receiver, offer);
		}
	}
}
