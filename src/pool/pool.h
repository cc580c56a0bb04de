/* SPDX-License-Identifier: MIT */
/*
 * A pool's policy: which child gets the next connection. Pure: counts in, a choice out. The
 * mechanism is handover.c (offers) and child.c (processes); both keep these counts true.
 */
#ifndef BATON_POOL_H
#define BATON_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	POOL_MAX_OFFERS = 4,     /* unacknowledged offers a child; more gains nothing (measured) */
	POOL_MAX_QUESTIONS = 64, /* the same for questions: an answer may take a while */
};

/*
 * A seat is a place for a child; its successor sits down in the same one.
 *
 *	SHUT --(READY)--> OPEN --(did not read in time)--> SUSPECT --(spoke)--> OPEN
 *	any --(death, drain, stuck)--> SHUT
 */
enum seat_state { SEAT_SHUT, SEAT_OPEN, SEAT_SUSPECT };

struct seat {
	enum seat_state state;
	unsigned index;    /* within the pool; what affinity hashes to */
	unsigned capacity; /* connections at most */
	unsigned live;     /* taken and not closed */
	unsigned offered;  /* offered and not acknowledged, at most max_offers */
	bool is_full;      /* it refused one for lack of room; until it reports a close */
	bool is_coming; /* SHUT, but its child starts right now and is expected to be ready soon */
	unsigned max_offers; /* POOL_MAX_OFFERS, or POOL_MAX_QUESTIONS where questions are put */
};

enum pool_choice {
	POOL_SEAT, /* *seat_r is it */
	POOL_WAIT, /* nobody has room or is prompt now; *seat_r: the one that must, or NULL: any */
	POOL_NONE, /* no child lives */
};

/*
 * Least connections: of the open seats with room the one with the fewest unacknowledged offers,
 * then the fewest connections, then the lowest index.
 */
enum pool_choice pool_pick_least(struct seat *const *seats, size_t count, struct seat **seat_r);

/*
 * Affinity: the seat of the highest weight for key_hash among those that live or are coming, and
 * have room. Slowness never moves a key: a suspect or busy seat is waited for, and so is one whose
 * child is just being started, or a room would split at every start and crash.
 */
enum pool_choice pool_pick_by_hash(struct seat *const *seats, size_t count, uint64_t key_hash,
				   struct seat **seat_r);

/* Could this seat hold one connection more, now or as soon as its child is ready? */
bool pool_seat_has_room(const struct seat *);

/*
 * The delay before the next start after `failures` bad runs in a row (0: at once): doubling from
 * 500 ms to 30 s, spread by random (any 32 bits) over 75 to 125 % of it.
 */
unsigned pool_restart_delay_ms(unsigned failures, uint32_t random);

/* Does a run count as good? It became ready, and then served somebody or lived a while. */
bool pool_run_was_good(bool was_ready, uint64_t ready_for_ms, uint64_t taken);

/* After how many bad runs in a row a child counts as failed. */
enum { POOL_FAILED_RUNS = 5 };

#endif
