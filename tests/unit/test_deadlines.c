/* SPDX-License-Identifier: MIT */
/* The heap of deadlines, beside a search through all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libbaton/deadlines.h"

#include <stdlib.h>

enum { COUNT = 300, STEPS = 30000, TIMES = 50 };

static struct deadlines all;
static struct deadline each[COUNT];

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		each[i] = (struct deadline){.place = 0};
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	deadlines_free(&all);
	return 0;
}

static const struct deadline *search(void)
{
	const struct deadline *first = NULL;
	for (size_t i = 0; i < COUNT; i++) {
		if (each[i].place != 0 &&
		    (first == NULL || each[i].due_ms < first->due_ms ||
		     (each[i].due_ms == first->due_ms && each[i].number < first->number))) {
			first = &each[i];
		}
	}
	return first;
}

static void test_first_is_the_one_that_a_search_finds(void **state)
{
	(void)state;
	uint32_t seed = 1;
	for (int step = 0; step < STEPS; step++) {
		seed = seed * 1664525 + 1013904223;
		struct deadline *one = &each[(seed >> 8) % COUNT];
		if (seed >> 30 == 0) {
			deadlines_clear(&all, one);
		} else if (seed >> 30 == 1 && all.count > 0) {
			deadlines_clear(&all, deadlines_first(&all));
		} else {
			assert_true(deadlines_set(&all, one, (seed >> 20) % TIMES));
		}
		assert_ptr_equal(deadlines_first(&all), search());
	}
	assert_in_range(all.count, 10, COUNT);
}

static void test_equal_ones_come_in_the_order_in_which_they_were_set(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		assert_true(deadlines_set(&all, &each[i], 7));
	}
	assert_true(deadlines_set(&all, &each[0], 7)); /* anew: the last now */
	for (size_t i = 1; i <= COUNT; i++) {
		assert_ptr_equal(deadlines_first(&all), &each[i % COUNT]);
		deadlines_clear(&all, &each[i % COUNT]);
	}
	assert_null(deadlines_first(&all));
}

static void test_one_that_does_not_run_can_be_cleared(void **state)
{
	(void)state;
	deadlines_clear(&all, &each[0]);
	assert_true(deadlines_set(&all, &each[0], UINT64_MAX));
	deadlines_clear(&all, &each[0]);
	deadlines_clear(&all, &each[0]);
	assert_int_equal(all.count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_first_is_the_one_that_a_search_finds),
		TEST(test_equal_ones_come_in_the_order_in_which_they_were_set),
		TEST(test_one_that_does_not_run_can_be_cleared),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
