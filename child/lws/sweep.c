/* SPDX-License-Identifier: MIT */
/*
 * Keepalive for clients of libwebsockets, without a timer a connection: its own are in one list
 * that every new connection would walk through. One walk over all members is a round, eight rounds
 * are an interval. Who has been silent for an interval gets a Ping; who is for another one after
 * it, ends. Time is counted in rounds that ran, so a callback that blocks makes nobody look dead.
 * leave.c's timer calls this; wrap.c notes who was heard.
 */
#include "lws/adapter.h"

#include <sys/ioctl.h>

enum {
	ROUNDS = 8,            /* an interval */
	NO_CLOSE_FRAME = 1006, /* RFC 6455, 7.4.1 */
	BY_KEEPALIVE = 2,      /* docs/protocol.md, CLOSED */
};

void sweep_note_heard(struct member *member)
{
	member->heard = adapter.round;
	member->is_pinged = false;
}

/* Its Pong may be in there: the program has stopped reading (lws_rx_flow_control). */
static bool has_unread(const struct member *member)
{
	int bytes = 0;
	return ioctl(lws_get_socket_fd(member->wsi), FIONREAD, &bytes) == 0 && bytes > 0;
}

static void cut_off(struct member *member)
{
	member->state = MEMBER_CLOSING;
	member->report.code = NO_CLOSE_FRAME;
	member->report.who = BY_KEEPALIVE;
	lws_set_timeout(member->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

/* One byte, which the Pong brings back: libwebsockets 4.1 does not tell of an empty one. */
static void ping(struct member *member)
{
	unsigned char frame[LWS_PRE + 1] = {0};
	lws_write(member->wsi, frame + LWS_PRE, 1, LWS_WRITE_PING);
	member->is_pinged = true;
	member->heard = (uint8_t)(adapter.round - ROUNDS); /* a Ping that came late has its time too */
}

/* Output that libwebsockets holds back would be mixed up with a Ping. Such a client has its turn
 * later; if it is dead, TCP_USER_TIMEOUT of the gateway's listener ends it within a minute. */
static void visit(struct member *member)
{
	unsigned silent = (uint8_t)(adapter.round - member->heard);
	if (member->state != MEMBER_OPEN || member->report.code != 0) {
		return; /* on its way out */
	}
	if (member->is_pinged && silent > 2 * ROUNDS) {
		if (has_unread(member)) {
			sweep_note_heard(member);
		} else {
			cut_off(member);
		}
	} else if (!member->is_pinged && silent >= ROUNDS && !lws_partial_buffered(member->wsi)) {
		ping(member);
	}
}

static void walk(void)
{
	for (struct member *at = adapter.members.first; at != NULL; at = at->next) {
		visit(at);
	}
	adapter.round++;
}

void sweep_watch(void)
{
	if (adapter.ping_interval_ms == 0 || adapter.members.count == 0) {
		return;
	}
	uint64_t now_ms = leave_now_ms();
	if (now_ms >= adapter.sweep_due_ms) {
		walk();
		adapter.sweep_due_ms = now_ms + adapter.ping_interval_ms / ROUNDS + 1;
	}
	leave_wake((unsigned)(adapter.sweep_due_ms - now_ms));
}
