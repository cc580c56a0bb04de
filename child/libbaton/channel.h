/* SPDX-License-Identifier: MIT */
/* The child's end of the channel to the gateway: see handoff.h for the messages. */
#ifndef BATON_CHANNEL_H
#define BATON_CHANNEL_H

#include "handoff/handoff.h"
#include "libbaton/question.h"
#include "libbaton/reports.h"
#include "loop/loop.h"
#include "loop/timers.h"

#include <stdbool.h>

struct baton;
struct baton_conn;

enum {
	REPORT_DELAY_MS = 10, /* the reports of a few turns share a packet */
	REPORTS_AT_ONCE = 64, /* so many do not wait for more */
};

struct channel {
	struct loop_io io; /* io.fd: -1 once the gateway is gone */
	unsigned interest;
	bool is_mute; /* nobody hears us any more; what came before that is still read */
	bool ready_due, pong_due, reports_due;
	bool told_unknown, told_malformed, told_no_auth; /* logged once each */
	uint64_t capacity;

	/* The offer being answered. While answer is not 0 it waits for room in the channel, and
	 * nothing more is received: packet holds it. */
	unsigned answer; /* HANDOFF_TAKEN, HANDOFF_REFUSED or 0 */
	struct baton_conn *offered;
	struct handoff_message offer;

	struct questions questions;
	struct reports reports;
	struct loop_lane report_lane;
	struct loop_timer report_timer;
	char packet[HANDOFF_MAX_BYTES];
};

/* Watches fd and owns it from here on. 0, or -1 with errno, and fd is still the caller's. */
int channel_start(struct baton *, int fd);

/* Closes the channel; a connection whose answer never left is dropped. */
void channel_finish(struct baton *);

/* Queues one report; it leaves within REPORT_DELAY_MS. */
void channel_report(struct baton *, const struct handoff_closed *);

/* Sends what waits, if the channel has room. At the end of a turn. */
void channel_flush(struct baton *);

bool channel_is_quiet(const struct channel *); /* nothing waits to be sent */
bool channel_is_lost(const struct channel *);  /* the gateway is gone */

#endif
