/* SPDX-License-Identifier: MIT */
/* What handover.c and takeback.c share, and nobody else includes. */
#ifndef BATON_HANDOVER_PRIVATE_H
#define BATON_HANDOVER_PRIVATE_H

#include "pool/handover.h"

/* Are children of this pool asked, or do they take sockets? */
bool handover_asks(const struct pool *);

/* The offer of this id among the receiver's unacknowledged ones, or NULL. */
struct ticket *handover_find_offer(const struct receiver *, uint64_t id);

/* The ticket is no longer this receiver's offer; it is IDLE and still holds its message. */
void handover_end_offer(struct ticket *);

/* Sends the message to the receiver; ticket and receiver are linked on HANDOFF_OK only. */
enum handoff_result handover_send_offer(struct ticket *, struct receiver *);

/* The seat that the ticket should go to now. */
enum pool_choice handover_choose(const struct ticket *, struct seat **seat_r);

/* An IDLE ticket that came back: to another child, or to the front of the queue. */
void handover_deal_again(struct ticket *);

/* An IDLE ticket ends here. */
void handover_fail(struct ticket *, enum refusal, int status);

/* The receiver was too slow to read: nothing more until it speaks. */
void handover_suspect(struct receiver *);

/* takeback.c: the handler of the offer lane. */
void handover_handle_offer_timer(struct loop_timer *);

#endif
