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
	struct config *config; /* as far as it is built */
	struct problem *problem;
};

/*
 * The problem: a sentence about the section, at the line of the key (NULL, or one that does not
 * stand: of the section). Always false, as problem_set.
 */
bool check_fail(const struct check *, const char *key, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

bool check_top(struct check *);
bool check_limits(struct check *);

/* The config's listeners before this one are compared with it. */
bool check_listener(struct check *);

bool check_pool(struct check *);

#endif
