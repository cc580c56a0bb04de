/* SPDX-License-Identifier: MIT */
/*
 * "KEY=VALUE\0" pairs: the writer never passes its end, the check lets nothing through that the
 * finder could run over, and numbers are numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "handoff/handoff.h"
#include "handoff/pairs.h"

#include <stdlib.h>
#include <string.h>

#define ROWS(table)   (sizeof(table) / sizeof(table)[0])
#define TEXT(literal) literal, sizeof(literal) - 1 /* NULs are written out in the tables */

/* Checks a copy that ends where the payload ends, so that a sanitizer sees one byte too far. */
static bool is_valid(const char *payload, size_t bytes)
{
	char *copy = malloc(bytes + 1);
	memcpy(copy + 1, payload, bytes);
	bool valid = handoff_pairs_are_valid(copy + 1, bytes);
	free(copy);
	return valid;
}

static void test_pairs_valid_payloads(void **state)
{
	(void)state;
	static const struct {
		const char *payload;
		size_t bytes;
	} rows[] = {
		{TEXT("")},
		{TEXT("A=\0")},
		{TEXT("A=1\0")},
		{TEXT("A_B-9=x y\0")},
		{TEXT("A==\0")},
		{TEXT("A=B=C\0")},
		{TEXT("A=1\0A=2\0")},
		{TEXT("A=\0B=\0C=\0")},
		{TEXT("0=\r\n\x7f\xff\0")},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		if (!is_valid(rows[i].payload, rows[i].bytes)) {
			fail_msg("row %zu: %s", i, rows[i].payload);
		}
		for (size_t len = 1; len < rows[i].bytes; len++) {
			bool whole = rows[i].payload[len - 1] == '\0';
			if (is_valid(rows[i].payload, len) != whole) {
				fail_msg("row %zu cut at %zu: %s", i, len, rows[i].payload);
			}
		}
	}
}

static void test_pairs_invalid_payloads(void **state)
{
	(void)state;
	static const struct {
		const char *payload;
		size_t bytes;
	} rows[] = {
		{TEXT("\0")},        {TEXT("A\0")},     {TEXT("=1\0")},     {TEXT("=\0")},
		{TEXT("a=1\0")},     {TEXT("A B=1\0")}, {TEXT("A =1\0")},   {TEXT("\xc3\x84=1\0")},
		{TEXT("A.B=1\0")},   {TEXT("A=1\0\0")}, {TEXT("A=1\0B\0")}, {TEXT("A=1\0B=2")},
		{TEXT("A=1\0=2\0")}, {TEXT("A=1")},     {TEXT("A")},        {TEXT("A=")},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		if (is_valid(rows[i].payload, rows[i].bytes)) {
			fail_msg("row %zu: %s", i, rows[i].payload);
		}
	}
}

static void test_pairs_are_found_by_their_whole_key(void **state)
{
	(void)state;
	static const char payload[] = "AB=1\0A=2\0C=A=3\0E=\0A=4\0";
	static const struct {
		const char *key, *value;
	} rows[] = {
		{"A", "2"},  {"AB", "1"},   {"C", "A=3"}, {"E", ""},
		{"B", NULL}, {"ABC", NULL}, {"D", NULL},  {"", NULL},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		const char *value = handoff_pairs_find(payload, sizeof payload - 1, rows[i].key);
		bool same = value != NULL && rows[i].value != NULL
				    ? strcmp(value, rows[i].value) == 0
				    : value == rows[i].value;
		if (!same) {
			fail_msg("row %zu: %s: %s", i, rows[i].key, value != NULL ? value : "NULL");
		}
	}
	assert_null(handoff_pairs_find(payload, 0, "A"));
}

static void test_pairs_writer_never_passes_its_end(void **state)
{
	(void)state;
	static const char expected[] = "KEY=value\0N=18446744073709551615\0E=";
	for (size_t size = 0; size <= sizeof expected + 1; size++) {
		struct handoff_pairs pairs;
		char *memory = malloc(size + 1);
		handoff_pairs_init(&pairs, memory + 1, size);
		handoff_pairs_add(&pairs, "KEY", "value, cut", 5);
		handoff_pairs_add_number(&pairs, "N", UINT64_MAX);
		handoff_pairs_add(&pairs, "E", NULL, 0);
		bool fits = size >= sizeof expected;
		if (pairs.overflow == fits || pairs.length > size) {
			fail_msg("size %zu: overflow %d", size, pairs.overflow);
		}
		if (fits) {
			assert_int_equal(pairs.length, sizeof expected);
			assert_memory_equal(pairs.at, expected, sizeof expected);
			assert_true(handoff_pairs_are_valid(pairs.at, pairs.length));
		}
		free(memory);
	}
}

static void test_pairs_overflow_stays(void **state)
{
	(void)state;
	char memory[8];
	struct handoff_pairs pairs;
	handoff_pairs_init(&pairs, memory, sizeof memory);
	handoff_pairs_add(&pairs, "LONG", "12345678", SIZE_MAX);
	assert_true(pairs.overflow);
	handoff_pairs_add(&pairs, "A", "1", 1);
	assert_true(pairs.overflow);
	assert_int_equal(pairs.length, 0);
}

static void test_pairs_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *text; /* NULL: the key is absent */
		bool fine;
		uint64_t value;
	} rows[] = {
		{NULL, true, 42},
		{"0", true, 0},
		{"007", true, 7},
		{"9223372036854775807", true, INT64_MAX},
		{"9223372036854775808", false, 0},
		{"18446744073709551616", false, 0},
		{"99999999999999999999999999", false, 0},
		{"", false, 0},
		{"-1", false, 0},
		{"+1", false, 0},
		{" 1", false, 0},
		{"1 ", false, 0},
		{"0x1", false, 0},
		{"1.5", false, 0},
		{"one", false, 0},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		char memory[64];
		struct handoff_pairs pairs;
		uint64_t value = 4711;
		handoff_pairs_init(&pairs, memory, sizeof memory);
		handoff_pairs_add(&pairs, "OTHER", "5", 1);
		if (rows[i].text != NULL) {
			handoff_pairs_add(&pairs, "N", rows[i].text, strlen(rows[i].text));
		}
		bool fine = handoff_pairs_number(memory, pairs.length, "N", 42, &value);
		if (fine != rows[i].fine || value != (fine ? rows[i].value : 4711)) {
			fail_msg("row %zu: %s: %llu", i, rows[i].text, (unsigned long long)value);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs_valid_payloads),
		cmocka_unit_test(test_pairs_invalid_payloads),
		cmocka_unit_test(test_pairs_are_found_by_their_whole_key),
		cmocka_unit_test(test_pairs_writer_never_passes_its_end),
		cmocka_unit_test(test_pairs_overflow_stays),
		cmocka_unit_test(test_pairs_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
