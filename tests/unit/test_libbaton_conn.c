/* SPDX-License-Identifier: MIT */
/*
 * One connection of libbaton, seen from its client: echo, fragments, batches, control frames,
 * closing handshakes, slow readers. The channel is tested in test_libbaton.c.
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

static size_t len;

static int setup(void **state)
{
	one_client_setup(state, hello, sizeof hello);
	fake_app.echoes = true;
	return 0;
}

/* ---- messages ---- */

static void test_conn_echoes_text_and_binary(void **state)
{
	(void)state;
	fake_write(client, FAKE_FIN | 1, "hello", 5);
	fake_turns();
	assert_memory_equal(fake_read(client, &len), "\x81\x05hello", 7);
	fake_write(client, FAKE_FIN | 2, "\0\1", 2);
	fake_turns();
	assert_memory_equal(fake_read(client, &len), "\x82\x02\0\1", 4);
	assert_int_equal(fake_app.last_type, BATON_BINARY);
}

static void test_conn_assembles_fragments_around_a_ping(void **state)
{
	(void)state;
	fake_write(client, 1, "one ", 4);
	fake_turns();
	fake_write(client, 0, "two ", 4);
	fake_write(client, FAKE_FIN | 9, "p", 1);
	fake_turns();
	assert_int_equal(fake_app.messages, 0);
	assert_memory_equal(fake_read(client, &len), "\x8a\x01p", 3);
	fake_write(client, FAKE_FIN | 0, "three", 5);
	fake_turns();
	assert_int_equal(fake_app.messages, 1);
	assert_string_equal(fake_app.last, "one two three");
}

static void test_conn_assembles_a_message_that_comes_byte_by_byte(void **state)
{
	(void)state;
	uint8_t frames[64];
	size_t total = fake_frame(frames, FAKE_FIN | 1, "hello", 5);
	total += fake_frame(frames + total, FAKE_FIN | 9, "ping", 4);
	total += fake_frame(frames + total, FAKE_FIN | 1, "", 0);
	for (size_t i = 0; i < total; i++) {
		assert_int_equal(send(client, frames + i, 1, MSG_DONTWAIT), 1);
		fake_turns();
	}
	fake_read(client, &len);
	assert_int_equal(fake_app.messages, 2);
	assert_int_equal(len, 7 + 6 + 2);
}

static void test_conn_answers_a_large_message(void **state)
{
	(void)state;
	static char big[90000];
	memset(big, 'x', sizeof big);
	fake_write(client, FAKE_FIN | 1, big, sizeof big);
	fake_turns();
	assert_int_equal(fake_app.messages, 1);
	assert_int_equal(fake_app.last_len, sizeof big);
	const char *got = fake_read(client, &len);
	assert_int_equal(len, sizeof big + 10);
	assert_memory_equal(got + 10, big, sizeof big);
}

static void test_conn_answers_sixteen_frames_of_a_read_with_one_send(void **state)
{
	(void)state;
	uint8_t frames[16 * 16], got[512];
	size_t total = 0;
	int packets = fake_connect(2, SOCK_SEQPACKET); /* one send, one packet */
	for (int i = 0; i < 16; i++) {
		total += fake_frame(frames + total, FAKE_FIN | (i % 2 ? 9 : 1), "12345678", 8);
	}
	assert_int_equal(send(packets, frames, total, 0), total);
	fake_turns();
	assert_int_equal(recv(packets, got, sizeof got, MSG_DONTWAIT), 16 * 10);
	assert_int_equal(fake_app.messages, 8);
	close(packets);
}

static void test_conn_sends_what_is_batched_before_a_large_message(void **state)
{
	(void)state;
	static char big[20000];
	static uint8_t frames[30000], got[30000];
	int packets = fake_connect(2, SOCK_SEQPACKET);
	size_t total = fake_frame(frames, FAKE_FIN | 1, "a", 1);
	total += fake_frame(frames + total, FAKE_FIN | 2, big, sizeof big);
	total += fake_frame(frames + total, FAKE_FIN | 1, "b", 1);
	assert_int_equal(send(packets, frames, total, 0), total);
	fake_turns();
	assert_int_equal(recv(packets, got, sizeof got, MSG_DONTWAIT), 3 + 4 + sizeof big);
	assert_memory_equal(got, "\x81\1a\x82\x7e\x4e\x20", 7);
	assert_int_equal(recv(packets, got, sizeof got, MSG_DONTWAIT), 3);
	close(packets);
}

/* ---- closing ---- */

static void test_conn_answers_close_and_reports(void **state)
{
	(void)state;
	fake_write(client, FAKE_FIN | 1, "hello", 5);
	fake_write(client, FAKE_FIN | 8,
		   "\x03\xe8"
		   "bye",
		   5);
	fake_turns();
	assert_memory_equal(fake_read(client, &len),
			    "\x81\x05hello\x88\x05\x03\xe8"
			    "bye",
			    14);
	assert_true(fake_is_at_end(client));
	assert_int_equal(fake_app.closed, 1);
	assert_int_equal(fake_app.code, 1000);
	assert_string_equal(fake_app.why, "bye");
	struct handoff_closed report = fake_hear_report();
	assert_int_equal(report.id, 1);
	assert_int_equal(report.code, 1000);
	assert_int_equal(report.who, 0);
	assert_int_equal(report.bytes_in, 11 + 11);
	assert_int_equal(report.bytes_out, 7 + 7);
	assert_int_equal(report.messages_in, 1);
	assert_int_equal(report.messages_out, 1);
	assert_int_equal(baton_count(fake_baton), 0);
}

static void test_conn_answers_an_empty_close_with_an_empty_one(void **state)
{
	(void)state;
	fake_write(client, FAKE_FIN | 8, "", 0);
	fake_turns();
	assert_memory_equal(fake_read(client, &len), "\x88\0", 2);
	assert_int_equal(len, 2);
	assert_int_equal(fake_app.code, 1005);
}

static void close_it(struct baton_conn *conn)
{
	baton_close(conn, 3000, "enough");
	baton_close(conn, 3001, "twice");
	assert_int_equal(fake_app.closed, 0);
}

static void test_conn_close_waits_for_the_answer_and_discards(void **state)
{
	(void)state;
	fake_app.on_message = close_it;
	fake_write(client, FAKE_FIN | 1, "hello", 5);
	fake_write(client, FAKE_FIN | 1, "ignored", 7);
	fake_turns();
	assert_memory_equal(fake_read(client, &len),
			    "\x81\x05hello\x88\x08\x0b\xb8"
			    "enough",
			    17);
	assert_int_equal(len, 17);
	assert_int_equal(fake_app.messages, 1);
	assert_int_equal(fake_app.closed, 0);
	fake_write(client, FAKE_FIN | 8, "\x0b\xb8", 2);
	fake_turns();
	assert_true(fake_is_at_end(client));
	assert_int_equal(fake_app.code, 3000);
	assert_string_equal(fake_app.why, "enough");
	assert_int_equal(fake_hear_report().who, 1);
}

static void assert_gives_up_in_five_seconds(void)
{
	fake_pass_ms(4900);
	fake_turns();
	assert_int_equal(fake_app.closed, 0);
	fake_pass_ms(200);
	fake_turns();
	assert_int_equal(fake_app.closed, 1);
	assert_int_equal(fake_app.code, 1006);
}

static void test_conn_close_gives_up_after_five_seconds(void **state)
{
	(void)state;
	struct baton_conn *conn = fake_app.conn;
	baton_close(conn, 1005, NULL);
	assert_memory_equal(fake_read(client, &len), "\x88\x02\x03\xf3", 4);
	int wait_ms = fake_turns();
	assert_in_range(wait_ms, 4000, 5000);
	assert_gives_up_in_five_seconds();
	assert_true(fake_is_at_end(client));
}

static void test_conn_fails_a_client_that_breaks_the_protocol_and_lingers(void **state)
{
	(void)state;
	assert_int_equal(send(client, "\x81\x01x", 3, 0), 3); /* not masked */
	fake_turns();
	const char *got = fake_read(client, &len);
	assert_memory_equal(got, "\x88", 1);
	assert_memory_equal(got + 2, "\x03\xea", 2);
	assert_true(fake_is_at_end(client));
	assert_int_equal(fake_app.closed, 0);
	fake_write(client, FAKE_FIN | 1, "more", 4);
	fake_turns();
	assert_int_equal(fake_app.messages, 0);
	close(client);
	client = -1;
	fake_turns();
	assert_int_equal(fake_app.closed, 1);
	assert_int_equal(fake_app.code, 1002);
	assert_true(strlen(fake_app.why) > 5);
	assert_int_equal(fake_hear_report().who, 1);
}

static void test_conn_refuses_a_message_beyond_the_limit(void **state)
{
	(void)state;
	static char big[100001];
	fake_write(client, FAKE_FIN | 2, big, sizeof big);
	fake_turns();
	const char *got = fake_read(client, &len);
	assert_memory_equal(got + 2, "\x03\xf1", 2);
	fake_pass_ms(2001);
	fake_turns();
	assert_int_equal(fake_app.code, 1009);
	assert_int_equal(fake_app.messages, 0);
}

static void test_conn_reports_a_client_that_just_leaves(void **state)
{
	(void)state;
	fake_write(client, 1, "begun", 5);
	close(client);
	client = -1;
	fake_turns();
	assert_int_equal(fake_app.code, 1006);
	assert_string_equal(fake_app.why, "");
	assert_int_equal(fake_hear_report().code, 1006);
}

static void test_conn_survives_being_closed_with_bytes_behind_the_close(void **state)
{
	(void)state;
	fake_write(client, FAKE_FIN | 8, "\x03\xe8", 2);
	fake_write(client, FAKE_FIN | 1, "late", 4);
	fake_turns();
	assert_memory_equal(fake_read(client, &len), "\x88\x02\x03\xe8", 4);
	assert_int_equal(fake_app.messages, 0);
	assert_int_equal(fake_app.closed, 0); /* lingers, so that no reset destroys the answer */
	shutdown(client, SHUT_WR);
	fake_turns();
	assert_int_equal(fake_app.code, 1000);
}

/* ---- slow readers ---- */

/* Sends to a client that does not read until nothing is taken any more. */
static size_t fill_queue(struct baton_conn *conn)
{
	static char big[50000];
	size_t queued_ones = 0;
	int result;
	while ((result = baton_send(conn, BATON_BINARY, big, sizeof big)) != BATON_FULL) {
		assert_in_range(result, BATON_SENT, BATON_QUEUED);
		queued_ones += result == BATON_QUEUED;
	}
	return queued_ones;
}

static size_t read_all(void)
{
	size_t total = 0;
	do {
		fake_read(client, &len);
		total += len;
		fake_turns();
	} while (len > 0);
	return total;
}

static void test_conn_queues_up_to_the_limit_then_tells_when_writable(void **state)
{
	(void)state;
	struct baton_conn *conn = fake_app.conn;
	assert_in_range(fill_queue(conn), 3, 4);
	assert_in_range(baton_queued(conn), 100000, 200000);
	fake_turns();
	assert_int_equal(fake_app.writable, 0);
	size_t total = read_all();
	assert_int_equal(total % 50004, 0);
	assert_int_equal(fake_app.writable, 1);
	assert_int_equal(baton_queued(conn), 0);
	assert_int_equal(baton_send(conn, BATON_TEXT, "x", 1), BATON_SENT);
}

static void test_conn_takes_one_message_beyond_the_limit_when_nothing_waits(void **state)
{
	(void)state;
	static char huge[1000000];
	assert_int_equal(baton_send(fake_app.conn, BATON_BINARY, huge, sizeof huge), BATON_QUEUED);
	assert_int_equal(baton_send(fake_app.conn, BATON_TEXT, "x", 1), BATON_FULL);
	assert_int_equal(read_all(), sizeof huge + 10);
}

static void test_conn_does_not_read_a_client_that_does_not_read(void **state)
{
	(void)state;
	static char big[30000];
	static uint8_t frame[30016];
	size_t total = fake_frame(frame, FAKE_FIN | 2, big, sizeof big), sent = 0;
	for (int i = 0; i < 200; i++) {
		/* The socket takes a part of a frame at last: that is where the flood ends. */
		if (send(client, frame, total, MSG_DONTWAIT) != (ssize_t)total) {
			break;
		}
		sent++;
		fake_turns();
	}
	assert_in_range(sent, 10, 100);
	assert_in_range(baton_queued(fake_app.conn), 60000, 200000);
	size_t got = 0;
	do {
		fake_read(client, &len);
		got += len;
		fake_turns();
	} while (len > 0);
	assert_int_equal(got, sent * 30004);
	assert_int_equal(fake_app.messages, sent);
}

static void test_conn_drops_pongs_beyond_the_limit(void **state)
{
	(void)state;
	static uint8_t pings[500 * 131];
	static const char payload[125];
	size_t total = 0;
	fake_say(HANDOFF_HELLO, 0, "SEND_LIMIT=1000", 16);
	for (int i = 0; i < 500; i++) {
		total += fake_frame(pings + total, FAKE_FIN | 9, payload, sizeof payload);
	}
	for (int i = 0; i < 10 && send(client, pings, total, MSG_DONTWAIT) == (ssize_t)total; i++) {
		fake_turns();
	}
	assert_in_range(baton_queued(fake_app.conn), 1, 1000);
	assert_int_equal(fake_app.closed, 0);
}

static void test_conn_keeps_the_order_while_its_queue_moves(void **state)
{
	(void)state;
	size_t sent = 0, seen = 0;
	for (int round = 0; round < 40; round++) {
		uint8_t body[4000];
		do {
			memset(body, (int)(sent % 251), sizeof body);
		} while (baton_send(fake_app.conn, BATON_BINARY, body, sizeof body) >= 0 && ++sent);
		uint8_t got[4004 * 10];
		ssize_t now = recv(client, got, sizeof got, MSG_DONTWAIT | MSG_PEEK);
		now -= now % 4004;
		assert_int_equal(recv(client, got, (size_t)now, MSG_DONTWAIT), now);
		for (ssize_t at = 0; at < now; at += 4004, seen++) {
			assert_int_equal(got[at], 0x82);
			assert_int_equal(got[at + 4], seen % 251);
			assert_int_equal(got[at + 4003], seen % 251);
		}
		fake_turns();
	}
	assert_true(seen > 100);
	assert_int_equal(read_all(), (sent - seen) * 4004);
}

static void test_conn_close_waits_while_the_client_still_reads(void **state)
{
	(void)state;
	static char huge[500000], part[50000];
	assert_int_equal(baton_send(fake_app.conn, BATON_BINARY, huge, sizeof huge), BATON_QUEUED);
	baton_close(fake_app.conn, 1000, NULL);
	size_t got = 0;
	for (int i = 0; i < 4; i++) {
		fake_pass_ms(4000);
		assert_int_equal(recv(client, part, sizeof part, MSG_WAITALL), sizeof part);
		got += sizeof part;
		fake_turns();
	}
	assert_int_equal(fake_app.closed, 0);
	assert_int_equal(got + read_all(), sizeof huge + 10 + 4);
	fake_turns();
	assert_gives_up_in_five_seconds(); /* the whole time for its answer */
}

static void test_conn_writes_its_queue_after_the_clients_end_of_file(void **state)
{
	(void)state;
	static char huge[500000];
	assert_int_equal(baton_send(fake_app.conn, BATON_BINARY, huge, sizeof huge), BATON_QUEUED);
	shutdown(client, SHUT_WR);
	fake_turns();
	assert_int_equal(read_all(), sizeof huge + 10);
	assert_int_equal(fake_app.code, 1006);
	assert_int_equal(fake_hear_report().bytes_out, sizeof huge + 10);
}

static void test_conn_counts_only_what_left_when_the_client_breaks(void **state)
{
	(void)state;
	static char huge[500000];
	assert_int_equal(baton_send(fake_app.conn, BATON_BINARY, huge, sizeof huge), BATON_QUEUED);
	size_t queued = baton_queued(fake_app.conn);
	close(client);
	client = -1;
	fake_turns();
	assert_int_equal(fake_hear_report().bytes_out, sizeof huge + 10 - queued);
}

/* ---- calls from odd places ---- */

static struct baton_conn *other;

static void send_to_other(struct baton_conn *conn)
{
	(void)conn;
	baton_send(other, BATON_TEXT, "you", 3);
}

static void test_conn_can_send_to_another(void **state)
{
	(void)state;
	other = fake_app.conn;
	int second = fake_connect(2, SOCK_STREAM);
	fake_app.on_message = send_to_other;
	fake_write(second, FAKE_FIN | 1, "me", 2);
	fake_turns();
	assert_memory_equal(fake_read(client, &len), "\x81\x03you", 5);
	assert_memory_equal(fake_read(second, &len), "\x81\x02me", 4);
	close(client);
	client = -1;
	/* The other one is gone, and nobody has noticed yet. */
	assert_int_equal(baton_send(other, BATON_TEXT, "x", 1), BATON_CLOSED);
	assert_int_equal(fake_app.closed, 0);
	fake_turns();
	assert_int_equal(fake_app.closed, 1);
	close(second);
}

static void test_conn_cuts_a_long_reason_at_a_character(void **state)
{
	(void)state;
	char why[200];
	for (size_t i = 0; i < 198; i += 2) {
		memcpy(why + i, "\xc3\xa4", 2);
	}
	why[198] = '\0';
	baton_close(fake_app.conn, 1000, why);
	assert_int_equal((uint8_t)fake_read(client, &len)[1], 2 + 122);
	assert_int_equal(len, 4 + 122);
}

static void test_conn_user_pointer_and_id(void **state)
{
	(void)state;
	struct baton_conn *conn = fake_app.conn;
	assert_null(*baton_user(conn));
	*baton_user(conn) = &client;
	assert_ptr_equal(*baton_user(conn), &client);
	assert_int_equal(baton_id(conn), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, one_client_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_conn_echoes_text_and_binary),
		TEST(test_conn_assembles_fragments_around_a_ping),
		TEST(test_conn_assembles_a_message_that_comes_byte_by_byte),
		TEST(test_conn_answers_a_large_message),
		TEST(test_conn_answers_sixteen_frames_of_a_read_with_one_send),
		TEST(test_conn_sends_what_is_batched_before_a_large_message),
		TEST(test_conn_answers_close_and_reports),
		TEST(test_conn_answers_an_empty_close_with_an_empty_one),
		TEST(test_conn_close_waits_for_the_answer_and_discards),
		TEST(test_conn_close_gives_up_after_five_seconds),
		TEST(test_conn_close_waits_while_the_client_still_reads),
		TEST(test_conn_fails_a_client_that_breaks_the_protocol_and_lingers),
		TEST(test_conn_refuses_a_message_beyond_the_limit),
		TEST(test_conn_reports_a_client_that_just_leaves),
		TEST(test_conn_survives_being_closed_with_bytes_behind_the_close),
		TEST(test_conn_queues_up_to_the_limit_then_tells_when_writable),
		TEST(test_conn_takes_one_message_beyond_the_limit_when_nothing_waits),
		TEST(test_conn_does_not_read_a_client_that_does_not_read),
		TEST(test_conn_drops_pongs_beyond_the_limit),
		TEST(test_conn_keeps_the_order_while_its_queue_moves),
		TEST(test_conn_writes_its_queue_after_the_clients_end_of_file),
		TEST(test_conn_counts_only_what_left_when_the_client_breaks),
		TEST(test_conn_can_send_to_another),
		TEST(test_conn_cuts_a_long_reason_at_a_character),
		TEST(test_conn_user_pointer_and_id),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
