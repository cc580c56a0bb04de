/* SPDX-License-Identifier: MIT */
/* Tests of admit/origin.c: same origin, lists, and entries; allowed and refused rows apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admit/origin.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof(array)[0])

struct same_row {
	const char *rfc, *origin, *host;
};

static const struct same_row same_origins[] = {
	{"6454 5", "http://example.org", "example.org"},
	{"6454 5", "https://example.org", "example.org"},
	{"6454 5", "https://EXAMPLE.org", "example.ORG"},
	{"6454 5", "http://example.org:8080", "example.org:8080"},
	{"6454 6.2", "http://example.org", "example.org:80"},
	{"6454 6.2", "http://example.org:80", "example.org"},
	{"6454 6.2", "https://example.org", "example.org:443"},
	{"6454 6.2", "https://example.org:443", "example.org"},
	{"6454 5", "http://[::1]:8080", "[::1]:8080"},
	{"6454 5", "http://127.0.0.1", "127.0.0.1"},
};

static const struct same_row other_origins[] = {
	{"6454 5", "http://example.com", "example.org"},
	{"6454 5", "http://example.org.evil.test", "example.org"},
	{"6454 5", "http://notexample.org", "example.org"},
	{"6454 5", "http://example.org", "sub.example.org"},
	{"6454 5", "http://sub.example.org", "example.org"},
	{"6454 5", "http://example.org:8080", "example.org"},
	{"6454 5", "http://example.org", "example.org:8080"},
	{"6454 5", "http://example.org", "example.org:443"},
	{"6454 5", "https://example.org:80", "example.org"},
	{"6454 5", "https://example.org:443", "example.org:80"},
	{"6454 4", "ws://example.org", "example.org"},
	{"6454 4", "chrome-extension://example.org", "example.org"},
	{"6454 4", "file://", "example.org"},
	{"6454 6.1", "null", "example.org"},
	{"6454 6.1", "", "example.org"},
	{"6454 6.2", "*", "example.org"},
	{"6454 6.2", "example.org", "example.org"},
	{"6454 6.2", "//example.org", "example.org"},
	{"6454 6.2", "://example.org", "example.org"},
	{"6454 6.2", "http:example.org", "example.org"},
	{"6454 6.2", "http:/example.org", "example.org"},
	{"6454 6.2", "http://", "example.org"},
	{"6454 6.2", "http://example.org/", "example.org"},
	{"6454 6.2", "http://example.org/chat", "example.org"},
	{"6454 6.2", "http://example.org?", "example.org"},
	{"6454 6.2", "http://example.org#", "example.org"},
	{"6454 6.2", "http://user@example.org", "example.org"},
	{"6454 6.2", "http://example.org:", "example.org"},
	{"6454 6.2", "http://example.org:65616", "example.org"},
	{"6454 7.1", "http://example.org http://example.org", "example.org"},
	{"6454 7.1", "http://example.org,http://example.org", "example.org"},
	{"9110 7.2", "http://", ""},
	{"9110 7.2", "http://example.org", ""},
};

static void check_same(const struct same_row *rows, size_t count, bool wanted)
{
	for (size_t i = 0; i < count; i++) {
		bool allowed = origin_is_allowed(slice_of(rows[i].origin), slice_of(rows[i].host),
						 false, NULL, 0);
		if (allowed != wanted) {
			print_error("row %zu (RFC %s): %s at %s\n", i, rows[i].rfc, rows[i].origin,
				    rows[i].host);
		}
		assert_int_equal(allowed, wanted);
	}
}

static void test_origin_of_the_same_host_is_allowed(void **state)
{
	(void)state;
	check_same(same_origins, ARRAY_SIZE(same_origins), true);
}

static void test_origin_of_another_host_or_form_is_refused(void **state)
{
	(void)state;
	check_same(other_origins, ARRAY_SIZE(other_origins), false);
}

static void test_origin_must_be_https_when_the_client_came_by_it(void **state)
{
	(void)state;
	static const struct {
		const char *origin, *host;
		bool allowed;
	} rows[] = {
		{"https://example.org", "example.org", true},
		{"HTTPS://example.org", "example.org:443", true},
		{"https://example.org:443", "example.org", true},
		{"https://example.org:8443", "example.org:8443", true},
		{"https://example.org", "example.org:80", false},
		{"https://example.org:80", "example.org", false},
		{"http://example.org", "example.org", false},
		{"http://example.org:443", "example.org", false},
		{"http://example.org", "example.org:80", false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct slice origin = slice_of(rows[i].origin), host = slice_of(rows[i].host);
		if (origin_is_allowed(origin, host, true, NULL, 0) != rows[i].allowed) {
			fail_msg("row %zu: %s at %s", i, rows[i].origin, rows[i].host);
		}
	}
}

static void test_origin_may_be_absent(void **state)
{
	(void)state;
	const char *const list[] = {"https://a.test"};
	assert_true(origin_is_allowed((struct slice){0}, slice_of("example.org"), true, NULL, 0));
	assert_true(origin_is_allowed((struct slice){0}, slice_of("example.org"), true, list, 1));
}

struct list_row {
	const char *origin;
	bool allowed;
};

static void check_list(const char *const *list, size_t list_count, const struct list_row *rows,
		       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool allowed = origin_is_allowed(slice_of(rows[i].origin), slice_of("host.test"),
						 true, list, list_count);
		if (allowed != rows[i].allowed) {
			print_error("row %zu: %s\n", i, rows[i].origin);
		}
		assert_int_equal(allowed, rows[i].allowed);
	}
}

static void test_origin_of_a_list_replaces_the_same_host(void **state)
{
	(void)state;
	static const char *const list[] = {"https://a.test", "http://B.test:8080",
					   "chrome-extension://abc", "nonsense"};
	static const struct list_row rows[] = {
		{"https://a.test", true},
		{"https://A.TEST:443", true},
		{"http://b.test:8080", true},
		{"chrome-extension://abc", true},
		{"http://host.test", false},
		{"http://a.test", false},
		{"https://a.test:8443", false},
		{"http://b.test", false},
		{"chrome-extension://abd", false},
		{"chrome-extension://abc:1", false},
		{"nonsense", false},
		{"null", false},
		{"https://x.a.test", false},
	};
	check_list(list, ARRAY_SIZE(list), rows, ARRAY_SIZE(rows));
}

static void test_origin_star_allows_every_well_formed_origin_but_null(void **state)
{
	(void)state;
	static const char *const list[] = {"https://a.test", "*"};
	static const struct list_row rows[] = {
		{"https://a.test", true},
		{"http://evil.test", true},
		{"moz-extension://a-b", true},
		{"null", false},
		{"", false},
		{"http://a.test/", false},
		{"http://a.test http://b", false},
		{"*", false},
	};
	check_list(list, ARRAY_SIZE(list), rows, ARRAY_SIZE(rows));
}

static void test_origin_entries_are_checked(void **state)
{
	(void)state;
	static const struct list_row rows[] = {
		{"*", true},
		{"https://example.org", true},
		{"http://[::1]:80", true},
		{"app+x.y-z1://localhost", true},
		{"", false},
		{"**", false},
		{"null", false},
		{"example.org", false},
		{"1http://example.org", false},
		{"ht_tp://example.org", false},
		{"https://example.org/", false},
		{"https://*.example.org:x", false},
		{"https://[::1", false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (origin_is_valid(slice_of(rows[i].origin)) != rows[i].allowed) {
			print_error("row %zu: %s\n", i, rows[i].origin);
		}
		assert_int_equal(origin_is_valid(slice_of(rows[i].origin)), rows[i].allowed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_origin_of_the_same_host_is_allowed),
		cmocka_unit_test(test_origin_of_another_host_or_form_is_refused),
		cmocka_unit_test(test_origin_must_be_https_when_the_client_came_by_it),
		cmocka_unit_test(test_origin_may_be_absent),
		cmocka_unit_test(test_origin_of_a_list_replaces_the_same_host),
		cmocka_unit_test(test_origin_star_allows_every_well_formed_origin_but_null),
		cmocka_unit_test(test_origin_entries_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
