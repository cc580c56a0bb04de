/* SPDX-License-Identifier: MIT */
/*
 * The limits with a clock that the test sets: who is counted, who is refused, for how long, and
 * that a flood of addresses neither grows the table nor makes it forget who is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admit/limits.h"
#include "config/config.h"
#include "pool/ledger.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECOND = 1000000, FLOOD = 1000000, START_MS = 5000000 };

static const uint64_t seed[2] = {0x0123456789abcdef, 0xfedcba9876543210};

static struct config_route routes[2];
static struct config config;
static struct limits limits;

static int setup(void **state)
{
	(void)state;
	memset(routes, 0, sizeof routes);
	config = (struct config){.max_connections = 2 * FLOOD,
				 .address_burst = 1,
				 .route_count = 2,
				 .routes = routes};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	limits_finish(&limits);
	return 0;
}

static void start(unsigned connections, uint64_t interval_us, unsigned burst)
{
	config.address_connections = connections;
	config.address_interval_us = interval_us;
	config.address_burst = burst;
	assert_int_equal(limits_init(&limits, &config, seed), 0);
}

static struct record of(const char *ip)
{
	struct record record = {.id = 1};
	bool is_4 = strchr(ip, ':') == NULL;
	record.client.family = is_4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
	assert_int_equal(inet_pton(is_4 ? AF_INET : AF_INET6, ip, record.client.ip), 1);
	return record;
}

static struct record numbered(uint32_t number)
{
	struct record record = {.id = 1, .client.family = ADDRESS_IPV4};
	memcpy(record.client.ip, &number, sizeof number);
	return record;
}

static enum refusal enter(struct record *record, uint64_t now_ms)
{
	unsigned retry_secs = 0;
	enum refusal refusal =
		limits_enter_address(&limits, record, START_MS + now_ms, &retry_secs);
	assert_int_equal(retry_secs > 0, refusal == REFUSAL_ADDRESS_RATE);
	return refusal;
}

static unsigned retry_secs(const char *ip, uint64_t now_ms)
{
	unsigned secs = 0;
	struct record record = of(ip);
	assert_int_equal(limits_enter_address(&limits, &record, START_MS + now_ms, &secs),
			 REFUSAL_ADDRESS_RATE);
	return secs;
}

/* ---- places ---- */

static void test_limits_count_all_and_count_off_once(void **state)
{
	(void)state;
	struct record records[3] = {of("192.0.2.1"), of("192.0.2.1"), of("192.0.2.2")};
	config.max_connections = 2;
	start(0, 0, 1);
	assert_int_equal(limits_enter(&limits, &records[0]), REFUSAL_NONE);
	assert_int_equal(limits_enter(&limits, &records[1]), REFUSAL_NONE);
	assert_int_equal(limits_enter(&limits, &records[2]), REFUSAL_CONNECTIONS);
	limits_leave(&limits, &records[2]); /* was never counted */
	assert_int_equal(limits.all, 2);
	limits_leave(&limits, &records[0]);
	limits_leave(&limits, &records[0]);
	assert_int_equal(limits.all, 1);
	assert_int_equal(limits_enter(&limits, &records[2]), REFUSAL_NONE);
}

static void test_limits_count_each_route(void **state)
{
	(void)state;
	struct record a = {.route = 1}, b = {.route = 1}, elsewhere = {.route = 0};
	routes[1].connections = 1;
	start(0, 0, 1);
	assert_int_equal(limits_enter_route(&limits, &a), REFUSAL_NONE);
	assert_int_equal(limits_enter_route(&limits, &b), REFUSAL_ROUTE_CONNECTIONS);
	assert_int_equal(limits_enter_route(&limits, &elsewhere), REFUSAL_NONE);
	limits_leave(&limits, &b);
	limits_leave(&limits, &a);
	assert_int_equal(limits.routes[1], 0);
	assert_int_equal(limits_enter_route(&limits, &b), REFUSAL_NONE);
}

static void test_limits_hold_for_each_address_alone(void **state)
{
	(void)state;
	struct record ours[3] = {of("192.0.2.1"), of("192.0.2.1"), of("192.0.2.1")};
	struct record other = of("192.0.2.2");
	start(2, 0, 1);
	assert_int_equal(enter(&ours[0], 0), REFUSAL_NONE);
	assert_int_equal(enter(&ours[1], 0), REFUSAL_NONE);
	assert_int_equal(enter(&ours[2], 0), REFUSAL_ADDRESS_CONNECTIONS);
	assert_int_equal(enter(&other, 0), REFUSAL_NONE);
	assert_int_equal(limits.addresses, 2);
	limits_leave(&limits, &ours[2]);
	assert_int_equal(enter(&ours[2], 0), REFUSAL_ADDRESS_CONNECTIONS);
	limits_leave(&limits, &ours[0]);
	assert_int_equal(enter(&ours[2], 0), REFUSAL_NONE);
	limits_leave(&limits, &other);
	assert_int_equal(limits.addresses, 1);
}

static void test_limits_see_one_client_in_a_64_and_two_in_its_neighbour(void **state)
{
	(void)state;
	static const struct {
		const char *one, *two;
		bool same;
	} rows[] = {
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"2001:db8::", "2001:db9::", false},
		{"1.2.3.4", "1.2.3.5", false},
		{"1.2.3.4", "102:304::", false}, /* the same bytes, not the same family */
		{"0.0.0.0", "::", false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct record one = of(rows[i].one), two = of(rows[i].two);
		start(1, 0, 1);
		assert_int_equal(enter(&one, 0), REFUSAL_NONE);
		bool same = enter(&two, 0) == REFUSAL_ADDRESS_CONNECTIONS;
		if (same != rows[i].same) {
			print_error("row %zu: %s %s\n", i, rows[i].one, rows[i].two);
		}
		assert_int_equal(same, rows[i].same);
		limits_finish(&limits);
	}
}

static void test_limits_do_not_know_unix_sockets(void **state)
{
	(void)state;
	start(1, SECOND, 1);
	for (int i = 0; i < 100; i++) {
		struct record record = {.client.family = ADDRESS_UNIX};
		assert_int_equal(enter(&record, 0), REFUSAL_NONE);
		assert_int_equal(record.counted, 0);
	}
}

/* ---- pace ---- */

static void test_limits_bucket_fills_with_time(void **state)
{
	(void)state;
	static const struct {
		uint64_t now_ms;
		int admitted; /* of those who come then */
	} rows[] = {
		{0, 3},   /* the burst */
		{499, 0}, /* two a second: the first token is not there yet */
		{500, 1},   {999, 0},   {1000, 1},
		{2000, 2},  {60000, 3}, /* never more than the burst */
		{60500, 1},
	};
	start(0, SECOND / 2, 3);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int admitted = 0;
		for (int n = 0; n < 5; n++) {
			struct record record = of("192.0.2.1");
			admitted += enter(&record, rows[i].now_ms) == REFUSAL_NONE ? 1 : 0;
			assert_int_equal(record.counted, 0);
		}
		if (admitted != rows[i].admitted) {
			print_error("row %zu: at %d ms\n", i, (int)rows[i].now_ms);
		}
		assert_int_equal(admitted, rows[i].admitted);
	}
	struct record other = of("192.0.2.2");
	assert_int_equal(enter(&other, 60500), REFUSAL_NONE);
}

static void test_limits_say_when_to_come_again(void **state)
{
	(void)state;
	struct record first = of("192.0.2.1"), second = of("192.0.2.1");
	start(0, (uint64_t)90 * SECOND, 1);
	assert_int_equal(enter(&first, 0), REFUSAL_NONE);
	assert_int_equal(retry_secs("192.0.2.1", 0), 90);
	assert_int_equal(retry_secs("192.0.2.1", 999), 90);
	assert_int_equal(retry_secs("192.0.2.1", 1000), 89);
	assert_int_equal(retry_secs("192.0.2.1", 89999), 1);
	assert_int_equal(enter(&second, 90000), REFUSAL_NONE); /* being refused cost no token */
}

static void test_limits_fast_rates_are_exact(void **state)
{
	(void)state;
	int admitted = 0;
	start(0, SECOND / 3000, 1); /* three a millisecond */
	for (uint64_t now_ms = 0; now_ms < 1000; now_ms++) {
		for (int n = 0; n < 5; n++) {
			struct record record = of("192.0.2.1");
			admitted += enter(&record, now_ms) == REFUSAL_NONE ? 1 : 0;
		}
	}
	assert_int_equal(admitted, 1000); /* one at a time, as the burst says */
	limits_finish(&limits);
	admitted = 0;
	start(0, SECOND / 3000, 10);
	for (uint64_t now_ms = 1; now_ms <= 1000; now_ms++) {
		for (int n = 0; n < 5; n++) {
			struct record record = of("192.0.2.1");
			admitted += enter(&record, now_ms) == REFUSAL_NONE ? 1 : 0;
		}
	}
	assert_in_range(admitted, 3000, 3010);
}

static void test_limits_too_many_cost_no_token(void **state)
{
	(void)state;
	struct record held = of("192.0.2.1"), more = of("192.0.2.1");
	start(1, SECOND, 2);
	assert_int_equal(enter(&held, 0), REFUSAL_NONE);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(enter(&more, 0), REFUSAL_ADDRESS_CONNECTIONS);
	}
	limits_leave(&limits, &held);
	assert_int_equal(enter(&more, 0), REFUSAL_NONE);
}

/* ---- floods ---- */

static void test_limits_flood_of_addresses_forgets_nobody_who_is_counted(void **state)
{
	(void)state;
	enum { HELD = 20000 };
	struct record *held = calloc(HELD, sizeof *held);
	assert_non_null(held);
	start(1, 0, 1);
	for (uint32_t i = 0; i < HELD; i++) {
		held[i] = numbered(i);
		assert_int_equal(enter(&held[i], 0), REFUSAL_NONE);
	}
	assert_int_equal(limits.untracked, 0);
	for (uint32_t i = HELD; i < HELD + FLOOD; i++) {
		struct record record = numbered(i);
		assert_int_equal(enter(&record, i), REFUSAL_NONE);
		limits_leave(&limits, &record);
	}
	assert_int_equal(limits.addresses, HELD);
	for (uint32_t i = 0; i < HELD; i++) {
		struct record again = numbered(i);
		assert_int_equal(enter(&again, 0), REFUSAL_ADDRESS_CONNECTIONS);
		limits_leave(&limits, &held[i]);
		assert_int_equal(enter(&again, 0), REFUSAL_NONE);
		limits_leave(&limits, &again);
	}
	assert_int_equal(limits.addresses, 0);
	free(held);
}

static void test_limits_full_table_admits_uncounted_and_stays_exact(void **state)
{
	(void)state;
	struct record *held = calloc(FLOOD, sizeof *held);
	assert_non_null(held);
	start(1, 0, 1);
	for (uint32_t i = 0; i < FLOOD; i++) {
		held[i] = numbered(i);
		assert_int_equal(enter(&held[i], 0), REFUSAL_NONE);
	}
	assert_int_equal(limits.addresses, LIMITS_ADDRESSES);
	assert_int_equal(limits.untracked, FLOOD - LIMITS_ADDRESSES);
	for (uint32_t i = 0; i < FLOOD; i++) {
		limits_leave(&limits, &held[i]);
	}
	assert_int_equal(limits.addresses, 0);
	struct record one = numbered(7), two = numbered(7);
	assert_int_equal(enter(&one, 0), REFUSAL_NONE);
	assert_int_equal(enter(&two, 0), REFUSAL_ADDRESS_CONNECTIONS);
	free(held);
}

static void test_limits_forget_first_who_owes_least(void **state)
{
	(void)state;
	struct record culprit = numbered(0);
	start(0, (uint64_t)3600 * SECOND, 2);
	assert_int_equal(enter(&culprit, 0), REFUSAL_NONE);
	assert_int_equal(enter(&culprit, 0), REFUSAL_NONE);
	for (uint32_t i = 1; i <= FLOOD; i++) { /* each of these opens one, so it owes less */
		struct record record = numbered(i);
		assert_int_equal(enter(&record, i / 1000), REFUSAL_NONE);
	}
	assert_int_equal(enter(&culprit, FLOOD / 1000), REFUSAL_ADDRESS_RATE);
}

int main(void)
{
#define LIMITS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		LIMITS_TEST(test_limits_count_all_and_count_off_once),
		LIMITS_TEST(test_limits_count_each_route),
		LIMITS_TEST(test_limits_hold_for_each_address_alone),
		LIMITS_TEST(test_limits_see_one_client_in_a_64_and_two_in_its_neighbour),
		LIMITS_TEST(test_limits_do_not_know_unix_sockets),
		LIMITS_TEST(test_limits_bucket_fills_with_time),
		LIMITS_TEST(test_limits_say_when_to_come_again),
		LIMITS_TEST(test_limits_fast_rates_are_exact),
		LIMITS_TEST(test_limits_too_many_cost_no_token),
		LIMITS_TEST(test_limits_flood_of_addresses_forgets_nobody_who_is_counted),
		LIMITS_TEST(test_limits_full_table_admits_uncounted_and_stays_exact),
		LIMITS_TEST(test_limits_forget_first_who_owes_least),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
