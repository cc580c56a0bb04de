/* SPDX-License-Identifier: MIT */
/*
 * The timers of a loop (loop.h). Like all of it they live in the caller's memory, embedded in what
 * they serve, and belong to the loop's thread.
 */
#ifndef BATON_LOOP_TIMERS_H
#define BATON_LOOP_TIMERS_H

#include <stdint.h>

struct loop;
struct loop_timer;
struct loop_lane;

typedef void loop_timer_fn(struct loop_timer *);

/* One deadline. It runs while next is not NULL. */
struct loop_timer {
	struct loop_timer *prev, *next;
	uint64_t due_ms;
};

/*
 * A lane: timers of one kind in the order of their deadlines. Starting walks from the far end,
 * so equal waits (the usual case: one lane a kind of wait) cost the same however many there are.
 */
struct loop_lane {
	struct loop_timer ends; /* sentinel */
	struct loop *loop;
	struct loop_lane *next_lane;
	loop_timer_fn *handle;
};

/* A lane belongs to its loop until loop_lane_finish, which stops its timers. */
void loop_lane_init(struct loop_lane *, struct loop *, loop_timer_fn *);
void loop_lane_finish(struct loop_lane *);

/* (Re)starts a timer; it fires once, wait_ms after loop_now_ms. A timer is zeroed before first
 * use. */
void loop_timer_start(struct loop_lane *, struct loop_timer *, unsigned wait_ms);
void loop_timer_stop(struct loop_timer *); /* safe when it does not run */
int loop_timer_is_running(const struct loop_timer *);

/* For the handler of a timer: how many milliseconds ago it was due. */
uint64_t loop_timer_late_ms(const struct loop_lane *, const struct loop_timer *);

/*
 * For the handler of a deadline on somebody else. Does it fire late? Then this process itself stood
 * still or was busy, and what its peers sent in time may be unread: 1, and the timer fires once
 * more, after a moment in which that is read. 0: the deadline is missed.
 */
int loop_timer_grace(struct loop_lane *, struct loop_timer *);

#endif
