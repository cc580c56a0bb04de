/* SPDX-License-Identifier: MIT */
/* Tests of address_range.c: what is a range, and who is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "address_range.h"

#include <string.h>

#define ROWS(table) (sizeof(table) / sizeof(table)[0])

static void test_address_range_is_parsed_or_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum address_range_result result;
		const char *first;
		unsigned bits;
	} rows[] = {
		{"10.0.0.0/8", ADDRESS_RANGE_OK, "10.0.0.0", 8},
		{"192.0.2.1", ADDRESS_RANGE_OK, "192.0.2.1", 32},
		{"192.0.2.1/32", ADDRESS_RANGE_OK, "192.0.2.1", 32},
		{"0.0.0.0/0", ADDRESS_RANGE_OK, "0.0.0.0", 0},
		{"192.0.2.128/25", ADDRESS_RANGE_OK, "192.0.2.128", 25},
		{"::1", ADDRESS_RANGE_OK, "::1", 128},
		{"2001:db8::/32", ADDRESS_RANGE_OK, "2001:db8::", 32},
		{"::/0", ADDRESS_RANGE_OK, "::", 0},
		{"::ffff:10.0.0.0/104", ADDRESS_RANGE_OK, "10.0.0.0", 8},
		{"::ffff:10.0.0.1", ADDRESS_RANGE_OK, "10.0.0.1", 32},
		{"unix", ADDRESS_RANGE_OK, "unix", 0},
		{"10.0.0.1/8", ADDRESS_RANGE_HOST_BITS, "10.0.0.0", 8},
		{"192.0.2.129/25", ADDRESS_RANGE_HOST_BITS, "192.0.2.128", 25},
		{"255.255.255.255/0", ADDRESS_RANGE_HOST_BITS, "0.0.0.0", 0},
		{"2001:db8::1/64", ADDRESS_RANGE_HOST_BITS, "2001:db8::", 64},
		{"2001:db8::1/127", ADDRESS_RANGE_HOST_BITS, "2001:db8::", 127},
		{"::ffff:10.0.0.0/95", ADDRESS_RANGE_BAD, NULL, 0},
		{"", ADDRESS_RANGE_BAD, NULL, 0},
		{"/8", ADDRESS_RANGE_BAD, NULL, 0},
		{"10.0.0.0/", ADDRESS_RANGE_BAD, NULL, 0},
		{"10.0.0.0/33", ADDRESS_RANGE_BAD, NULL, 0},
		{"10.0.0.0/08", ADDRESS_RANGE_BAD, NULL, 0},
		{"10.0.0.0/-1", ADDRESS_RANGE_BAD, NULL, 0},
		{"10.0.0.0/8/8", ADDRESS_RANGE_BAD, NULL, 0},
		{"10.0.0.0/8 ", ADDRESS_RANGE_BAD, NULL, 0},
		{"10.0.0.0/255.0.0.0", ADDRESS_RANGE_BAD, NULL, 0},
		{"10.0.0/8", ADDRESS_RANGE_BAD, NULL, 0},
		{"10.0.0.256", ADDRESS_RANGE_BAD, NULL, 0},
		{"010.0.0.0/8", ADDRESS_RANGE_BAD, NULL, 0},
		{"::1/129", ADDRESS_RANGE_BAD, NULL, 0},
		{"[::1]", ADDRESS_RANGE_BAD, NULL, 0},
		{"fe80::1%lo", ADDRESS_RANGE_BAD, NULL, 0},
		{"localhost", ADDRESS_RANGE_BAD, NULL, 0},
		{"unix/8", ADDRESS_RANGE_BAD, NULL, 0},
		{"UNIX", ADDRESS_RANGE_BAD, NULL, 0},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct address_range range;
		char first[ADDRESS_TEXT_BYTES];
		enum address_range_result result = address_range_parse(rows[i].text, &range);
		if (result != rows[i].result) {
			fail_msg("row %zu: %s: %d", i, rows[i].text, (int)result);
		}
		if (result == ADDRESS_RANGE_BAD) {
			continue;
		}
		address_write_ip(&range.first, first);
		if (strcmp(first, rows[i].first) != 0 || range.bits != rows[i].bits) {
			fail_msg("row %zu: %s: %s/%u", i, rows[i].text, first, range.bits);
		}
	}
}

static void test_address_range_has_its_addresses_and_no_others(void **state)
{
	(void)state;
	static const struct {
		const char *range, *address; /* NULL: of a Unix socket */
		bool has;
	} rows[] = {
		{"10.0.0.0/8", "10.255.255.255", true},
		{"10.0.0.0/8", "11.0.0.0", false},
		{"10.0.0.0/8", "::ffff:10.1.2.3", true},
		{"10.0.0.0/8", "a00::", false},
		{"192.0.2.128/25", "192.0.2.128", true},
		{"192.0.2.128/25", "192.0.2.127", false},
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.0", false},
		{"0.0.0.0/0", "255.255.255.255", true},
		{"0.0.0.0/0", "::1", false},
		{"0.0.0.0/0", NULL, false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "10.0.0.1", false},
		{"::ffff:10.0.0.0/104", "10.9.9.9", true},
		{"2001:db8::/33", "2001:db8:7fff::", true},
		{"2001:db8::/33", "2001:db8:8000::", false},
		{"::1", "::1", true},
		{"::1", "::2", false},
		{"unix", NULL, true},
		{"unix", "0.0.0.0", false},
		{"unix", "::", false},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct address_range range;
		struct address address = {.family = ADDRESS_UNIX};
		const char *text = rows[i].address;
		assert_int_equal(address_range_parse(rows[i].range, &range), ADDRESS_RANGE_OK);
		assert_true(text == NULL || address_parse_ip(text, strlen(text), &address));
		address.port = 4711;
		if (address_range_has(&range, 1, &address) != rows[i].has) {
			fail_msg("row %zu: %s in %s", i, text, rows[i].range);
		}
	}
}

static void test_address_range_list_is_searched_whole(void **state)
{
	(void)state;
	struct address_range ranges[2];
	struct address address;
	assert_int_equal(address_range_parse("10.0.0.0/8", &ranges[0]), ADDRESS_RANGE_OK);
	assert_int_equal(address_range_parse("::1", &ranges[1]), ADDRESS_RANGE_OK);
	assert_true(address_parse_ip("::1", 3, &address));
	assert_true(address_range_has(ranges, 2, &address));
	assert_false(address_range_has(ranges, 1, &address));
	assert_false(address_range_has(NULL, 0, &address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address_range_is_parsed_or_refused),
		cmocka_unit_test(test_address_range_has_its_addresses_and_no_others),
		cmocka_unit_test(test_address_range_list_is_searched_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
