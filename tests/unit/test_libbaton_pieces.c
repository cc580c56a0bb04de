/* SPDX-License-Identifier: MIT */
/*
 * BATON_MORE in both directions: an app that takes messages in pieces, and messages sent in
 * pieces. Whole messages are tested in test_libbaton_conn.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_client.h"

#include <malloc.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t len;

static int setup(void **state)
{
	static const char hello[] = "MESSAGE_LIMIT=100000\0SEND_LIMIT=200000";
	fake_flags = BATON_PIECES;
	one_client_setup(state, hello, sizeof hello);
	fake_flags = 0;
	return 0;
}

/* ---- in ---- */

static void test_pieces_come_as_they_arrive(void **state)
{
	(void)state;
	fake_write(client, 1, "one ", 4);
	fake_turns();
	assert_int_equal(fake_app.messages, 1);
	assert_int_equal(fake_app.last_type, BATON_TEXT | BATON_MORE);
	assert_string_equal(fake_app.last, "one ");
	fake_write(client, 0, "", 0); /* brings nothing, tells nothing */
	fake_write(client, FAKE_FIN | 9, "p", 1);
	fake_turns();
	assert_int_equal(fake_app.messages, 1);
	fake_write(client, 0, "two ", 4);
	fake_turns();
	assert_int_equal(fake_app.last_type, BATON_TEXT | BATON_MORE);
	fake_write(client, FAKE_FIN | 0, "", 0);
	fake_turns();
	assert_int_equal(fake_app.messages, 3);
	assert_int_equal(fake_app.last_type, BATON_TEXT);
	assert_int_equal(fake_app.last_len, 0);
	fake_write(client, FAKE_FIN | 2, "whole", 5);
	fake_turns();
	assert_int_equal(fake_app.last_type, BATON_BINARY);
	assert_string_equal(fake_app.last, "whole");
	close(client);
	client = -1;
	fake_turns();
	assert_int_equal(fake_hear_report().messages_in, 2);
}

static void test_pieces_of_one_frame_cost_no_memory(void **state)
{
	(void)state;
	static uint8_t frame[90100];
	static char big[90000];
	size_t total = fake_frame(frame, FAKE_FIN | 2, big, sizeof big), got = 0;
	size_t before = mallinfo2().uordblks;
	for (size_t at = 0, now; at < total; at += now) {
		int told = fake_app.messages;
		now = total - at < 4500 ? total - at : 4500;
		assert_int_equal(send(client, frame + at, now, MSG_DONTWAIT), now);
		fake_turns();
		assert_int_equal(fake_app.messages, told + 1);
		got += fake_app.last_len;
		assert_int_equal(fake_app.last_type,
				 BATON_BINARY | (got < sizeof big ? BATON_MORE : 0));
		assert_int_equal(mallinfo2().uordblks, before);
	}
	assert_int_equal(got, sizeof big);
}

static void test_pieces_together_obey_the_message_limit(void **state)
{
	(void)state;
	static char big[60000];
	fake_write(client, 2, big, sizeof big);
	fake_turns();
	assert_int_equal(fake_app.messages, 1);
	fake_write(client, FAKE_FIN | 0, big, sizeof big);
	fake_turns();
	assert_int_equal(fake_app.messages, 1);
	fake_pass_ms(2001);
	fake_turns();
	assert_int_equal(fake_app.code, 1009);
}

static void test_pieces_of_bad_text_end_with_1007(void **state)
{
	(void)state;
	fake_write(client, 1, "caf\xc3", 4); /* cut inside of a character: fine so far */
	fake_turns();
	assert_int_equal(fake_app.messages, 1);
	fake_write(client, FAKE_FIN | 0, "x", 1);
	fake_turns();
	assert_int_equal(fake_app.messages, 1);
	fake_pass_ms(2001);
	fake_turns();
	assert_int_equal(fake_app.code, 1007);
}

static void pause_it(struct baton_conn *conn)
{
	baton_pause(conn, true);
}

static void test_pieces_stop_at_a_pause(void **state)
{
	(void)state;
	fake_app.on_message = pause_it;
	fake_write(client, 1, "a", 1);
	fake_write(client, 0, "b", 1);
	fake_write(client, FAKE_FIN | 0, "c", 1);
	for (int i = 1; i <= 3; i++) {
		fake_turns();
		assert_int_equal(fake_app.messages, i);
		assert_int_equal(fake_app.last[0], "abc"[i - 1]);
		baton_pause(fake_app.conn, false);
	}
	assert_int_equal(fake_app.last_type, BATON_TEXT);
}

static void test_pieces_can_be_echoed_as_they_come(void **state)
{
	(void)state;
	fake_app.echoes = true;
	fake_write(client, 1, "one", 3);
	fake_turns();
	assert_memory_equal(fake_read(client, &len), "\x01\x03one", 5);
	fake_write(client, 0, "two", 3);
	fake_write(client, FAKE_FIN | 9, "", 0);
	fake_write(client, FAKE_FIN | 0, "", 0);
	fake_turns();
	assert_memory_equal(fake_read(client, &len), "\x00\x03two\x8a\x00\x80\x00", 9);
	close(client);
	client = -1;
	fake_turns();
	assert_int_equal(fake_hear_report().messages_out, 1);
}

/* ---- out ---- */

static void test_pieces_sent_make_one_message_of_the_first_type(void **state)
{
	(void)state;
	struct baton_conn *conn = fake_app.conn;
	assert_int_equal(baton_send(conn, BATON_BINARY | BATON_MORE, "a", 1), BATON_SENT);
	assert_int_equal(baton_send(conn, BATON_TEXT | BATON_MORE, "b", 1), BATON_SENT);
	assert_int_equal(baton_send(conn, BATON_TEXT, "c", 1), BATON_SENT);
	assert_int_equal(baton_send(conn, BATON_TEXT, "d", 1), BATON_SENT);
	const char *got = fake_read(client, &len);
	assert_memory_equal(got, "\x02\1a\0\1b\x80\1c\x81\1d", 12);
	assert_int_equal(len, 12);
}

static void test_pieces_that_were_not_taken_are_sent_again(void **state)
{
	(void)state;
	enum { FRAME = 50004 };
	static char big[FRAME - 4];
	struct baton_conn *conn = fake_app.conn;
	size_t pieces = 0, total = 0, frames = 0;
	while (baton_send(conn, BATON_BINARY | BATON_MORE, big, sizeof big) != BATON_FULL) {
		pieces++;
	}
	do {
		const uint8_t *got = (const uint8_t *)fake_read(client, &len);
		for (; frames * FRAME < total + len; frames++) { /* those that begin in here */
			assert_int_equal(got[frames * FRAME - total], frames == 0 ? 2 : 0);
		}
		total += len;
		fake_turns();
	} while (len > 0);
	assert_int_equal(frames, pieces);
	assert_int_equal(baton_send(conn, BATON_BINARY, big, sizeof big), BATON_SENT);
	assert_int_equal((uint8_t)*fake_read(client, &len), 0x80);
}

static void test_pieces_can_be_broken_off_by_close(void **state)
{
	(void)state;
	baton_send(fake_app.conn, BATON_TEXT | BATON_MORE, "a", 1);
	baton_close(fake_app.conn, 1000, NULL);
	assert_memory_equal(fake_read(client, &len), "\x01\1a\x88\2\x03\xe8", 7);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, one_client_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_pieces_come_as_they_arrive),
		TEST(test_pieces_of_one_frame_cost_no_memory),
		TEST(test_pieces_together_obey_the_message_limit),
		TEST(test_pieces_of_bad_text_end_with_1007),
		TEST(test_pieces_stop_at_a_pause),
		TEST(test_pieces_can_be_echoed_as_they_come),
		TEST(test_pieces_sent_make_one_message_of_the_first_type),
		TEST(test_pieces_that_were_not_taken_are_sent_again),
		TEST(test_pieces_can_be_broken_off_by_close),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
