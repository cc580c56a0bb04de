/* SPDX-License-Identifier: MIT */
/*
 * The parts of the adapter among themselves: baton_lws.c (its interface), wrap.c (what comes from
 * libwebsockets), rewrite.c (the head that it gets), talk.c (what comes from the gateway), leave.c
 * (timer, drain, end), sweep.c (keepalive).
 */
#ifndef BATON_LWS_ADAPTER_H
#define BATON_LWS_ADAPTER_H

#include "handoff/handoff.h"
#include "libbaton/reports.h"
#include "lws/baton_lws.h"
#include "lws/members.h"

#include <libwebsockets.h>
#include <stdbool.h>

enum {
	ADAPTER_MAX_PROTOCOLS = 16, /* of the program */
	ADAPTER_REPORT_MS = 10,     /* the reports of a few turns share a packet */
};

/* Not a token: no client can ask for it as a subprotocol. */
#define ADAPTER_PROTOCOL "(baton)"

struct baton_lws {
	struct baton_lws_app app;
	void *data;
	struct lws_vhost *vhost;

	/* The program's callbacks, and the protocols that the vhost got instead of its own. */
	lws_callback_function *callbacks[ADAPTER_MAX_PROTOCOLS];
	struct lws_protocols protocols[ADAPTER_MAX_PROTOCOLS + 2];
	bool needs_tick; /* libev: its timers of libwebsockets sleep on a quiet loop */

	int channel,
		timer; /* their wsis own them; -1: closed, the channel once the gateway is gone */
	struct lws *channel_wsi, *timer_wsi;
	uint64_t timer_due_ms; /* 0: does not run */

	struct members members;
	struct member *adopted; /* has no wsi yet; it gets the next one that is made */
	struct reports reports;
	uint64_t capacity;
	size_t message_limit_bytes;
	unsigned ping_interval_ms; /* 0: no pings */
	uint64_t sweep_due_ms;     /* the next round */
	uint8_t round;             /* of the sweep; wraps */
	bool pong_due, ready_due;
	bool told_unknown, told_malformed; /* logged once each */

	bool is_draining, has_ended;
	uint64_t drain_end_ms;    /* the gateway's patience ends */
	uint64_t drain_spread_ms; /* the last Close frame has gone out */
	char packet[HANDOFF_MAX_BYTES];
};

/* One a process: a callback of libwebsockets has no pointer of ours. */
extern struct baton_lws adapter;

/* ---- wrap.c ---- */

/* Fills adapter.protocols from the program's. False: too many, or none. */
bool wrap_protocols(const struct lws_protocols *);

/* Lets libwebsockets have the socket and the head, and watches what becomes of them. fd is gone
 * afterwards, and the member may be over. */
void wrap_adopt(struct member *, int fd, const char *head);

/* Asks for a Close frame, 1000 to 4999; a client that has no WebSocket yet is cut off. */
void wrap_close(struct member *, unsigned code, const char *reason);

/* ---- rewrite.c ---- */

/* The head for libwebsockets; the program's vhost is there. Valid until the next call. */
const char *rewrite_head(const char *head);

/* ---- talk.c ---- */

/* One event of the channel's wsi. Nonzero: the gateway is gone, close it. */
int talk_receive(void);

/* Sends what waits, if there is room. */
void talk_flush(void);

void talk_tell(const char *text); /* one line for the gateway's log, if there is room just now */

/* ---- leave.c ---- */

uint64_t leave_now_ms(void);
bool leave_open_timer(void);       /* false with errno */
void leave_wake(unsigned wait_ms); /* leave_handle_timer runs then, or sooner */
void leave_watch(void);            /* keeps going what members need: keepalive, timers on libev */
void leave_handle_timer(void);
void leave_drain(unsigned deadline_ms);

/* ---- sweep.c ---- */

void sweep_note_heard(struct member *);
void sweep_watch(void); /* does what is due, and has the timer call again while there are members */

#endif
