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
#include "dialect/native.h"
#include "loop/loop.h"
#include "pool/messages.h"
#include "pool/pool.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct config_pool;

enum ticket_state { TICKET_IDLE, TICKET_WAITING, TICKET_OFFERED };

/* One connection on its way; embedded in its owner, who zeroes it and fills in the first part. */
struct ticket {
	uint64_t id;
	int fd; /* the client's socket: borrowed, the owner closes it when the ticket has ended */
	bool by_hash;
	uint64_t key_hash;
	struct pool *pool;

	/* handover.c only */
	enum ticket_state state;
	struct ticket *prev, *next; /* in the wait queue */
	struct loop_timer timer;    /* WAITING: WATCH_AFTER_MS, then queue_timeout; OFFERED:
				       offer_timeout */
	struct receiver *receiver;  /* OFFERED: to whom */
	struct seat *wants;         /* WAITING by hash: the seat that must have room */
	uint64_t wait_until_ms;     /* queue_timeout, from the first wait on; 0 before */
	uint64_t deadline_ms;       /* handover_timeout, from the first offer on; 0 before */
	uint64_t offered_ms;        /* when the offer that stands was sent */
	unsigned deaths;            /* of children that had it */
	uint64_t refusers;          /* bit seat % 64: children that had no room for it */
	char *message;              /* from messages.h; NULL: the head is not consumed yet */
	size_t message_bytes;
	bool holds_spare; /* message counts as one of those that wait */
};

/* One child, as it receives sockets. child.c owns it and opens and closes the link. */
struct receiver {
	struct seat seat;
	struct pool *pool;
	struct native_link link;
	struct ticket *offers[POOL_MAX_QUESTIONS]; /* unacknowledged, in no order, the first
						      seat.max_offers; NULL: free place */
	uint32_t records;                          /* ledger list of its connections */
	uint64_t taken;      /* since the process started; questions: answered */
	unsigned unanswered; /* questions whose deadline came first: an answer may still follow */
	pid_t pid;           /* of the process; 0: there is none */
};

/* A pool at work. */
struct pool {
	struct handover *handover;
	const struct config_pool *config;
	unsigned index;
	size_t count;
	struct seat **seats;           /* seats[i] is in a receiver */
	struct ticket waiting;         /* sentinel of the queue, oldest first */
	struct loop_lane waiting_lane; /* queue_timeout: pools differ, in a pool it is one */
	unsigned waiting_count, waiting_for_any; /* all, and those not by hash */
	bool is_failed;                          /* its children do not start: refuse at once */
	bool is_stopping;                        /* it takes nobody any more */
	uint64_t asked, allowed, denied;         /* clients, of an auth pool */
	uint64_t ignored;                        /* answers to what was not open */
};

/* What a child of an auth pool says of a client. The texts live during the call only. */
struct handover_answer {
	int status;            /* 0: ALLOW; else DENY, 400 to 599 */
	const char *grant;     /* ALLOW: pairs for the child that gets the client */
	size_t grant_bytes;    /* at most HANDOFF_MAX_GRANT_BYTES */
	const char *reason;    /* DENY: for the client; NULL: none was given */
	const char *challenge; /* DENY: value of WWW-Authenticate; NULL: none */
};

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
