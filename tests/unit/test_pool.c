/* SPDX-License-Identifier: MIT */
/*
 * The pool's policy: who gets the next connection, that affinity moves only what it must, and when
 * the next process starts. Tables and counts; nothing here runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool/hash.h"
#include "pool/pool.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { SEATS = 8, KEYS = 10000, SHARE = KEYS / SEATS, NOBODY = -1 };

#define ROWS(table) (sizeof(table) / sizeof(table)[0])

static struct seat seats[SEATS];
static struct seat *table[SEATS];

static int setup(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SEATS; i++) {
		seats[i] = (struct seat){.state = SEAT_OPEN,
					 .index = i,
					 .capacity = 100,
					 .max_offers = POOL_MAX_OFFERS};
		table[i] = &seats[i];
	}
	return 0;
}

/* ---- least connections ---- */

static void test_pool_least_takes_the_fewest_offers_then_connections_then_index(void **state)
{
	(void)state;
	static const struct {
		/* state, index, capacity, live, offered, is_full, is_coming, max_offers */
		struct seat seats[3];
		enum pool_choice choice;
		int seat;
	} rows[] = {
		{{{SEAT_OPEN, 0, 9, 0, 0, 0, 0, 4},
		  {SEAT_OPEN, 1, 9, 0, 0, 0, 0, 4},
		  {SEAT_OPEN, 2, 9, 0, 0, 0, 0, 4}},
		 POOL_SEAT,
		 0},
		{{{SEAT_OPEN, 0, 9, 3, 0, 0, 0, 4},
		  {SEAT_OPEN, 1, 9, 2, 0, 0, 0, 4},
		  {SEAT_OPEN, 2, 9, 2, 0, 0, 0, 4}},
		 POOL_SEAT,
		 1},
		/* offers come before connections */
		{{{SEAT_OPEN, 0, 9, 0, 2, 0, 0, 4},
		  {SEAT_OPEN, 1, 9, 7, 1, 0, 0, 4},
		  {SEAT_OPEN, 2, 9, 6, 1, 0, 0, 4}},
		 POOL_SEAT,
		 2},
		/* offers count against the capacity */
		{{{SEAT_OPEN, 0, 2, 1, 1, 0, 0, 4},
		  {SEAT_OPEN, 1, 9, 8, 1, 0, 0, 4},
		  {SEAT_OPEN, 2, 9, 6, 2, 0, 0, 4}},
		 POOL_SEAT,
		 2},
		/* the most offers */
		{{{SEAT_OPEN, 0, 9, 0, 4, 0, 0, 4},
		  {SEAT_OPEN, 1, 9, 0, 4, 0, 0, 4},
		  {SEAT_OPEN, 2, 9, 0, 3, 0, 0, 4}},
		 POOL_SEAT,
		 2},
		{{{SEAT_OPEN, 0, 9, 0, 4, 0, 0, 4},
		  {SEAT_OPEN, 1, 9, 0, 4, 0, 0, 4},
		  {SEAT_OPEN, 2, 9, 0, 4, 0, 0, 4}},
		 POOL_WAIT,
		 NOBODY},
		/* it said that it is full, or it is */
		{{{SEAT_OPEN, 0, 9, 0, 0, 1, 0, 4},
		  {SEAT_OPEN, 1, 0, 0, 0, 0, 0, 4},
		  {SEAT_OPEN, 2, 9, 9, 0, 0, 0, 4}},
		 POOL_WAIT,
		 NOBODY},
		{{{SEAT_SUSPECT, 0, 9, 0, 0, 0, 0, 4},
		  {SEAT_SHUT, 1, 9, 0, 0, 0, 0, 4},
		  {SEAT_OPEN, 2, 9, 8, 0, 0, 0, 4}},
		 POOL_SEAT,
		 2},
		{{{SEAT_SUSPECT, 0, 9, 0, 0, 0, 0, 4},
		  {SEAT_SHUT, 1, 9, 0, 0, 0, 0, 4},
		  {SEAT_SHUT, 2, 9, 0, 0, 0, 0, 4}},
		 POOL_WAIT,
		 NOBODY},
		{{{SEAT_SHUT, 0, 9, 0, 0, 0, 0, 4},
		  {SEAT_SHUT, 1, 9, 0, 0, 0, 0, 4},
		  {SEAT_SHUT, 2, 9, 0, 0, 0, 0, 4}},
		 POOL_NONE,
		 NOBODY},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct seat copies[3], *list[3] = {&copies[0], &copies[1], &copies[2]},
				       *seat = list[0];
		memcpy(copies, rows[i].seats, sizeof copies);
		enum pool_choice choice = pool_pick_least(list, 3, &seat);
		int index = seat != NULL ? (int)seat->index : NOBODY;
		if (choice != rows[i].choice || index != rows[i].seat) {
			fail_msg("row %zu: choice %d, seat %d", i, choice, index);
		}
		assert_memory_equal(copies, rows[i].seats,
				    sizeof copies); /* policy changes nothing */
	}
}

static void test_pool_least_spreads_evenly(void **state)
{
	(void)state;
	for (int i = 0; i < SEATS * 10; i++) {
		struct seat *seat;
		assert_int_equal(pool_pick_least(table, SEATS, &seat), POOL_SEAT);
		seat->live++;
	}
	for (int i = 0; i < SEATS; i++) {
		assert_int_equal(seats[i].live, 10);
	}
}

/* ---- affinity ---- */

static uint64_t key(unsigned i)
{
	char room[16];
	int len = snprintf(room, sizeof room, "room-%u", i);
	return hash_bytes(room, (size_t)len);
}

static unsigned seat_of(unsigned i)
{
	struct seat *seat;
	assert_int_equal(pool_pick_by_hash(table, SEATS, key(i), &seat), POOL_SEAT);
	return seat->index;
}

static void assert_is_about_a_share(unsigned keys)
{
	assert_in_range(keys, SHARE * 85 / 100, SHARE * 115 / 100);
}

static void test_pool_hash_spreads_keys(void **state)
{
	(void)state;
	unsigned counts[SEATS] = {0};
	for (unsigned i = 0; i < KEYS; i++) {
		counts[seat_of(i)]++;
	}
	for (int i = 0; i < SEATS; i++) {
		assert_is_about_a_share(counts[i]);
	}
}

static void test_pool_hash_moves_only_the_keys_of_a_seat_that_goes(void **state)
{
	(void)state;
	static unsigned before[KEYS];
	unsigned moved = 0, to[SEATS] = {0};
	for (unsigned i = 0; i < KEYS; i++) {
		before[i] = seat_of(i);
	}
	seats[3].state = SEAT_SHUT;
	for (unsigned i = 0; i < KEYS; i++) {
		unsigned now = seat_of(i);
		if (before[i] == 3) {
			moved++;
			to[now]++;
		} else if (now != before[i]) {
			fail_msg("key %u moved from %u to %u", i, before[i], now);
		}
	}
	assert_is_about_a_share(moved);
	assert_int_equal(to[3], 0);
	for (int i = 0; i < SEATS; i++) { /* and they spread over the others */
		assert_true(i == 3 || to[i] > moved / SEATS / 2);
	}
	seats[3].state = SEAT_OPEN;
	for (unsigned i = 0; i < KEYS; i++) { /* its successor gets all of them back */
		assert_int_equal(seat_of(i), before[i]);
	}
}

static void test_pool_hash_one_seat_more_takes_its_share_only(void **state)
{
	(void)state;
	unsigned moved = 0;
	for (unsigned i = 0; i < KEYS; i++) {
		struct seat *few, *more;
		assert_int_equal(pool_pick_by_hash(table, SEATS - 1, key(i), &few), POOL_SEAT);
		assert_int_equal(pool_pick_by_hash(table, SEATS, key(i), &more), POOL_SEAT);
		if (few != more) {
			assert_int_equal(more->index, SEATS - 1);
			moved++;
		}
	}
	assert_is_about_a_share(moved);
}

static void test_pool_hash_waits_for_the_slow_and_leaves_the_full(void **state)
{
	(void)state;
	static const struct {
		struct seat
			home; /* state, index, capacity, live, offered, is_full, is_coming, max_offers */
		enum pool_choice choice;
		bool moves;
	} rows[] = {
		{{SEAT_OPEN, 0, 9, 0, 0, 0, 0, 4}, POOL_SEAT, false},
		{{SEAT_OPEN, 0, 9, 5, 3, 0, 0, 4}, POOL_SEAT, false},
		{{SEAT_SUSPECT, 0, 9, 0, 0, 0, 0, 4}, POOL_WAIT, false},
		{{SEAT_OPEN, 0, 9, 0, 4, 0, 0, 4}, POOL_WAIT, false},
		{{SEAT_OPEN, 0, 9, 0, 0, 1, 0, 4}, POOL_SEAT, true},
		{{SEAT_OPEN, 0, 9, 9, 0, 0, 0, 4}, POOL_SEAT, true},
		{{SEAT_OPEN, 0, 9, 8, 1, 0, 0, 4}, POOL_SEAT, true},
		{{SEAT_SUSPECT, 0, 9, 9, 0, 0, 0, 4}, POOL_SEAT, true},
		{{SEAT_SHUT, 0, 9, 0, 0, 0, 0, 4}, POOL_SEAT, true},
		/* its child is just being started: a key that moved would split its room */
		{{SEAT_SHUT, 0, 9, 0, 0, 0, 1, 4}, POOL_WAIT, false},
		{{SEAT_SHUT, 0, 9, 0, 0, 1, 1, 4}, POOL_WAIT, false},
	};
	unsigned home = seat_of(1);
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct seat *seat;
		seats[home] = rows[i].home;
		seats[home].index = home;
		enum pool_choice choice = pool_pick_by_hash(table, SEATS, key(1), &seat);
		assert_non_null(seat);
		if (choice != rows[i].choice || (seat->index != home) != rows[i].moves) {
			fail_msg("row %zu: choice %d, seat %u, home %u", i, choice, seat->index,
				 home);
		}
	}
}

static void test_pool_hash_with_nobody_to_take_it(void **state)
{
	(void)state;
	struct seat *seat = table[0];
	for (int i = 0; i < SEATS; i++) {
		seats[i].is_full = true;
	}
	assert_int_equal(pool_pick_by_hash(table, SEATS, 7, &seat), POOL_WAIT);
	assert_null(seat);
	for (int i = 0; i < SEATS; i++) {
		seats[i].state = SEAT_SHUT;
	}
	seat = table[0];
	assert_int_equal(pool_pick_by_hash(table, SEATS, 7, &seat), POOL_NONE);
	assert_null(seat);
}

/* Rooms stay where they are when the gateway restarts, and where its next version is. */
static void test_hash_is_the_same_for_ever(void **state)
{
	(void)state;
	assert_true(hash_bytes("", 0) == 0xf52a15e9a9b5e89bu);
	assert_true(hash_bytes("room-1", 6) == 0x8092b68d8a8c9e8cu);
	assert_true(hash_weight(1, 0) == 0x910a2dec89025cc1u);
	assert_true(hash_bytes("room-1", 6) == hash_bytes("room-12", 6));
	assert_true(hash_bytes("a\0b", 3) != hash_bytes("a\0c", 3));
}

/* ---- restarts ---- */

static void test_pool_restart_delay_doubles_up_to_its_ceiling(void **state)
{
	(void)state;
	static const struct {
		unsigned failures, least, most;
	} rows[] = {
		{0, 0, 0},          {1, 375, 625},       {2, 750, 1250},
		{3, 1500, 2500},    {4, 3000, 5000},     {5, 6000, 10000},
		{6, 12000, 20000},  {7, 22500, 37500},   {8, 22500, 37500},
		{33, 22500, 37500}, {100, 22500, 37500}, {UINT_MAX, 22500, 37500},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		const unsigned failures = rows[i].failures, span = rows[i].most - rows[i].least;
		if (pool_restart_delay_ms(failures, 0) != rows[i].least ||
		    pool_restart_delay_ms(failures, span) != rows[i].most) {
			fail_msg("row %zu: %u failures", i, failures);
		}
		for (uint32_t random = UINT32_MAX; random > 1000; random /= 3) {
			assert_in_range(pool_restart_delay_ms(failures, random), rows[i].least,
					rows[i].most);
		}
	}
}

static void test_pool_run_was_good(void **state)
{
	(void)state;
	assert_false(pool_run_was_good(false, 0, 0));
	assert_false(pool_run_was_good(false, 100000, 0));
	assert_false(pool_run_was_good(false, 100000, 5));
	assert_false(pool_run_was_good(true, 0, 0));
	assert_false(pool_run_was_good(true, 999, 0));
	assert_true(pool_run_was_good(true, 1000, 0));
	assert_true(pool_run_was_good(true, 0, 1));
}

#define pool_test(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		pool_test(test_pool_least_takes_the_fewest_offers_then_connections_then_index),
		pool_test(test_pool_least_spreads_evenly),
		pool_test(test_pool_hash_spreads_keys),
		pool_test(test_pool_hash_moves_only_the_keys_of_a_seat_that_goes),
		pool_test(test_pool_hash_one_seat_more_takes_its_share_only),
		pool_test(test_pool_hash_waits_for_the_slow_and_leaves_the_full),
		pool_test(test_pool_hash_with_nobody_to_take_it),
		pool_test(test_hash_is_the_same_for_ever),
		pool_test(test_pool_restart_delay_doubles_up_to_its_ceiling),
		pool_test(test_pool_run_was_good),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
