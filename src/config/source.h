/* SPDX-License-Identifier: MIT */
/*
 * A configuration as it was written: sections with titles, keys with texts, and their lines.
 * The grammar has been checked, the meaning has not. Nothing of libconfuse shows here.
 */
#ifndef BATON_SOURCE_H
#define BATON_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/keys.h"

struct problem;

struct source_value {
	char **words; /* NULL-terminated, one for what is no list; NULL: the key is not there */
	size_t count;
	unsigned line; /* 0: none applies */
};

struct source_section {
	enum keys_section kind;
	char *title; /* NULL where the section has none */
	unsigned line;
	struct source_value values[KEYS_PER_SECTION]; /* in the order of keys_of(kind) */
};

/* sections[0] is the top level, [1] the limits (both always there), then as in the file. */
struct source {
	struct source_section *sections;
	size_t count;
};

/* False: the problem is set and there is nothing to free. */
bool source_read(const char *text, size_t len, struct problem *, struct source *source_r);

/* For a configuration that no file holds. init and add: false, or NULL, without memory. */
bool source_init(struct source *);
struct source_section *source_add(struct source *, enum keys_section, const char *title,
				  unsigned line); /* valid until the next source_add */
bool source_set(struct source_section *, const char *key, char *const *words, size_t count,
		unsigned line);

void source_finish(struct source *);

const struct source_value *source_get(const struct source_section *, const char *key);

/* The line where a key stands, or that of the section where it does not. */
unsigned source_line(const struct source_section *, const char *key);

/* What a sentence about it begins with: `pool "chat": `, `limits: `, or "". Returns label. */
enum { SOURCE_LABEL_BYTES = 96 };
const char *source_write_label(enum keys_section, const char *title,
			       char label[SOURCE_LABEL_BYTES]);

#endif
