/* SPDX-License-Identifier: MIT */
/* The orderly end: every connection gets Close 1001, spread over the time that is given. */
#ifndef BATON_DRAIN_H
#define BATON_DRAIN_H

#include "loop/timers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct baton;

struct drain {
	struct loop_lane lane;
	struct loop_timer tick;
	uint64_t begun_ms;
	unsigned deadline_ms; /* after begun_ms */
	unsigned default_ms;  /* HELLO's DRAIN_TIMEOUT_MS */
	size_t total, closed; /* connections at the beginning; of these, begun to close */
	size_t cursor;        /* the next bucket of the table */
	bool is_running;
	bool is_over; /* the deadline has passed: every connection was ended */
};

void drain_init(struct baton *);
void drain_finish(struct drain *);

/* Calls the app's drain and starts to close. While a drain runs only an earlier end counts. */
void drain_begin(struct baton *, unsigned deadline_ms);

#endif
