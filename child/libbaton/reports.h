/* SPDX-License-Identifier: MIT */
/* Reports of closed connections on their way to the gateway, in the wire's form. */
#ifndef BATON_REPORTS_H
#define BATON_REPORTS_H

#include "handoff/handoff.h"

#include <stdbool.h>
#include <stddef.h>

struct reports {
	char *at;
	size_t count, size; /* reports */
};

/* False without memory. */
bool reports_add(struct reports *, const struct handoff_closed *);

/* Sends them, many to a packet, until the channel is full (HANDOFF_AGAIN: the rest is kept) or
 * they are gone. */
enum handoff_result reports_send(struct reports *, int channel);

void reports_free(struct reports *);

#endif
