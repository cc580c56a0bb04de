/* SPDX-License-Identifier: MIT */
/*
 * utf8 against a plain decoder: all sequences of one, two and three bytes, four bytes around every
 * edge, then the same texts cut at every place and behind blocks of ASCII.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

#include "handoff/utf8.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof(array)[0])

enum verdict {
	VERDICT_BAD,
	VERDICT_BEGUN, /* good so far, inside a character */
	VERDICT_WHOLE,
};

/* Bytes of the character that lead begins, 0 when none may begin so. */
static size_t character_bytes(uint8_t lead)
{
	return lead < 0x80   ? 1
	       : lead < 0xc0 ? 0
	       : lead < 0xe0 ? 2
	       : lead < 0xf0 ? 3
	       : lead < 0xf8 ? 4
			     : 0;
}

/* Decodes one whole character of that many bytes: is it the shortest form of a scalar value? */
static bool character_is_good(const uint8_t *at, size_t bytes)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t value = bytes == 1 ? at[0] : at[0] & (0x7fu >> bytes);
	for (size_t i = 1; i < bytes; i++) {
		if ((at[i] & 0xc0) != 0x80) {
			return false;
		}
		value = value << 6 | (at[i] & 0x3fu);
	}
	return value >= least[bytes] && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
}

/* Can the first have bytes of a character of bytes bytes become a good one? Tries. */
static bool beginning_is_good(const uint8_t *at, size_t have, size_t bytes)
{
	static const uint8_t tries[] = {0x80, 0x90, 0xa0, 0xbf};
	uint8_t whole[4];
	memcpy(whole, at, have);
	if (have == bytes) {
		return character_is_good(whole, bytes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		whole[have] = tries[i];
		if (beginning_is_good(whole, have + 1, bytes)) {
			return true;
		}
	}
	return false;
}

static enum verdict plain_verdict(const uint8_t *at, size_t len)
{
	while (len > 0) {
		size_t bytes = character_bytes(at[0]);
		size_t have = len < bytes ? len : bytes;
		if (bytes == 0 || !beginning_is_good(at, have, bytes)) {
			return VERDICT_BAD;
		}
		if (have < bytes) {
			return VERDICT_BEGUN;
		}
		at += bytes;
		len -= bytes;
	}
	return VERDICT_WHOLE;
}

static enum verdict verdict_in_two(const uint8_t *at, size_t len, size_t cut)
{
	uint32_t state = UTF8_BETWEEN;
	if (!utf8_feed(&state, at, cut) || !utf8_feed(&state, at + cut, len - cut)) {
		return VERDICT_BAD;
	}
	return state == UTF8_BETWEEN ? VERDICT_WHOLE : VERDICT_BEGUN;
}

static void check(const uint8_t *at, size_t len)
{
	enum verdict expected = plain_verdict(at, len);
	for (size_t cut = 0; cut < len; cut++) {
		if (verdict_in_two(at, len, cut) != expected) {
			fail_msg("%02x %02x %02x %02x of %zu, cut at %zu: expected %d", at[0],
				 at[1], at[2], at[3], len, cut, expected);
		}
	}
}

static void test_utf8_judges_all_sequences_of_one_to_three_bytes(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 1u << 24; i++) {
		uint8_t bytes[4] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 0};
		if (bytes[1] == 0 && bytes[2] == 0) {
			check(bytes, 1);
		}
		if (bytes[2] == 0) {
			check(bytes, 2);
		}
		/* Behind a whole ASCII byte stand two bytes, which were checked. */
		if (bytes[0] >= 0x80 || bytes[0] == 'a') {
			check(bytes, 3);
		}
	}
}

static void test_utf8_judges_four_bytes_around_every_edge(void **state)
{
	(void)state;
	static const uint8_t edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
					0xc0, 0xc2, 0xdf, 0xe0, 0xed, 0xf0, 0xf4, 0xff};
	for (unsigned lead = 0; lead < 256; lead++) {
		for (size_t i = 0; i < ARRAY_SIZE(edges) * ARRAY_SIZE(edges) * ARRAY_SIZE(edges);
		     i++) {
			check((const uint8_t[]){(uint8_t)lead, edges[i / 256], edges[i / 16 % 16],
						edges[i % 16]},
			      4);
		}
	}
}

/* A text of that many ASCII bytes with a few others at an offset: wherever blocks begin and end. */
static void test_utf8_finds_other_bytes_anywhere_in_ascii(void **state)
{
	(void)state;
	static const char *const inserts[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
					      "\xff",     "\xed\xa0\x80", "\xe2\x82"};
	uint8_t text[160];
	for (size_t i = 0; i < ARRAY_SIZE(inserts); i++) {
		size_t len = strlen(inserts[i]);
		for (size_t at = 0; at + len <= sizeof text; at++) {
			memset(text, 'a', sizeof text);
			memcpy(text + at, inserts[i], len);
			enum verdict expected = plain_verdict(text, sizeof text);
			for (size_t cut = 0; cut <= sizeof text; cut++) {
				if (verdict_in_two(text, sizeof text, cut) != expected) {
					fail_msg("insert %zu at %zu, cut at %zu", i, at, cut);
				}
			}
		}
	}
}

static void test_utf8_takes_no_bytes_as_no_change(void **state)
{
	(void)state;
	uint32_t now = UTF8_BETWEEN;
	assert_true(utf8_feed(&now, (const uint8_t *)"\xe2\x82", 2));
	uint32_t before = now;
	assert_true(utf8_feed(&now, NULL, 0));
	assert_int_equal(now, before);
	assert_int_not_equal(now, UTF8_BETWEEN);
	assert_true(utf8_feed(&now, (const uint8_t *)"\xac", 1));
	assert_int_equal(now, UTF8_BETWEEN);
}

static void test_utf8_stays_bad(void **state)
{
	(void)state;
	uint32_t now = UTF8_BETWEEN;
	assert_false(utf8_feed(&now, (const uint8_t *)"\xff", 1));
	assert_false(utf8_feed(&now, (const uint8_t *)"a", 1));
	uint8_t block[64];
	memset(block, 'a', sizeof block);
	assert_false(utf8_feed(&now, block, sizeof block));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8_judges_all_sequences_of_one_to_three_bytes),
		cmocka_unit_test(test_utf8_judges_four_bytes_around_every_edge),
		cmocka_unit_test(test_utf8_finds_other_bytes_anywhere_in_ascii),
		cmocka_unit_test(test_utf8_takes_no_bytes_as_no_change),
		cmocka_unit_test(test_utf8_stays_bad),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
