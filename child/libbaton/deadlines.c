/* SPDX-License-Identifier: MIT */
/*
 * A binary heap of pointers, each of which knows its place: see deadlines.h. Used by watch.c for
 * the author's timers.
 */
#include "libbaton/deadlines.h"

#include <stdlib.h>

enum { FIRST_PLACES = 16 };

static bool is_before(const struct deadline *a, const struct deadline *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->number < b->number;
}

static void put(struct deadlines *all, size_t index, struct deadline *deadline)
{
	all->at[index] = deadline;
	deadline->place = index + 1;
}

static void sift_up(struct deadlines *all, size_t index, struct deadline *deadline)
{
	while (index > 0 && is_before(deadline, all->at[(index - 1) / 2])) {
		put(all, index, all->at[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	put(all, index, deadline);
}

static void sift_down(struct deadlines *all, size_t index, struct deadline *deadline)
{
	for (size_t child = 2 * index + 1; child < all->count; child = 2 * index + 1) {
		if (child + 1 < all->count && is_before(all->at[child + 1], all->at[child])) {
			child++;
		}
		if (!is_before(all->at[child], deadline)) {
			break;
		}
		put(all, index, all->at[child]);
		index = child;
	}
	put(all, index, deadline);
}

static bool has_room(struct deadlines *all)
{
	if (all->count < all->size) {
		return true;
	}
	size_t size = all->size > 0 ? 2 * all->size : FIRST_PLACES;
	struct deadline **at = realloc(all->at, size * sizeof(struct deadline *));
	if (at == NULL) {
		return false;
	}
	all->at = at;
	all->size = size;
	return true;
}

bool deadlines_set(struct deadlines *all, struct deadline *deadline, uint64_t due_ms)
{
	deadlines_clear(all, deadline);
	if (!has_room(all)) {
		return false;
	}
	deadline->due_ms = due_ms;
	deadline->number = all->next_number++;
	sift_up(all, all->count++, deadline);
	return true;
}

void deadlines_clear(struct deadlines *all, struct deadline *deadline)
{
	if (deadline->place == 0) {
		return;
	}
	size_t index = deadline->place - 1;
	struct deadline *last = all->at[--all->count];
	deadline->place = 0;
	if (last == deadline) {
		return;
	}
	if (is_before(last, deadline)) {
		sift_up(all, index, last);
	} else {
		sift_down(all, index, last);
	}
}

struct deadline *deadlines_first(const struct deadlines *all)
{
	return all->count > 0 ? all->at[0] : NULL;
}

void deadlines_free(struct deadlines *all)
{
	free(all->at);
	*all = (struct deadlines){.at = NULL};
}
