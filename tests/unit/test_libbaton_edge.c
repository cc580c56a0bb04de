/* SPDX-License-Identifier: MIT */
/*
 * The sockets of clients are watched edge-triggered: the kernel tells of what came, once. So
 * whatever an event leaves behind in a socket, or in a queue, is asked for again, and nothing that
 * it does not leave behind is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "one_client.h"
#include "tcp_pair.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, WAIT_MS = 2000 };

static size_t len;

/* In place of libc's: the kernel has no memory for the next so many. */
static int refused_sends;

ssize_t send(int fd, const void *from, size_t count, int flags)
{
	if (refused_sends > 0) {
		refused_sends--;
		errno = ENOBUFS;
		return -1;
	}
	return syscall(SYS_sendto, fd, from, count, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (refused_sends > 0) {
		refused_sends--;
		errno = ENOBUFS;
		return -1;
	}
	return syscall(SYS_sendmsg, fd, message, flags);
}

static int setup(void **state)
{
	static const char hello[] = "MESSAGE_LIMIT=100000\0SEND_LIMIT=1000000";
	return one_client_setup(state, hello, sizeof hello);
}

static void send_all(const void *from, size_t count)
{
	assert_int_equal(send(client, from, count, MSG_DONTWAIT), count);
}

static size_t read_all(void)
{
	fake_read(client, &len);
	return len;
}

/* ---- in ---- */

static void test_end_of_file_behind_a_message_is_found_at_once(void **state)
{
	(void)state;
	fake_write(client, FAKE_FIN | 1, "last", 4);
	shutdown(client, SHUT_WR);
	fake_turns();
	assert_string_equal(fake_app.last, "last");
	assert_int_equal(fake_app.closed, 1);
}

static void test_all_of_more_than_one_read_comes_and_the_end_behind_it(void **state)
{
	(void)state;
	static uint8_t frames[3 * READ_BYTES];
	static const char payload[1000];
	size_t total = 0;
	int count = 0;
	while (total < 2 * READ_BYTES) {
		total += fake_frame(frames + total, FAKE_FIN | 2, payload, sizeof payload);
		count++;
	}
	send_all(frames, total);
	shutdown(client, SHUT_WR);
	fake_turns();
	assert_int_equal(fake_app.messages, count);
	assert_int_equal(fake_app.closed, 1);
}

static void test_read_that_just_fills_the_buffer_is_not_the_last(void **state)
{
	(void)state;
	static uint8_t frames[READ_BYTES + 100];
	static const char payload[READ_BYTES - 16]; /* and two headers */
	size_t total = fake_frame(frames, FAKE_FIN | 2, payload, sizeof payload);
	total += fake_frame(frames + total, FAKE_FIN | 2, "12", 2);
	assert_int_equal(total, READ_BYTES);
	send_all(frames, total);
	assert_int_equal(fake_turns(), -1);
	assert_int_equal(fake_app.messages, 2);
	fake_write(client, FAKE_FIN | 1, "next", 4);
	fake_turns();
	assert_string_equal(fake_app.last, "next");
}

/* What a client that broke the protocol sent besides is discarded to its end: close() with unread
 * data would send a reset. */
static void test_end_behind_what_is_discarded_is_found_without_waiting(void **state)
{
	(void)state;
	static uint8_t frames[150000];
	frames[0] = 0x81; /* not masked */
	send_all(frames, sizeof frames);
	shutdown(client, SHUT_WR);
	fake_turns();
	assert_int_equal(fake_app.closed, 1);
	assert_int_equal(fake_app.code, 1002);
}

static void test_what_came_before_a_late_accept_is_read(void **state)
{
	(void)state;
	fake_app.open_result = BATON_LATER;
	int late = fake_offer(2, SOCK_STREAM, "");
	fake_turns();
	fake_write(late, FAKE_FIN | 1, "early", 5);
	assert_int_equal(fake_turns(), -1);
	assert_int_equal(baton_accept(fake_app.conn, NULL), 0);
	fake_turns();
	assert_string_equal(fake_app.last, "early");
	close(late);
}

static struct baton_conn *other;
static bool resumes;

static void pause_other(struct baton_conn *conn)
{
	if (conn != other) {
		baton_pause(other, true);
		if (resumes) {
			baton_pause(other, false);
		}
	}
}

/* Both were told in one batch; the first one's callback pauses the second before its turn. */
static void test_pause_by_another_of_the_same_batch_loses_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		resumes = i == 1;
		int second = fake_connect(2 + (uint64_t)i, SOCK_STREAM);
		other = fake_app.conn;
		fake_app.messages = 0;
		fake_app.on_message = pause_other;
		fake_write(client, FAKE_FIN | 1, "first", 5);
		fake_write(second, FAKE_FIN | 1, "second", 6);
		fake_turns();
		assert_int_equal(fake_app.messages, resumes ? 2 : 1);
		baton_pause(other, false);
		fake_turns();
		assert_int_equal(fake_app.messages, 2);
		assert_string_equal(fake_app.last, "second");
		close(second);
		fake_turns();
	}
}

/* ---- TCP ---- */

static void connect_by_tcp(void)
{
	int pair[2];
	close(client);
	fake_turns();
	tcp_pair(pair);
	client = pair[0];
	fake_offer_socket(2, pair[1], "");
	close(pair[1]);
	fake_turns();
	struct pollfd answer = {.fd = client, .events = POLLIN};
	assert_int_equal(poll(&answer, 1, WAIT_MS), 1);
	assert_memory_equal(fake_read(client, &len), "HTTP/1.1 101", 12);
	memset(fake_app.last, 0, sizeof fake_app.last);
	fake_app.messages = fake_app.closed = 0;
	fake_app.opened = 1;
}

/* TCP may be a moment late, even here. */
static void turns_until(const int *count, int wanted)
{
	struct pollfd ready = {.fd = baton_fd(fake_baton), .events = POLLIN};
	do {
		fake_turns(); /* fails if it spins */
	} while (*count < wanted && poll(&ready, 1, WAIT_MS) == 1);
	assert_int_equal(*count, wanted);
}

/* A read stops at the urgent mark, though more stands behind it. */
static void test_read_that_an_urgent_byte_cuts_is_not_the_last(void **state)
{
	(void)state;
	uint8_t frames[64];
	connect_by_tcp();
	size_t first = fake_frame(frames, FAKE_FIN | 1, "one", 3);
	size_t second = fake_frame(frames + first, FAKE_FIN | 1, "two", 3);
	send_all(frames, first);
	assert_int_equal(send(client, "!", 1, MSG_OOB), 1); /* it is no part of the stream */
	send_all(frames + first, second);
	turns_until(&fake_app.messages, 2);
	assert_string_equal(fake_app.last, "two");
}

static void pause_it(struct baton_conn *conn)
{
	baton_pause(conn, true);
}

static void test_reset_of_a_paused_connection_is_told_when_it_goes_on(void **state)
{
	(void)state;
	const struct linger at_once = {.l_onoff = 1};
	connect_by_tcp();
	fake_app.on_message = pause_it;
	fake_write(client, FAKE_FIN | 1, "one", 3);
	turns_until(&fake_app.messages, 1);
	setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(client);
	client = -1;
	fake_turns(); /* fails if it spins */
	assert_int_equal(fake_app.closed, 0);
	baton_pause(fake_app.conn, false);
	turns_until(&fake_app.closed, 1);
	assert_int_equal(fake_app.code, 1006);
}

/* ---- out ---- */

/* Publications stand in the queue one by one, more than one write takes. */
static void test_queue_of_many_parts_leaves_in_one_go_when_there_is_room(void **state)
{
	(void)state;
	static const char big[50000];
	char text[200];
	memset(text, 'x', sizeof text);
	assert_int_equal(baton_subscribe(fake_app.conn, "room"), 0);
	size_t total = 0;
	do {
		assert_true(baton_send(fake_app.conn, BATON_BINARY, big, sizeof big) >= 0);
		total += sizeof big + 4;
	} while (baton_queued(fake_app.conn) == 0);
	for (int i = 0; i < 150; i++) {
		assert_int_equal(baton_publish(fake_baton, "room", NULL, BATON_TEXT, text, sizeof text), 1);
		total += sizeof text + 4;
	}
	size_t got = read_all();
	fake_turns();
	assert_int_equal(baton_queued(fake_app.conn), 0);
	assert_int_equal(got + read_all(), total);
}

static void send_without_memory(struct baton_conn *conn)
{
	static const char more[5000];
	fake_app.on_writable = NULL;
	refused_sends = 1;
	assert_int_equal(baton_send(conn, BATON_BINARY, more, sizeof more), BATON_QUEUED);
}

/* The kernel refused, and not for want of room in the socket: no event will tell that it would take
 * it now. */
static void test_queue_that_the_kernel_had_no_memory_for_leaves(void **state)
{
	(void)state;
	static const char some[10000];
	while (baton_send(fake_app.conn, BATON_BINARY, some, sizeof some) != BATON_QUEUED) {
	}
	fake_app.on_writable = send_without_memory;
	read_all();
	fake_turns();
	assert_null(fake_app.on_writable);
	assert_int_equal(refused_sends, 0);
	assert_int_equal(baton_queued(fake_app.conn), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_end_of_file_behind_a_message_is_found_at_once, setup, one_client_teardown),
		cmocka_unit_test_setup_teardown(
			test_all_of_more_than_one_read_comes_and_the_end_behind_it, setup, one_client_teardown),
		cmocka_unit_test_setup_teardown(
			test_read_that_just_fills_the_buffer_is_not_the_last, setup, one_client_teardown),
		cmocka_unit_test_setup_teardown(
			test_end_behind_what_is_discarded_is_found_without_waiting, setup, one_client_teardown),
		cmocka_unit_test_setup_teardown(test_what_came_before_a_late_accept_is_read, setup,
						one_client_teardown),
		cmocka_unit_test_setup_teardown(
			test_pause_by_another_of_the_same_batch_loses_nothing, setup, one_client_teardown),
		cmocka_unit_test_setup_teardown(test_read_that_an_urgent_byte_cuts_is_not_the_last,
						setup, one_client_teardown),
		cmocka_unit_test_setup_teardown(
			test_reset_of_a_paused_connection_is_told_when_it_goes_on, setup, one_client_teardown),
		cmocka_unit_test_setup_teardown(
			test_queue_of_many_parts_leaves_in_one_go_when_there_is_room, setup, one_client_teardown),
		cmocka_unit_test_setup_teardown(
			test_queue_that_the_kernel_had_no_memory_for_leaves, setup, one_client_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
