/* SPDX-License-Identifier: MIT */
/*
 * An auth child on libbaton: questions that are answered at once, later, in any order, through a
 * full channel and during a drain; what may be told and what is made of it on the wire.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_gateway.h"

#include "handoff/pairs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { ASKED_MOST = 64 };

static struct baton_question *asked[ASKED_MOST];
static size_t asked_count;

static void keep(struct baton_question *question, void *app)
{
	assert_ptr_equal(app, &fake_app);
	assert_in_range(asked_count, 0, ASKED_MOST - 1);
	asked[asked_count++] = question;
}

static void allow_ann(struct baton_question *question, void *app)
{
	keep(question, app);
	assert_int_equal(baton_question_tell(question, "REMOTE_USER", "ann"), 0);
	assert_int_equal(baton_question_tell(question, "AUTH_TYPE", "test"), 0);
	baton_allow(question);
}

static int setup(void **state)
{
	fake_auth = *state;
	asked_count = 0;
	fake_start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_stop();
	return 0;
}

static void ask(uint64_t id, const char *fields)
{
	char head[1024], payload[2048];
	struct handoff_pairs pairs;
	int len = snprintf(head, sizeof head, "GET /a HTTP/1.1\r\nHost: x\r\n%s\r\n", fields);
	handoff_pairs_init(&pairs, payload, sizeof payload);
	handoff_pairs_add(&pairs, "REMOTE_ADDR", "192.0.2.7", 9);
	handoff_pairs_add(&pairs, "HEAD", head, (size_t)len);
	assert_false(pairs.overflow);
	fake_say(HANDOFF_AUTH, id, payload, pairs.length);
}

static void hear(unsigned type, uint64_t id, const char *pairs, size_t bytes)
{
	struct handoff_message message = fake_hear(type);
	assert_int_equal(message.id, id);
	assert_int_equal(message.payload_bytes, bytes);
	assert_memory_equal(message.payload, pairs, bytes);
}

#define HEAR(type, id, pairs) hear(type, id, pairs, sizeof(pairs) - 1)

static void test_auth_answers_at_once(void **state)
{
	(void)state;
	ask(7, "");
	HEAR(HANDOFF_ALLOW, 7, "REMOTE_USER=ann\0AUTH_TYPE=test\0");
	assert_true(fake_hears_nothing());
}

static void test_auth_sees_the_request_until_it_is_answered(void **state)
{
	(void)state;
	ask(1, "Cookie: a=1\r\nX-Under_score: x\r\ncookie: b=2\r\n");
	ask(2, "");
	fake_turns();
	assert_string_equal(baton_question_get(asked[0], "HTTP_COOKIE"), "a=1; b=2");
	assert_string_equal(baton_question_get(asked[0], "REMOTE_ADDR"), "192.0.2.7");
	assert_null(baton_question_get(asked[0], "HTTP_X_UNDER_SCORE"));
	assert_null(baton_question_get(asked[1], "HTTP_COOKIE"));
	assert_null(baton_question_get(asked[1], "REMOTE_USER"));
}

static void test_auth_answers_later_and_in_any_order(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= ASKED_MOST; id++) {
		ask(id, "");
	}
	assert_true(fake_hears_nothing());
	baton_allow(asked[5]);
	fake_turns();
	HEAR(HANDOFF_ALLOW, 6, "");
	baton_deny(asked[0], 401, "log in", "Basic realm=\"x\"");
	fake_turns();
	HEAR(HANDOFF_DENY, 1, "STATUS=401\0REASON=log in\0CHALLENGE=Basic realm=\"x\"\0");
	baton_deny(asked[1], 403, NULL, NULL);
	fake_turns();
	HEAR(HANDOFF_DENY, 2, "STATUS=403\0");
	assert_true(fake_hears_nothing());
}

static void test_auth_denies_with_what_fits_an_answer_only(void **state)
{
	(void)state;
	static const char *const challenges[] = {"", " a", "a ", "a\r\nb", "\xc3\xa9", "\ta"};
	char text[6000], expected[2000];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	for (uint64_t i = 0; i < sizeof challenges / sizeof challenges[0]; i++) {
		ask(i, "");
		baton_question_tell(asked[i], "REMOTE_USER", "ann"); /* no part of a refusal */
		baton_deny(asked[i], 200, "", challenges[i]);
		fake_turns();
		HEAR(HANDOFF_DENY, i, "STATUS=500\0");
	}
	ask(99, "");
	baton_deny(asked[asked_count - 1], 600, text, text);
	fake_turns();
	int len = snprintf(expected, sizeof expected, "STATUS=500%cREASON=%.1000s", 0, text);
	hear(HANDOFF_DENY, 99, expected, (size_t)len + 1);
}

static void test_auth_tells_nothing_that_a_child_could_mistake(void **state)
{
	(void)state;
	static const struct {
		const char *key, *value;
		int error;
	} rows[] = {
		{"REMOTE_ADDR", "192.0.2.8", EINVAL},
		{"HTTP_COOKIE", "a", EINVAL},
		{"REMOTE_USERS", "a", EINVAL},
		{"AUTH", "a", EINVAL},
		{"AUTH_a", "a", EINVAL},
		{"AUTH_A=B", "a", EINVAL},
		{"", "a", EINVAL},
		{"REMOTE_USER", "a\nb", EINVAL},
		{"AUTH_A", "\x7f", EINVAL},
		{"AUTH_A", NULL, EINVAL}, /* what baton_question_get gives for an absent field */
		{"AUTH_A", "", 0},
		{"AUTH_CLAIM_X-1", "\xc5\xbelu\xc5\xa5", 0},
		{"REMOTE_USER", "ann lee", 0},
	};
	ask(1, "");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		errno = 0;
		int result = baton_question_tell(asked[0], rows[i].key, rows[i].value);
		if (errno != rows[i].error || result != (rows[i].error != 0 ? -1 : 0)) {
			fail_msg("row %zu: %s=%s", i, rows[i].key,
				 rows[i].value != NULL ? rows[i].value : "(NULL)");
		}
	}
	baton_allow(asked[0]);
	fake_turns();
	HEAR(HANDOFF_ALLOW, 1, "AUTH_A=\0AUTH_CLAIM_X-1=\xc5\xbelu\xc5\xa5\0REMOTE_USER=ann lee\0");
}

static void test_auth_tells_at_most_4_kib(void **state)
{
	(void)state;
	char value[4090];
	memset(value, 'v', sizeof value);
	value[sizeof value - 1] = '\0';
	ask(1, "");
	assert_int_equal(baton_question_tell(asked[0], "AUTH_A", value), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(baton_question_tell(asked[0], "AUTH_A", value + 1), 0);
	assert_int_equal(baton_question_tell(asked[0], "AUTH_B", ""), -1);
	baton_allow(asked[0]);
	fake_turns();
	assert_int_equal(fake_hear(HANDOFF_ALLOW).payload_bytes, 4096);
}

static void test_auth_answers_wait_for_a_full_channel(void **state)
{
	(void)state;
	fake_fill_channel();
	ask(1, "");
	ask(2, "");
	fake_empty_channel();
	fake_turns();
	uint64_t ids = fake_hear(HANDOFF_ALLOW).id + fake_hear(HANDOFF_ALLOW).id;
	assert_int_equal(ids, 3);
	assert_true(fake_hears_nothing());
}

static void test_auth_drain_waits_for_open_questions(void **state)
{
	(void)state;
	static const char deadline[] = "DEADLINE_MS=5000";
	ask(1, "");
	fake_say(HANDOFF_DRAIN, 0, deadline, sizeof deadline);
	assert_int_not_equal(fake_turns(), -2);
	baton_allow(asked[0]);
	assert_int_equal(fake_turns(), -2);
	HEAR(HANDOFF_ALLOW, 1, "");
}

static void test_auth_drain_ends_at_its_deadline(void **state)
{
	(void)state;
	static const char deadline[] = "DEADLINE_MS=5000";
	ask(1, "");
	fake_say(HANDOFF_DRAIN, 0, deadline, sizeof deadline);
	fake_pass_ms(5000);
	assert_int_equal(fake_turns(), -2);
}

static void test_child_without_auth_denies_and_tells_it_once(void **state)
{
	(void)state;
	static const char denied[] = "STATUS=500\0REASON=this service cannot tell who may in";
	ask(1, "");
	struct handoff_message told = fake_hear(HANDOFF_LOG);
	assert_string_equal(handoff_pairs_find(told.payload, told.payload_bytes, "TEXT"),
			    "asked who may in, but this child has no auth callback");
	hear(HANDOFF_DENY, 1, denied, sizeof denied);
	ask(2, "");
	hear(HANDOFF_DENY, 2, denied, sizeof denied);
	assert_true(fake_hears_nothing());
}

int main(void)
{
#define TEST(name, auth) \
	cmocka_unit_test_prestate_setup_teardown(name, setup, teardown, (void *)(auth))
	const struct CMUnitTest tests[] = {
		TEST(test_auth_answers_at_once, allow_ann),
		TEST(test_auth_sees_the_request_until_it_is_answered, keep),
		TEST(test_auth_answers_later_and_in_any_order, keep),
		TEST(test_auth_denies_with_what_fits_an_answer_only, keep),
		TEST(test_auth_tells_nothing_that_a_child_could_mistake, keep),
		TEST(test_auth_tells_at_most_4_kib, keep),
		TEST(test_auth_answers_wait_for_a_full_channel, allow_ann),
		TEST(test_auth_drain_waits_for_open_questions, keep),
		TEST(test_auth_drain_ends_at_its_deadline, keep),
		TEST(test_child_without_auth_denies_and_tells_it_once, NULL),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
