/* SPDX-License-Identifier: MIT */
/* What handover.c, ticket.c, waiting.c and takeback.c share, and nobody else includes. */
#ifndef BATON_HANDOVER_PRIVATE_H
#define BATON_HANDOVER_PRIVATE_H

#include "loop/loop.h"
#include "pool/handover.h"

/* Are children of this pool asked, or do they take sockets? */
bool handover_asks(const struct pool *);

/* The offer of this id among the receiver's unacknowledged ones, or NULL. */
struct ticket *handover_find_offer(const struct receiver *, uint64_t id);

/* The ticket is no longer this receiver's offer; it is IDLE and still holds its message. */
void handover_end_offer(struct ticket *);

/* Sends the message to the receiver; ticket and receiver are linked on HANDOFF_OK only. */
enum handoff_result handover_send_offer(struct ticket *, struct receiver *);

/* Until the next look at an offer: offer_timeout, or what is left until its deadline. */
void handover_start_offer_timer(struct ticket *);

/* The seat that the ticket should go to now. */
enum pool_choice handover_choose(const struct ticket *, struct seat **seat_r);

/* An IDLE ticket that came back: to another child, or to the front of the queue. */
void handover_deal_again(struct ticket *);

/* What became of a ticket. DEALT_GONE: the client has left, and the ticket with it. */
enum dealt { DEALT, DEALT_NOBODY, DEALT_GONE };

/* Offers to whoever is best, and the next best while the best has no room for messages. */
enum dealt handover_deal(struct ticket *);

/* The receiver was too slow to read: nothing more until it speaks. */
void handover_suspect(struct receiver *);

/* ---- ticket.c ---- */

/* Makes sure of a message; DEALT_NOBODY: there is no memory for one now. */
enum dealt ticket_write_message(struct ticket *);
void ticket_give_message(struct ticket *); /* back to messages.c, if it has one */

/* Its message does not count as one of those that wait any more. */
void ticket_release_spare(struct ticket *);

/* An IDLE ticket ends here. */
void ticket_fail(struct ticket *, enum refusal, int status);

/* ---- waiting.c ---- */

/* Puts an IDLE ticket into the queue, before another or the sentinel; it may fail at once. */
void waiting_put(struct ticket *, struct ticket *before);
void waiting_handle_watch_timer(struct loop_timer *); /* of handover's watch_lane */
void waiting_handle_timer(struct loop_timer *);       /* of the pool's waiting_lane */

/* ---- takeback.c ---- */

/* The handler of the offer lane. */
void handover_handle_offer_timer(struct loop_timer *);

#endif
