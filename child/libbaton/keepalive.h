/* SPDX-License-Identifier: MIT */
/* Pings, and the end of connections that do not answer: one sweep for all of them. */
#ifndef BATON_KEEPALIVE_H
#define BATON_KEEPALIVE_H

#include "loop/timers.h"

#include <stddef.h>
#include <stdint.h>

struct baton;

struct keepalive {
	struct loop_lane lane;
	struct loop_timer tick;
	unsigned interval_ms; /* HELLO's PING_INTERVAL_MS; 0: none of this happens */
	size_t cursor;        /* the next bucket of the table */
	uint8_t round;        /* walks over the table so far; connections are stamped with it */
};

void keepalive_init(struct baton *);
void keepalive_finish(struct keepalive *);

/* The sweep runs while there are connections: a new one is open. */
void keepalive_begin(struct baton *);

#endif
