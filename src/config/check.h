/* SPDX-License-Identifier: MIT */
/*
 * What one section must satisfy beyond the table of keys. Each function completes its record
 * (names, addresses); false: the problem is set, and the record can be destroyed as it is.
 */
#ifndef BATON_CHECK_H
#define BATON_CHECK_H

#include <stdbool.h>

#include "config/source.h"

struct config;
struct problem;

/* One section on its way into the struct that it describes. */
struct check {
	const struct source_section *section;
	void *record;
	struct problem *problem;
	char label[SOURCE_LABEL_BYTES];
};

/* A key that is one of two words; the first where it does not stand. */
bool check_choice(struct check *, const char *key, const char *first, const char *second,
		  bool *is_second_r);

bool check_top(struct check *, struct config *);
bool check_limits(struct check *, const struct config *);

/* The config's listeners before this one are compared with it. */
bool check_listener(struct check *, struct config *);

bool check_pool(struct check *);

#endif
