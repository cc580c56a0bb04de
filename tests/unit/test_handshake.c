/* SPDX-License-Identifier: MIT */
/*
 * handshake: the example of RFC 6455 byte for byte, what may be a subprotocol, and which offers
 * contain one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "libbaton/handshake.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof(array)[0])

#define RFC_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define RFC_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define HEAD                                                                                \
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
	"Sec-WebSocket-Accept: "

static void assert_answer(const char *key, const char *subprotocol, const char *expected)
{
	char to[HANDSHAKE_MAX_BYTES];
	size_t len = handshake_write(to, key, 24, subprotocol, NULL);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(to, expected, len);
}

static void test_handshake_answers_the_key_of_the_rfc(void **state)
{
	(void)state;
	assert_answer(RFC_KEY, NULL, HEAD RFC_ACCEPT "\r\n\r\n");
	assert_answer("x3JJHMbDL1EzLkh9GBhXDw==", NULL,
		      HEAD "HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n\r\n");
}

static void test_handshake_names_the_subprotocol(void **state)
{
	(void)state;
	assert_answer(RFC_KEY, "chat", HEAD RFC_ACCEPT "\r\nSec-WebSocket-Protocol: chat\r\n\r\n");
	assert_answer(RFC_KEY, "v1.x!#$%&'*+-^_`|~",
		      HEAD RFC_ACCEPT "\r\nSec-WebSocket-Protocol: v1.x!#$%&'*+-^_`|~\r\n\r\n");
}

static void test_handshake_names_extensions_as_they_are(void **state)
{
	(void)state;
	char to[HANDSHAKE_MAX_BYTES];
	static const char expected[] = HEAD RFC_ACCEPT "\r\nSec-WebSocket-Protocol: chat\r\n"
						       "Sec-WebSocket-Extensions: a; b=1\r\n\r\n";
	assert_int_equal(handshake_write(to, RFC_KEY, 24, "chat", "a; b=1"), sizeof expected - 1);
	assert_memory_equal(to, expected, sizeof expected - 1);
}

static void test_handshake_refuses_a_key_of_another_length(void **state)
{
	(void)state;
	char to[HANDSHAKE_MAX_BYTES];
	for (size_t len = 0; len < 64; len++) {
		static const char key[64] = RFC_KEY;
		assert_int_equal(handshake_write(to, key, len, NULL, NULL) != 0, len == 24);
	}
}

static void test_handshake_refuses_a_subprotocol_that_is_no_token(void **state)
{
	(void)state;
	static const char *const rows[] = {"",      "a b",     "a,b", "a\r\nSet-Cookie: x=1",
					   "a\n",   "\ta",     "a:b", "a/b",
					   "\"a\"", "a;b",     "a=b", "(a)",
					   "a\x7f", "\xc3\xa9"};
	char to[HANDSHAKE_MAX_BYTES];
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (handshake_write(to, RFC_KEY, 24, rows[i], NULL) != 0) {
			fail_msg("row %zu was taken: %s", i, rows[i]);
		}
	}
}

static void test_handshake_refuses_a_subprotocol_that_does_not_fit(void **state)
{
	(void)state;
	char name[HANDSHAKE_MAX_BYTES + 2], to[HANDSHAKE_MAX_BYTES];
	size_t fixed = strlen(HEAD RFC_ACCEPT "\r\nSec-WebSocket-Protocol: \r\n\r\n");
	for (size_t len = 1; len < sizeof name; len++) {
		memset(name, 'a', len);
		name[len] = '\0';
		size_t expected = fixed + len <= HANDSHAKE_MAX_BYTES ? fixed + len : 0;
		assert_int_equal(handshake_write(to, RFC_KEY, 24, name, NULL), expected);
	}
}

static void test_handshake_finds_what_was_offered(void **state)
{
	(void)state;
	static const struct {
		const char *offered, *name;
		int expected;
	} rows[] = {
		{"chat", "chat", 1},
		{"chat, superchat", "chat", 1},
		{"chat, superchat", "superchat", 1},
		{"superchat,chat", "chat", 1},
		{"a,\tchat\t,b", "chat", 1},
		{" , ,chat,, ", "chat", 1},
		{"superchat", "chat", 0},
		{"chatty", "chat", 0},
		{"chat x", "chat", 0}, /* no list */
		{"x chat", "chat", 0},
		{"chat", "chatty", 0},
		{"Chat", "chat", 0}, /* exactly */
		{"", "chat", 0},
		{" , ", "chat", 0},
		{NULL, "chat", 0},
		{"chat", "", 0},
		{", ", "", 0},
		{"chat", NULL, 0},
		{"chat, superchat", "chat, superchat", 0},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (handshake_offers(rows[i].offered, rows[i].name) != rows[i].expected) {
			fail_msg("row %zu: \"%s\" in \"%s\": expected %d", i, rows[i].name,
				 rows[i].offered, rows[i].expected);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake_answers_the_key_of_the_rfc),
		cmocka_unit_test(test_handshake_names_the_subprotocol),
		cmocka_unit_test(test_handshake_names_extensions_as_they_are),
		cmocka_unit_test(test_handshake_refuses_a_key_of_another_length),
		cmocka_unit_test(test_handshake_refuses_a_subprotocol_that_is_no_token),
		cmocka_unit_test(test_handshake_refuses_a_subprotocol_that_does_not_fit),
		cmocka_unit_test(test_handshake_finds_what_was_offered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
