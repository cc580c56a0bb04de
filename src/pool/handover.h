/* SPDX-License-Identifier: MIT */
/*
 * The hand-over: a connection's way from "judged" to "a child has it". Owns the offers, the wait
 * queue of each pool and their deadlines; the promise it keeps: never silence, never two children.
 *
 * conn.c submits tickets and hears of their end; child.c reports what children say and that they
 * died. Neither knows the other.
 *
 * To a pool of kind "auth" a ticket is a question: no socket goes along, the head stays in it, and
 * the end is an answer instead of TAKEN. Everything else holds for both, and both are called offers
 * here where it does.
 *
 *	          submit                 TAKEN
 *	IDLE ---+--------> OFFERED ----------------> (taken)
 *	        |           ^   | taken back, refused, child died
 *	        +-> WAITING-+---+--> WAITING, OFFERED to another, or (failed)
 */
#ifndef BATON_HANDOVER_H
#define BATON_HANDOVER_H

#include "admit/refusal.h"
#include "loop/timers.h"
#include "pool/messages.h"
#include "pool/ticket.h"

#include <stdbool.h>
#include <stdint.h>

struct config_pool;

/* What the owner of the tickets does, and the owner of the receivers. */
struct handover_events {
	/* Writes the pairs of the CONNECTION message into buf, consumes the head from the socket
	 * unless it is a question, and returns the length; 0: the client has left, and the ticket
	 * with it. */
	size_t (*write)(struct ticket *, char *buf, size_t size);

	/* It waits, and may wait for long: watch whether the client leaves (handover_withdraw). */
	void (*waits)(struct ticket *);

	/* The socket is about to be passed: no epoll may watch it any more. */
	void (*passes)(struct ticket *);

	/* The receiver owns the connection now; the ticket is the owner's again. */
	void (*taken)(struct ticket *, struct receiver *);

	/* The question is answered; the ticket is the owner's again. */
	void (*answered)(struct ticket *, const struct handover_answer *);

	/* Nobody takes it; the ticket is the owner's again. status 0: the refusal's own. */
	void (*failed)(struct ticket *, enum refusal, int status);

	/* This receiver did not read in time, or has no room for messages: does it live? */
	void (*suspected)(struct receiver *);

	/* This receiver has read an offer and not acknowledged it for ping_timeout: only its death
	 * can free the client. */
	void (*mute)(struct receiver *);
};

struct handover {
	const struct handover_events *events;
	struct loop *loop;
	struct loop_lane watch_lane, offer_lane;
	struct messages messages;
	uint64_t taken_back, dealt_again; /* offers */
};

/* For these pools. 0, or -1 with errno. */
int handover_init(struct handover *, struct loop *, const struct handover_events *,
		  const struct config_pool *pools, size_t pool_count);
void handover_finish(struct handover *);

/* In caller memory; the seats are filled by handover_receiver_init. 0, or -1 with errno. */
int handover_pool_init(struct pool *, struct handover *, const struct config_pool *,
		       unsigned index);
void handover_pool_finish(struct pool *);

/* Sits receiver down as pool->seats[index], shut, without a link. */
void handover_receiver_init(struct receiver *, struct pool *, unsigned index);

/*
 * Offers the ticket to a child or queues it. REFUSAL_NONE: one of the events follows, maybe already
 * has (write may find the client gone). Else the reason, and the ticket stays the owner's.
 */
enum refusal handover_submit(struct ticket *);

/* The client has left, or the owner gives up: only while WAITING. No event follows. */
void handover_withdraw(struct ticket *);

/* TAKEN, REFUSED: false when this receiver was not offered that id (a broken child). */
bool handover_taken(struct receiver *, uint64_t id);
bool handover_refused(struct receiver *, uint64_t id, int status);

/* ALLOW, DENY: false when no such question is open with this receiver (any more); it is counted. */
bool handover_answered(struct receiver *, uint64_t id, const struct handover_answer *);

/*
 * The receiver can take (more): it is ready, has spoken, or a connection has closed. Or it takes
 * nothing more, and those that waited for it alone may go elsewhere.
 */
void handover_serve(struct receiver *);

/*
 * The receiver takes nothing new from now on (drain, stuck): its unread offers go elsewhere; those
 * that it has read stay its own.
 */
void handover_shut(struct receiver *);

/*
 * The receiver is dead and its receipts have been read (native_shut comes first): everything that
 * it was offered goes elsewhere.
 */
void handover_died(struct receiver *);

/* Refuses all that wait for this pool. */
void handover_refuse_waiting(struct pool *, enum refusal);

#endif
