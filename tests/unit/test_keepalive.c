/* SPDX-License-Identifier: MIT */
/*
 * Keepalive: who gets a ping and when, who is cut off and how that is told. With an interval of
 * 1280 ms a tick of the sweep is 10 ms, and there are 128 in an interval.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_gateway.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TICK_MS = 10,
	INTERVAL = 128, /* ticks */
	ROUND = 16,     /* how early or late things may be */
};

static size_t len;
static int client;

static int setup(void **state)
{
	static const char hello[] = "PING_INTERVAL_MS=1280\0SEND_LIMIT=200000";
	fake_setup(state);
	fake_configure(hello, sizeof hello);
	client = fake_connect(1, SOCK_STREAM);
	return 0;
}

static int teardown(void **state)
{
	close(client);
	return fake_teardown(state);
}

static void pass(int ticks)
{
	for (int i = 0; i < ticks; i++) {
		fake_pass_ms(TICK_MS);
		fake_turns();
	}
}

static void test_keepalive_pings_an_idle_client_once_an_interval(void **state)
{
	(void)state;
	pass(INTERVAL - ROUND - 1);
	fake_read(client, &len);
	assert_int_equal(len, 0);
	pass(2 * ROUND + 2);
	assert_memory_equal(fake_read(client, &len), "\x89\0", 2);
	assert_int_equal(len, 2);
	fake_write(client, FAKE_FIN | 10, "", 0);
	pass(INTERVAL - 2 * ROUND);
	fake_read(client, &len);
	assert_int_equal(len, 0);
	pass(2 * ROUND + 2);
	fake_read(client, &len);
	assert_int_equal(len, 2);
}

static void test_keepalive_ends_a_client_that_answers_nothing(void **state)
{
	(void)state;
	pass(2 * INTERVAL);
	assert_int_equal(fake_app.closed, 0); /* the ping has had less than an interval */
	pass(2 * ROUND + 2);
	assert_int_equal(fake_app.closed, 1);
	assert_int_equal(fake_app.code, 1006);
	assert_string_equal(fake_app.why, "no pong");
	struct handoff_closed report = fake_hear_report();
	assert_int_equal(report.code, 1006);
	assert_int_equal(report.who, 2);
	assert_memory_equal(fake_read(client, &len), "\x89\0", 2); /* and no Close */
	assert_int_equal(len, 2);
	assert_true(fake_is_at_end(client));
	pass(2);
	assert_int_equal(fake_turns(), -1); /* the sweep rests when nobody is there */
}

static void test_keepalive_leaves_a_client_alone_that_answers(void **state)
{
	(void)state;
	size_t pings = 0;
	for (int i = 0; i < 10 * INTERVAL; i++) {
		pass(1);
		if (memcmp(fake_read(client, &len), "\x89\0", 3) == 0 && len == 2) {
			pings++;
			fake_write(client, FAKE_FIN | 10, "", 0);
		}
	}
	assert_in_range(pings, 8, 12);
	assert_int_equal(fake_app.closed, 0);
}

static void test_keepalive_pings_nobody_who_is_busy_both_ways(void **state)
{
	(void)state;
	fake_app.echoes = true;
	for (int i = 0; i < 4 * INTERVAL; i++) {
		if (i % 50 == 0) {
			fake_write(client, FAKE_FIN | 1, "m", 1);
		}
		pass(1);
	}
	fake_read(client, &len);
	assert_int_equal(len, 11 * 3);
}

static void test_keepalive_pings_who_only_talks_or_only_listens(void **state)
{
	(void)state;
	for (int i = 0; i < 2 * INTERVAL; i++) { /* proxies time each direction for itself */
		if (i % 50 == 0) {
			fake_write(client, FAKE_FIN | 1, "m", 1);
		}
		pass(1);
	}
	assert_memory_equal(fake_read(client, &len), "\x89\0", 2);
	assert_in_range(len, 2, 4);
	for (int i = 0; i < INTERVAL + ROUND; i++) {
		if (i % 50 == 0) {
			baton_send(fake_app.conn, BATON_TEXT, "m", 1);
		}
		pass(1);
	}
	fake_read(client, &len);
	assert_int_equal(len, 3 * 3 + 2);
}

static void pause_it(struct baton_conn *conn)
{
	baton_pause(conn, true);
}

static void test_keepalive_does_not_blame_a_paused_client(void **state)
{
	(void)state;
	fake_app.on_message = pause_it;
	fake_write(client, FAKE_FIN | 1, "m", 1);
	pass(5 * INTERVAL);
	assert_int_equal(fake_app.closed, 0);
	fake_read(client, &len);
	assert_in_range(len, 4 * 2, 6 * 2); /* the proxies still see something */
	baton_pause(fake_app.conn, false);
	pass(2 * INTERVAL);
	assert_int_equal(fake_app.closed, 0);
	pass(2 * ROUND);
	assert_int_equal(fake_app.closed, 1);
}

static void test_keepalive_ends_nobody_after_a_long_callback(void **state)
{
	(void)state;
	pass(INTERVAL + ROUND + 1);
	fake_write(client, FAKE_FIN | 10, "", 0); /* waits unread meanwhile */
	fake_pass_ms(100 * INTERVAL * TICK_MS);
	fake_turns();
	pass(INTERVAL - 2 * ROUND);
	assert_int_equal(fake_app.closed, 0);
}

static void test_keepalive_keeps_its_pace_in_a_busy_loop(void **state)
{
	(void)state;
	enum { TURN = 5 }; /* ticks that each turn takes */
	for (int i = 0; i < (INTERVAL + 2 * ROUND) / TURN; i++) {
		fake_pass_ms(TURN * TICK_MS);
		fake_turns();
	}
	fake_read(client, &len);
	assert_int_equal(len, 2);
}

static void test_keepalive_ends_a_client_that_never_reads(void **state)
{
	(void)state;
	static char big[50000];
	while (baton_send(fake_app.conn, BATON_BINARY, big, sizeof big) != BATON_FULL) {
	}
	pass(2 * INTERVAL);
	assert_int_equal(fake_app.closed, 0);
	pass(2 * ROUND + 2);
	assert_string_equal(fake_app.why, "no pong");
}

static void test_keepalive_spares_a_slow_reader(void **state)
{
	(void)state;
	static char huge[3000000], got[10000];
	baton_send(fake_app.conn, BATON_BINARY, huge, sizeof huge);
	for (int i = 0; i < 4 * INTERVAL; i++) {
		assert_true(recv(client, got, 5000, MSG_DONTWAIT) > 0);
		pass(1);
	}
	assert_true(baton_queued(fake_app.conn) > 0);
	assert_int_equal(fake_app.closed, 0);
}

static void test_keepalive_keeps_its_times_while_the_table_grows(void **state)
{
	(void)state;
	enum { MORE = 300 };
	static int others[MORE];
	pass(INTERVAL + ROUND + 1);
	for (int i = 0; i < MORE; i++) {
		others[i] = fake_connect((uint64_t)i + 2, SOCK_STREAM);
		if (i % 3 == 0) {
			pass(1);
		}
	}
	assert_int_equal(fake_app.closed, 0);
	pass(2 * INTERVAL - MORE / 3 - INTERVAL - ROUND);
	assert_int_equal(fake_app.closed, 0);
	pass(3 * ROUND);
	assert_int_equal(fake_app.closed, 1);
	assert_true(fake_is_at_end(client) || *fake_read(client, &len) == '\x89');
	for (int i = 0; i < MORE; i++) {
		close(others[i]);
	}
	fake_turns();
	fake_empty_channel();
}

static void test_keepalive_of_zero_does_nothing(void **state)
{
	(void)state;
	close(client);
	fake_turns();
	pass(2); /* one last tick */
	fake_empty_channel();
	fake_say(HANDOFF_HELLO, 0, "PING_INTERVAL_MS=0", 19);
	fake_empty_channel();
	client = fake_connect(7, SOCK_STREAM);
	assert_int_equal(fake_turns(), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_keepalive_pings_an_idle_client_once_an_interval),
		TEST(test_keepalive_ends_a_client_that_answers_nothing),
		TEST(test_keepalive_leaves_a_client_alone_that_answers),
		TEST(test_keepalive_pings_nobody_who_is_busy_both_ways),
		TEST(test_keepalive_pings_who_only_talks_or_only_listens),
		TEST(test_keepalive_does_not_blame_a_paused_client),
		TEST(test_keepalive_ends_nobody_after_a_long_callback),
		TEST(test_keepalive_keeps_its_pace_in_a_busy_loop),
		TEST(test_keepalive_ends_a_client_that_never_reads),
		TEST(test_keepalive_spares_a_slow_reader),
		TEST(test_keepalive_keeps_its_times_while_the_table_grows),
		TEST(test_keepalive_of_zero_does_nothing),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
