/* SPDX-License-Identifier: MIT */
/*
 * The three log lines of a connection's life: refuse, open, close. One place for their words, so
 * that conn.c, which hands over, and child.c, which hears of the end, write the same ones.
 */
#ifndef BATON_JOURNAL_H
#define BATON_JOURNAL_H

#include "admit/refusal.h"
#include "pool/ledger.h"
#include "slice.h"

#include <sys/types.h>

struct config;
struct handoff_closed;

/* Each of the last three may be unknown: at == NULL. */
struct journal_refusal {
	enum refusal refusal;
	int status;
	struct slice target; /* what the client asked for; its query is not logged */
	struct slice origin; /* of a page that may not connect */
	struct slice text;   /* what an auth child said */
};

void journal_refuse(const struct config *, const struct record *, const struct journal_refusal *);

/* The socket is the child's from here on. */
void journal_open(const struct config *, const struct record *, pid_t pid, uint64_t now_ms);

/* The child's report; or NULL: it died with the connection. */
void journal_close(const struct config *, const struct record *, pid_t pid, uint64_t now_ms,
		   const struct handoff_closed *report);

#endif
