/* SPDX-License-Identifier: MIT */
/*
 * Tests of admit/proxy.c, in the manner of test_head.c: every row runs at every length, each time
 * in memory of exactly that size. A valid row says PROXY_NEED_MORE until its last byte; an invalid
 * one until the byte that decides, and PROXY_BAD ever after.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admit/proxy.h"

#include <stdlib.h>
#include <string.h>

#define ROWS(table)   (sizeof(table) / sizeof(table)[0])
#define LITERAL(text) text, sizeof(text) - 1

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define IPV4S     "\xc0\x00\x02\x01\xc6\x33\x64\x02" /* 192.0.2.1, 198.51.100.2 */
#define IPV6_1    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define IPV6_2    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define MAPPED    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"
#define PORTS     "\xd9\x03\x01\xbb" /* 55555, 443 */
#define TEN       "0123456789"
#define PATH      TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "01234567" /* 108 bytes */

static enum proxy_result parse_copy(const char *data, size_t len, struct proxy_header *header_r)
{
	char *copy = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	memcpy(copy, data, len);
	enum proxy_result result = proxy_parse(copy, len, header_r);
	free(copy);
	return result;
}

static void check_prefix(size_t row, const char *data, size_t len, enum proxy_result wanted)
{
	struct proxy_header header, untouched;
	memset(&header, 0xa5, sizeof header);
	memset(&untouched, 0xa5, sizeof untouched);
	enum proxy_result result = parse_copy(data, len, &header);
	if (result != wanted) {
		fail_msg("row %zu at %zu bytes: %d: %.*s", row, len, (int)result, (int)len, data);
	}
	if (result != PROXY_OK) {
		assert_memory_equal(&header, &untouched, sizeof header);
	}
}

struct valid_row {
	const char *data;
	size_t len;
	const char *client, *server; /* NULL: the header names nobody */
};

static const struct valid_row valid_rows[] = {
	{LITERAL("PROXY TCP4 192.0.2.1 198.51.100.2 55555 443\r\n"), "192.0.2.1:55555",
	 "198.51.100.2:443"},
	{LITERAL("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n"), "0.0.0.0:0",
	 "255.255.255.255:65535"},
	{LITERAL("PROXY TCP6 2001:db8::1 2001:DB8::2 1 2\r\n"), "[2001:db8::1]:1",
	 "[2001:db8::2]:2"},
	{LITERAL("PROXY TCP6 :: ::1 1 2\r\n"), "[::]:1", "[::1]:2"},
	{LITERAL("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	 "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
	 "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
	{LITERAL("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:6402 55555 443\r\n"), "192.0.2.1:55555",
	 "198.51.100.2:443"},
	{LITERAL("PROXY UNKNOWN\r\n"), NULL, NULL},
	{LITERAL("PROXY UNKNOWN \r\n"), NULL, NULL},
	{LITERAL("PROXY UNKNOWN 192.0.2.1 198.51.100.2 55555 443\r\n"), NULL, NULL},
	{LITERAL("PROXY UNKNOWN what\rever \0 it\nsays\r\n"), NULL, NULL},
	{LITERAL("PROXY UNKNOWN " TEN TEN TEN TEN TEN TEN TEN TEN TEN "x\r\n"), NULL, NULL},
	{LITERAL(SIGNATURE "\x21\x11\x00\x0c" IPV4S PORTS), "192.0.2.1:55555", "198.51.100.2:443"},
	{LITERAL(SIGNATURE "\x21\x21\x00\x24" IPV6_1 IPV6_2 PORTS), "[2001:db8::1]:55555",
	 "[2001:db8::2]:443"},
	{LITERAL(SIGNATURE "\x21\x21\x00\x24" MAPPED IPV6_2 PORTS), "192.0.2.1:55555",
	 "[2001:db8::2]:443"},
	{LITERAL(SIGNATURE "\x21\x31\x00\xd8" PATH PATH), "unix", "unix"},
	{LITERAL(SIGNATURE "\x21\x11\x00\x0f" IPV4S PORTS "\x04\x00\x00"), "192.0.2.1:55555",
	 "198.51.100.2:443"},
	{LITERAL(SIGNATURE "\x21\x11\x00\x1b" IPV4S PORTS "\x01\x00\x08http/1.1\xee\x00\x01x"),
	 "192.0.2.1:55555", "198.51.100.2:443"},
	{LITERAL(SIGNATURE "\x21\x00\x00\x00"), NULL, NULL},
	{LITERAL(SIGNATURE "\x21\x00\x00\x05"
			   "what?"),
	 NULL, NULL},
	{LITERAL(SIGNATURE "\x20\x00\x00\x00"), NULL, NULL},
	{LITERAL(SIGNATURE "\x20\x11\x00\x0c" IPV4S PORTS), NULL, NULL},
	{LITERAL(SIGNATURE "\x20\x77\x00\x03"
			   "abc"),
	 NULL, NULL},
};

static void check_address(size_t row, const struct address *address, const char *wanted)
{
	char text[ADDRESS_TEXT_BYTES];
	address_write(address, text);
	if (strcmp(text, wanted) != 0) {
		fail_msg("row %zu: %s instead of %s", row, text, wanted);
	}
}

static void test_proxy_reads_valid_headers_at_their_last_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(valid_rows); i++) {
		const struct valid_row *row = &valid_rows[i];
		struct proxy_header header;
		for (size_t len = 0; len < row->len; len++) {
			check_prefix(i, row->data, len, PROXY_NEED_MORE);
		}
		check_prefix(i, row->data, row->len, PROXY_OK);
		parse_copy(row->data, row->len, &header);
		assert_int_equal(header.bytes, row->len);
		assert_int_equal(header.is_local, row->client == NULL);
		if (row->client != NULL) {
			check_address(i, &header.client, row->client);
			check_address(i, &header.server, row->server);
		}
	}
}

static void test_proxy_leaves_what_follows_to_the_client(void **state)
{
	(void)state;
	static const char more[] = "\r\n\r\nPROXY GET / HTTP/1.1\r\n\r\n\x81\x80";
	for (size_t i = 0; i < ROWS(valid_rows); i++) {
		char data[512];
		struct proxy_header header;
		memcpy(data, valid_rows[i].data, valid_rows[i].len);
		memcpy(data + valid_rows[i].len, more, sizeof more);
		assert_int_equal(parse_copy(data, valid_rows[i].len + sizeof more, &header),
				 PROXY_OK);
		assert_int_equal(header.bytes, valid_rows[i].len);
	}
}

struct invalid_row {
	const char *data; /* up to and including the byte that decides */
	size_t len;
	const char *tail; /* makes it whole, had the byte been right */
	size_t tail_len;
};

#define BAD(until, tail)                      \
	{                                     \
		LITERAL(until), LITERAL(tail) \
	}

static const struct invalid_row invalid_rows[] = {
	BAD("G", "ET / HTTP/1.1\r\n\r\n"),
	BAD("\0", ""),
	BAD("\n", ""),
	BAD("p", "roxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY\t", "TCP4 1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY  ", "TCP4 1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY\r", "\n"),
	BAD("PROXY t", "cp4 1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY UD", "P4 1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP5", " 1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP\r", "\n"),
	BAD("PROXY TCP4\r", "\n"),
	BAD("PROXY TCP4  ", "1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.400", " 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 256", ".2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.02", ".3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.00", ".3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1..", "3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 .", "1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 +", "1.2.3.4 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.2.3 ", "1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4.", "5 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 0x", "7f.0.0.1 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 :", ":1 1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4\t", "1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4  ", "1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 01", " 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 00", " 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 65536", " 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 70000", " 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 99999", "99999 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 -", "1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1\r", "\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4  ", "1 2\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 ", "\r\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", ""),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx", "\n"),
	BAD("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\0", "\r\n"),
	BAD("PROXY TCP6 1.2.3.4 ", "1.2.3.4 1 2\r\n"),
	BAD("PROXY TCP6 ::1::2 ", "::1 1 2\r\n"),
	BAD("PROXY TCP6 12345:: ", "::1 1 2\r\n"),
	BAD("PROXY TCP6 [", "::1] ::1 1 2\r\n"),
	BAD("PROXY TCP6 fe80::1%", "lo ::1 1 2\r\n"),
	BAD("PROXY TCP6 ::1\0", " ::1 1 2\r\n"),
	BAD("PROXY TCP6  ", "::1 ::1 1 2\r\n"),
	BAD("PROXY TCP6 0000:0000:0000:0000:0000:0000:0000:0000:000000", "::"),
	BAD("PROXY UNKNOWNX", "\r\n"),
	BAD("PROXY UNKNOWN\n", ""),
	BAD("PROXY UNKNOWN\rx", "\n"),
	BAD("PROXY UNKNOWN " TEN TEN TEN TEN TEN TEN TEN TEN TEN "xyz", "\r\n"),
	BAD("\r\n\r\n\0\r\nQUIT\r", "\n"),
	BAD("\r\nG", "ET / HTTP/1.1\r\n\r\n"),
	BAD(SIGNATURE "\x11", "\x11\x00\x0c" IPV4S PORTS),
	BAD(SIGNATURE "\x31", "\x11\x00\x0c" IPV4S PORTS),
	BAD(SIGNATURE "\x22", "\x11\x00\x0c" IPV4S PORTS),
	BAD(SIGNATURE "\x27", "\x11\x00\x0c" IPV4S PORTS),
	BAD(SIGNATURE "\x21\x12", "\x00\x0c" IPV4S PORTS),
	BAD(SIGNATURE "\x21\x10", "\x00\x0c" IPV4S PORTS),
	BAD(SIGNATURE "\x21\x01", "\x00\x0c" IPV4S PORTS),
	BAD(SIGNATURE "\x21\x22", "\x00\x24" IPV6_1 IPV6_2 PORTS),
	BAD(SIGNATURE "\x21\x32", "\x00\xd8" PATH PATH),
	BAD(SIGNATURE "\x21\x41", "\x00\x0c" IPV4S PORTS),
	BAD(SIGNATURE "\x21\x71", "\x00\x0c" IPV4S PORTS),
	BAD(SIGNATURE "\x21\x11\x00\x0b", IPV4S PORTS),
	BAD(SIGNATURE "\x21\x11\x00\x00", IPV4S PORTS),
	BAD(SIGNATURE "\x21\x21\x00\x23", IPV6_1 IPV6_2 PORTS),
	BAD(SIGNATURE "\x21\x21\x00\x0c", IPV4S PORTS),
	BAD(SIGNATURE "\x21\x31\x00\xd7", PATH PATH),
	BAD(SIGNATURE "\x21\x11\x0f\xf1", IPV4S PORTS),
	BAD(SIGNATURE "\x20\x00\x0f\xf1", ""),
	BAD(SIGNATURE "\x21\x11\xff\xff", IPV4S PORTS),
	BAD(SIGNATURE "\x21\x11\x00\x0d", IPV4S PORTS "\x04"),
	BAD(SIGNATURE "\x21\x11\x00\x0e", IPV4S PORTS "\x04\x00"),
	BAD(SIGNATURE "\x21\x11\x00\x0f" IPV4S PORTS "\x04\x00\x01", ""),
	BAD(SIGNATURE "\x21\x11\x00\x10" IPV4S PORTS "\x04\x00\x00", "\x04"),
	BAD(SIGNATURE "\x21\x11\x00\x12" IPV4S PORTS "\x04\x00\x00\x04\x00\x04", "abcd"),
};

static void test_proxy_refuses_invalid_headers_at_the_byte_that_decides(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(invalid_rows); i++) {
		const struct invalid_row *row = &invalid_rows[i];
		char data[512];
		memcpy(data, row->data, row->len);
		memcpy(data + row->len, row->tail, row->tail_len);
		for (size_t len = 0; len <= row->len + row->tail_len; len++) {
			check_prefix(i, data, len, len < row->len ? PROXY_NEED_MORE : PROXY_BAD);
		}
	}
}

static void test_proxy_takes_the_largest_header(void **state)
{
	(void)state;
	enum { TLV_BYTES = PROXY_MAX_BYTES - 16 - 12 - 3 };
	static char data[PROXY_MAX_BYTES] = SIGNATURE "\x21\x11\x0f\xf0" IPV4S PORTS "\xea";
	struct proxy_header header;
	data[29] = (char)(TLV_BYTES >> 8);
	data[30] = (char)(TLV_BYTES & 0xff);
	check_prefix(0, data, sizeof data - 1, PROXY_NEED_MORE);
	assert_int_equal(parse_copy(data, sizeof data, &header), PROXY_OK);
	assert_int_equal(header.bytes, PROXY_MAX_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proxy_reads_valid_headers_at_their_last_byte),
		cmocka_unit_test(test_proxy_leaves_what_follows_to_the_client),
		cmocka_unit_test(test_proxy_refuses_invalid_headers_at_the_byte_that_decides),
		cmocka_unit_test(test_proxy_takes_the_largest_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
