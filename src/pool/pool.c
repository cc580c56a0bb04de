/* SPDX-License-Identifier: MIT */
/*
 * Placement and restart policy. No I/O, no clock, no log, no allocation; it never changes a seat.
 * Called by handover.c for every connection and by child.c for every death.
 */
#include "pool/pool.h"

#include "pool/hash.h"

enum {
	RESTART_FIRST_MS = 500,
	RESTART_MAX_MS = 30000,
	GOOD_RUN_MS = 1000,
};

bool pool_seat_has_room(const struct seat *seat)
{
	if (seat->state == SEAT_SHUT) {
		return seat->is_coming;
	}
	return !seat->is_full && seat->live + seat->offered < seat->capacity;
}

static bool is_prompt(const struct seat *seat)
{
	return seat->state == SEAT_OPEN && seat->offered < seat->max_offers;
}

static bool is_better(const struct seat *a, const struct seat *b)
{
	return a->offered != b->offered ? a->offered < b->offered : a->live < b->live;
}

enum pool_choice pool_pick_least(struct seat *const *seats, size_t count, struct seat **seat_r)
{
	struct seat *best = NULL;
	bool lives = false;
	for (size_t i = 0; i < count; i++) {
		struct seat *seat = seats[i];
		lives = lives || seat->state != SEAT_SHUT;
		if (is_prompt(seat) && pool_seat_has_room(seat) &&
		    (best == NULL || is_better(seat, best))) {
			best = seat;
		}
	}
	*seat_r = best;
	return best != NULL ? POOL_SEAT : lives ? POOL_WAIT : POOL_NONE;
}

enum pool_choice pool_pick_by_hash(struct seat *const *seats, size_t count, uint64_t key_hash,
				   struct seat **seat_r)
{
	struct seat *best = NULL;
	uint64_t best_weight = 0;
	bool lives = false;
	for (size_t i = 0; i < count; i++) {
		struct seat *seat = seats[i];
		lives = lives || seat->state != SEAT_SHUT || seat->is_coming;
		if (!pool_seat_has_room(seat)) {
			continue;
		}
		uint64_t weight = hash_weight(key_hash, seat->index);
		if (best == NULL || weight > best_weight) {
			best = seat;
			best_weight = weight;
		}
	}
	*seat_r = best;
	if (best == NULL) {
		return lives ? POOL_WAIT : POOL_NONE;
	}
	return is_prompt(best) ? POOL_SEAT : POOL_WAIT;
}

unsigned pool_restart_delay_ms(unsigned failures, uint32_t random)
{
	if (failures == 0) {
		return 0;
	}
	unsigned delay_ms = RESTART_MAX_MS;
	if (failures <= 6) {
		delay_ms = RESTART_FIRST_MS << (failures - 1);
	}
	return delay_ms * 3 / 4 + random % (delay_ms / 2 + 1);
}

bool pool_run_was_good(bool was_ready, uint64_t ready_for_ms, uint64_t taken)
{
	return was_ready && (taken > 0 || ready_for_ms >= GOOD_RUN_MS);
}
