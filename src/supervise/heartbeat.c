/* SPDX-License-Identifier: MIT */
/*
 * Does a child still answer? See heartbeat.h. PINGs and their deadline only; the PONG is heard in
 * talk.c, and what becomes of a stuck child is child.c's.
 */
#include "supervise/heartbeat.h"

#include "config/config.h"
#include "supervise/child.h"
#include "supervise/supervisor.h"

enum {
	FULL_PING_MS = 500,   /* until a child that had no room is tried again */
	SUSPECT_PING_MS = 50, /* between a PONG and the next PING to a suspect */
};

static uint64_t now_ms(const struct child *child)
{
	return loop_now_ms(child->supervisor->loop);
}

static void ping(struct child *child)
{
	if (child->ping_waits && !child->ping_unsent) {
		return;
	}
	if (!child->ping_waits) {
		child->ping_sent_ms = now_ms(child);
	}
	child->ping_waits = true;
	child->ping_unsent = native_ping(&child->receiver.link) != HANDOFF_OK;
}

void heartbeat_suspect(struct child *child)
{
	/* A child that answers, and to whom an offer cannot be sent all the same (ETOOMANYREFS), is
	 * not asked again and again in a circle. */
	if (child->state == CHILD_READY && now_ms(child) - child->pong_ms < SUSPECT_PING_MS) {
		loop_timer_start(&child->supervisor->lane, &child->timer, SUSPECT_PING_MS);
	} else {
		ping(child);
	}
}

void heartbeat_ask_soon(struct child *child)
{
	if (child->state == CHILD_READY &&
	    child->receiver.pool->config->ping_interval_ms > FULL_PING_MS) {
		loop_timer_start(&child->supervisor->lane, &child->timer, FULL_PING_MS);
	}
}

void heartbeat_handle_timer(struct child *child)
{
	const struct config_pool *config = child->receiver.pool->config;
	child->idle_talk = 0;
	if (child->ping_waits && now_ms(child) - child->ping_sent_ms >= config->ping_timeout_ms) {
		if (!loop_timer_grace(&child->supervisor->lane, &child->timer)) {
			child_abort(child, "no PONG within ping_timeout");
		}
		return;
	}
	ping(child);
	unsigned next_ms = config->ping_interval_ms;
	uint64_t left_ms = child->ping_sent_ms + config->ping_timeout_ms - now_ms(child);
	loop_timer_start(&child->supervisor->lane, &child->timer,
			 left_ms < next_ms ? (unsigned)left_ms : next_ms);
}
