/* SPDX-License-Identifier: MIT */
/* struct baton: what a process has once. Its large buffers are touched only when used. */
#ifndef BATON_HOST_H
#define BATON_HOST_H

#include "handoff/handoff.h"
#include "libbaton/baton.h"
#include "libbaton/channel.h"
#include "libbaton/drain.h"
#include "libbaton/keepalive.h"
#include "libbaton/packing.h"
#include "libbaton/session.h"
#include "libbaton/table.h"
#include "libbaton/topics.h"
#include "libbaton/watch.h"
#include "loop/timers.h"

enum {
	HOST_RECEIVE_BYTES = 64 * 1024, /* of one read */
	HOST_BATCH_BYTES = 64 * 1024,   /* of what one read produced, for one write */
};

struct baton {
	struct loop *loop;
	struct baton_app app; /* missing callbacks are NULL */
	void *data;           /* the author's */
	struct channel channel;
	struct table table;
	struct drain drain;
	struct keepalive keepalive;
	struct topics topics;
	struct packing packing;
	struct watch_list watches;
	struct loop_lane closing, lingering; /* waits of connections */
	struct loop_lane later;              /* conn_go_on_later */
	struct session_limits limits;
	size_t send_limit;
	bool is_in_turn; /* else a deadline or deferred work must wake the loop */
	bool is_stopped;
	bool skips_slow;  /* HELLO's SLOW_CLIENT: who is at send_limit misses what is published */
	uint64_t skipped; /* published messages that clients missed so, since the start */
	uint64_t lag_ms;  /* the longest turn since the last PONG */

	struct baton_conn *deferred, *last_deferred;
	struct baton_conn *opening; /* whose open runs: its offer is channel.offer */
	struct baton_conn *current; /* whose event runs: batch is its output */
	size_t unpacked_bytes;      /* of what is being fed to current */
	const void *in_place;       /* the message that is being told, if it stands in receive: right
				       behind its frame's header, whose bytes nobody needs any more */
	size_t batch_length;
	uint8_t batch[HOST_BATCH_BYTES];
	uint8_t receive[SESSION_MAX_TAIL + HOST_RECEIVE_BYTES]; /* kept bytes go before a read */
	char value[HANDOFF_MAX_BYTES];                          /* what baton_get returned last */
};

/* A deadline was set or work was deferred: outside of a turn the loop must learn of it. */
void host_nudge(struct baton *);

/* What to give loop_timer_start for a wait that begins now and not with the turn, whose callbacks
 * may have taken longer than the whole wait. Nudges. */
unsigned host_wait_ms(struct baton *, unsigned wait_ms);

#endif
