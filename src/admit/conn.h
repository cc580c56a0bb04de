/* SPDX-License-Identifier: MIT */
/*
 * Clients from accept to hand-over: consumes the PROXY header where the listener expects one, reads
 * the head without consuming it, judges it, has an auth child asked where the route says so, gives
 * it to handover.c, or refuses and lingers. The only state machine of a connection in the gateway.
 *
 *	PROXY --consumed--> HEAD --judged--+--> AUTH --ALLOW--+--> HANDOVER --TAKEN--> (the child's;
 *	  |                  |             +------------------+        |         its record stays)
 *	  |                  |                  |                     |
 *	  +---refused--------+------------------+---------------------+--> LINGER --end of file or
 *	                                                                 linger_timeout--> (closed)
 */
#ifndef BATON_CONN_H
#define BATON_CONN_H

#include "admit/closing.h"
#include "admit/forwarded.h"
#include "loop/loop.h"
#include "pool/handover.h"

#include <stdbool.h>

struct config;
struct counters;
struct ledger;
struct limits;
struct listener;
struct record;
struct sockaddr_storage;

enum conn_state { CONN_PROXY, CONN_HEAD, CONN_AUTH, CONN_HANDOVER, CONN_LINGER };

struct conn {
	struct ticket ticket; /* id, the client's socket (owned here), the way to a child */
	struct conns *conns;
	struct conn *next_free;
	struct record *record;
	struct listener *listener;
	struct address peer; /* who connected; record->client is who it speaks for */
	enum forwarded_scheme scheme;
	unsigned server_port; /* to which the client connected */
	enum conn_state state;
	enum refusal over;      /* the limit that it is beyond, so that it is refused once judged */
	unsigned retry_secs;    /* for the answer then; 0: not known */
	struct closing closing; /* how it is refused where the route says refuse_as = "close" */
	bool is_known;          /* who the client is: it has been counted by its address */
	bool is_head;           /* the method: an answer has no body (RFC 9110, 9.3.2) */
	bool by_hash;  /* with ticket.key_hash: what the route's pool goes by; auth pools do not */
	bool is_plain; /* HTTP, no upgrade: it may end its side and still wait for the answer */
	char *grant;   /* pairs of an ALLOW for the child that gets the client, or NULL; owned */
	size_t grant_bytes;
	struct loop_io io;
	struct loop_timer timer; /* PROXY, HEAD, LINGER: their timeouts in config.h */
};

/* All clients that no child has yet. */
struct conns {
	struct loop *loop;
	const struct config *config;
	struct ledger *ledger;
	struct limits *limits;
	struct counters *counters;
	struct pool *pools;
	struct loop_lane proxy_lane, head_lane, linger_lane;
	struct conn *slots; /* one for each record of the ledger; untouched ones cost nothing */
	struct conn *free;
	size_t used_end, max;
	size_t count, most;               /* clients that hold a descriptor here, now and at most */
	size_t lingering, most_lingering; /* those of them that have been refused */
	bool is_draining;
};

/* In caller memory; borrows all. 0, or -1 with errno. */
int conns_init(struct conns *, struct loop *, const struct config *, struct ledger *,
	       struct limits *, struct counters *, struct pool *pools);
void conns_finish(struct conns *); /* closes all */

/* The events of the tickets, for handover_init; suspected and mute are child.c's. */
size_t conn_write_offer(struct ticket *, char *buf, size_t size);
void conn_waits(struct ticket *);
void conn_passes(struct ticket *);
void conn_answered(struct ticket *, const struct handover_answer *);
void conn_taken(struct ticket *, struct receiver *);
void conn_failed(struct ticket *, enum refusal, int status);

/* For the listeners; their data is the struct conns. */
extern const struct listener_events conn_listener_events;

#endif
