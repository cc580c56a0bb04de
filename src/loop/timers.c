/* SPDX-License-Identifier: MIT */
/*
 * The loop's timers: see timers.h. Those of a lane mostly wait equally long, so a new one belongs at
 * the end and the first is due first: no heap, no tree. Reads no clock: loop.c does, once a turn.
 */
#include "loop/loop_private.h"

#include <limits.h>

enum { GRACE_MS = 200 };

void loop_lane_init(struct loop_lane *lane, struct loop *loop, loop_timer_fn *handle)
{
	lane->ends.prev = lane->ends.next = &lane->ends;
	lane->loop = loop;
	lane->handle = handle;
	lane->next_lane = loop->lanes;
	loop->lanes = lane;
}

void loop_lane_finish(struct loop_lane *lane)
{
	if (lane->loop == NULL) {
		return;
	}
	while (lane->ends.next != &lane->ends) {
		loop_timer_stop(lane->ends.next);
	}
	struct loop_lane **at = &lane->loop->lanes;
	while (*at != lane) {
		at = &(*at)->next_lane;
	}
	*at = lane->next_lane;
	lane->loop = NULL;
}

int loop_timer_is_running(const struct loop_timer *timer)
{
	return timer->next != NULL;
}

uint64_t loop_timer_late_ms(const struct loop_lane *lane, const struct loop_timer *timer)
{
	uint64_t now_ms = lane->loop->now_ms;
	return now_ms > timer->due_ms ? now_ms - timer->due_ms : 0;
}

int loop_timer_grace(struct loop_lane *lane, struct loop_timer *timer)
{
	if (loop_timer_late_ms(lane, timer) <= GRACE_MS) {
		return 0;
	}
	loop_timer_start(lane, timer, GRACE_MS);
	return 1;
}

void loop_timer_stop(struct loop_timer *timer)
{
	if (timer->next == NULL) {
		return;
	}
	timer->prev->next = timer->next;
	timer->next->prev = timer->prev;
	timer->prev = timer->next = NULL;
}

void loop_timer_start(struct loop_lane *lane, struct loop_timer *timer, unsigned wait_ms)
{
	loop_timer_stop(timer);
	timer->due_ms = lane->loop->now_ms + wait_ms;
	struct loop_timer *before = lane->ends.prev;
	while (before != &lane->ends && before->due_ms > timer->due_ms) {
		before = before->prev;
	}
	timer->prev = before;
	timer->next = before->next;
	before->next->prev = timer;
	before->next = timer;
}

int loop_wait_ms(struct loop *loop)
{
	uint64_t due = UINT64_MAX;
	for (struct loop_lane *lane = loop->lanes; lane != NULL; lane = lane->next_lane) {
		if (lane->ends.next != &lane->ends && lane->ends.next->due_ms < due) {
			due = lane->ends.next->due_ms;
		}
	}
	if (due == UINT64_MAX) {
		return -1;
	}
	if (due <= loop->now_ms) {
		return 0;
	}
	return due - loop->now_ms > INT_MAX ? INT_MAX : (int)(due - loop->now_ms);
}

/* A timer that its handler starts anew, even with 0 ms, waits for the next turn: the clock of a
 * turn stands still, so what is due is fixed when firing begins. */
static void fire_lane(struct loop_lane *lane, uint64_t now_ms)
{
	struct loop_timer due = {&due, &due, 0};
	struct loop_timer *first = lane->ends.next, *last = &lane->ends;
	while (last->next != &lane->ends && last->next->due_ms <= now_ms) {
		last = last->next;
	}
	if (last == &lane->ends) {
		return;
	}
	lane->ends.next = last->next;
	last->next->prev = &lane->ends;
	due.next = first;
	first->prev = &due;
	due.prev = last;
	last->next = &due;
	while (due.next != &due) {
		struct loop_timer *timer = due.next;
		loop_timer_stop(timer);
		lane->handle(timer);
	}
}

void loop_fire_timers(struct loop *loop)
{
	for (struct loop_lane *lane = loop->lanes, *next; lane != NULL; lane = next) {
		next = lane->next_lane;
		fire_lane(lane, loop->now_ms);
	}
}
