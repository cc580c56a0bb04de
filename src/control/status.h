/* SPDX-License-Identifier: MIT */
/* What `baton status` and `baton connections` tell, as JSON. Reads everything, changes nothing. */
#ifndef BATON_STATUS_H
#define BATON_STATUS_H

#include <stddef.h>
#include <stdint.h>

struct counters;
struct ledger;
struct limits;
struct listeners;
struct supervisor;

struct status_view {
	uint64_t now_ms;
	const char *state; /* "running", "draining" */
	const struct listeners *listeners;
	const struct supervisor *supervisor;
	struct ledger *ledger;
	const struct limits *limits;
	const struct counters *counters;
};

/* One JSON object, malloc'ed, with a newline; NULL without memory. */
char *status_write(const struct status_view *);

/* As many open connections as fit into buf, from *cursor on, one JSON object a line; moves *cursor.
 * Returns the length, 0 at the end. */
size_t status_write_connections(const struct status_view *, uint32_t *cursor, char *buf,
				size_t size);

#endif
