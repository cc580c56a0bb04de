/* SPDX-License-Identifier: MIT */
/*
 * A field whose value is a comma-separated list, over all its lines (RFC 9110, 5.3): one line
 * "a, b" and two lines "a" and "b" are the same list. Pure; in caller memory, nothing to free.
 */
#ifndef BATON_FIELD_LIST_H
#define BATON_FIELD_LIST_H

#include "slice.h"

struct head;

struct field_list {
	const struct head *head;
	struct slice name;
	unsigned next_field;
	struct slice rest; /* of the line at hand; .at == NULL: go to the next line */
};

struct field_list field_list_of(const struct head *, const char *name);

/* Takes the next element, trimmed, maybe empty; false at the end. */
bool field_list_next(struct field_list *, struct slice *element_r);

/* Is this one of the field's elements? Compared without case. */
bool field_list_has(const struct head *, const char *name, struct slice element);

#endif
