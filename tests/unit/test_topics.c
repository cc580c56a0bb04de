/* SPDX-License-Identifier: MIT */
/*
 * Topics: who gets what is published, what a slow reader does to it (nothing), and that anything
 * may happen in callbacks around it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_gateway.h"

#include "handoff/pairs.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 20, TOPICS = 10 };

static size_t len;
static int clients[CLIENTS];
static struct baton_conn *conns[CLIENTS];

static int setup(void **state)
{
	fake_setup(state);
	fake_configure("SEND_LIMIT=200000", 18);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = fake_connect((uint64_t)i + 1, SOCK_STREAM);
		conns[i] = fake_app.conn;
	}
	return 0;
}

static int teardown(void **state)
{
	for (int i = 0; i < CLIENTS; i++) {
		if (clients[i] >= 0) {
			close(clients[i]);
		}
	}
	return fake_teardown(state);
}

static int publish(const char *topic, struct baton_conn *except, const char *text)
{
	return baton_publish(fake_baton, topic, except, BATON_TEXT, text, strlen(text));
}

static void assert_gets(int i, const char *text)
{
	const char *got = fake_read(clients[i], &len);
	if (len != strlen(text) + 2 || memcmp(got + 2, text, strlen(text)) != 0) {
		fail_msg("client %d got %zu bytes: %s, not %s", i, len, got, text);
	}
}

static void assert_gets_nothing(int i)
{
	fake_read(clients[i], &len);
	assert_int_equal(len, 0);
}

/* ---- who gets it ---- */

static void test_publish_reaches_subscribers_only(void **state)
{
	(void)state;
	assert_int_equal(publish("room", NULL, "nobody"), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(baton_subscribe(conns[i], "room"), 0);
	}
	assert_int_equal(baton_subscribe(conns[3], "other"), 0);
	assert_int_equal(baton_subscribe(conns[0], "room"), 0); /* twice is once */
	assert_int_equal(publish("room", conns[1], "hi"), 2);
	assert_gets(0, "hi");
	assert_gets_nothing(1);
	assert_gets(2, "hi");
	assert_gets_nothing(3);
	assert_int_equal(publish("other", NULL, "you"), 1);
	assert_gets(3, "you");
}

static void test_unsubscribe_ends_it(void **state)
{
	(void)state;
	assert_int_equal(baton_unsubscribe(conns[0], "room"), -1);
	assert_int_equal(errno, ENOENT);
	for (int i = 0; i < 3; i++) {
		baton_subscribe(conns[i], "room");
	}
	assert_int_equal(baton_unsubscribe(conns[0], "room"), 0);
	assert_int_equal(baton_unsubscribe(conns[0], "room"), -1);
	assert_int_equal(publish("room", NULL, "hi"), 2);
	assert_gets_nothing(0);
	baton_unsubscribe(conns[2], "room");
	baton_unsubscribe(conns[1], "room");
	assert_int_equal(publish("room", NULL, "hi"), 0);
}

static void test_topic_names_have_limits(void **state)
{
	(void)state;
	char name[BATON_TOPIC_BYTES + 2];
	memset(name, 'x', sizeof name);
	name[BATON_TOPIC_BYTES + 1] = '\0';
	assert_int_equal(baton_subscribe(conns[0], name), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(baton_subscribe(conns[0], ""), -1);
	assert_int_equal(errno, EINVAL);
	name[BATON_TOPIC_BYTES] = '\0';
	assert_int_equal(baton_subscribe(conns[0], name), 0);
	assert_int_equal(publish(name, NULL, "hi"), 1);
	assert_int_equal(baton_publish(fake_baton, name, NULL, BATON_TEXT | BATON_MORE, "x", 1),
			 -1);
	assert_int_equal(errno, EINVAL);
}

static void test_subscription_of_an_unanswered_client_waits_for_the_101(void **state)
{
	(void)state;
	fake_app.open_result = BATON_LATER;
	int client = fake_offer(100, SOCK_STREAM, "");
	fake_turns();
	struct baton_conn *conn = fake_app.conn;
	assert_int_equal(baton_subscribe(conn, "room"), 0);
	assert_int_equal(publish("room", NULL, "early"), 0);
	baton_accept(conn, NULL);
	fake_read(client, &len);
	assert_int_equal(publish("room", NULL, "late"), 1);
	assert_memory_equal(fake_read(client, &len), "\x81\x04late", 6);
	baton_close(conn, 1000, NULL);
	assert_int_equal(publish("room", NULL, "closing"), 0);
	assert_int_equal(baton_subscribe(conn, "room"), -1);
	assert_int_equal(errno, ENOTCONN);
	close(client);
}

static void test_publish_tells_all_lengths(void **state)
{
	(void)state;
	static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536};
	static char big[65536];
	baton_subscribe(conns[0], "room");
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		size_t header = lengths[i] < 126 ? 2 : lengths[i] < 65536 ? 4 : 10;
		assert_int_equal(
			baton_publish(fake_baton, "room", NULL, BATON_BINARY, big, lengths[i]), 1);
		assert_int_equal((uint8_t)*fake_read(clients[0], &len), 0x82);
		assert_int_equal(len, header + lengths[i]);
	}
}

/* Whatever is subscribed, unsubscribed and closed: the counts agree with a table. */
static void test_topics_agree_with_a_model(void **state)
{
	(void)state;
	static bool model[CLIENTS][TOPICS];
	char name[16];
	srand(11);
	for (int i = 0; i < 20000; i++) {
		int who = rand() % CLIENTS, what = rand() % TOPICS, expected = 0;
		snprintf(name, sizeof name, "t%d", what);
		if (clients[who] < 0) {
			continue;
		}
		switch (rand() % 8) {
		case 0:
		case 1:
		case 2:
			assert_int_equal(baton_subscribe(conns[who], name), 0);
			model[who][what] = true;
			break;
		case 3:
		case 4:
			assert_int_equal(baton_unsubscribe(conns[who], name),
					 model[who][what] ? 0 : -1);
			model[who][what] = false;
			break;
		case 5:
			if (i % 400 == 0) {
				close(clients[who]);
				fake_turns();
				clients[who] = -1;
				memset(model[who], 0, sizeof model[who]);
			}
			break;
		default:
			for (int k = 0; k < CLIENTS; k++) {
				expected += model[k][what] && k != who;
			}
			assert_int_equal(publish(name, conns[who], "x"), expected);
			for (int k = 0; k < CLIENTS; k++) {
				if (clients[k] >= 0) {
					fake_read(clients[k], &len);
					assert_int_equal(len, model[k][what] && k != who ? 3 : 0);
				}
			}
			break;
		}
	}
}

static void test_subscriptions_give_their_memory_back(void **state)
{
	(void)state;
	char name[16];
	baton_subscribe(conns[0], "a"); /* whatever the first one costs the C library */
	baton_unsubscribe(conns[0], "a");
	size_t before = mallinfo2().uordblks;
	for (int i = 0; i < CLIENTS * 100; i++) {
		snprintf(name, sizeof name, "t%d", i / 3);
		assert_int_equal(baton_subscribe(conns[i % CLIENTS], name), 0);
	}
	for (int i = 0; i < CLIENTS * 100; i++) {
		snprintf(name, sizeof name, "t%d", i / 3);
		assert_int_equal(baton_unsubscribe(conns[i % CLIENTS], name), 0);
	}
	/* All but what the C library's thread cache still calls used; sanitizers find the rest. */
	assert_true(mallinfo2().uordblks <= before + 4096);
}

/* ---- callbacks ---- */

static void publish_and_leave(struct baton_conn *conn)
{
	publish("room", NULL, "one");
	baton_unsubscribe(conn, "room");
	publish("room", NULL, "two");
	baton_close(conns[1], 1000, NULL);
	publish("room", NULL, "three");
	baton_send(conn, BATON_TEXT, "done", 4);
}

static void test_callback_may_unsubscribe_and_close_between_messages(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		baton_subscribe(conns[i], "room");
	}
	fake_app.on_message = publish_and_leave;
	fake_write(clients[0], FAKE_FIN | 1, "go", 2);
	fake_turns();
	assert_memory_equal(fake_read(clients[0], &len), "\x81\3one\x81\4done", 11);
	assert_int_equal(len, 11);
	assert_memory_equal(fake_read(clients[1], &len), "\x81\3one\x81\3two\x88", 11);
	assert_memory_equal(fake_read(clients[2], &len), "\x81\3one\x81\3two\x81\5three", 17);
	assert_memory_equal(fake_read(clients[3], &len), "\x81\3one\x81\3two\x81\5three", 17);
}

static void publish_it(struct baton_conn *conn)
{
	(void)conn;
	publish("room", NULL, "news");
}

static void test_publish_meets_clients_that_are_gone(void **state)
{
	(void)state;
	for (int i = 0; i < CLIENTS; i++) {
		baton_subscribe(conns[i], "room");
	}
	for (int i = 0; i < CLIENTS; i += 2) {
		close(clients[i]);
		clients[i] = -1;
	}
	fake_app.on_message = publish_it;
	fake_write(clients[7], FAKE_FIN | 1, "go", 2);
	baton_dispatch(fake_baton); /* in one turn with the news that they are gone */
	fake_turns();
	assert_int_equal(fake_app.closed, CLIENTS / 2);
	for (int i = 1; i < CLIENTS; i += 2) {
		assert_gets(i, "news");
	}
	for (int i = 1; i < CLIENTS; i += 2) { /* nobody has noticed these yet: the last of them */
		close(clients[i]);
		clients[i] = -1;
	}
	assert_int_equal(publish("room", NULL, "news"), 0);
	assert_int_equal(fake_app.closed, CLIENTS / 2); /* not inside of the call */
	assert_int_equal(publish("room", NULL, "news"), 0);
	fake_turns();
	assert_int_equal(fake_app.closed, CLIENTS);
}

/* ---- slow readers ---- */

static char big[50000];

static int publish_big(void)
{
	return baton_publish(fake_baton, "room", NULL, BATON_BINARY, big, sizeof big);
}

/* Everybody but client 0 reads. Returns how often client 0 was served. */
static int publish_until_one_is_full(void)
{
	int served = 0;
	for (int i = 0; i < 3; i++) {
		baton_subscribe(conns[i], "room");
	}
	while (publish_big() == 3) {
		assert_in_range(++served, 1, 20);
		for (int i = 1; i < 3; i++) {
			fake_read(clients[i], &len);
			assert_int_equal(len, sizeof big + 4);
		}
	}
	for (int i = 1; i < 3; i++) {
		fake_read(clients[i], &len); /* of the one that client 0 did not get */
		assert_int_equal(len, sizeof big + 4);
	}
	return served;
}

static void test_slow_client_is_closed_with_1008(void **state)
{
	(void)state;
	size_t total = 0;
	int served = publish_until_one_is_full();
	assert_int_equal(publish_big(), 2);
	do {
		fake_read(clients[0], &len);
		total += len;
		fake_turns();
	} while (len > 0);
	assert_int_equal(total, (size_t)served * (sizeof big + 4) + 4 + 16);
	assert_true(fake_is_at_end(clients[0]));
	fake_pass_ms(2001);
	fake_turns();
	assert_int_equal(fake_app.closed, 1);
	assert_int_equal(fake_app.code, 1008);
	assert_string_equal(fake_app.why, "reads too slowly");
	struct handoff_closed report;
	handoff_closed_read(fake_hear(HANDOFF_CLOSED).payload, &report);
	assert_int_equal(report.code, 1008);
	assert_int_equal(report.who, 1);
	assert_int_equal(report.messages_out, served);
}

static void test_slow_client_that_never_reads_is_cut_off_with_1008(void **state)
{
	(void)state;
	publish_until_one_is_full();
	fake_pass_ms(5001);
	fake_turns();
	assert_int_equal(fake_app.code, 1008);
	assert_true(baton_find(fake_baton, 1) == NULL);
}

static void test_slow_client_is_skipped_and_counted(void **state)
{
	(void)state;
	size_t total = 0;
	fake_configure("SEND_LIMIT=200000\0SLOW_CLIENT=skip", 35);
	int served = publish_until_one_is_full();
	assert_int_equal(publish_big(), 2);
	fake_say(HANDOFF_PING, 0, NULL, 0);
	struct handoff_message pong = fake_hear(HANDOFF_PONG);
	assert_string_equal(handoff_pairs_find(pong.payload, pong.payload_bytes, "SKIPPED"), "2");
	do {
		fake_read(clients[0], &len);
		total += len;
		fake_turns();
	} while (len > 0);
	assert_int_equal(total, (size_t)served * (sizeof big + 4));
	fake_read(clients[1], &len);
	fake_read(clients[2], &len);
	assert_int_equal(publish_big(), 3);
	assert_int_equal(fake_app.closed, 0);
}

static void test_slow_clients_share_what_waits_for_them(void **state)
{
	(void)state;
	size_t before = mallinfo2().uordblks, queued = 0;
	for (int i = 0; i < CLIENTS; i++) {
		baton_subscribe(conns[i], "room");
	}
	while (publish_big() == CLIENTS) {
	}
	for (int i = 0; i < CLIENTS; i++) {
		queued += baton_queued(conns[i]);
	}
	size_t heap = mallinfo2().uordblks - before;
	print_message("%zu bytes wait in %zu bytes of memory\n", queued, heap);
	assert_true(queued > CLIENTS * 2 * sizeof big);
	assert_true(heap < queued / 8);
}

static void test_publish_keeps_its_order_with_sent_messages(void **state)
{
	(void)state;
	uint8_t next = 0;
	size_t total = 0;
	baton_subscribe(conns[0], "room");
	for (int i = 0; i < 12; i++) {
		char body[30000];
		memset(body, i, sizeof body);
		if (i % 2 == 0) {
			baton_publish(fake_baton, "room", NULL, BATON_BINARY, body, sizeof body);
		} else {
			baton_send(conns[0], BATON_BINARY, body, sizeof body);
		}
	}
	do {
		const uint8_t *got = (const uint8_t *)fake_read(clients[0], &len);
		for (size_t at = 0; at < len; at++, total++) {
			if (total % 30004 >= 4) {
				next = (uint8_t)(total / 30004);
				assert_int_equal(got[at], next);
			}
		}
		fake_turns();
	} while (len > 0);
	assert_true(total > 5 * (size_t)30004);
}

/* ---- beside messages in pieces ---- */

static void test_publish_waits_behind_a_message_in_pieces(void **state)
{
	(void)state;
	baton_subscribe(conns[0], "room");
	baton_send(conns[0], BATON_TEXT | BATON_MORE, "a", 1);
	assert_int_equal(publish("room", NULL, "x"), 1);
	assert_int_equal(publish("room", NULL, "y"), 1);
	baton_unsubscribe(conns[0], "room"); /* what was taken is still sent */
	baton_send(conns[0], BATON_TEXT | BATON_MORE, "b", 1);
	baton_send(conns[0], BATON_TEXT, "c", 1);
	assert_memory_equal(fake_read(clients[0], &len), "\x01\1a\0\1b\x80\1c\x81\1x\x81\1y", 15);
	assert_int_equal(len, 15);
	close(clients[0]);
	clients[0] = -1;
	fake_turns();
	struct handoff_closed report;
	handoff_closed_read(fake_hear(HANDOFF_CLOSED).payload, &report);
	assert_int_equal(report.messages_out, 3);
	assert_int_equal(report.bytes_out, 15);
}

static void test_publish_behind_a_message_in_pieces_has_its_limit(void **state)
{
	(void)state;
	baton_subscribe(conns[0], "room");
	baton_send(conns[0], BATON_TEXT | BATON_MORE, "a", 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(publish_big(), 1);
	}
	assert_int_equal(publish_big(), 0);
	assert_memory_equal(fake_read(clients[0], &len), "\x01\1a\x88\x12\x03\xf0", 7);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_publish_reaches_subscribers_only),
		TEST(test_unsubscribe_ends_it),
		TEST(test_topic_names_have_limits),
		TEST(test_subscription_of_an_unanswered_client_waits_for_the_101),
		TEST(test_publish_tells_all_lengths),
		TEST(test_topics_agree_with_a_model),
		TEST(test_subscriptions_give_their_memory_back),
		TEST(test_callback_may_unsubscribe_and_close_between_messages),
		TEST(test_publish_meets_clients_that_are_gone),
		TEST(test_slow_client_is_closed_with_1008),
		TEST(test_slow_client_that_never_reads_is_cut_off_with_1008),
		TEST(test_slow_client_is_skipped_and_counted),
		TEST(test_slow_clients_share_what_waits_for_them),
		TEST(test_publish_keeps_its_order_with_sent_messages),
		TEST(test_publish_waits_behind_a_message_in_pieces),
		TEST(test_publish_behind_a_message_in_pieces_has_its_limit),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
