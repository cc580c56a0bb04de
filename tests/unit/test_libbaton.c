/* SPDX-License-Identifier: MIT */
/*
 * The child's side of the channel: start, offers, receipts, open and its answers. What comes
 * after the 101 is in test_libbaton_conn.c, the ends are in test_libbaton_end.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_gateway.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const char hello[] = "POOL=chat\0CHILD=0\0CAPACITY=7\0MESSAGE_LIMIT=100000\0"
			    "SEND_LIMIT=200000\0DRAIN_TIMEOUT_MS=1000";

/* ---- start ---- */

static void test_create_explains_a_start_by_hand(void **state)
{
	(void)state;
	static const struct baton_app app = {.size = sizeof app};
	assert_null(baton_create(&app, NULL));
	assert_int_equal(errno, ENOTCONN);
	assert_non_null(strstr(baton_explain(), "baton serve --child "));

	setenv("BATON_FD", "0", 1);
	setenv("BATON_PROTOCOL", "2", 1);
	assert_null(baton_create(&app, NULL));
	assert_int_equal(errno, ENOTCONN);
	assert_non_null(strstr(baton_explain(), "BATON_PROTOCOL"));

	setenv("BATON_PROTOCOL", "1", 1);
	static const char *const bad[] = {"", "x", "-1", "3x", "99999", "99999999999999999999"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		setenv("BATON_FD", bad[i], 1);
		if (baton_create(&app, NULL) != NULL || errno != ENOTCONN) {
			fail_msg("row %zu: BATON_FD=%s", i, bad[i]);
		}
	}
	unsetenv("BATON_FD");
	unsetenv("BATON_PROTOCOL");

	static const struct baton_app wrong = {.size = sizeof wrong + 1};
	assert_null(baton_create(&wrong, NULL));
	assert_int_equal(errno, EINVAL);
}

static void test_hello_is_answered_with_ready(void **state)
{
	(void)state;
	fake_say(HANDOFF_HELLO, 0, hello, sizeof hello);
	struct handoff_message ready = fake_hear(HANDOFF_READY);
	assert_string_equal(fake_pair(&ready, "CAPACITY"), "7");
}

static void test_ready_clamps_capacity_to_the_descriptor_limit(void **state)
{
	(void)state;
	struct rlimit before, low;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = 132;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	fake_say(HANDOFF_HELLO, 0, "CAPACITY=1000000", 17);
	setrlimit(RLIMIT_NOFILE, &before);
	struct handoff_message ready = fake_hear(HANDOFF_READY);
	assert_string_equal(fake_pair(&ready, "CAPACITY"), "100");
}

static void test_ping_is_answered_with_counts(void **state)
{
	(void)state;
	int client = fake_connect(1, SOCK_STREAM);
	fake_say(HANDOFF_PING, 0, NULL, 0);
	struct handoff_message pong = fake_hear(HANDOFF_PONG);
	assert_string_equal(fake_pair(&pong, "CONNECTIONS"), "1");
	assert_non_null(fake_pair(&pong, "LAG_MS"));
	assert_true(fake_hears_nothing());
	close(client);
}

static void test_unknown_and_malformed_messages_are_told_once_and_ignored(void **state)
{
	(void)state;
	fake_say(99, 0, NULL, 0);
	struct handoff_message line = fake_hear(HANDOFF_LOG);
	assert_non_null(strstr(fake_pair(&line, "TEXT"), "99"));
	fake_say(98, 0, NULL, 0);
	assert_true(fake_hears_nothing());

	fake_say(HANDOFF_HELLO, 0, "no pair", 8);
	fake_hear(HANDOFF_LOG);
	assert_int_equal(send(fake_channel, "rubbish", 7, 0), 7);
	fake_turns();
	assert_true(fake_hears_nothing());
	fake_say(HANDOFF_PING, 0, NULL, 0);
	fake_hear(HANDOFF_PONG);
}

/* ---- offers ---- */

static void test_offer_touches_the_client_only_behind_taken(void **state)
{
	(void)state;
	size_t len;
	fake_fill_channel();
	int client = fake_offer(5, SOCK_STREAM, "");
	int second = fake_offer(6, SOCK_STREAM, "");
	fake_turns();
	fake_read(client, &len);
	assert_int_equal(len, 0);
	assert_int_equal(fake_app.opened, 0);

	/* The second offer was not received: it can still be taken back. */
	static char buf[HANDOFF_MAX_BYTES];
	struct handoff_message message;
	int fd;
	assert_int_equal(handoff_receive(fake_child_end, buf, &message, &fd), HANDOFF_OK);
	assert_int_equal(message.id, 6);
	close(fd);

	fake_empty_channel();
	fake_turns();
	assert_int_equal(fake_hear(HANDOFF_TAKEN).id, 5);
	assert_int_equal(fake_app.opened, 1);
	fake_read(client, &len);
	assert_true(len > 100);
	close(client);
	close(second);
}

static void test_offer_is_received_one_an_event(void **state)
{
	(void)state;
	int clients[3];
	for (int i = 0; i < 3; i++) {
		clients[i] = fake_offer((uint64_t)i + 1, SOCK_STREAM, "");
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(baton_dispatch(fake_baton), -1);
		assert_int_equal(fake_app.opened, i + 1);
		assert_int_equal(fake_hear(HANDOFF_TAKEN).id, i + 1);
		assert_true(fake_hears_nothing());
	}
	assert_int_equal(baton_count(fake_baton), 3);
	assert_ptr_equal(baton_find(fake_baton, 3), fake_app.conn);
	assert_null(baton_find(fake_baton, 4));
	for (int i = 0; i < 3; i++) {
		close(clients[i]);
	}
}

static void test_bad_offers_are_refused_and_leak_nothing(void **state)
{
	(void)state;
	int client = fake_connect(1, SOCK_STREAM);
	int twice = fake_offer(1, SOCK_STREAM, "");
	fake_turns();
	assert_int_equal(fake_hear(HANDOFF_REFUSED).id, 1);
	assert_true(fake_is_at_end(twice));

	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	size_t before = fake_descriptors();
	handoff_send(fake_channel, HANDOFF_CONNECTION, 2, "NO=HEAD", 8, pair[1]);
	fake_turns();
	assert_int_equal(fake_hear(HANDOFF_REFUSED).id, 2);
	handoff_send(fake_channel, HANDOFF_CONNECTION, 3, "no pairs", 9, pair[1]);
	fake_turns();
	assert_int_equal(fake_hear(HANDOFF_REFUSED).id, 3);
	fake_hear(HANDOFF_LOG);
	handoff_send(fake_channel, HANDOFF_CONNECTION, 4, "HEAD=x", 7, -1);
	handoff_send(fake_channel, HANDOFF_PING, 0, NULL, 0, pair[1]);
	fake_turns();
	assert_true(fake_hears_nothing());
	assert_int_equal(fake_descriptors(), before);
	assert_int_equal(fake_app.opened, 1);
	close(pair[0]);
	close(pair[1]);
	close(twice);
	close(client);
}

static void test_offer_without_room_for_its_descriptor_is_refused(void **state)
{
	(void)state;
	struct rlimit before, low;
	int client = fake_offer(9, SOCK_STREAM, "");
	int next = dup(0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	fake_turns();
	setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(fake_hear(HANDOFF_REFUSED).id, 9);
	close(client);
}

static void read_metadata(struct baton_conn *conn)
{
	assert_string_equal(baton_get(conn, "REMOTE_ADDR"), "192.0.2.7");
	assert_string_equal(baton_get(conn, "HTTP_HOST"), "example.org");
	assert_string_equal(baton_get(conn, "HTTP_X_MANY"), "a, b");
	assert_string_equal(baton_get(conn, "HTTP_COOKIE"), "c=1; d=2");
	assert_string_equal(baton_get(conn, "HTTP_X_EMPTY"), "");
	assert_null(baton_get(conn, "HTTP_X_ABSENT"));
	assert_null(baton_get(conn, "HTTP_X_UNDER"));
	assert_null(baton_get(conn, "ABSENT"));
	assert_int_equal(baton_send(conn, BATON_TEXT, "x", 1), BATON_CLOSED);
	assert_int_equal(baton_accept(conn, "chess"), -1);
	assert_int_equal(errno, EINVAL);
}

static const char many_lines[] = "X-Many: a\r\nX-Many:b\r\nCookie: c=1\r\nCookie: d=2\r\n"
				 "X-Empty:\r\nX_Under: 1\r\n"
				 "Sec-WebSocket-Protocol: go\r\nSec-WebSocket-Protocol: chat\r\n";

static void test_open_sees_the_metadata(void **state)
{
	(void)state;
	fake_app.on_open = read_metadata;
	int client = fake_offer(1, SOCK_STREAM, many_lines);
	fake_turns();
	assert_int_equal(fake_app.opened, 1);
	assert_null(baton_get(fake_app.conn, "REMOTE_ADDR"));
	close(client);
}

static void test_later_keeps_the_metadata_until_accept(void **state)
{
	(void)state;
	size_t len;
	fake_app.open_result = BATON_LATER;
	int client = fake_offer(1, SOCK_STREAM, many_lines);
	int other = fake_offer(2, SOCK_STREAM, "");
	baton_dispatch(fake_baton);
	struct baton_conn *conn = fake_app.conn;
	fake_turns();
	fake_hear(HANDOFF_TAKEN);
	fake_hear(HANDOFF_TAKEN);
	fake_read(client, &len);
	assert_int_equal(len, 0);
	read_metadata(conn);
	assert_int_equal(baton_accept(conn, "chat"), 0);
	assert_non_null(strstr(fake_read(client, &len), "\r\nSec-WebSocket-Protocol: chat\r\n"));
	assert_null(baton_get(conn, "REMOTE_ADDR"));
	assert_int_equal(baton_accept(conn, NULL), -1);
	assert_int_equal(errno, EALREADY);
	assert_int_equal(baton_answer(conn, 403, NULL, NULL, 0), -1);
	assert_int_equal(errno, EALREADY);
	assert_int_equal(baton_send(conn, BATON_TEXT, "hi", 2), BATON_SENT);
	assert_memory_equal(fake_read(client, &len), "\x81\x02hi", 4);
	close(client);
	close(other);
}

static void test_accept_takes_what_baton_get_gave(void **state)
{
	(void)state;
	size_t len;
	fake_app.open_result = BATON_LATER;
	int client = fake_offer(1, SOCK_STREAM, "Sec-WebSocket-Protocol: chat\r\n");
	fake_turns();
	struct baton_conn *conn = fake_app.conn;
	assert_int_equal(baton_accept(conn, baton_get(conn, "HTTP_SEC_WEBSOCKET_PROTOCOL")), 0);
	assert_non_null(strstr(fake_read(client, &len), "\r\nSec-WebSocket-Protocol: chat\r\n"));
	close(client);
}

static void test_later_notices_a_client_that_leaves(void **state)
{
	(void)state;
	fake_app.open_result = BATON_LATER;
	int client = fake_offer(1, SOCK_STREAM, "");
	assert_int_equal(fake_turns(), -1);
	fake_hear(HANDOFF_TAKEN);
	assert_int_equal(send(client, "early", 5, 0), 5);
	assert_int_equal(fake_turns(), -1); /* bytes are none of our business yet, and no spin */
	assert_int_equal(fake_app.closed, 0);
	close(client);
	fake_turns();
	assert_int_equal(fake_app.closed, 1);
	assert_int_equal(fake_app.code, 1006);
	fake_hear(HANDOFF_CLOSED);
}

static void accept_and_greet(struct baton_conn *conn)
{
	assert_int_equal(baton_accept(conn, NULL), 0);
	assert_int_equal(baton_send(conn, BATON_TEXT, "hi", 2), BATON_SENT);
}

static void test_accept_inside_open_leaves_with_the_greeting(void **state)
{
	(void)state;
	char got[512];
	fake_app.open_result = BATON_LATER;
	fake_app.on_open = accept_and_greet;
	int client = fake_offer(1, SOCK_SEQPACKET, "");
	fake_turns();
	ssize_t len = recv(client, got, sizeof got, MSG_DONTWAIT);
	assert_true(len > 100);
	assert_memory_equal(got + len - 4, "\x81\x02hi", 4);
	close(client);
}

static void test_refusal_is_a_whole_http_response_and_lingers(void **state)
{
	(void)state;
	size_t len;
	fake_app.open_result = 403;
	int client = fake_offer(1, SOCK_STREAM, "");
	fake_turns();
	fake_hear(HANDOFF_TAKEN);
	assert_string_equal(fake_read(client, &len),
			    "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n"
			    "Connection: close\r\n\r\n");
	assert_true(fake_is_at_end(client));
	assert_int_equal(fake_app.closed, 0); /* it waits for the client to go, but not for ever */
	fake_pass_ms(2001);
	fake_turns();
	assert_int_equal(fake_app.closed, 1);
	assert_int_equal(fake_app.code, 403);
	fake_hear(HANDOFF_CLOSED);
	close(client);
}

static void answer_with_body(struct baton_conn *conn)
{
	assert_int_equal(baton_answer(conn, 200, NULL, NULL, 0), -1);
	assert_int_equal(baton_answer(conn, 404, "X: 1", NULL, 0), -1);
	assert_int_equal(baton_answer(conn, 404, "X: 1\r\n\r\n", NULL, 0), -1);
	assert_int_equal(baton_answer(conn, 404, "\r\n", NULL, 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(baton_answer(conn, 404, "X: 1\r\nY: 2\r\n", "gone", 4), 0);
}

static void test_answer_carries_headers_and_body(void **state)
{
	(void)state;
	size_t len;
	fake_app.open_result = BATON_LATER;
	fake_app.on_open = answer_with_body;
	int client = fake_offer(1, SOCK_STREAM, "");
	fake_turns();
	assert_string_equal(fake_read(client, &len),
			    "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n"
			    "X: 1\r\nY: 2\r\n\r\ngone");
	close(client);
	fake_turns();
	assert_int_equal(fake_app.closed, 1);
}

static void answer_gone(struct baton_conn *conn)
{
	assert_int_equal(baton_answer(conn, 410, NULL, "gone", 4), 0);
}

/* RFC 9110, 9.3.2 */
static void test_answer_to_head_has_no_body(void **state)
{
	(void)state;
	size_t len;
	fake_method = "HEAD";
	fake_app.open_result = BATON_LATER;
	fake_app.on_open = answer_gone;
	int client = fake_offer(1, SOCK_STREAM, "");
	fake_turns();
	assert_string_equal(fake_read(client, &len),
			    "HTTP/1.1 410 Gone\r\nContent-Length: 4\r\nConnection: close\r\n\r\n");
	close(client);
}

/* Offers a subprotocol of len bytes and accepts it. */
static int accept_long(size_t len)
{
	char name[600] = "", field[700];
	memset(name, 'x', len);
	snprintf(field, sizeof field, "Sec-WebSocket-Protocol: %s\r\n", name);
	fake_app.open_result = BATON_LATER;
	int client = fake_offer(1, SOCK_STREAM, field);
	fake_turns();
	errno = 0;
	int result = baton_accept(fake_app.conn, name);
	assert_int_equal(errno, result == 0 ? 0 : EINVAL);
	if (result == 0) {
		assert_non_null(strstr(fake_read(client, &len), name));
	} else {
		assert_int_equal(baton_accept(fake_app.conn, NULL), 0);
	}
	close(client);
	fake_turns();
	return result;
}

static void test_accept_takes_a_subprotocol_of_512_bytes_and_not_of_513(void **state)
{
	(void)state;
	assert_int_equal(accept_long(512), 0);
	assert_int_equal(accept_long(513), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_explains_a_start_by_hand),
		TEST(test_hello_is_answered_with_ready),
		TEST(test_ready_clamps_capacity_to_the_descriptor_limit),
		TEST(test_ping_is_answered_with_counts),
		TEST(test_unknown_and_malformed_messages_are_told_once_and_ignored),
		TEST(test_offer_touches_the_client_only_behind_taken),
		TEST(test_offer_is_received_one_an_event),
		TEST(test_bad_offers_are_refused_and_leak_nothing),
		TEST(test_offer_without_room_for_its_descriptor_is_refused),
		TEST(test_open_sees_the_metadata),
		TEST(test_later_keeps_the_metadata_until_accept),
		TEST(test_accept_takes_what_baton_get_gave),
		TEST(test_later_notices_a_client_that_leaves),
		TEST(test_accept_inside_open_leaves_with_the_greeting),
		TEST(test_refusal_is_a_whole_http_response_and_lingers),
		TEST(test_answer_carries_headers_and_body),
		TEST(test_answer_to_head_has_no_body),
		TEST(test_accept_takes_a_subprotocol_of_512_bytes_and_not_of_513),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
