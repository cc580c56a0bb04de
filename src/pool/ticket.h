/* SPDX-License-Identifier: MIT */
/*
 * Who takes part in a hand-over (handover.h): a connection on its way, the child that receives it,
 * the pool of both. Plain data; handover.c's module keeps it.
 */
#ifndef BATON_TICKET_H
#define BATON_TICKET_H

#include "dialect/native.h"
#include "loop/timers.h"
#include "pool/pool.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct config_pool;
struct handover;

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

#endif
