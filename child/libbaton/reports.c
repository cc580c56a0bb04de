/* SPDX-License-Identifier: MIT */
/*
 * CLOSED messages. The reports of a turn share a packet; those that find the channel full wait
 * here, in an array that grows: a report that got lost would count a connection for ever.
 * channel.c decides when to send.
 */
#include "libbaton/reports.h"

#include <stdlib.h>
#include <string.h>

enum {
	REPORTS_A_PACKET = 400, /* 19,200 bytes */
	FIRST_REPORTS = 64,
	MOST_KEPT = 4096, /* room for more is given back once it is empty */
};

bool reports_add(struct reports *reports, const struct handoff_closed *report)
{
	if (reports->count == reports->size) {
		size_t size = reports->size > 0 ? 2 * reports->size : FIRST_REPORTS;
		char *at = realloc(reports->at, size * HANDOFF_CLOSED_BYTES);
		if (at == NULL) {
			return false;
		}
		reports->at = at;
		reports->size = size;
	}
	handoff_closed_write(report, reports->at + reports->count * HANDOFF_CLOSED_BYTES);
	reports->count++;
	return true;
}

enum handoff_result reports_send(struct reports *reports, int channel)
{
	enum handoff_result result = HANDOFF_OK;
	size_t sent = 0;
	while (sent < reports->count) {
		size_t count = reports->count - sent;
		if (count > REPORTS_A_PACKET) {
			count = REPORTS_A_PACKET;
		}
		result = handoff_send(channel, HANDOFF_CLOSED, 0,
				      reports->at + sent * HANDOFF_CLOSED_BYTES,
				      count * HANDOFF_CLOSED_BYTES, -1);
		if (result != HANDOFF_OK) {
			break;
		}
		sent += count;
	}
	reports->count -= sent;
	if (sent > 0 && reports->count > 0) {
		memmove(reports->at, reports->at + sent * HANDOFF_CLOSED_BYTES,
			reports->count * HANDOFF_CLOSED_BYTES);
	}
	if (reports->count == 0 && reports->size > MOST_KEPT) {
		reports_free(reports);
	}
	return result;
}

void reports_free(struct reports *reports)
{
	free(reports->at);
	*reports = (struct reports){NULL, 0, 0};
}
