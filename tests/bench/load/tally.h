/* SPDX-License-Identifier: MIT */
/*
 * What became of every connection and message, and how long it took. Each connection that was
 * started ends in exactly one outcome: tally_print shows both sides of that sum.
 */
#ifndef LOAD_TALLY_H
#define LOAD_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tally_outcome {
	TALLY_OK,
	TALLY_REFUSED,     /* an HTTP status other than 101 */
	TALLY_RESET,       /* ECONNRESET, EPIPE */
	TALLY_EOF,         /* the server's end came too early */
	TALLY_WRONG,       /* a bad 101, a wrong byte, a byte too many */
	TALLY_TIMEOUT,     /* its own time-out or the deadline of the run */
	TALLY_UNREACHABLE, /* no connection at all */
	TALLY_OUTCOMES,
};

enum { TALLY_STATUSES = 1000, TALLY_BUCKETS = 64 * 40, TALLY_NAMED = 64 };

/* Log-linear: 64 buckets for each power of two, so a percentile is off by 1.6 % at most. */
struct tally_times {
	uint64_t bucket[TALLY_BUCKETS];
	uint64_t count, max_ns;
};

struct tally {
	uint64_t started;
	uint64_t ended[TALLY_OUTCOMES];
	uint64_t refused[TALLY_STATUSES]; /* by status; 0: not an HTTP status */
	uint64_t messages_sent, messages_ok;
	uint64_t slow_10ms, slow_40ms; /* of the 101 */
	uint64_t begin_ns, end_ns;
	struct tally_times upgrade; /* to the whole 101 */
	struct tally_times echo;
	char first_wrong[160];
	char unanswered[TALLY_NAMED][24]; /* the first of those, by their own address and port */
	size_t unanswered_count;
};

void tally_time(struct tally_times *, uint64_t ns);

/* A 101 came after ns. */
void tally_upgrade(struct tally *, uint64_t ns);

void tally_end(struct tally *, enum tally_outcome, unsigned status);

/* A connection ended before any answer. Its descriptor is still open. */
void tally_unanswered(struct tally *, int fd);

/* Keeps the first reason for TALLY_WRONG; no quotes or backslashes in it, please. */
__attribute__((format(printf, 2, 3))) void tally_explain(struct tally *, const char *format, ...);

bool tally_is_clean(const struct tally *);

/* One JSON object and a newline on stdout. */
void tally_print(const struct tally *, const char *mode);

#endif
