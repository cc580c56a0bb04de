/* SPDX-License-Identifier: MIT */
/*
 * The adapter's timer and its way out: reports that wait, the drain in batches, the end of the
 * process. A timerfd that libwebsockets polls, because its own timers cannot be relied upon on
 * every loop, and sit in one list that is searched from its head.
 */
#include "lws/adapter.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>

enum {
	DRAIN_STEP_MS = 100,
	/* On libev libwebsockets' own timers fire with the next event only: give it one. */
	TICK_MS = 500,
	GOING_AWAY = 1001, /* RFC 6455, 7.4.1 */
};

uint64_t leave_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool leave_open_timer(void)
{
	adapter.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return adapter.timer >= 0;
}

void leave_wake(unsigned wait_ms)
{
	uint64_t due_ms = leave_now_ms() + wait_ms;
	if (adapter.timer < 0 || (adapter.timer_due_ms != 0 && adapter.timer_due_ms <= due_ms)) {
		return;
	}
	/* All zero would stop it. */
	struct itimerspec wait = {.it_value = {.tv_sec = (time_t)(wait_ms / 1000),
					       .tv_nsec = (long)(wait_ms % 1000) * 1000000 + 1}};
	timerfd_settime(adapter.timer, 0, &wait, NULL);
	adapter.timer_due_ms = due_ms;
}

void leave_watch(void)
{
	if (adapter.needs_tick && adapter.members.count > 0) {
		leave_wake(TICK_MS);
	}
	sweep_watch();
}

/* ---- the drain ---- */

static size_t count_open(void)
{
	size_t count = 0;
	for (struct member *at = adapter.members.first; at != NULL; at = at->next) {
		count += at->state == MEMBER_OPEN;
	}
	return count;
}

/* Plain requests and handshakes are soon over, or become open. */
static void drain_some(uint64_t now_ms)
{
	uint64_t left_ms = adapter.drain_spread_ms > now_ms ? adapter.drain_spread_ms - now_ms : 0;
	size_t steps = (size_t)(left_ms / DRAIN_STEP_MS) + 1;
	size_t batch = (count_open() + steps - 1) / steps;
	for (struct member *at = adapter.members.first; at != NULL && batch > 0; at = at->next) {
		if (at->state == MEMBER_OPEN) {
			wrap_close(at, GOING_AWAY, NULL);
			batch--;
		}
	}
}

void leave_drain(unsigned deadline_ms)
{
	if (adapter.is_draining) {
		return;
	}
	uint64_t now_ms = leave_now_ms();
	adapter.is_draining = true;
	adapter.drain_end_ms = now_ms + deadline_ms;
	adapter.drain_spread_ms =
		now_ms + deadline_ms / 4 * 3; /* the last ones need time to answer */
	leave_wake(0);
}

/* ---- the end ---- */

static bool is_over(void)
{
	bool is_leaving = adapter.is_draining || adapter.channel < 0;
	bool is_late = adapter.is_draining && leave_now_ms() >= adapter.drain_end_ms;
	return is_leaving && !adapter.has_ended &&
	       (is_late || (adapter.members.count == 0 && adapter.reports.count == 0));
}

static void end(void)
{
	adapter.has_ended = true;
	if (adapter.app.ended == NULL) {
		exit(EXIT_SUCCESS);
	}
	adapter.app.ended(adapter.data);
}

void leave_handle_timer(void)
{
	adapter.timer_due_ms = 0;
	talk_flush();
	if (adapter.needs_tick) {
		lws_cancel_service(lws_get_context(adapter.timer_wsi));
	}
	if (is_over()) {
		end();
		return;
	}
	if (adapter.is_draining) {
		drain_some(leave_now_ms());
		leave_wake(DRAIN_STEP_MS);
	}
	leave_watch();
}
