/* SPDX-License-Identifier: MIT */
/* What loop.c (descriptors, turns, signals) and timers.c (lanes) share; nobody else includes
 * this. */
#ifndef BATON_LOOP_PRIVATE_H
#define BATON_LOOP_PRIVATE_H

#include "loop/loop.h"
#include "loop/timers.h"

#include <stdbool.h>
#include <sys/epoll.h>

enum { BATCH = 128 }; /* events of one epoll_wait: what one turn may handle */

struct loop {
	int epoll_fd;
	bool stopped;
	uint64_t now_ms;
	struct loop_lane *lanes;
	loop_turn_fn *on_turn_begin, *on_turn_end;
	void *turn_begin_data, *turn_end_data;

	struct loop_io signal_io;
	loop_signal_fn *on_signal;
	void *signal_data;

	struct loop_io wake_io;
	loop_turn_fn *on_wake;
	void *wake_data;

	/* The batch that is being handled: events[next..count) have not been seen yet. */
	int next, count;
	struct epoll_event events[BATCH];
};

/* Handles every timer whose time has come. */
void loop_fire_timers(struct loop *);

#endif
