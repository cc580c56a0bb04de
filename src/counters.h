/* SPDX-License-Identifier: MIT */
/* What the gateway counts since its start, for `baton status`. Plain data, one owner: gateway.c. */
#ifndef BATON_COUNTERS_H
#define BATON_COUNTERS_H

#include "admit/refusal.h"

#include <stdint.h>

struct counters {
	uint64_t accepted;
	uint64_t handed_over;
	uint64_t closed;        /* after the hand-over, however it ended */
	uint64_t left;          /* clients that went before anybody took or refused them */
	uint64_t refusals[REFUSAL_COUNT];
};

#endif
