/* SPDX-License-Identifier: MIT */
/*
 * The native dialect: what a child gets to read, and taking back what it has not read, which must
 * be exact: each message goes to one side, whoever races. The child is this test, or a thread of
 * it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"
#include "descriptors.h"
#include "dialect/native.h"
#include "handoff/pairs.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { RACED = 20000, AT_A_TIME = 5, MAX_BACK = 16 };

static struct native_link link_;
static int child; /* the child's own copy of its end */
static int passed;
static size_t descriptors_before;

static int setup(void **state)
{
	(void)state;
	descriptors_before = descriptors_open();
	assert_int_equal(native_open(&link_), 0);
	child = dup(link_.child_end);
	passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	native_close(&link_);
	native_close(&link_); /* safe to repeat */
	assert_int_equal(link_.channel, NATIVE_NO_LINK);
	assert_int_equal(link_.child_end, NATIVE_NO_LINK);
	close(passed);
	close(child);
	assert_int_equal(descriptors_open(), descriptors_before);
	return 0;
}

/* ---- the child ---- */

static char child_buf[HANDOFF_MAX_BYTES];

/* The type of the next message, 0 when there is none; its descriptor is closed. */
static unsigned child_reads(struct handoff_message *message)
{
	int fd;
	if (handoff_receive(child, child_buf, message, &fd) != HANDOFF_OK) {
		return 0;
	}
	assert_int_equal(fd >= 0, message->type == HANDOFF_CONNECTION);
	if (fd >= 0) {
		assert_true(descriptors_are_same_file(fd, passed));
		close(fd);
	}
	return message->type;
}

/* Types and ids of all that is there: "2:1 7:0 ". */
static const char *child_reads_all(void)
{
	static char text[256];
	struct handoff_message message;
	size_t len = 0;
	text[0] = '\0';
	while (child_reads(&message) != 0) {
		len += (size_t)snprintf(text + len, sizeof text - len, "%u:%llu ", message.type,
					(unsigned long long)message.id);
		assert_true(len < sizeof text);
	}
	return text;
}

static uint64_t number_of(const struct handoff_message *message, const char *key)
{
	uint64_t value = 0;
	assert_true(handoff_pairs_are_valid(message->payload, message->payload_bytes));
	assert_true(handoff_pairs_number(message->payload, message->payload_bytes, key, UINT64_MAX,
					 &value));
	return value;
}

/* ---- the gateway ---- */

static enum handoff_result offer(uint64_t id)
{
	return native_offer(&link_, id, "A=1", 4, passed);
}

struct back {
	size_t count;
	uint64_t ids[MAX_BACK];
};

static void note_back(void *data, uint64_t id)
{
	struct back *back = data;
	assert_true(back->count < MAX_BACK);
	back->ids[back->count++] = id;
}

/* The ids that came back: "1 2 ". */
static const char *take_back(bool resend)
{
	static char text[256];
	struct back back = {0};
	size_t len = 0;
	text[0] = '\0';
	native_take_back(&link_, resend, note_back, &back);
	for (size_t i = 0; i < back.count; i++) {
		len += (size_t)snprintf(text + len, sizeof text - len, "%llu ",
					(unsigned long long)back.ids[i]);
	}
	return text;
}

/* ---- messages ---- */

static void test_native_ends_are_close_on_exec_and_blocking_for_the_child(void **state)
{
	(void)state;
	assert_true(descriptor_is_close_on_exec(link_.channel));
	assert_true(descriptor_is_close_on_exec(link_.child_end));
	assert_int_equal(fcntl(child, F_GETFL) & O_NONBLOCK, 0);
}

static void test_native_hello_tells_the_settings(void **state)
{
	(void)state;
	struct config_pool pool = {.name = "chat",
				   .capacity = 15000,
				   .message_limit_bytes = (size_t)1 << 40,
				   .send_limit_bytes = 70000,
				   .drain_timeout_ms = 30000,
				   .keepalive_ms = 25000,
				   .slow_client = CONFIG_SLOW_SKIP};
	struct handoff_message message;
	assert_int_equal(native_hello(&link_, &pool, 3), HANDOFF_OK);
	assert_int_equal(child_reads(&message), HANDOFF_HELLO);
	assert_string_equal(handoff_pairs_find(message.payload, message.payload_bytes, "POOL"),
			    "chat");
	assert_int_equal(number_of(&message, "CHILD"), 3);
	assert_int_equal(number_of(&message, "CAPACITY"), 15000);
	assert_true(number_of(&message, "MESSAGE_LIMIT") == 1ull << 40);
	assert_int_equal(number_of(&message, "SEND_LIMIT"), 70000);
	assert_int_equal(number_of(&message, "DRAIN_TIMEOUT_MS"), 30000);
	assert_int_equal(number_of(&message, "PING_INTERVAL_MS"), 25000);
	assert_string_equal(
		handoff_pairs_find(message.payload, message.payload_bytes, "SLOW_CLIENT"), "skip");
	assert_null(handoff_pairs_find(message.payload, message.payload_bytes, "DEFLATE"));
}

static void test_native_hello_speaks_of_deflate_where_it_is_on(void **state)
{
	(void)state;
	struct config_pool pool = {.name = "chat", .deflate = true, .deflate_level = 9};
	struct handoff_message message;
	for (unsigned takeover = 0; takeover <= 1; takeover++) {
		pool.deflate_takeover = takeover == 1;
		assert_int_equal(native_hello(&link_, &pool, 0), HANDOFF_OK);
		assert_int_equal(child_reads(&message), HANDOFF_HELLO);
		assert_int_equal(number_of(&message, "DEFLATE"), 9);
		assert_int_equal(number_of(&message, "DEFLATE_TAKEOVER"), takeover);
	}
}

static void test_native_hello_says_when_questions_come(void **state)
{
	(void)state;
	struct config_pool pool = {.name = "tokens", .kind = CONFIG_KIND_AUTH};
	struct handoff_message message;
	assert_int_equal(native_hello(&link_, &pool, 0), HANDOFF_OK);
	assert_int_equal(child_reads(&message), HANDOFF_HELLO);
	assert_string_equal(handoff_pairs_find(message.payload, message.payload_bytes, "KIND"),
			    "auth");
}

static void test_native_questions_carry_no_descriptor_and_can_be_taken_back(void **state)
{
	(void)state;
	assert_int_equal(native_ask(&link_, 7, "A=1", 4), HANDOFF_OK);
	assert_string_equal(child_reads_all(), "5:7 ");
	assert_int_equal(native_ask(&link_, 8, "A=1", 4), HANDOFF_OK);
	assert_int_equal(native_ping(&link_), HANDOFF_OK);
	assert_int_equal(native_ask(&link_, 9, "A=1", 4), HANDOFF_OK);
	assert_string_equal(take_back(true), "8 9 ");
	assert_string_equal(child_reads_all(), "7:0 ");
}

static void test_native_ping_and_drain(void **state)
{
	(void)state;
	struct handoff_message message;
	assert_int_equal(native_ping(&link_), HANDOFF_OK);
	assert_int_equal(native_drain(&link_, 4000000000u), HANDOFF_OK);
	assert_int_equal(child_reads(&message), HANDOFF_PING);
	assert_int_equal(child_reads(&message), HANDOFF_DRAIN);
	assert_true(number_of(&message, "DEADLINE_MS") == 4000000000u);
}

static void test_native_channel_holds_four_of_the_largest_offers(void **state)
{
	(void)state;
	char *large = calloc(1, HANDOFF_MAX_BYTES);
	struct handoff_message message;
	for (uint64_t id = 1; id <= 4; id++) {
		assert_int_equal(native_offer(&link_, id, large,
					      HANDOFF_MAX_BYTES - HANDOFF_HEADER_BYTES, passed),
				 HANDOFF_OK);
	}
	for (uint64_t id = 1; id <= 4; id++) {
		assert_int_equal(child_reads(&message), HANDOFF_CONNECTION);
		assert_int_equal(message.id, id);
	}
	free(large);
}

static void test_native_receive_takes_no_descriptor_from_a_child(void **state)
{
	(void)state;
	struct handoff_message message;
	assert_int_equal(handoff_send(child, HANDOFF_TAKEN, 5, NULL, 0, -1), HANDOFF_OK);
	assert_int_equal(handoff_send(child, HANDOFF_TAKEN, 6, NULL, 0, passed), HANDOFF_OK);
	assert_int_equal(native_receive(&link_, &message), HANDOFF_OK);
	assert_int_equal(message.type, HANDOFF_TAKEN);
	assert_int_equal(message.id, 5);
	assert_int_equal(native_receive(&link_, &message), HANDOFF_MALFORMED);
	assert_int_equal(native_receive(&link_, &message), HANDOFF_AGAIN);
}

/* ---- taking back ---- */

static void test_native_takes_back_all_that_nobody_has_read(void **state)
{
	(void)state;
	const size_t before = descriptors_open();
	assert_string_equal(take_back(true), "");
	for (uint64_t id = 1; id <= 4; id++) {
		assert_int_equal(offer(id), HANDOFF_OK);
	}
	assert_string_equal(take_back(true), "1 2 3 4 ");
	assert_string_equal(child_reads_all(), "");
	assert_int_equal(descriptors_open(), before);
}

static void test_native_leaves_what_the_child_has_read(void **state)
{
	(void)state;
	struct handoff_message message;
	offer(1);
	offer(2);
	offer(3);
	child_reads(&message);
	assert_int_equal(message.id, 1);
	assert_string_equal(take_back(true), "2 3 ");
	assert_string_equal(take_back(true), "");
}

static void test_native_sends_other_messages_again_in_their_order(void **state)
{
	(void)state;
	native_ping(&link_);
	offer(1);
	handoff_send(link_.channel, HANDOFF_CLOSE, 8, "CODE=1000", 10, -1);
	offer(2);
	handoff_send(link_.channel, HANDOFF_CLOSE, 9, NULL, 0, -1);
	native_drain(&link_, 1);
	assert_string_equal(take_back(true), "1 2 ");
	assert_string_equal(child_reads_all(), "7:0 6:8 6:9 8:0 ");
	native_ping(&link_);
	offer(3);
	assert_string_equal(take_back(false), "3 ");
	assert_string_equal(child_reads_all(), "");
}

static void test_native_sends_payloads_again_unchanged(void **state)
{
	(void)state;
	struct handoff_message message;
	handoff_send(link_.channel, HANDOFF_CLOSE, 8, "CODE=1000", 10, -1);
	assert_string_equal(take_back(true), "");
	assert_int_equal(child_reads(&message), HANDOFF_CLOSE);
	assert_int_equal(message.payload_bytes, 10);
	assert_string_equal(message.payload, "CODE=1000");
}

/* The gateway is at its own limit: the copy that would come back is not needed. */
static void test_native_takes_back_without_a_descriptor_to_spare(void **state)
{
	(void)state;
	offer(1);
	offer(2);
	struct rlimit before = descriptors_limit(0);
	const char *ids = take_back(true);
	descriptors_unlimit(before);
	assert_string_equal(ids, "1 2 ");
}

struct race {
	unsigned char read[RACED + 1], back[RACED + 1], others[RACED + 1];
};

static void *read_until_drain(void *data)
{
	struct race *race = data;
	static char buf[HANDOFF_MAX_BYTES];
	for (;;) {
		struct handoff_message message;
		struct pollfd ready = {.fd = child, .events = POLLIN};
		int fd;
		poll(&ready, 1, -1);
		if (handoff_receive(child, buf, &message, &fd) != HANDOFF_OK) {
			continue;
		}
		if (message.type == HANDOFF_DRAIN) {
			return NULL;
		}
		unsigned char *count =
			message.type == HANDOFF_CONNECTION ? race->read : race->others;
		count[message.id]++;
		if (fd >= 0) {
			close(fd);
		}
	}
}

static void note_raced_back(void *data, uint64_t id)
{
	struct race *race = data;
	race->back[id]++;
}

static void send_when_there_is_room(unsigned type, uint64_t id, int fd)
{
	while (handoff_send(link_.channel, type, id, NULL, 0, fd) == HANDOFF_AGAIN) {
		struct pollfd room = {.fd = link_.channel, .events = POLLOUT};
		poll(&room, 1, -1);
	}
}

static void test_native_gives_each_message_to_one_side_whoever_races(void **state)
{
	(void)state;
	struct race *race = calloc(1, sizeof *race);
	pthread_t reader;
	assert_int_equal(pthread_create(&reader, NULL, read_until_drain, race), 0);
	for (uint64_t id = 1; id <= RACED; id++) {
		bool is_offer = id % AT_A_TIME != 0;
		send_when_there_is_room(is_offer ? HANDOFF_CONNECTION : HANDOFF_CLOSE, id,
					is_offer ? passed : -1);
		if (id % AT_A_TIME == 0) {
			native_take_back(&link_, true, note_raced_back, race);
		}
	}
	send_when_there_is_room(HANDOFF_DRAIN, 0, -1);
	pthread_join(reader, NULL);
	for (uint64_t id = 1; id <= RACED; id++) {
		bool is_offer = id % AT_A_TIME != 0;
		if (race->read[id] + race->back[id] != is_offer || race->others[id] == is_offer) {
			fail_msg("message %llu: read %d, back %d, others %d",
				 (unsigned long long)id, race->read[id], race->back[id],
				 race->others[id]);
		}
	}
	free(race);
}

/* ---- the end of a child ---- */

static void test_native_both_queues_stay_readable_after_the_shut(void **state)
{
	(void)state;
	struct handoff_message message;
	int descendant = dup(child);
	offer(1);
	offer(2);
	offer(3);
	child_reads(&message);
	handoff_send(child, HANDOFF_TAKEN, 1, NULL, 0, -1);
	handoff_send(child, HANDOFF_PONG, 0, NULL, 0, -1);
	native_ping(&link_);
	native_shut(&link_);
	assert_int_equal(handoff_send(descendant, HANDOFF_TAKEN, 2, NULL, 0, -1), HANDOFF_GONE);

	assert_int_equal(native_receive(&link_, &message), HANDOFF_OK);
	assert_int_equal(message.type, HANDOFF_TAKEN);
	assert_int_equal(message.id, 1);
	assert_int_equal(native_receive(&link_, &message), HANDOFF_OK);
	assert_int_equal(message.type, HANDOFF_PONG);
	assert_int_equal(native_receive(&link_, &message), HANDOFF_GONE);
	assert_string_equal(take_back(false), "2 3 ");
	assert_int_equal(offer(4), HANDOFF_GONE);
	close(descendant);
}

#define native_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		native_test(test_native_ends_are_close_on_exec_and_blocking_for_the_child),
		native_test(test_native_hello_tells_the_settings),
		cmocka_unit_test_setup_teardown(test_native_hello_speaks_of_deflate_where_it_is_on,
						setup, teardown),
		native_test(test_native_hello_says_when_questions_come),
		native_test(test_native_questions_carry_no_descriptor_and_can_be_taken_back),
		native_test(test_native_ping_and_drain),
		native_test(test_native_channel_holds_four_of_the_largest_offers),
		native_test(test_native_receive_takes_no_descriptor_from_a_child),
		native_test(test_native_takes_back_all_that_nobody_has_read),
		native_test(test_native_leaves_what_the_child_has_read),
		native_test(test_native_sends_other_messages_again_in_their_order),
		native_test(test_native_sends_payloads_again_unchanged),
		native_test(test_native_takes_back_without_a_descriptor_to_spare),
		native_test(test_native_gives_each_message_to_one_side_whoever_races),
		native_test(test_native_both_queues_stay_readable_after_the_shut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
