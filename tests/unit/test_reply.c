/* SPDX-License-Identifier: MIT */
/* Tests of admit/reply.c and of the table in admit/refusal.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admit/refusal.h"
#include "admit/reply.h"
#include "handoff/handoff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 9110, 5.6.7 has this moment as its example. */
#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
static const time_t now = 784111777;

/* The reply as a string, in static memory. */
static const char *reply_of(struct reply reply)
{
	static char text[REPLY_MAX_BYTES + 1];
	reply.now = now;
	size_t len = reply_write(&reply, text);
	assert_true(len > 0 && len < sizeof text);
	text[len] = '\0';
	assert_int_equal(strlen(text), len);
	return text;
}

/* status 0: the refusal's own. */
static const char *refusal_reply(enum refusal refusal, int status)
{
	return reply_of((struct reply){.status = status != 0 ? status : refusal_status(refusal),
				       .text = refusal_text(refusal)});
}

static void assert_contains(const char *text, const char *part)
{
	if (strstr(text, part) == NULL) {
		print_error("'%s' is not in:\n%s\n", part, text);
	}
	assert_non_null(strstr(text, part));
}

static void test_refusal_table_is_complete(void **state)
{
	(void)state;
	assert_int_equal(refusal_status(REFUSAL_NONE), 0);
	assert_string_equal(refusal_name(REFUSAL_NONE), "none");
	assert_non_null(refusal_text(REFUSAL_NONE));
	for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
		assert_in_range(refusal_status((enum refusal)i), 400, 599);
		assert_non_null(refusal_name((enum refusal)i));
		assert_non_null(refusal_text((enum refusal)i));
		const char *name = refusal_name((enum refusal)i);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
		const char *text = refusal_text((enum refusal)i);
		assert_null(strpbrk(text, "\r\n"));
		assert_int_equal(text[strlen(text) - 1], '.');
		for (unsigned other = 0; other < i; other++) {
			assert_string_not_equal(name, refusal_name((enum refusal)other));
		}
	}
}

static void test_refusal_statuses_are_those_of_the_contract(void **state)
{
	(void)state;
	static const struct {
		enum refusal refusal;
		int status;
	} rows[] = {
		{REFUSAL_BARE_LF, 400},
		{REFUSAL_ORIGIN, 403},
		{REFUSAL_NO_ROUTE, 404},
		{REFUSAL_METHOD, 405},
		{REFUSAL_HEAD_TIMEOUT, 408},
		{REFUSAL_TARGET_TOO_LONG, 414},
		{REFUSAL_NOT_UPGRADE, 426},
		{REFUSAL_WS_VERSION, 426},
		{REFUSAL_HEAD_TOO_LARGE, 431},
		{REFUSAL_TOO_MANY_FIELDS, 431},
		{REFUSAL_QUEUE_FULL, 503},
		{REFUSAL_CHILDREN_DIED, 503},
		{REFUSAL_CHILDREN_FULL, 503},
		{REFUSAL_BY_CHILD, 503},
		{REFUSAL_VERSION, 505},
		{REFUSAL_FRAMING, 400},
		{REFUSAL_CODING, 501},
		{REFUSAL_AUTH, 403},
		{REFUSAL_AUTH_DOWN, 503},
		{REFUSAL_AUTH_BUSY, 503},
		{REFUSAL_CONNECTIONS, 503},
		{REFUSAL_ROUTE_CONNECTIONS, 503},
		{REFUSAL_ADDRESS_RATE, 429},
		{REFUSAL_ADDRESS_CONNECTIONS, 429},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(refusal_status(rows[i].refusal), rows[i].status);
	}
}

static void test_reply_is_a_whole_response(void **state)
{
	(void)state;
	char wanted[REPLY_MAX_BYTES];
	const char *text = refusal_text(REFUSAL_NUL);
	snprintf(wanted, sizeof wanted,
		 "HTTP/1.1 400 Bad Request\r\n" DATE "Content-Type: text/plain; charset=utf-8\r\n"
		 "Content-Length: %zu\r\nConnection: close\r\n\r\n400 %s\n",
		 strlen(text) + 5, text);
	assert_string_equal(refusal_reply(REFUSAL_NUL, 0), wanted);
}

static void test_reply_counts_its_body_for_every_refusal(void **state)
{
	(void)state;
	for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
		const char *reply = refusal_reply((enum refusal)i, 0);
		const char *body = strstr(reply, "\r\n\r\n");
		assert_non_null(body);
		body += 4;
		const char *length = strstr(reply, "Content-Length: ");
		assert_non_null(length);
		assert_int_equal(strtoul(length + 16, NULL, 10), strlen(body));
		assert_int_equal(atoi(body), refusal_status((enum refusal)i));
		assert_int_equal(body[strlen(body) - 1], '\n');
		assert_contains(reply, "close\r\n");
	}
}

static void test_reply_says_what_its_status_obliges_it_to(void **state)
{
	(void)state;
	assert_contains(refusal_reply(REFUSAL_METHOD, 0), "\r\nAllow: GET\r\n");
	assert_contains(refusal_reply(REFUSAL_QUEUE_FULL, 0), "\r\nRetry-After: 1\r\n");
	assert_contains(refusal_reply(REFUSAL_ADDRESS_CONNECTIONS, 0), "\r\nRetry-After: 1\r\n");
	assert_contains(reply_of((struct reply){.status = 429, .text = "x", .retry_secs = 90}),
			"\r\nRetry-After: 90\r\n");
	const char *reply = refusal_reply(REFUSAL_WS_VERSION, 0);
	assert_contains(reply, "HTTP/1.1 426 Upgrade Required\r\n");
	assert_contains(reply, "\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
			       "Sec-WebSocket-Version: 13\r\n");
	assert_null(strstr(reply, "Connection: close"));
}

static void test_reply_carries_the_status_that_a_child_names(void **state)
{
	(void)state;
	assert_contains(refusal_reply(REFUSAL_BY_CHILD, 401), "HTTP/1.1 401 Unauthorized\r\n");
	assert_contains(refusal_reply(REFUSAL_BY_CHILD, 401), "\r\n\r\n401 ");
	assert_contains(refusal_reply(REFUSAL_BY_CHILD, 426), "\r\nUpgrade: websocket\r\n");
	assert_contains(refusal_reply(REFUSAL_BY_CHILD, 499), "HTTP/1.1 499 \r\n");
	assert_contains(refusal_reply(REFUSAL_BY_CHILD, 599), "HTTP/1.1 599 \r\n");
	assert_contains(refusal_reply(REFUSAL_BY_CHILD, 0), "HTTP/1.1 503 Service Unavailable\r\n");
}

static const char *denial_reply(int status, const char *reason, const char *challenge)
{
	char clean[HANDOFF_MAX_REASON_BYTES + 1];
	reply_clean_reason(reason, clean);
	return reply_of((struct reply){.status = status, .text = clean, .challenge = challenge});
}

static void test_reply_tells_why_an_auth_child_denied(void **state)
{
	(void)state;
#define DENIED(line, length, fields, body)                                   \
	"HTTP/1.1 " line "\r\n" DATE                                         \
	"Content-Type: text/plain; charset=utf-8\r\nContent-Length: " length \
	"\r\nConnection: close\r\n" fields "\r\n" body
	assert_string_equal(denial_reply(401, "no token", "Bearer realm=\"x\""),
			    DENIED("401 Unauthorized", "13",
				   "WWW-Authenticate: Bearer realm=\"x\"\r\n", "401 no token\n"));
	assert_string_equal(denial_reply(403, "no token", "Bearer"),
			    DENIED("403 Forbidden", "13", "", "403 no token\n"));
	const char *head = reply_of((struct reply){.status = 401, .text = "x", .no_body = true});
	assert_string_equal(head + strlen(head) - 4, "\r\n\r\n");
}

static void test_reply_uses_200_bytes_of_a_reason_and_no_control_character(void **state)
{
	(void)state;
	char reason[1000];
	memset(reason, 'a', sizeof reason - 1);
	reason[sizeof reason - 1] = '\0';
	assert_contains(denial_reply(403, reason, NULL), "\r\nContent-Length: 205\r\n");
	memcpy(reason + HANDOFF_MAX_REASON_BYTES - 1, "\xc3\xa4", 2); /* would be cut in two */
	assert_contains(denial_reply(403, reason, NULL), "\r\nContent-Length: 204\r\n");
	assert_contains(denial_reply(403, "a\r\n\tb\x1b\x7f\xc3\xa4", NULL),
			"\r\n\r\n403 a???b??\xc3\xa4\n");
	char challenge[HANDOFF_MAX_CHALLENGE_BYTES + 1];
	memset(challenge, 'c', sizeof challenge - 1);
	challenge[sizeof challenge - 1] = '\0';
	assert_contains(denial_reply(401, reason, challenge), challenge); /* all of it fits */
}

static void test_reason_is_whole_characters_of_utf8(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"", ""},
		{"plain", "plain"},
		{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"no\xff\x01way", "no??way"},
		{"\x80\xbf", "??"},                /* goes on nothing */
		{"\xc3", "?"},                     /* is cut */
		{"\xe2\x82", "??"},                /* too */
		{"\xc0\xaf\xe0\x80\xaf", "?????"}, /* overlong */
		{"\xed\xa0\x80", "???"},           /* surrogate */
		{"\xf4\x90\x80\x80", "????"},      /* beyond U+10FFFF */
		{"\xf5", "?"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char text[HANDOFF_MAX_REASON_BYTES + 1];
		reply_clean_reason(rows[i][0], text);
		if (strcmp(text, rows[i][1]) != 0) {
			fail_msg("row %zu: %s", i, text);
		}
	}
}

static void assert_health(int draining, int no_body, const char *wanted)
{
	char text[REPLY_MAX_BYTES];
	size_t len = reply_write_health(draining, now, no_body, text);
	assert_int_equal(len, strlen(wanted));
	assert_memory_equal(text, wanted, len);
}

static void test_reply_to_a_health_check(void **state)
{
	(void)state;
#define PLAIN DATE "Content-Type: text/plain; charset=utf-8\r\n"
	assert_health(0, 0,
		      "HTTP/1.1 200 OK\r\n" PLAIN
		      "Content-Length: 3\r\nConnection: close\r\n\r\nok\n");
	assert_health(0, 1,
		      "HTTP/1.1 200 OK\r\n" PLAIN "Content-Length: 3\r\nConnection: close\r\n\r\n");
	assert_health(1, 0,
		      "HTTP/1.1 503 Service Unavailable\r\n" PLAIN
		      "Content-Length: 9\r\nRetry-After: 1\r\nConnection: close\r\n\r\ndraining\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusal_table_is_complete),
		cmocka_unit_test(test_refusal_statuses_are_those_of_the_contract),
		cmocka_unit_test(test_reply_is_a_whole_response),
		cmocka_unit_test(test_reply_counts_its_body_for_every_refusal),
		cmocka_unit_test(test_reply_says_what_its_status_obliges_it_to),
		cmocka_unit_test(test_reply_carries_the_status_that_a_child_names),
		cmocka_unit_test(test_reply_tells_why_an_auth_child_denied),
		cmocka_unit_test(test_reply_uses_200_bytes_of_a_reason_and_no_control_character),
		cmocka_unit_test(test_reason_is_whole_characters_of_utf8),
		cmocka_unit_test(test_reply_to_a_health_check),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
