/* SPDX-License-Identifier: MIT */
/*
 * The negotiation of permessage-deflate: each row is a client's Sec-WebSocket-Extensions and our
 * response, or NULL where every offer is declined, with the section of RFC 7692 that says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "libbaton/deflate.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof(array)[0])

#define PMD    "permessage-deflate"
#define S_NO   "; server_no_context_takeover"
#define C_NO   "; client_no_context_takeover"
#define S_BITS "; server_max_window_bits"
#define C_BITS "; client_max_window_bits"
#define PLAIN  PMD S_NO C_NO /* what the default settings answer to a bare offer */

static const struct deflate_settings by_default = {
	.is_enabled = true, .out_bits = 15, .in_bits = 15, .level = 6, .least_bytes = 64};
static const struct deflate_settings takes_over = {.is_enabled = true,
						   .has_out_takeover = true,
						   .has_in_takeover = true,
						   .out_bits = 15,
						   .in_bits = 15,
						   .level = 6};
static const struct deflate_settings frugal = {.is_enabled = true,
					       .has_out_takeover = true,
					       .has_in_takeover = true,
					       .out_bits = 11,
					       .in_bits = 10,
					       .level = 6};

struct offer_row {
	const char *offered;
	const char *response; /* NULL: declined */
};

static void check(const struct deflate_settings *settings, const struct offer_row *rows,
		  size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char response[DEFLATE_RESPONSE_BYTES] = "untouched";
		struct deflate_terms terms = {.out_bits = 3};
		bool taken = deflate_negotiate(settings, rows[i].offered, response, &terms);
		const char *expected = rows[i].response != NULL ? rows[i].response : "untouched";
		if (taken != (rows[i].response != NULL) || strcmp(response, expected) != 0) {
			fail_msg("row %zu: %s gave %s", i, rows[i].offered, response);
		}
		assert_int_equal(taken ? terms.out_bits >= 8 : terms.out_bits == 3, 1);
	}
}

static void test_deflate_answers_offers_by_the_rfc(void **state)
{
	(void)state;
	static const struct offer_row rows[] = {
		/* 7: the offer without parameters; what browsers send */
		{PMD, PLAIN},
		{PMD C_BITS, PLAIN},
		{PMD "; client_max_window_bits, " PMD, PLAIN},
		/* 7.1.1.1 and 7.1.1.2: no value, granted in the response */
		{PMD S_NO, PLAIN},
		{PMD C_NO, PLAIN},
		{PMD S_NO C_NO, PLAIN},
		{PMD C_NO S_NO, PLAIN},
		/* 7.1.2.1: 8 to 15, answered with the same or smaller */
		{PMD S_BITS "=8", PLAIN S_BITS "=8"},
		{PMD S_BITS "=9", PLAIN S_BITS "=9"},
		{PMD S_BITS "=10", PLAIN S_BITS "=10"},
		{PMD S_BITS "=14", PLAIN S_BITS "=14"},
		{PMD S_BITS "=15", PLAIN S_BITS "=15"},
		/* 7.1.2.2: a hint, or without value the mere ability */
		{PMD C_BITS "=8", PLAIN C_BITS "=8"},
		{PMD C_BITS "=12", PLAIN C_BITS "=12"},
		{PMD C_BITS "=15", PLAIN},
		{PMD S_BITS "=10" C_BITS "=11", PLAIN S_BITS "=10" C_BITS "=11"},
		{PMD C_BITS "=11" S_NO S_BITS "=10" C_NO, PLAIN S_BITS "=10" C_BITS "=11"},
		/* RFC 6455, 9.1: blanks, quoted values, empty elements */
		{"  " PMD "  ", PLAIN},
		{PMD ";server_max_window_bits=10", PLAIN S_BITS "=10"},
		{PMD " ;\tserver_max_window_bits = 10 ", PLAIN S_BITS "=10"},
		{PMD S_BITS "=\"10\"", PLAIN S_BITS "=10"},
		{PMD S_BITS "=\"1\\0\"", PLAIN S_BITS "=10"},
		{PMD C_BITS "=\"9\"", PLAIN C_BITS "=9"},
		{", ,," PMD ",", PLAIN},
		/* 5: other extensions around it are not ours */
		{"x-webkit-deflate-frame, " PMD, PLAIN},
		{"foo; bar=\"baz\"; bar, " PMD S_BITS "=12, permessage-bzip2", PLAIN S_BITS "=12"},
		{"permessage-bzip2; client_max_compress_level=6, " PMD, PLAIN},
		/* 7.1, 5.1: fallbacks in the client's order */
		{PMD S_BITS "=10, " PMD, PLAIN S_BITS "=10"},
		{PMD ", " PMD S_BITS "=10", PLAIN},
		{PMD "; use_y; x=2, " PMD S_BITS "=9", PLAIN S_BITS "=9"},
		{PMD S_BITS "=16, " PMD S_BITS ", " PMD C_BITS "=13", PLAIN C_BITS "=13"},
		/* 7.1: unknown parameters decline */
		{PMD "; max_window_bits=10", NULL},
		{PMD "; x", NULL},
		{PMD "; Server_no_context_takeover", NULL},
		{PMD "; server_no_context_takeovers", NULL},
		{PMD "; c_a_parameter_whose_name_is_longer_than_all_that_we_know=1", NULL},
		/* 7.1: values that are not allowed decline */
		{PMD S_NO "=1", NULL},
		{PMD S_NO "=\"true\"", NULL},
		{PMD C_NO "=0", NULL},
		{PMD S_BITS, NULL},
		{PMD S_BITS "=7", NULL},
		{PMD S_BITS "=0", NULL},
		{PMD S_BITS "=16", NULL},
		{PMD S_BITS "=08", NULL},
		{PMD S_BITS "=010", NULL},
		{PMD S_BITS "=1", NULL},
		{PMD S_BITS "=+9", NULL},
		{PMD S_BITS "=-9", NULL},
		{PMD S_BITS "=9.0", NULL},
		{PMD S_BITS "=0x9", NULL},
		{PMD S_BITS "=266", NULL},
		{PMD S_BITS "=4294967305", NULL},
		{PMD C_BITS "=7", NULL},
		{PMD C_BITS "=16", NULL},
		{PMD C_BITS "=ten", NULL},
		/* 7.1: the same name twice declines */
		{PMD S_NO S_NO, NULL},
		{PMD C_BITS C_BITS, NULL},
		{PMD S_BITS "=10" S_BITS "=10", NULL},
		{PMD C_BITS C_BITS "=10", NULL},
		/* nothing for us */
		{NULL, NULL},
		{"", NULL},
		{" , ,", NULL},
		{"deflate-frame", NULL},
		{"permessage-deflate2", NULL},
		{"Permessage-Deflate", NULL},
		/* RFC 6455, 9.1: not the grammar */
		{PMD ";", NULL},
		{PMD "; ;", NULL},
		{PMD ", " PMD "; =1", NULL},
		{PMD ", foo bar", NULL},
		{PMD ", foo; x=", NULL},
		{PMD S_BITS "=", NULL},
		{PMD S_BITS "=\"\"", NULL},
		{PMD S_BITS "=\"10", NULL},
		{PMD S_BITS "=\"10\\", NULL},
		{PMD S_BITS "=\"1 0\"", NULL},
		{PMD S_BITS "=\"10\"1", NULL},
		{PMD "=1", NULL},
		{"\"" PMD "\"", NULL},
		{PMD "\x01", NULL},
		{PMD "\xff", NULL},
	};
	check(&by_default, rows, ARRAY_SIZE(rows));
}

static void test_deflate_offers_takeover_where_the_pool_allows_it(void **state)
{
	(void)state;
	static const struct offer_row rows[] = {
		{PMD, PMD},
		{PMD C_BITS, PMD},
		{PMD S_NO, PMD S_NO},
		{PMD C_NO, PMD C_NO},
		{PMD C_NO S_NO, PLAIN},
		{PMD S_BITS "=15", PMD S_BITS "=15"},
		{PMD C_BITS "=9" S_BITS "=8", PMD S_BITS "=8" C_BITS "=9"},
	};
	check(&takes_over, rows, ARRAY_SIZE(rows));
}

static void test_deflate_restricts_windows_as_the_pool_says(void **state)
{
	(void)state;
	static const struct offer_row rows[] = {
		/* unasked for ours, 7.1.2.1; never unasked for the client's, 7.1.2.2 */
		{PMD, PMD S_BITS "=11"},
		{PMD C_BITS, PMD S_BITS "=11" C_BITS "=10"},
		{PMD C_BITS "=15", PMD S_BITS "=11" C_BITS "=10"},
		{PMD C_BITS "=9", PMD S_BITS "=11" C_BITS "=9"},
		{PMD S_BITS "=15", PMD S_BITS "=11"},
		{PMD S_BITS "=9", PMD S_BITS "=9"},
	};
	check(&frugal, rows, ARRAY_SIZE(rows));
}

static void test_deflate_terms_hold_what_the_response_says(void **state)
{
	(void)state;
	char response[DEFLATE_RESPONSE_BYTES];
	struct deflate_terms terms;
	assert_int_equal(sizeof terms, 2);
	assert_true(deflate_negotiate(&frugal, PMD S_NO C_BITS "=9", response, &terms));
	assert_int_equal(terms.out_bits, 11);
	assert_int_equal(terms.in_bits, 9);
	assert_false(terms.has_out_takeover);
	assert_true(terms.has_in_takeover);

	/* A client that does not offer to restrict itself may use everything. */
	assert_true(deflate_negotiate(&frugal, PMD S_BITS "=8", response, &terms));
	assert_int_equal(terms.out_bits, 8);
	assert_int_equal(terms.in_bits, 15);
	assert_true(terms.has_out_takeover);
}

static void test_deflate_declines_all_when_it_is_off(void **state)
{
	(void)state;
	struct deflate_settings off = by_default;
	off.is_enabled = false;
	static const struct offer_row rows[] = {{PMD, NULL}, {PMD C_BITS, NULL}, {NULL, NULL}};
	check(&off, rows, ARRAY_SIZE(rows));
}

static void test_deflate_longest_response_fits(void **state)
{
	(void)state;
	struct deflate_settings most = by_default;
	most.in_bits = 14;
	char response[DEFLATE_RESPONSE_BYTES];
	struct deflate_terms terms;
	assert_true(deflate_negotiate(&most, PMD S_BITS "=15" C_BITS, response, &terms));
	assert_string_equal(response, PLAIN S_BITS "=15" C_BITS "=14");
}

/* Every prefix of a long offer, and every byte of it replaced: an answer or none, no fault. */
static void test_deflate_negotiation_survives_cut_and_changed_offers(void **state)
{
	(void)state;
	static const char whole[] = "foo; a=\"b\\c\", " PMD S_NO S_BITS "=\"1\\0\"" C_BITS ", " PMD;
	char response[DEFLATE_RESPONSE_BYTES];
	struct deflate_terms terms;
	for (size_t i = 0; i < sizeof whole - 1; i++) {
		char *copy = strndup(whole, i); /* its end is the end of the allocation */
		assert_non_null(copy);
		deflate_negotiate(&by_default, copy, response, &terms);
		free(copy);
		for (int byte = 1; byte < 256; byte++) {
			copy = strdup(whole);
			assert_non_null(copy);
			copy[i] = (char)byte;
			deflate_negotiate(&by_default, copy, response, &terms);
			free(copy);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deflate_answers_offers_by_the_rfc),
		cmocka_unit_test(test_deflate_offers_takeover_where_the_pool_allows_it),
		cmocka_unit_test(test_deflate_restricts_windows_as_the_pool_says),
		cmocka_unit_test(test_deflate_terms_hold_what_the_response_says),
		cmocka_unit_test(test_deflate_declines_all_when_it_is_off),
		cmocka_unit_test(test_deflate_longest_response_fits),
		cmocka_unit_test(test_deflate_negotiation_survives_cut_and_changed_offers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
