/* SPDX-License-Identifier: MIT */
/*
 * One child process: its state, its heartbeat, what it says, its death. Owns the receiver (and with
 * it the channel) and the output pipe; the process itself is spawn.c's.
 *
 *	DOWN --start--> STARTING --READY--> READY ---DRAIN---> DRAINING
 *	 ^                 |                  | no PONG           | deadline
 *	 |                 | too late, faulty | STUCK (SIGABRT)   v
 *	 |                 v                  v                STOPPING (SIGTERM)
 *	 +---(exit)----- KILLED (SIGKILL) <---+-------------------+
 *
 * The process may exit in every state; DOWN starts the next one after the restart delay.
 */
#ifndef BATON_CHILD_H
#define BATON_CHILD_H

#include "log.h"
#include "pool/handover.h"
#include "supervise/spawn.h"

enum child_state {
	CHILD_DOWN,
	CHILD_STARTING,
	CHILD_READY,
	CHILD_STUCK,
	CHILD_DRAINING,
	CHILD_STOPPING,
	CHILD_KILLED,
};

struct supervisor;
struct output;
struct record;

struct child {
	struct receiver receiver; /* its seat, its channel, its offers */
	struct supervisor *supervisor;
	unsigned token; /* for spawn.c; the place in the supervisor's table */
	enum child_state state;
	struct output *output;
	struct loop_io channel_io;
	struct loop_timer timer; /* DOWN: restart; STARTING, STUCK, DRAINING, STOPPING: their limit;
				    READY: the next look at the heartbeat */
	uint64_t started_ms, ready_ms;
	bool was_ready;
	bool ping_waits;       /* a PING is out, or must go out as soon as there is room */
	bool ping_unsent;      /* the latter */
	uint64_t ping_sent_ms; /* when it began to wait */
	uint64_t pong_ms;      /* of the last PONG */
	uint64_t lag_ms;       /* of its loop, by its last PONG */
	uint64_t skipped;      /* messages that slow clients have missed, by its last PONG */
	unsigned failures;     /* bad runs in a row */
	unsigned restarts;
	bool told_full;     /* it had no room, as the log says, and has taken nobody since */
	unsigned idle_talk; /* LOG and unknown messages since the last heartbeat */
};

/* In caller memory. */
void child_init(struct child *, struct supervisor *, struct pool *, unsigned index, unsigned token);
void child_finish(struct child *);

/* Starts the process now, whatever the restart delay. Only in DOWN. */
void child_start(struct child *);

/* Sends DRAIN and takes nothing new; SIGTERM at the pool's drain_timeout. Children that are not
 * ready yet get SIGTERM at once. */
void child_drain(struct child *);

/* SIGTERM now, SIGKILL at the pool's stop_timeout. */
void child_stop(struct child *);

/* SIGKILL now. */
void child_kill(struct child *);

/* SIGABRT now, SIGKILL at the pool's stop_timeout: it is stuck, why says how that showed. */
void child_abort(struct child *, const char *why);

/* For talk.c. It said READY: it takes connections from now on, as many as this and its pool allow. */
void child_become_ready(struct child *, uint64_t capacity);

/* For talk.c. It broke the protocol: it loses its own life, and nobody else's. Nothing happens
 * where its channel is not read any more: it is dead. */
void child_condemn(struct child *, const char *why);

/* For talk.c. A connection of this child is over; report: its own, or NULL when it died. */
void child_bury(struct child *, struct record *, const struct handoff_closed *report);

/* What spawn.c tells of this child. */
void child_handle_spawn_event(struct child *, const struct spawn_event *);

/* The deadline of the state has come. */
void child_handle_timer(struct child *);

/* A line of the log: this child's pool, seat and pid, then the key=value list (NULL: nothing). */
void child_log(const struct child *, enum log_level, const char *event, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Lower case, e.g. "ready"; "suspect" for a ready child that did not read in time. Static. */
const char *child_state_name(const struct child *);

#endif
