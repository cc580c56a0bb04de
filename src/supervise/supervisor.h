/* SPDX-License-Identifier: MIT */
/*
 * All children of all pools: starts them, restarts them, stops them, and the loop with the last.
 */
#ifndef BATON_SUPERVISOR_H
#define BATON_SUPERVISOR_H

#include "supervise/child.h"

#include <stddef.h>

struct config;
struct counters;
struct ledger;
struct limits;

struct supervisor {
	struct loop *loop;
	const struct config *config;
	struct handover *handover;
	struct ledger *ledger;
	struct limits *limits;
	struct counters *counters;
	struct spawner *spawner;
	struct loop_lane lane; /* every child's timer */
	struct pool *pools;    /* one for each of the configuration's */
	size_t child_count;
	struct child *children;
	bool is_stopping; /* nobody is started any more */
	bool was_ready; /* each pool has had a child that was ready, or has failed; it was logged */
	uint64_t started_ms;
};

/* In caller memory; borrows everything it is given. 0, or -1 with errno and logged. */
int supervisor_init(struct supervisor *, struct loop *, const struct config *, struct handover *,
		    struct ledger *, struct limits *, struct counters *);

/* Kills what still runs. */
void supervisor_finish(struct supervisor *);

/* Starts all children. */
void supervisor_start(struct supervisor *);

/* Drains all; the second kind ends them by SIGTERM, the third by SIGKILL. When the last process has
 * gone the loop is stopped. */
void supervisor_drain(struct supervisor *);
void supervisor_stop(struct supervisor *);
void supervisor_kill(struct supervisor *);

/* child.c tells: its state has changed, look whether the pool failed, is ready, all is over. */
void supervisor_child_changed(struct supervisor *, struct child *);

/* The child behind a receiver, and the child at a seat of a pool. */
struct child *supervisor_child_of(struct receiver *);
const struct child *supervisor_child_at(const struct supervisor *, unsigned pool, unsigned seat);

#endif
