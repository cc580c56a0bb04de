/* SPDX-License-Identifier: MIT */
/*
 * baton_pause: nothing that was read is lost or told too early, whatever happens meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_client.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char hello[] = "MESSAGE_LIMIT=100000\0SEND_LIMIT=200000";


static int setup(void **state)
{
	one_client_setup(state, hello, sizeof hello);
	fake_app.echoes = true;
	return 0;
}

static void pause_it(struct baton_conn *conn)
{
	baton_pause(conn, true);
}

static void test_pause_keeps_what_was_read(void **state)
{
	(void)state;
	fake_app.on_message = pause_it;
	for (int i = 0; i < 3; i++) {
		fake_write(client, FAKE_FIN | 1, "m", 1);
	}
	fake_turns();
	assert_int_equal(fake_app.messages, 1);
	struct baton_conn *conn = fake_app.conn;
	baton_pause(conn, false);
	assert_int_equal(fake_app.messages, 1);
	fake_turns();
	assert_int_equal(fake_app.messages, 2);
	fake_app.on_message = NULL;
	baton_pause(conn, false);
	fake_turns();
	assert_int_equal(fake_app.messages, 3);
	fake_write(client, FAKE_FIN | 1, "m", 1);
	fake_turns();
	assert_int_equal(fake_app.messages, 4);
}

static void test_paused_keeps_a_whole_read_and_its_order(void **state)
{
	(void)state;
	static uint8_t frames[70000];
	size_t total = 0;
	fake_app.on_message = pause_it;
	for (int i = 0; i < 60; i++) {
		char payload[1000] = {(char)i};
		total += fake_frame(frames + total, FAKE_FIN | 2, payload, sizeof payload);
	}
	assert_int_equal(send(client, frames, total, 0), total);
	for (int i = 0; i < 60; i++) {
		fake_turns();
		assert_int_equal(fake_app.messages, i + 1);
		assert_int_equal(fake_app.last[0], i);
		baton_pause(fake_app.conn, false);
	}
}

static void test_paused_does_not_spin_when_its_client_leaves(void **state)
{
	(void)state;
	fake_app.on_message = pause_it;
	fake_write(client, FAKE_FIN | 1, "m", 1);
	fake_turns();
	fake_write(client, FAKE_FIN | 1, "last", 4);
	close(client);
	client = -1;
	assert_int_equal(fake_turns(), -1); /* fails if it spins */
	assert_int_equal(fake_app.closed, 0);
	fake_app.on_message = NULL;
	fake_app.echoes = false;
	baton_pause(fake_app.conn, false);
	fake_turns();
	assert_string_equal(fake_app.last, "last");
	assert_int_equal(fake_app.closed, 1);
}

/* It goes on between two turns: what is kept comes before what is read next, the end among it. */
static void test_paused_keeps_small_messages_before_the_end(void **state)
{
	(void)state;
	fake_app.on_message = pause_it;
	for (int i = 0; i < 5; i++) {
		fake_write(client, FAKE_FIN | 1, "m", 1);
	}
	fake_turns();
	shutdown(client, SHUT_WR);
	fake_turns();
	assert_int_equal(fake_app.messages, 1);
	fake_app.on_message = NULL;
	baton_pause(fake_app.conn, false);
	fake_turns();
	assert_int_equal(fake_app.messages, 5);
	assert_int_equal(fake_app.closed, 1);
}

static void test_paused_can_be_closed(void **state)
{
	(void)state;
	fake_app.on_message = pause_it;
	fake_write(client, FAKE_FIN | 1, "m", 1);
	fake_write(client, FAKE_FIN | 1, "unseen", 6);
	fake_write(client, FAKE_FIN | 8, "\x03\xe8", 2);
	fake_turns();
	assert_int_equal(fake_app.messages, 1);
	baton_close(fake_app.conn, 1000, "");
	fake_turns();
	assert_int_equal(fake_app.messages, 1);
	assert_int_equal(fake_app.closed, 1);
	assert_int_equal(fake_app.code, 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, one_client_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_pause_keeps_what_was_read),
		TEST(test_paused_keeps_a_whole_read_and_its_order),
		TEST(test_paused_does_not_spin_when_its_client_leaves),
		TEST(test_paused_keeps_small_messages_before_the_end),
		TEST(test_paused_can_be_closed),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
