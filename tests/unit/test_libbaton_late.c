/* SPDX-License-Identifier: MIT */
/*
 * Deadlines of libbaton in a process that stands still: a callback that takes longer than the wait
 * that it begins, and clients that answered in time while nobody read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_gateway.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LONG_MS = 6000, MANY = 300 }; /* more than the loop handles in a turn */

static size_t len;
static int client, fired;

static int setup(void **state)
{
	fake_setup(state);
	fired = 0;
	client = fake_connect(1, SOCK_STREAM);
	return 0;
}

static int teardown(void **state)
{
	close(client);
	return fake_teardown(state);
}

static void work(struct baton_conn *conn)
{
	(void)conn;
	fake_pass_ms(LONG_MS);
}

static void work_and_close(struct baton_conn *conn)
{
	work(conn);
	baton_close(conn, 3000, "done");
}

static void fire(void *data)
{
	(void)data;
	fired++;
}

static void work_and_start_a_timer(struct baton_conn *conn)
{
	work(conn);
	baton_timer(fake_baton, 1000, 0, fire, NULL);
}

static void test_close_after_long_work_waits_for_the_answer(void **state)
{
	(void)state;
	fake_app.on_message = work_and_close;
	fake_write(client, FAKE_FIN | 1, "x", 1);
	fake_turns();
	assert_int_equal(fake_app.closed, 0);
	assert_memory_equal(fake_read(client, &len),
			    "\x88\x06\x0b\xb8"
			    "done",
			    8);
	fake_pass_ms(4000);
	fake_write(client, FAKE_FIN | 8, "\x0b\xb8", 2);
	fake_turns();
	assert_int_equal(fake_app.code, 3000);
	assert_true(fake_is_at_end(client));
}

static void test_last_words_after_long_work_linger(void **state)
{
	(void)state;
	uint8_t bytes[64];
	fake_app.on_message = work;
	size_t total = fake_frame(bytes, FAKE_FIN | 1, "x", 1);
	total += fake_frame(bytes + total, FAKE_FIN | 3, NULL, 0); /* a reserved opcode */
	assert_int_equal(send(client, bytes, total, 0), total);
	fake_turns();
	assert_int_equal(fake_app.closed, 0);
	fake_pass_ms(2001);
	fake_turns();
	assert_int_equal(fake_app.code, 1002);
}

static void test_timer_that_begins_after_long_work_waits_as_long(void **state)
{
	(void)state;
	fake_app.on_message = work_and_start_a_timer;
	fake_write(client, FAKE_FIN | 1, "x", 1);
	fake_turns();
	assert_int_equal(fired, 0);
	fake_pass_ms(1001);
	fake_turns();
	assert_int_equal(fired, 1);
}

static size_t count_reports(unsigned code)
{
	size_t count = 0;
	for (size_t heard = 0; heard < MANY;) {
		struct handoff_message message = fake_hear(HANDOFF_CLOSED);
		for (size_t at = 0; at < message.payload_bytes; at += HANDOFF_CLOSED_BYTES) {
			struct handoff_closed report;
			handoff_closed_read(message.payload + at, &report);
			count += report.code == code;
			heard++;
		}
	}
	return count;
}

static void test_answers_that_came_while_it_stood_still_count(void **state)
{
	(void)state;
	static int clients[MANY];
	for (size_t i = 0; i < MANY; i++) {
		clients[i] = fake_connect(i + 2, SOCK_STREAM);
		baton_close(fake_app.conn, 3000, NULL);
	}
	fake_turns();
	for (size_t i = 0; i < MANY; i++) {
		fake_write(clients[i], FAKE_FIN | 8, "\x0b\xb8", 2);
	}
	fake_pass_ms(LONG_MS);
	fake_turns();
	assert_int_equal(count_reports(3000), MANY);
	for (size_t i = 0; i < MANY; i++) {
		close(clients[i]);
	}
}

static void test_last_words_wait_while_somebody_reads(void **state)
{
	(void)state;
	static char big[900000];
	assert_int_equal(baton_subscribe(fake_app.conn, "news"), 0);
	assert_int_equal(baton_send(fake_app.conn, BATON_BINARY, big, sizeof big), BATON_QUEUED);
	assert_int_equal(baton_publish(fake_baton, "news", NULL, BATON_BINARY, big, sizeof big), 0);
	fake_turns();
	fake_read(client, &len);
	fake_pass_ms(5001);
	fake_turns();
	assert_int_equal(fake_app.closed, 0);
	fake_pass_ms(5001);
	fake_turns();
	assert_int_equal(fake_app.closed, 1);
	assert_int_equal(fake_app.code, 1008);
}

/* What runs these tests, and the fuzzer, measure by another one. */
static void test_clock_that_a_test_moves_is_the_loops_alone(void **state)
{
	(void)state;
	struct timespec before, after;
	clock_gettime(CLOCK_REALTIME, &before);
	fake_pass_ms(60 * LONG_MS);
	clock_gettime(CLOCK_REALTIME, &after);
	assert_in_range(after.tv_sec - before.tv_sec, 0, LONG_MS / 1000);
}

/* Nobody has asked for the time for a while: the loop's own is behind. */
static void test_timer_that_begins_outside_of_a_turn_waits_as_long(void **state)
{
	(void)state;
	fake_turns();
	assert_non_null(baton_timer(fake_baton, 1000, 0, fire, NULL));
	fake_pass_ms(900);
	assert_non_null(baton_timer(fake_baton, 3000, 0, fire, NULL));
	fake_pass_ms(101);
	fake_turns();
	assert_int_equal(fired, 1); /* the second makes the first no later */
	fake_pass_ms(2700);
	fake_turns();
	assert_int_equal(fired, 1);
	fake_pass_ms(200);
	fake_turns();
	assert_int_equal(fired, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_clock_that_a_test_moves_is_the_loops_alone),
		TEST(test_close_after_long_work_waits_for_the_answer),
		TEST(test_last_words_after_long_work_linger),
		TEST(test_timer_that_begins_outside_of_a_turn_waits_as_long),
		TEST(test_timer_that_begins_after_long_work_waits_as_long),
		TEST(test_answers_that_came_while_it_stood_still_count),
		TEST(test_last_words_wait_while_somebody_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
