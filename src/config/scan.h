/* SPDX-License-Identifier: MIT */
/*
 * A look at the text before libconfuse gets it: what libconfuse accepts in silence is refused
 * here, and the line numbers that it forgets are noted.
 */
#ifndef BATON_SCAN_H
#define BATON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

struct problem;

struct scan_key {         /* KEY = ... */
	const char *name; /* within scan.text, len bytes */
	size_t len;
	unsigned line;
	size_t section; /* 0: top level; n: the n-th section of the file */
};

struct scan_section {
	unsigned line;    /* where its '{' stands */
	size_t first_key; /* its keys follow one another from here */
};

struct scan {
	char *text; /* the input with every comment blanked; same lines, same columns */
	unsigned lines;
	struct scan_key *keys;
	size_t key_count;
	struct scan_section *sections; /* in the order of the file */
	size_t section_count;
};

/*
 * Fills *scan_r. On false the problem is set and there is nothing to free. len bytes of text; a
 * NUL byte among them is a problem like any other.
 */
bool scan_text(const char *text, size_t len, struct problem *, struct scan *scan_r);

void scan_finish(struct scan *);

/* The line where the key stands in that section; 0 when it does not. */
unsigned scan_line_of(const struct scan *, size_t section, const char *key);

#endif
