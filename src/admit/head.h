/* SPDX-License-Identifier: MIT */
/*
 * The request head: bytes in, slices and a named verdict out (RFC 9112, sections 2 to 5).
 * Pure: no I/O, no clock, no allocation, no state between calls; the caller gives the whole
 * head as far as it is known, again and again, until the verdict is final.
 * Refuses, never repairs. What the fields mean is request.c's business.
 */
#ifndef BATON_HEAD_H
#define BATON_HEAD_H

#include "admit/refusal.h"
#include "slice.h"

enum {
	HEAD_MAX_FIELDS = 100,
	HEAD_MAX_TARGET = 8000, /* RFC 9112, 3: at least 8000 octets is RECOMMENDED */
};

struct head_field {
	struct slice name; /* a token, as the client wrote it */
	struct slice
		value; /* without surrounding white space; field-vchar, obs-text, SP and HTAB */
};

struct head {
	size_t bytes;        /* length of the head, the empty line included */
	struct slice method; /* a token */
	struct slice target; /* visible ASCII, not empty */
	unsigned field_count;
	struct head_field fields[HEAD_MAX_FIELDS];
};

enum head_result {
	HEAD_OK,        /* *head_r is filled; its slices point into data */
	HEAD_NEED_MORE, /* nothing wrong so far, no end either */
	HEAD_BAD,       /* *refusal_r says why; no further byte can change it */
};

/*
 * Reads the head at the start of data. limit_bytes is the most a head may have: 431 as soon as
 * that many are there without its end, so a buffer of limit_bytes is enough.
 * A fault is reported as soon as its byte is there, also when the head's end is not.
 * *head_r is written on HEAD_OK only, *refusal_r on HEAD_BAD only.
 */
enum head_result head_parse(const char *data, size_t len, size_t limit_bytes, struct head *head_r,
			    enum refusal *refusal_r);

/* The value of the first field of this name; .at == NULL when it is absent. *count_r (may be
 * NULL) gets how often it stands. Names compare without case (RFC 9110, 5.1). */
struct slice head_find(const struct head *, const char *name, unsigned *count_r);

#endif
