/* SPDX-License-Identifier: MIT */
/*
 * Walks through a list field, see field_list.h. Empty elements are given too: Connection and
 * Upgrade must allow them (RFC 9110, 5.6.1.2), the Sec-WebSocket fields do not. Splits at every
 * comma: the lists that are read here have no quoted strings with one inside. For request.c
 * and canonical.c.
 */
#include "admit/field_list.h"

#include "admit/grammar.h"
#include "admit/head.h"

struct field_list field_list_of(const struct head *head, const char *name)
{
	return (struct field_list){.head = head, .name = slice_of(name)};
}

bool field_list_next(struct field_list *list, struct slice *element_r)
{
	while (!grammar_split(&list->rest, ',', element_r)) {
		if (list->next_field == list->head->field_count) {
			return false;
		}
		const struct head_field *field = &list->head->fields[list->next_field++];
		if (slice_same_nocase(field->name, list->name)) {
			list->rest = field->value;
		}
	}
	return true;
}

bool field_list_has(const struct head *head, const char *name, struct slice element)
{
	struct field_list list = field_list_of(head, name);
	struct slice here;
	while (field_list_next(&list, &here)) {
		if (slice_same_nocase(here, element)) {
			return true;
		}
	}
	return false;
}
