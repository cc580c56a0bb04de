/* SPDX-License-Identifier: MIT */
/*
 * What a child prints to stdout and stderr, as lines of the gateway's log: tagged, cut, limited in
 * rate, dropped and counted beyond it. A child can neither block on us for long nor drown the log.
 */
#ifndef BATON_OUTPUT_H
#define BATON_OUTPUT_H

#include "loop/loop.h"

#include <stdint.h>

enum {
	OUTPUT_LINE_BYTES = 1000,   /* longer lines are cut into several */
	OUTPUT_LINES_A_SECOND = 50, /* in the long run */
	OUTPUT_BURST_LINES = 500,
};

struct output;

/* A line without its newline; dropped: lines that were left out just before it. */
typedef void output_fn(void *data, const char *line, size_t len, uint64_t dropped);

/* Makes the pipe; *write_end_r is the caller's, for the child. NULL with errno. */
struct output *output_create(struct loop *, output_fn *, void *data, int *write_end_r);

/* Reads what is still in the pipe, then closes it. NULL is fine. */
void output_destroy(struct output *);

#endif
