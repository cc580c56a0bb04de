/* SPDX-License-Identifier: MIT */
/* What an auth child may grant and deny, and how: tables of messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "handoff/handoff.h"
#include "handoff/pairs.h"
#include "pool/handover.h"
#include "supervise/answer.h"

#include <stdio.h>
#include <string.h>

#define ROWS(table) (sizeof(table) / sizeof(table)[0])
#define PAIRS(text) (text), sizeof(text) - 1

static const char *read_answer(enum handoff_type type, const char *payload, size_t bytes,
			       struct handover_answer *answer)
{
	const struct handoff_message message = {
		.type = type, .id = 7, .payload = payload, .payload_bytes = bytes};
	assert_true(handoff_pairs_are_valid(payload, bytes));
	return answer_read(&message, answer);
}

static void test_allow_grants_users_and_auth_keys_alone(void **state)
{
	(void)state;
	static const struct {
		const char *pairs;
		size_t bytes;
		const char *fault; /* a word of it, or NULL */
	} rows[] = {
		{PAIRS(""), NULL},
		{PAIRS("REMOTE_USER=ann\0"), NULL},
		{PAIRS("REMOTE_USER=\0"), NULL},
		{PAIRS("AUTH_TYPE=jwt\0REMOTE_USER=ann\0AUTH_CLAIM_ROLE=a=b\0"), NULL},
		{PAIRS("AUTH_=x\0"), NULL},
		{PAIRS("REMOTE_USERS=ann\0"), "key"},
		{PAIRS("REMOTE_ADDR=192.0.2.1\0"), "key"},
		{PAIRS("REMOTE_USER=ann\0HEAD=GET\0"), "key"},
		{PAIRS("AUTH=x\0"), "key"},
		{PAIRS("XAUTH_A=x\0"), "key"},
		{PAIRS("AUTH_A=x\0ROUTE=/\0"), "key"},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct handover_answer answer = {.status = 1};
		const char *fault =
			read_answer(HANDOFF_ALLOW, rows[i].pairs, rows[i].bytes, &answer);
		if ((fault == NULL) != (rows[i].fault == NULL) ||
		    (fault != NULL && strstr(fault, rows[i].fault) == NULL)) {
			fail_msg("row %zu (%.60s): %s", i, rows[i].pairs, fault);
		}
		assert_int_equal(answer.status, fault == NULL ? 0 : 1); /* untouched on failure */
		if (fault == NULL) {
			assert_ptr_equal(answer.grant, rows[i].pairs);
			assert_int_equal(answer.grant_bytes, rows[i].bytes);
		}
	}
}

/* The fault of one pair with a value of this length, or NULL. */
static const char *fault_of_length(enum handoff_type type, const char *key, size_t value_bytes)
{
	static char value[HANDOFF_MAX_BYTES], text[HANDOFF_MAX_BYTES];
	struct handoff_pairs pairs;
	struct handover_answer answer;
	memset(value, 'a', sizeof value);
	handoff_pairs_init(&pairs, text, sizeof text);
	handoff_pairs_add(&pairs, key, value, value_bytes);
	assert_false(pairs.overflow);
	return read_answer(type, text, pairs.length, &answer);
}

static void test_answers_have_their_limits(void **state)
{
	(void)state;
	const size_t frame = strlen("AUTH_X=") + 1;
	assert_null(fault_of_length(HANDOFF_ALLOW, "AUTH_X", HANDOFF_MAX_GRANT_BYTES - frame));
	assert_non_null(
		fault_of_length(HANDOFF_ALLOW, "AUTH_X", HANDOFF_MAX_GRANT_BYTES - frame + 1));
	assert_null(fault_of_length(HANDOFF_DENY, "CHALLENGE", HANDOFF_MAX_CHALLENGE_BYTES));
	assert_non_null(
		fault_of_length(HANDOFF_DENY, "CHALLENGE", HANDOFF_MAX_CHALLENGE_BYTES + 1));
	assert_null(fault_of_length(HANDOFF_DENY, "REASON", HANDOFF_MAX_BYTES / 2));
}

static void test_deny_has_a_status_and_texts_that_are_fit_for_a_response(void **state)
{
	(void)state;
	static const struct {
		const char *pairs;
		size_t bytes;
		int status; /* 0: refused, and fault a word of why */
		const char *reason, *challenge, *fault;
	} rows[] = {
		{PAIRS(""), 403, NULL, NULL, NULL},
		{PAIRS("STATUS=400\0"), 400, NULL, NULL, NULL},
		{PAIRS("STATUS=599\0REASON=later\0"), 599, "later", NULL, NULL},
		{PAIRS("REASON=\0"), 403, "", NULL, NULL},
		{PAIRS("STATUS=401\0CHALLENGE=Bearer realm=\"x\", error=\"y\"\0"), 401, NULL,
		 "Bearer realm=\"x\", error=\"y\"", NULL},
		{PAIRS("CHALLENGE=a\tb\0"), 403, NULL, "a\tb", NULL},
		{PAIRS("REASON=bad\r\nbytes\0UNKNOWN=ignored\0"), 403, "bad\r\nbytes", NULL, NULL},
		{PAIRS("STATUS=200\0"), 0, NULL, NULL, "STATUS"},
		{PAIRS("STATUS=399\0"), 0, NULL, NULL, "STATUS"},
		{PAIRS("STATUS=600\0"), 0, NULL, NULL, "STATUS"},
		{PAIRS("STATUS=0\0"), 0, NULL, NULL, "STATUS"},
		{PAIRS("STATUS=\0"), 0, NULL, NULL, "STATUS"},
		{PAIRS("STATUS=4294967697\0"), 0, NULL, NULL, "STATUS"},
		{PAIRS("STATUS=no\0"), 0, NULL, NULL, "STATUS"},
		{PAIRS("CHALLENGE=\0"), 0, NULL, NULL, "CHALLENGE"},
		{PAIRS("CHALLENGE= a\0"), 0, NULL, NULL, "CHALLENGE"},
		{PAIRS("CHALLENGE=a \0"), 0, NULL, NULL, "CHALLENGE"},
		{PAIRS("CHALLENGE=a\r\nSet-Cookie: b\0"), 0, NULL, NULL, "CHALLENGE"},
		{PAIRS("CHALLENGE=a\x7f\0"), 0, NULL, NULL, "CHALLENGE"},
		{PAIRS("CHALLENGE=\xc3\xa4\0"), 0, NULL, NULL, "CHALLENGE"},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct handover_answer answer = {0};
		const char *fault =
			read_answer(HANDOFF_DENY, rows[i].pairs, rows[i].bytes, &answer);
		if (answer.status != rows[i].status ||
		    (fault != NULL && strstr(fault, rows[i].fault) == NULL)) {
			fail_msg("row %zu (%.60s): status %d, %s", i, rows[i].pairs, answer.status,
				 fault);
		}
		if (fault == NULL) {
			assert_int_equal(answer.reason == NULL, rows[i].reason == NULL);
			assert_int_equal(answer.challenge == NULL, rows[i].challenge == NULL);
			assert_string_equal(answer.reason != NULL ? answer.reason : "",
					    rows[i].reason != NULL ? rows[i].reason : "");
			assert_string_equal(answer.challenge != NULL ? answer.challenge : "",
					    rows[i].challenge != NULL ? rows[i].challenge : "");
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allow_grants_users_and_auth_keys_alone),
		cmocka_unit_test(test_answers_have_their_limits),
		cmocka_unit_test(test_deny_has_a_status_and_texts_that_are_fit_for_a_response),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
