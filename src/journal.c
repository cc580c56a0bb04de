/* SPDX-License-Identifier: MIT */
/*
 * A connection's log lines: see journal.h. Formats only; the log decides what becomes of them.
 */
#include "journal.h"

#include "config/config.h"
#include "handoff/handoff.h"
#include "log.h"

#include <stdio.h>
#include <string.h>

enum { CLOSE_ABNORMAL = 1006 }; /* no Close frame came: it is the child's fate that is told */

/* Adds " key=..." to a line. */
static void add(char *line, size_t size, const char *key, struct slice value)
{
	char text[LOG_TEXT_BYTES];
	size_t len = strlen(line);
	if (value.at != NULL) {
		snprintf(line + len, size - len, " %s=%s", key,
			 log_quote(text, value.at, value.len));
	}
}

/* It may hold what lets its bearer in: that is no business of whoever reads logs. */
static struct slice without_query(struct slice target)
{
	const char *query = target.at != NULL ? memchr(target.at, '?', target.len) : NULL;
	return query != NULL ? (struct slice){target.at, (size_t)(query - target.at)} : target;
}

void journal_refuse(const struct config *config, const struct record *record,
		    const struct journal_refusal *told)
{
	char client[ADDRESS_TEXT_BYTES], rest[4 * LOG_TEXT_BYTES] = "";
	const bool has_route = record->route != LEDGER_NO_ROUTE;
	address_write(&record->client, client);
	add(rest, sizeof rest, "target", without_query(told->target));
	add(rest, sizeof rest, "origin", told->origin);
	add(rest, sizeof rest, "text", told->text);
	log_event(LOG_INFO, "refuse", "id=%llu client=%s status=%d reason=%s%s%s%s",
		  (unsigned long long)record->id, client, told->status, refusal_name(told->refusal),
		  has_route ? " route=" : "", has_route ? config->routes[record->route].name : "",
		  rest);
}

void journal_open(const struct config *config, const struct record *record, pid_t pid,
		  uint64_t now_ms)
{
	char client[ADDRESS_TEXT_BYTES];
	address_write(&record->client, client);
	log_event(LOG_INFO, "open",
		  "id=%llu client=%s route=%s pool=%s child=%u pid=%d wait_ms=%llu",
		  (unsigned long long)record->id, client, config->routes[record->route].name,
		  config->pools[record->pool].name, record->seat, (int)pid,
		  (unsigned long long)(now_ms - record->opened_ms));
}

/* Who ended it, by the child's report. */
static const char *name_of(unsigned who)
{
	static const char *const names[] = {"client", "child", "keepalive"};
	return who < sizeof names / sizeof names[0] ? names[who] : "child";
}

void journal_close(const struct config *config, const struct record *record, pid_t pid,
		   uint64_t now_ms, const struct handoff_closed *report)
{
	static const struct handoff_closed none = {.code = CLOSE_ABNORMAL};
	char client[ADDRESS_TEXT_BYTES];
	address_write(&record->client, client);
	const struct handoff_closed *end = report != NULL ? report : &none;
	const char *by = report == NULL ? "child-death" : name_of(report->who);
	log_event(
		LOG_INFO, "close",
		"id=%llu client=%s route=%s pool=%s child=%u pid=%d duration_ms=%llu bytes_in=%llu "
		"bytes_out=%llu messages_in=%llu messages_out=%llu code=%u by=%s",
		(unsigned long long)record->id, client, config->routes[record->route].name,
		config->pools[record->pool].name, record->seat, (int)pid,
		(unsigned long long)(now_ms - record->opened_ms), (unsigned long long)end->bytes_in,
		(unsigned long long)end->bytes_out, (unsigned long long)end->messages_in,
		(unsigned long long)end->messages_out, end->code, by);
}
