/* SPDX-License-Identifier: MIT */
/*
 * Timers of the event loop: the order in which they fire, and what a handler may do to others and
 * to itself. Real time, a few milliseconds of it; nothing depends on how many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/loop.h"
#include "loop/timers.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FIRED = 16 };

static struct loop *loop;
static int freed;

static void turn(void)
{
	assert_int_equal(loop_turn(loop, 0), 0);
}

struct timed {
	struct loop_timer timer;
	char name;
	struct timed *stops;     /* what its handler stops */
	struct loop_lane *again; /* where its handler starts it anew, with 0 ms */
};

static struct loop_lane lane, second_lane;
static char fired[MAX_FIRED];

static void handle_timer(struct loop_timer *timer)
{
	struct timed *timed = loop_owner(timer, struct timed, timer);
	assert_false(loop_timer_is_running(timer));
	assert_true(timer->due_ms <= loop_now_ms(loop));
	assert_true(strlen(fired) + 1 < sizeof fired);
	fired[strlen(fired)] = timed->name;
	if (timed->stops != NULL) {
		loop_timer_stop(&timed->stops->timer);
	}
	if (timed->again != NULL) {
		loop_timer_start(timed->again, timer, 0);
	}
}

static int setup(void **state)
{
	(void)state;
	loop = loop_create();
	memset(fired, 0, sizeof fired);
	loop_lane_init(&lane, loop, handle_timer);
	loop_lane_init(&second_lane, loop, handle_timer);
	return loop != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_lane_finish(&lane);
	loop_lane_finish(&second_lane);
	loop_lane_finish(&second_lane); /* safe to repeat */
	loop_destroy(loop);
	return 0;
}

static void run_out(void)
{
	while (loop_wait_ms(loop) >= 0) {
		assert_int_equal(loop_turn(loop, -1), 0);
	}
}

static void test_loop_timers_fire_in_the_order_of_their_deadlines(void **state)
{
	(void)state;
	static const struct {
		unsigned waits[4];
		const char *order;
	} rows[] = {
		{{2, 2, 2, 2}, "abcd"}, {{0, 0, 0, 0}, "abcd"}, {{4, 3, 2, 1}, "dcba"},
		{{3, 1, 3, 1}, "bdac"}, {{1, 9, 1, 5}, "acdb"}, {{0, 6, 5, 6}, "acbd"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct timed timed[4] = {
			{.name = 'a'}, {.name = 'b'}, {.name = 'c'}, {.name = 'd'}};
		memset(fired, 0, sizeof fired);
		for (size_t k = 0; k < 4; k++) {
			loop_timer_start(&lane, &timed[k].timer, rows[i].waits[k]);
		}
		run_out();
		if (strcmp(fired, rows[i].order) != 0) {
			fail_msg("row %zu: %s instead of %s", i, fired, rows[i].order);
		}
	}
}

static void test_loop_timer_does_not_fire_early(void **state)
{
	(void)state;
	struct timed timed = {.name = 'a'};
	loop_refresh(loop);
	uint64_t start_ms = loop_now_ms(loop);
	loop_timer_start(&lane, &timed.timer, 5);
	while (loop_timer_is_running(&timed.timer)) {
		assert_string_equal(fired, "");
		assert_int_equal(loop_turn(loop, -1), 0);
	}
	assert_true(loop_now_ms(loop) >= start_ms + 5);
	assert_string_equal(fired, "a");
}

static void test_loop_timer_started_in_its_handler_waits_for_the_next_turn(void **state)
{
	(void)state;
	struct timed same = {.name = 'a', .again = &lane}, other = {.name = 'b', .again = &lane};
	loop_timer_start(&lane, &same.timer, 0);
	loop_timer_start(&lane, &other.timer, 0);
	turn();
	assert_string_equal(fired, "ab");
	turn();
	assert_string_equal(fired, "abab");
	loop_timer_stop(&same.timer);
	loop_timer_stop(&other.timer);
}

static void test_loop_timer_that_is_due_can_still_be_stopped(void **state)
{
	(void)state;
	struct timed last = {.name = 'c'}, other_lane = {.name = 'x'};
	struct timed first = {.name = 'a', .stops = &last};
	struct timed middle = {.name = 'b', .stops = &other_lane};
	struct timed self = {.name = 'd'};
	self.stops = &self;
	loop_timer_start(&second_lane, &first.timer, 0); /* lanes fire youngest first */
	loop_timer_start(&second_lane, &middle.timer, 0);
	loop_timer_start(&second_lane, &last.timer, 0);
	loop_timer_start(&second_lane, &self.timer, 0);
	loop_timer_start(&lane, &other_lane.timer, 0);
	turn();
	assert_string_equal(fired, "abd");
	assert_int_equal(loop_wait_ms(loop), -1);
}

static void test_loop_timer_restarts_and_stops(void **state)
{
	(void)state;
	struct timed timed = {.name = 'a'};
	loop_timer_stop(&timed.timer);
	loop_timer_start(&lane, &timed.timer, 0);
	loop_timer_start(&second_lane, &timed.timer, 60000); /* a move to another lane */
	turn();
	assert_string_equal(fired, "");
	assert_true(loop_timer_is_running(&timed.timer));
	loop_timer_stop(&timed.timer);
	assert_false(loop_timer_is_running(&timed.timer));
	assert_int_equal(loop_wait_ms(loop), -1);
}

static void handle_freeing_timer(struct loop_timer *timer)
{
	freed++;
	free(loop_owner(timer, struct timed, timer));
}

static void test_loop_timer_may_be_freed_by_its_handler(void **state)
{
	(void)state;
	freed = 0;
	lane.handle = handle_freeing_timer;
	for (int i = 0; i < 3; i++) {
		struct timed *timed = calloc(1, sizeof *timed);
		loop_timer_start(&lane, &timed->timer, 0);
	}
	turn();
	assert_int_equal(freed, 3);
}

static void test_loop_wait_is_that_of_the_earliest_deadline(void **state)
{
	(void)state;
	struct timed one = {.name = 'a'}, two = {.name = 'b'};
	assert_int_equal(loop_wait_ms(loop), -1);
	loop_timer_start(&lane, &one.timer, UINT_MAX);
	assert_int_equal(loop_wait_ms(loop), INT_MAX);
	loop_timer_start(&second_lane, &two.timer, 60000);
	assert_int_equal(loop_wait_ms(loop), 60000); /* the clock stands still between turns */
	loop_timer_start(&lane, &one.timer, 0);
	assert_int_equal(loop_wait_ms(loop), 0);
	turn();
	assert_string_equal(fired, "a");
	loop_lane_finish(&second_lane);
	assert_false(loop_timer_is_running(&two.timer));
	assert_int_equal(loop_wait_ms(loop), -1);
}

static void handle_turn_end(void *data)
{
	*(size_t *)data = strlen(fired);
	loop_stop(loop);
}

static void test_loop_turn_ends_once_after_all_handlers(void **state)
{
	(void)state;
	struct timed one = {.name = 'a'}, two = {.name = 'b'};
	size_t fired_before_end = 99;
	loop_timer_start(&lane, &one.timer, 0);
	loop_timer_start(&lane, &two.timer, 0);
	loop_on_turn_end(loop, handle_turn_end, &fired_before_end);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(fired_before_end, 2);
}

#define timer_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		timer_test(test_loop_timers_fire_in_the_order_of_their_deadlines),
		timer_test(test_loop_timer_does_not_fire_early),
		timer_test(test_loop_timer_started_in_its_handler_waits_for_the_next_turn),
		timer_test(test_loop_timer_that_is_due_can_still_be_stopped),
		timer_test(test_loop_timer_restarts_and_stops),
		timer_test(test_loop_timer_may_be_freed_by_its_handler),
		timer_test(test_loop_wait_is_that_of_the_earliest_deadline),
		timer_test(test_loop_turn_ends_once_after_all_handlers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
