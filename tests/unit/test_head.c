/* SPDX-License-Identifier: MIT */
/*
 * Tests of admit/head.c. Every row runs at every length from nothing to all of it, each time in
 * memory of exactly that size, so that a sanitizer sees a read beyond the end. A valid row must
 * say HEAD_NEED_MORE until its last byte; an invalid row is written in two parts, and must say
 * HEAD_NEED_MORE until the last byte of the first part and its refusal ever after.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admit/head.h"

#include <stdlib.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof(array)[0])
#define LITERAL(text)     text, sizeof(text) - 1

enum { LIMIT = 16384 };

/* Parses a copy of exactly len bytes; on HEAD_OK the slices are valid until the next call. */
static enum head_result parse_copy(const char *data, size_t len, size_t limit, struct head *head_r,
				   enum refusal *refusal_r)
{
	static char *copy;
	free(copy);
	copy = len > 0 ? malloc(len) : NULL;
	if (len > 0) {
		memcpy(copy, data, len);
	}
	enum head_result result = head_parse(len > 0 ? copy : "", len, limit, head_r, refusal_r);
	if (result != HEAD_OK) {
		free(copy);
		copy = NULL;
	}
	return result;
}

static void check_prefix(const char *rfc, size_t row, const char *data, size_t len,
			 enum head_result wanted, enum refusal wanted_refusal)
{
	struct head head;
	struct head untouched;
	memset(&head, 0xa5, sizeof head);
	memset(&untouched, 0xa5, sizeof untouched);
	enum refusal refusal = REFUSAL_COUNT;
	enum head_result result = parse_copy(data, len, LIMIT, &head, &refusal);
	if (result != wanted || (result == HEAD_BAD && refusal != wanted_refusal)) {
		print_error("row %zu (RFC %s) at %zu bytes: %.*s\n", row, rfc, len, (int)len, data);
	}
	assert_int_equal(result, wanted);
	assert_int_equal(refusal, result == HEAD_BAD ? wanted_refusal : REFUSAL_COUNT);
	if (result != HEAD_OK) {
		assert_memory_equal(&head, &untouched, sizeof head);
	}
}

struct valid_row {
	const char *rfc, *data;
	size_t len;
	const char *method, *target;
	unsigned field_count;
	const char *last_name, *last_value;
};

static const struct valid_row valid_rows[] = {
	{"9112 2.1", LITERAL("GET / HTTP/1.1\r\n\r\n"), "GET", "/", 0, NULL, NULL},
	{"9112 2.1", LITERAL("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "GET", "/", 1, "Host", "a"},
	{"9112 3", LITERAL("GET /a?b=c HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n"), "GET", "/a?b=c", 2, "C",
	 "d"},
	{"9112 3.1", LITERAL("get / HTTP/1.1\r\n\r\n"), "get", "/", 0, NULL, NULL},
	{"9110 5.6.2", LITERAL("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n\r\n"), "!#$%&'*+-.^_`|~09azAZ",
	 "/", 0, NULL, NULL},
	{"9112 3.2.2", LITERAL("GET http://a/b HTTP/1.1\r\n\r\n"), "GET", "http://a/b", 0, NULL,
	 NULL},
	{"9112 3.2.3", LITERAL("CONNECT a:1 HTTP/1.1\r\n\r\n"), "CONNECT", "a:1", 0, NULL, NULL},
	{"9112 3.2.4", LITERAL("OPTIONS * HTTP/1.1\r\n\r\n"), "OPTIONS", "*", 0, NULL, NULL},
	{"5234 B.1", LITERAL("GET !\"#~ HTTP/1.1\r\n\r\n"), "GET", "!\"#~", 0, NULL, NULL},
	{"9112 5", LITERAL("GET / HTTP/1.1\r\nHost:a\r\n\r\n"), "GET", "/", 1, "Host", "a"},
	{"9112 5.1", LITERAL("GET / HTTP/1.1\r\nA: \t b \t \r\n\r\n"), "GET", "/", 1, "A", "b"},
	{"9112 5.1", LITERAL("GET / HTTP/1.1\r\nA: b \t c\r\n\r\n"), "GET", "/", 1, "A", "b \t c"},
	{"9110 5.5", LITERAL("GET / HTTP/1.1\r\nA:\r\n\r\n"), "GET", "/", 1, "A", ""},
	{"9110 5.5", LITERAL("GET / HTTP/1.1\r\nA: \t \r\n\r\n"), "GET", "/", 1, "A", ""},
	{"9110 5.5", LITERAL("GET / HTTP/1.1\r\nA: \x80\xff\r\n\r\n"), "GET", "/", 1, "A",
	 "\x80\xff"},
	{"9110 5.5", LITERAL("GET / HTTP/1.1\r\nA: :\"<>[]{}@\r\n\r\n"), "GET", "/", 1, "A",
	 ":\"<>[]{}@"},
	{"9110 5.1", LITERAL("GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~0aA: b\r\n\r\n"), "GET", "/", 1,
	 "!#$%&'*+-.^_`|~0aA", "b"},
};

static void check_valid(size_t index, const struct valid_row *row)
{
	struct head head;
	enum refusal refusal;
	for (size_t len = 0; len < row->len; len++) {
		check_prefix(row->rfc, index, row->data, len, HEAD_NEED_MORE, REFUSAL_NONE);
	}
	check_prefix(row->rfc, index, row->data, row->len, HEAD_OK, REFUSAL_NONE);
	assert_int_equal(parse_copy(row->data, row->len, LIMIT, &head, &refusal), HEAD_OK);
	assert_int_equal(head.bytes, row->len);
	assert_true(slice_equals(head.method, row->method));
	assert_true(slice_equals(head.target, row->target));
	assert_int_equal(head.field_count, row->field_count);
	if (row->field_count > 0) {
		assert_true(slice_equals(head.fields[head.field_count - 1].name, row->last_name));
		assert_non_null(head.fields[head.field_count - 1].value.at);
		assert_true(slice_equals(head.fields[head.field_count - 1].value, row->last_value));
	}
}

static void test_head_accepts_valid_heads_at_their_last_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(valid_rows); i++) {
		check_valid(i, &valid_rows[i]);
	}
}

struct invalid_row {
	const char *rfc, *data; /* up to and including the byte that decides */
	size_t len;
	const char *tail; /* makes it a whole head, had the byte been right */
	size_t tail_len;
	enum refusal refusal;
};

#define LINE "GET / HTTP/1.1\r\n"
#define END  "\r\n\r\n"
#define BAD(rfc, until, tail, refusal)                      \
	{                                                   \
		rfc, LITERAL(until), LITERAL(tail), refusal \
	}

static const struct invalid_row invalid_rows[] = {
	BAD("9112 2.2", "\r", "\nGET / HTTP/1.1" END, REFUSAL_BAD_LINE),
	BAD("9112 2.2", "\n", "GET / HTTP/1.1" END, REFUSAL_BARE_LF),
	BAD("9112 2.2", " ", "GET / HTTP/1.1" END, REFUSAL_BAD_LINE),
	BAD("9112 2.2", "GET / HTTP/1.1\n", "\n", REFUSAL_BARE_LF),
	BAD("9112 2.2", "GET / HTTP/1.1\rA", ": b" END, REFUSAL_BARE_LF),
	BAD("9112 2.2", "GET / HTTP/1.1\r\r", "\n\r\n", REFUSAL_BARE_LF),
	BAD("9112 2.2", LINE "A: b\n", "\r\n", REFUSAL_BARE_LF),
	BAD("9112 2.2", LINE "A: b\rc", END, REFUSAL_BARE_LF),
	BAD("9112 2.2", LINE "A: b\r\r", "\n\r\n", REFUSAL_BARE_LF),
	BAD("9112 2.2", LINE "A\n", ": b" END, REFUSAL_BARE_LF),
	BAD("9112 2.2", LINE "A: b\r\n\n", "", REFUSAL_BARE_LF),
	BAD("9112 2.2", LINE "A: b\r\n\rx", "\n", REFUSAL_BARE_LF),
	BAD("9112 2.2", LINE "\n", "", REFUSAL_BARE_LF),
	BAD("9112 2.2", "GET\n", "", REFUSAL_BARE_LF),
	BAD("9112 2.2", "GET /\n", "", REFUSAL_BARE_LF),
	BAD("9112 2.2", "GET / HT\n", "", REFUSAL_BARE_LF),
	BAD("9112 2.2", LINE " ", "A: b" END, REFUSAL_OBS_FOLD),
	BAD("9112 3", "GET\r", "\n\r\n", REFUSAL_BAD_LINE),
	BAD("9112 3", "GET /\r", "\n\r\n", REFUSAL_BAD_LINE),
	BAD("9112 3", "GET  ", "/ HTTP/1.1" END, REFUSAL_BAD_LINE),
	BAD("9112 3", "GET /  ", "HTTP/1.1" END, REFUSAL_BAD_LINE),
	BAD("9112 3", "GET / HTTP/1.1 ", END, REFUSAL_BAD_LINE),
	BAD("9112 3", "GET / x", " HTTP/1.1" END, REFUSAL_BAD_LINE),
	BAD("9112 3.1", "GET\t", "/ HTTP/1.1" END, REFUSAL_BAD_METHOD),
	BAD("9112 3.1", "G(", "T / HTTP/1.1" END, REFUSAL_BAD_METHOD),
	BAD("9112 3.1", "G\x80", "T / HTTP/1.1" END, REFUSAL_BAD_METHOD),
	BAD("8446 5.1", "\x16", "\x03\x01\x02\x00", REFUSAL_BAD_METHOD),
	BAD("9112 3.2", "GET /a\t", " HTTP/1.1" END, REFUSAL_BAD_TARGET),
	BAD("9112 3.2", "GET /\x7f", " HTTP/1.1" END, REFUSAL_BAD_TARGET),
	BAD("9112 3.2", "GET /\xc3", "\xa4 HTTP/1.1" END, REFUSAL_BAD_TARGET),
	BAD("9112 3.2", "GET /\x01", " HTTP/1.1" END, REFUSAL_BAD_TARGET),
	BAD("9112 2.3", "GET / HTTP/1.0", END, REFUSAL_VERSION),
	BAD("9112 2.3", "GET / HTTP/1.2", END, REFUSAL_VERSION),
	BAD("9112 2.3", "GET / HTTP/0.9", END, REFUSAL_VERSION),
	BAD("9113 3.4", "PRI * HTTP/2.0", END "SM" END, REFUSAL_VERSION),
	BAD("9112 2.3", "GET / h", "ttp/1.1" END, REFUSAL_BAD_LINE),
	BAD("9112 2.3", "GET / HTTP/1,", "1" END, REFUSAL_BAD_LINE),
	BAD("9112 2.3", "GET / HTTP/1.x", END, REFUSAL_BAD_LINE),
	BAD("9112 2.3", "GET / HTTP/1.10", END, REFUSAL_BAD_LINE),
	BAD("9112 2.3", "GET / HTTP/1\r", "\n\r\n", REFUSAL_BAD_LINE),
	BAD("9112 2.3", "GET / HTTPS", "/1.1" END, REFUSAL_BAD_LINE),
	BAD("9112 5", LINE ":", " b" END, REFUSAL_BAD_FIELD),
	BAD("9112 5", LINE "A\r", "\n\r\n", REFUSAL_BAD_FIELD),
	BAD("9112 5.1", LINE "A ", ": b" END, REFUSAL_BAD_FIELD),
	BAD("9112 5.1", LINE "A\t", ": b" END, REFUSAL_BAD_FIELD),
	BAD("9110 5.1", LINE "A(", ": b" END, REFUSAL_BAD_FIELD),
	BAD("9110 5.1", LINE "A\xe4", ": b" END, REFUSAL_BAD_FIELD),
	BAD("9110 5.1", LINE "A: b\r\nC\x7f", ": d" END, REFUSAL_BAD_FIELD),
	BAD("9110 5.5", LINE "A: \x01", END, REFUSAL_BAD_FIELD),
	BAD("9110 5.5", LINE "A: b\x7f", END, REFUSAL_BAD_FIELD),
	BAD("9110 5.5", LINE "A: b\x1b", "[0m" END, REFUSAL_BAD_FIELD),
	BAD("9112 5.2", LINE "A: b\r\n ", "c" END, REFUSAL_OBS_FOLD),
	BAD("9112 5.2", LINE "A: b\r\n\t", "c" END, REFUSAL_OBS_FOLD),
	BAD("9110 5.5", "\0", "GET / HTTP/1.1" END, REFUSAL_NUL),
	BAD("9110 5.5", "GET /\0", " HTTP/1.1" END, REFUSAL_NUL),
	BAD("9110 5.5", "GET / HTTP\0", "/1.1" END, REFUSAL_NUL),
	BAD("9110 5.5", "GET / HTTP/1.1\0", END, REFUSAL_NUL),
	BAD("9110 5.5", LINE "A\0", ": b" END, REFUSAL_NUL),
	BAD("9110 5.5", LINE "A: b\0", END, REFUSAL_NUL),
	BAD("9110 5.5", LINE "\0", END, REFUSAL_NUL),
};

static void check_invalid(size_t index, const struct invalid_row *row)
{
	char whole[256];
	size_t len = row->len + row->tail_len;
	assert_true(len <= sizeof whole);
	memcpy(whole, row->data, row->len);
	memcpy(whole + row->len, row->tail, row->tail_len);
	for (size_t i = 0; i <= len; i++) {
		check_prefix(row->rfc, index, whole, i, i < row->len ? HEAD_NEED_MORE : HEAD_BAD,
			     row->refusal);
	}
}

static void test_head_refuses_invalid_heads_at_the_byte_that_decides(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(invalid_rows); i++) {
		check_invalid(i, &invalid_rows[i]);
	}
}

static void test_head_leaves_early_frames_out(void **state)
{
	(void)state;
	static const char data[] = LINE "A: b" END "\x81\x85\0\r\n\n";
	struct head head;
	enum refusal refusal;
	assert_int_equal(head_parse(LITERAL(data), LIMIT, &head, &refusal), HEAD_OK);
	assert_int_equal(head.bytes, strlen(LINE "A: b" END));
}

/* Writes prefix, then count times fill, then suffix; gives the length. */
static size_t build(char *buf, const char *prefix, char fill, size_t count, const char *suffix)
{
	size_t len = strlen(prefix);
	memcpy(buf, prefix, len);
	memset(buf + len, fill, count);
	memcpy(buf + len + count, suffix, strlen(suffix));
	return len + count + strlen(suffix);
}

static void test_head_accepts_the_longest_target_and_refuses_one_byte_more(void **state)
{
	(void)state;
	static char data[LIMIT];
	struct head head;
	enum refusal refusal;
	size_t len = build(data, "GET ", '/', HEAD_MAX_TARGET, " HTTP/1.1" END);
	assert_int_equal(head_parse(data, len, LIMIT, &head, &refusal), HEAD_OK);
	assert_int_equal(head.target.len, HEAD_MAX_TARGET);
	assert_int_equal(head_parse(data, 4 + HEAD_MAX_TARGET, LIMIT, &head, &refusal),
			 HEAD_NEED_MORE);
	len = build(data, "GET ", '/', HEAD_MAX_TARGET + 1, " HTTP/1.1" END);
	assert_int_equal(head_parse(data, len, LIMIT, &head, &refusal), HEAD_BAD);
	assert_int_equal(refusal, REFUSAL_TARGET_TOO_LONG);
	refusal = REFUSAL_NONE;
	assert_int_equal(head_parse(data, 4 + HEAD_MAX_TARGET + 1, LIMIT, &head, &refusal),
			 HEAD_BAD);
	assert_int_equal(refusal, REFUSAL_TARGET_TOO_LONG);
}

static void test_head_accepts_a_head_of_the_limit_and_refuses_one_byte_more(void **state)
{
	(void)state;
	static const char data[] = LINE "Host: example.org" END;
	const size_t len = sizeof data - 1;
	struct head head;
	for (size_t limit = 0; limit < len + 3; limit++) {
		for (size_t given = 0; given <= len; given++) {
			enum refusal refusal = REFUSAL_NONE;
			enum head_result result = head_parse(data, given, limit, &head, &refusal);
			bool full = given >= limit && limit < len;
			assert_int_equal(result, full ? HEAD_BAD
						      : (given < len ? HEAD_NEED_MORE : HEAD_OK));
			assert_int_equal(refusal, full ? REFUSAL_HEAD_TOO_LARGE : REFUSAL_NONE);
		}
	}
}

static void test_head_reports_a_fault_before_the_limit_and_none_behind_it(void **state)
{
	(void)state;
	static const char data[] = LINE "A: b\0" END;
	struct head head;
	enum refusal refusal;
	assert_int_equal(head_parse(LITERAL(data), strlen(LINE "A: b") + 1, &head, &refusal),
			 HEAD_BAD);
	assert_int_equal(refusal, REFUSAL_NUL);
	assert_int_equal(head_parse(LITERAL(data), strlen(LINE "A: b"), &head, &refusal), HEAD_BAD);
	assert_int_equal(refusal, REFUSAL_HEAD_TOO_LARGE);
}

static void test_head_accepts_a_hundred_fields_and_refuses_one_more(void **state)
{
	(void)state;
	static char data[LIMIT];
	struct head head;
	enum refusal refusal;
	size_t len = build(data, LINE, 'x', 0, "");
	for (unsigned i = 0; i < HEAD_MAX_FIELDS; i++) {
		len += build(data + len, "a: b\r\n", 'x', 0, "");
	}
	assert_int_equal(head_parse(data, len, LIMIT, &head, &refusal), HEAD_NEED_MORE);
	size_t whole = len + build(data + len, "\r\n", 'x', 0, "");
	assert_int_equal(head_parse(data, whole, LIMIT, &head, &refusal), HEAD_OK);
	assert_int_equal(head.field_count, HEAD_MAX_FIELDS);
	build(data + len, "a", 'x', 0, "");
	assert_int_equal(head_parse(data, len + 1, LIMIT, &head, &refusal), HEAD_BAD);
	assert_int_equal(refusal, REFUSAL_TOO_MANY_FIELDS);
}

static void test_head_finds_the_first_field_and_counts_all(void **state)
{
	(void)state;
	struct head head;
	enum refusal refusal;
	unsigned count = 7;
	assert_int_equal(
		head_parse(LITERAL(LINE "a: 1\r\nB: 2\r\nA: 3\r\nc:" END), LIMIT, &head, &refusal),
		HEAD_OK);
	assert_true(slice_equals(head_find(&head, "A", &count), "1"));
	assert_int_equal(count, 2);
	assert_true(slice_equals(head_find(&head, "b", NULL), "2"));
	assert_non_null(head_find(&head, "C", &count).at);
	assert_int_equal(count, 1);
	assert_null(head_find(&head, "D", &count).at);
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head_accepts_valid_heads_at_their_last_byte),
		cmocka_unit_test(test_head_refuses_invalid_heads_at_the_byte_that_decides),
		cmocka_unit_test(test_head_leaves_early_frames_out),
		cmocka_unit_test(test_head_accepts_the_longest_target_and_refuses_one_byte_more),
		cmocka_unit_test(test_head_accepts_a_head_of_the_limit_and_refuses_one_byte_more),
		cmocka_unit_test(test_head_reports_a_fault_before_the_limit_and_none_behind_it),
		cmocka_unit_test(test_head_accepts_a_hundred_fields_and_refuses_one_more),
		cmocka_unit_test(test_head_finds_the_first_field_and_counts_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
