/* SPDX-License-Identifier: MIT */
/*
 * How things end in a child: reports, drain, a lost gateway, stop; and the rest of its
 * life beside connections: timers, watches, posts, and what an idle connection costs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_gateway.h"
#include "libbaton/conn.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- reports ---- */

static void test_closed_reports_of_a_turn_share_a_packet(void **state)
{
	(void)state;
	enum { COUNT = 20 };
	int clients[COUNT];
	for (int i = 0; i < COUNT; i++) {
		clients[i] = fake_connect((uint64_t)i + 1, SOCK_STREAM);
	}
	for (int i = 0; i < COUNT; i++) {
		close(clients[i]);
	}
	fake_turns();
	assert_int_equal(fake_hear(HANDOFF_CLOSED).payload_bytes, COUNT * HANDOFF_CLOSED_BYTES);
	assert_true(fake_hears_nothing());
}

static void test_closed_reports_and_pong_wait_for_a_full_channel(void **state)
{
	(void)state;
	int client = fake_connect(8, SOCK_STREAM);
	fake_fill_channel();
	close(client);
	fake_turns();
	fake_say(HANDOFF_PING, 0, NULL, 0);
	fake_say(HANDOFF_PING, 0, NULL, 0);
	assert_int_equal(fake_app.closed, 1);
	fake_empty_channel();
	fake_turns();
	struct handoff_message message = fake_hear(HANDOFF_PONG);
	assert_string_equal(fake_pair(&message, "CONNECTIONS"), "0");
	message = fake_hear(HANDOFF_CLOSED);
	struct handoff_closed report;
	handoff_closed_read(message.payload, &report);
	assert_int_equal(report.id, 8);
	assert_int_equal(report.code, 1006);
	assert_true(fake_hears_nothing());
}

static void test_gateway_can_close_a_connection(void **state)
{
	(void)state;
	size_t len;
	int client = fake_connect(8, SOCK_STREAM);
	fake_say(HANDOFF_CLOSE, 7, "CODE=1008", 10);
	fake_say(HANDOFF_CLOSE, 8, "CODE=1008\0REASON=out", 21);
	assert_memory_equal(fake_read(client, &len), "\x88\x05\x03\xf0out", 7);
	fake_write(client, FAKE_FIN | 8, "\x03\xf0", 2);
	fake_turns();
	assert_int_equal(fake_app.code, 1008);
	assert_string_equal(fake_app.why, "out");
	close(client);
}

/* ---- the end ---- */

static void test_drain_spreads_closes_and_ends(void **state)
{
	(void)state;
	enum { COUNT = 60 };
	int clients[COUNT];
	size_t len, early = 0;
	for (int i = 0; i < COUNT; i++) {
		clients[i] = fake_connect((uint64_t)i + 1, SOCK_STREAM);
	}
	fake_say(HANDOFF_DRAIN, 0, "DEADLINE_MS=1000", 17);
	assert_int_equal(fake_app.drained, 1);
	for (int i = 0; i < COUNT; i++) {
		fake_read(clients[i], &len);
		early += len > 0;
	}
	assert_in_range(early, 10, 20);

	int late = fake_offer(100, SOCK_STREAM, "");
	fake_turns();
	assert_int_equal(fake_hear(HANDOFF_REFUSED).id, 100);
	close(late);

	fake_pass_ms(810);
	fake_turns();
	for (int i = 0; i < COUNT; i++) {
		fake_write(clients[i], FAKE_FIN | 8, "\x03\xe9", 2);
	}
	assert_int_equal(fake_turns(), -2);
	assert_int_equal(fake_app.closed, COUNT);
	assert_int_equal(fake_app.code, 1001);
	assert_int_equal(fake_hear(HANDOFF_CLOSED).payload_bytes, COUNT * HANDOFF_CLOSED_BYTES);
	for (int i = 0; i < COUNT; i++) {
		close(clients[i]);
	}
}

static void test_drain_ends_silent_clients_at_the_deadline(void **state)
{
	(void)state;
	int client = fake_connect(1, SOCK_STREAM);
	fake_say(HANDOFF_DRAIN, 0, "DEADLINE_MS=1000", 17);
	fake_pass_ms(1001);
	assert_int_equal(fake_turns(), -2);
	assert_int_equal(fake_app.closed, 1);
	assert_int_equal(fake_app.code, 1006);
	fake_hear(HANDOFF_CLOSED);
	close(client);
}

static void test_drain_and_stop_refuse_who_waits_for_an_answer(void **state)
{
	(void)state;
	static const char refusal[] = "HTTP/1.1 503 ";
	for (int drains = 0; drains <= 1; drains++) {
		size_t len;
		fake_app.open_result = BATON_LATER;
		int client = fake_offer(1, SOCK_STREAM, "");
		fake_turns();
		fake_hear(HANDOFF_TAKEN);
		if (drains) {
			fake_say(HANDOFF_DRAIN, 0, "DEADLINE_MS=1000", 17);
		} else {
			baton_stop(fake_baton);
			baton_destroy(fake_baton);
			fake_baton = NULL;
		}
		assert_memory_equal(fake_read(client, &len), refusal, sizeof refusal - 1);
		close(client);
		if (fake_baton != NULL) {
			fake_turns();
		}
		assert_int_equal(fake_app.closed, 1);
		assert_int_equal(fake_app.code, 503);
		if (!drains) {
			fake_stop();
			fake_start();
		}
	}
}

static void test_lost_gateway_leaves_connections_served(void **state)
{
	(void)state;
	size_t len;
	fake_app.echoes = true;
	int client = fake_connect(1, SOCK_STREAM);
	/* Another offer stands in the queue, and an answer that nobody reads: the kernel says
	 * ECONNRESET first. */
	int second = fake_offer(2, SOCK_STREAM, "");
	handoff_send(fake_child_end, HANDOFF_PONG, 0, NULL, 0, -1);
	close(fake_child_end);
	close(fake_channel);
	fake_channel = fake_child_end = -1;
	assert_int_equal(fake_turns(), -1);
	assert_int_equal(baton_count(fake_baton), 2);
	fake_write(client, FAKE_FIN | 1, "yes", 3);
	fake_turns();
	assert_memory_equal(fake_read(client, &len), "\x81\x03yes", 5);
	close(client);
	assert_int_equal(fake_turns(), -1);
	close(second);
	assert_int_equal(fake_turns(), -2);
	assert_int_equal(fake_app.closed, 2);
}

static void test_run_returns_when_the_gateway_is_gone(void **state)
{
	(void)state;
	close(fake_child_end);
	close(fake_channel);
	fake_channel = fake_child_end = -1;
	assert_int_equal(baton_run(fake_baton), 0);
}

static void stop_it(void *data)
{
	baton_stop(data);
}

static void *post_from_thread(void *data)
{
	assert_int_equal(baton_post(data, stop_it, data), 0);
	return NULL;
}

static void test_post_from_a_thread_and_stop_end_run(void **state)
{
	(void)state;
	int client = fake_connect(1, SOCK_STREAM);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, post_from_thread, fake_baton), 0);
	assert_int_equal(baton_run(fake_baton), 0);
	pthread_join(thread, NULL);
	assert_int_equal(fake_app.closed, 0);
	size_t len;
	baton_destroy(fake_baton);
	fake_baton = NULL;
	assert_int_equal(fake_app.closed, 1);
	assert_int_equal(fake_app.code, 1001);
	assert_memory_equal(fake_read(client, &len), "\x88\x02\x03\xe9", 4);
	close(client);
}

/* ---- timers and watches ---- */

static struct baton_watch *ticker;
static int ticks, ready;

static void tick(void *data)
{
	(void)data;
	if (++ticks == 3) {
		baton_cancel(ticker);
	}
}

static void test_timer_repeats_until_cancelled(void **state)
{
	(void)state;
	ticks = 0;
	fake_turns();
	ticker = baton_timer(fake_baton, 10, 100, tick, NULL);
	assert_non_null(baton_timer(fake_baton, 1, 0, tick, NULL));
	fake_turns();
	fake_pass_ms(10);
	fake_turns();
	assert_int_equal(ticks, 2);
	fake_pass_ms(101);
	fake_turns();
	assert_int_equal(ticks, 3);
	fake_pass_ms(1000);
	assert_int_equal(fake_turns(), -1);
	assert_int_equal(ticks, 3);
}

static unsigned fired_ms;

static void check_order(void *data)
{
	unsigned wait_ms = (unsigned)(uintptr_t)data;
	assert_true(wait_ms >= fired_ms);
	fired_ms = wait_ms;
	ticks++;
}

static void test_timers_of_all_lengths_run_in_order(void **state)
{
	(void)state;
	enum { COUNT = 500 };
	ticks = 0;
	fired_ms = 0;
	fake_turns();
	for (unsigned i = 0; i < COUNT; i++) {
		unsigned wait_ms = 1 + i * 7919 % 3000;
		assert_non_null(baton_timer(fake_baton, wait_ms, 0, check_order,
					    (void *)(uintptr_t)wait_ms));
	}
	fake_pass_ms(1501);
	fake_turns();
	assert_in_range(ticks, COUNT / 3, COUNT * 2 / 3);
	fake_pass_ms(1501);
	assert_int_equal(fake_turns(), -1);
	assert_int_equal(ticks, COUNT);
}

static void on_ready(int fd, int events, void *data)
{
	char byte;
	assert_int_equal(events, BATON_READ);
	assert_int_equal(read(fd, &byte, 1), 1);
	ready++;
	baton_cancel(*(struct baton_watch **)data);
}

static void test_watch_calls_and_can_be_cancelled_from_its_callback(void **state)
{
	(void)state;
	int ends[2];
	ready = 0;
	assert_int_equal(pipe(ends), 0);
	struct baton_watch *watch = baton_watch(fake_baton, ends[0], BATON_READ, on_ready, &watch);
	assert_non_null(watch);
	assert_int_equal(write(ends[1], "xy", 2), 2);
	fake_turns();
	assert_int_equal(ready, 1);
	close(ends[0]);
	close(ends[1]);
	assert_null(baton_watch(fake_baton, ends[0], BATON_READ, on_ready, NULL));
	assert_int_equal(errno, EBADF);
	baton_cancel(NULL);
}

/* ---- cost ---- */

static void test_idle_connection_costs_at_most_200_bytes(void **state)
{
	(void)state;
	enum { MOST = 9000 };
	static int clients[MOST];
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	int count = limit.rlim_cur > 2 * MOST + 100 ? MOST : (int)(limit.rlim_cur / 2 - 50);
	size_t before = mallinfo2().uordblks;
	for (int i = 0; i < count; i++) {
		clients[i] = fake_connect((uint64_t)i + 1, SOCK_STREAM);
		fake_write(clients[i], FAKE_FIN | 9, "ping", 4);
		fake_turns();
	}
	size_t each = (mallinfo2().uordblks - before) / (size_t)count;
	print_message("sizeof(struct baton_conn) = %zu, heap of an idle connection = %zu bytes\n",
		      sizeof(struct baton_conn), each);
	for (int i = 0; i < count; i++) {
		close(clients[i]);
	}
	fake_turns();
	assert_int_equal(fake_app.closed, count);
	assert_in_range(each, 0, 200); /* 0 where a sanitizer has its own heap */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_closed_reports_of_a_turn_share_a_packet),
		TEST(test_closed_reports_and_pong_wait_for_a_full_channel),
		TEST(test_gateway_can_close_a_connection),
		TEST(test_drain_spreads_closes_and_ends),
		TEST(test_drain_ends_silent_clients_at_the_deadline),
		TEST(test_drain_and_stop_refuse_who_waits_for_an_answer),
		TEST(test_lost_gateway_leaves_connections_served),
		TEST(test_run_returns_when_the_gateway_is_gone),
		TEST(test_post_from_a_thread_and_stop_end_run),
		TEST(test_timer_repeats_until_cancelled),
		TEST(test_timers_of_all_lengths_run_in_order),
		TEST(test_watch_calls_and_can_be_cancelled_from_its_callback),
		TEST(test_idle_connection_costs_at_most_200_bytes),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
