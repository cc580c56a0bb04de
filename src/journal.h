/* SPDX-License-Identifier: MIT */
/*
 * The three log lines of a connection's life: refuse, open, close. One place for their words, so
 * that conn.c, which hands over, and child.c, which hears of the end, write the same ones.
 */
#ifndef BATON_JOURNAL_H
#define BATON_JOURNAL_H

#include "admit/refusal.h"
#include "pool/ledger.h"

#include <sys/types.h>

struct config;
struct handoff_closed;

/* target: what the client asked for, or NULL when that is not known. Its query is not logged.
 * why: what an auth child said, or NULL. */
void journal_refuse(const struct record *, enum refusal, int status, const char *target,
		    size_t target_len, const char *why);

/* The socket is the child's from here on. */
void journal_open(const struct config *, const struct record *, pid_t pid, uint64_t now_ms);

/* The child's report; or NULL: it died with the connection. */
void journal_close(const struct config *, const struct record *, pid_t pid, uint64_t now_ms,
		   const struct handoff_closed *report);

#endif
