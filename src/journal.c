/* SPDX-License-Identifier: MIT */
/*
 * A connection's log lines: see journal.h. Formats only; the log decides what becomes of them.
 */
#include "journal.h"

#include "config/config.h"
#include "handoff/handoff.h"
#include "log.h"

#include <string.h>

enum { CLOSE_ABNORMAL = 1006 }; /* no Close frame came: it is the child's fate that is told */

void journal_refuse(const struct record *record, enum refusal refusal, int status,
		    const char *target, size_t target_len, const char *why)
{
	char client[ADDRESS_TEXT_BYTES], text[LOG_TEXT_BYTES], words[LOG_TEXT_BYTES];
	address_write(&record->client, client);
	/* A query may hold what lets its bearer in: it is no business of whoever reads logs. */
	const char *query = target != NULL ? memchr(target, '?', target_len) : NULL;
	target_len = query != NULL ? (size_t)(query - target) : target_len;
	log_event(LOG_INFO, "refuse", "id=%llu client=%s status=%d reason=%s%s%s%s%s",
		  (unsigned long long)record->id, client, status, refusal_name(refusal),
		  target != NULL ? " target=" : "",
		  target != NULL ? log_quote(text, target, target_len) : "",
		  why != NULL ? " text=" : "",
		  why != NULL ? log_quote(words, why, strlen(why)) : "");
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
