/* SPDX-License-Identifier: MIT */
/* Refusals as 101 and a Close frame, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admit/closing.h"
#include "admit/request.h"

#include <stdio.h>
#include <string.h>

#define UPGRADE                                                   \
	"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n" \
	"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"    \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define ANSWER                                                       \
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" \
	"Connection: Upgrade\r\n"                                    \
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" /* RFC 6455, 1.3 */

static struct closing prepare(const char *fields)
{
	static char text[2048];
	static struct head head;
	struct request request;
	struct closing closing;
	enum refusal refusal = REFUSAL_NONE;
	int len = snprintf(text, sizeof text, UPGRADE "%s\r\n", fields);
	assert_int_equal(head_parse(text, (size_t)len, sizeof text, &head, &refusal), HEAD_OK);
	assert_int_equal(request_judge(&head, &request), REFUSAL_NONE);
	closing_prepare(&request, &closing);
	return closing;
}

static void assert_bytes(const struct closing *closing, int status, const char *reason,
			 const char *wanted, size_t wanted_len)
{
	char buf[CLOSING_MAX_BYTES];
	size_t len = closing_write(closing, status, reason, buf);
	assert_int_equal(len, wanted_len);
	assert_memory_equal(buf, wanted, wanted_len);
}

#define assert_writes(closing, status, reason, wanted) \
	assert_bytes(closing, status, reason, wanted, sizeof(wanted) - 1)

static void test_closing_is_a_101_and_a_close_frame(void **state)
{
	(void)state;
	struct closing closing = prepare("");
	assert_writes(&closing, 503, "later", ANSWER "\r\n\x88\x07\x03\xf5later");
	assert_writes(&closing, 403, "", ANSWER "\r\n\x88\x02\x03\xf0");
}

static void test_closing_code_stands_for_the_status(void **state)
{
	(void)state;
	static const struct {
		int status;
		unsigned code;
	} rows[] = {{400, 1008}, {401, 1008}, {403, 1008}, {429, 1013},
		    {499, 1008}, {500, 1011}, {502, 1011}, {503, 1013}};
	struct closing closing = prepare("");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char buf[CLOSING_MAX_BYTES];
		size_t len = closing_write(&closing, rows[i].status, "", buf);
		unsigned code = (unsigned char)buf[len - 2] * 256u + (unsigned char)buf[len - 1];
		if (code != rows[i].code) {
			print_error("row %zu: %d\n", i, rows[i].status);
		}
		assert_int_equal(code, rows[i].code);
	}
}

static void test_closing_selects_the_first_subprotocol(void **state)
{
	(void)state;
	struct closing closing = prepare("Sec-WebSocket-Protocol: chat.v2, chat.v1\r\n");
	assert_writes(&closing, 503, "x",
		      ANSWER "Sec-WebSocket-Protocol: chat.v2\r\n\r\n\x88\x03\x03\xf5x");
}

static void test_closing_of_a_subprotocol_that_is_too_long_is_none(void **state)
{
	(void)state;
	for (int len = CLOSING_PROTOCOL_BYTES - 1; len <= CLOSING_PROTOCOL_BYTES + 1; len++) {
		char field[256], buf[CLOSING_MAX_BYTES], reason[256];
		snprintf(field, sizeof field, "Sec-WebSocket-Protocol: %0*d\r\n", len, 1);
		memset(reason, 'r', sizeof reason - 1);
		reason[sizeof reason - 1] = '\0';
		struct closing closing = prepare(field);
		assert_int_equal(closing.accept[0] != '\0', len <= CLOSING_PROTOCOL_BYTES);
		if (closing.accept[0] != '\0') { /* the largest there is still fits */
			assert_in_range(closing_write(&closing, 503, reason, buf), 1, sizeof buf);
			assert_int_equal(strlen(closing.protocol), len);
		}
	}
}

static void test_closing_cuts_a_reason_between_two_characters(void **state)
{
	(void)state;
	static const struct {
		const char *character;
		size_t count, kept; /* characters behind an 'x' */
	} rows[] = {
		{"a", 122, 122},      {"a", 123, 122},          {"\xc3\xa4", 61, 61},
		{"\xc3\xa4", 62, 61}, {"\xe2\x82\xac", 41, 40}, {"\xf0\x9f\xa6\x80", 31, 30},
	};
	struct closing closing = prepare("");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char reason[256] = "x", buf[CLOSING_MAX_BYTES];
		for (size_t n = 0; n < rows[i].count; n++) {
			strcat(reason, rows[i].character);
		}
		size_t kept = 1 + rows[i].kept * strlen(rows[i].character);
		size_t len = closing_write(&closing, 503, reason, buf);
		size_t before = sizeof ANSWER - 1 + 2 + 4;
		if (len != before + kept) {
			print_error("row %zu: %s\n", i, reason);
		}
		assert_int_equal(len, before + kept);
		assert_int_equal((unsigned char)buf[before - 3], 2 + kept);
		assert_memory_equal(buf + before, reason, kept);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closing_is_a_101_and_a_close_frame),
		cmocka_unit_test(test_closing_code_stands_for_the_status),
		cmocka_unit_test(test_closing_selects_the_first_subprotocol),
		cmocka_unit_test(test_closing_of_a_subprotocol_that_is_too_long_is_none),
		cmocka_unit_test(test_closing_cuts_a_reason_between_two_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
