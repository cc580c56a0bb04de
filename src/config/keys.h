/* SPDX-License-Identifier: MIT */
/*
 * The one table of what a configuration may say: sections, keys, defaults, ranges. Everything
 * else (the parser's words, the checks, the defaults, the test of docs/configuration.md) reads it.
 */
#ifndef BATON_KEYS_H
#define BATON_KEYS_H

#include <stddef.h>
#include <stdint.h>

enum keys_section { /* in the order of the table */
		    KEYS_TOP,
		    KEYS_LIMITS,
		    KEYS_LISTEN,
		    KEYS_POOL,
		    KEYS_ROUTE,
		    KEYS_SECTIONS,
};

enum keys_kind {
	KEYS_COUNT,    /* unsigned */
	KEYS_DURATION, /* unsigned, milliseconds; written with a unit */
	KEYS_SIZE,     /* size_t, bytes; written plain or with k, M, G */
	KEYS_TEXT,     /* char *, not empty */
	KEYS_WORDS,    /* char **, NULL-terminated; a list in the file */
	KEYS_RATE,     /* uint64_t, microseconds from one to the next; "20/s"; 0: not set */
	KEYS_MODE,     /* mode_t, octal */
	KEYS_FLAG,     /* bool; true or false */
	KEYS_ONE_OF,   /* an enum: the place of the text among the entry's words */
	KEYS_CHOICE,   /* one text that builder code interprets: pool, auth, hash */
	KEYS_CHOICES,  /* a list that builder code interprets: listen, trusted_proxies */
};

struct keys_entry {
	enum keys_section section;
	const char *name;
	enum keys_kind kind;
	const char *fallback; /* as one would write it; NULL: nothing, or chosen at run time */
	uint64_t min, max;    /* for counts, milliseconds, bytes */
	size_t offset;        /* of the field in struct config, config_listener, ... by section */
	const char *const *words; /* of KEYS_ONE_OF, NULL-terminated; compared without case */
};

enum { KEYS_PER_SECTION = 32 }; /* at most; for arrays */

extern const struct keys_entry keys_table[];
extern const size_t keys_table_len;

/* "pool" and so on; "" for the top level. */
const char *keys_section_name(enum keys_section);

/* The section's first entry; *count_r of them follow one another. */
const struct keys_entry *keys_of(enum keys_section, size_t *count_r);

/* NULL when the section has no such key. */
const struct keys_entry *keys_find(enum keys_section, const char *name);

/* The section of that name; KEYS_TOP for anything else. */
enum keys_section keys_section_find(const char *name);

#endif
