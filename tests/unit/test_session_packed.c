/* SPDX-License-Identifier: MIT */
/*
 * RSV1 in the session engine (RFC 7692, 6): where it may stand, what it does to limits and to the
 * check of text. All else is in test_session.c. Nothing here is deflated: the engine never looks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libbaton/deflate.h"
#include "libbaton/session.h"

#include <stdio.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

struct frame {
	uint8_t first_byte;
	uint8_t len;
	uint8_t byte; /* len times */
};

struct row {
	bool may_pack;
	uint64_t limit;
	struct frame frames[4]; /* up to one whose first byte is 0 */
	const char *expected;
};

static size_t write_frames(uint8_t *to, const struct row *row)
{
	size_t at = 0;
	for (size_t i = 0; i < LENGTH(row->frames); i++) {
		const struct frame *frame = &row->frames[i];
		if (frame->first_byte == 0 && frame->len == 0) {
			break;
		}
		to[at++] = frame->first_byte;
		to[at++] = 0x80 | frame->len;
		memset(to + at, 0, 4); /* a mask that changes nothing */
		memset(to + at + 4, frame->byte, frame->len);
		at += 4u + frame->len;
	}
	return at;
}

static void render(char *to, size_t size, enum session_event event,
		   const struct session_piece *piece)
{
	if (event == SESSION_ERROR) {
		snprintf(to, size, "error(%d) ", piece->code);
	} else if (event == SESSION_PIECE) {
		snprintf(to, size, "%c%s%s%zu%s ", piece->opcode == SESSION_TEXT ? 'T' : 'B',
			 piece->packed ? "z" : "", piece->first ? "^" : "", piece->len,
			 piece->last ? "$" : "");
	} else {
		snprintf(to, size, "event(%d) ", event);
	}
}

static void run(const struct row *row, size_t index)
{
	uint8_t wire[1024];
	char got[256] = "";
	struct session session = {.may_pack = row->may_pack};
	const struct session_limits limits = {.message_bytes = row->limit};
	size_t len = write_frames(wire, row), used;
	uint8_t *at = wire;
	struct session_piece piece;
	enum session_event event;
	while ((event = session_next(&session, &limits, at, len, &used, &piece)) !=
	       SESSION_NEED_MORE) {
		render(got + strlen(got), sizeof got - strlen(got), event, &piece);
		at += used;
		len -= used;
	}
	if (strcmp(got, row->expected) != 0) {
		fail_msg("row %zu: got %s, not %s", index, got, row->expected);
	}
}

static void test_session_passes_rsv1_where_it_was_agreed(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{true, 0, {{0xc1, 3, 'a'}}, "Tz^3$ "},
		{true, 0, {{0xc2, 0, 0}}, "Bz^0$ "},
		{true, 0, {{0x81, 3, 'a'}}, "T^3$ "},
		{true, 0, {{0x41, 3, 'a'}, {0x80, 2, 'b'}}, "Tz^3 Tz2$ "},
		{true, 0, {{0xc1, 1, 'a'}, {0x81, 2, 'b'}}, "Tz^1$ T^2$ "},
		{true, 0, {{0x81, 1, 'a'}, {0xc2, 2, 'b'}}, "T^1$ Bz^2$ "},
		{true, 0, {{0x41, 1, 'a'}, {0x89, 1, 'p'}, {0x80, 1, 'b'}}, "Tz^1 event(2) Tz1$ "},
		/* what is packed need not be UTF-8 */
		{true, 0, {{0xc1, 3, 0xff}}, "Tz^3$ "},
		{true, 0, {{0x41, 1, 0xc3}, {0x80, 1, 0xff}}, "Tz^1 Tz1$ "},
		{true, 0, {{0xc1, 1, 0xff}, {0x81, 1, 0xff}}, "Tz^1$ error(1007) "},
	};
	for (size_t i = 0; i < LENGTH(rows); i++) {
		run(&rows[i], i);
	}
}

static void test_session_refuses_rsv1_elsewhere(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{false, 0, {{0xc1, 3, 'a'}}, "error(1002) "},
		{false, 0, {{0xc2, 3, 'a'}}, "error(1002) "},
		{true, 0, {{0xc8, 0, 0}}, "error(1002) "},
		{true, 0, {{0xc9, 1, 'p'}}, "error(1002) "},
		{true, 0, {{0xca, 1, 'p'}}, "error(1002) "},
		{true, 0, {{0xc0, 1, 'a'}}, "error(1002) "},
		{true, 0, {{0xc3, 1, 'a'}}, "error(1002) "},
		{true, 0, {{0x41, 1, 'a'}, {0xc0, 1, 'a'}}, "Tz^1 error(1002) "},
		{true, 0, {{0x01, 1, 'a'}, {0xc0, 1, 'a'}}, "T^1 error(1002) "},
		{true, 0, {{0x41, 1, 'a'}, {0xc1, 1, 'a'}}, "Tz^1 error(1002) "},
		{true, 0, {{0xa1, 1, 'a'}}, "error(1002) "},
		{true, 0, {{0x91, 1, 'a'}}, "error(1002) "},
		{true, 0, {{0xe1, 1, 'a'}}, "error(1002) "},
		{true, 0, {{0xd2, 1, 'a'}}, "error(1002) "},
		{true, 0, {{0xf1, 1, 'a'}}, "error(1002) "},
	};
	for (size_t i = 0; i < LENGTH(rows); i++) {
		run(&rows[i], i);
	}
}

/* Of 16 bytes an honest client may make 81. */
static void test_session_limits_what_is_packed_by_what_it_may_hold(void **state)
{
	(void)state;
	assert_int_equal(deflate_packed_limit(16), 81);
	static const struct row rows[] = {
		{true, 16, {{0xc2, 81, 'a'}}, "Bz^81$ "},
		{true, 16, {{0xc2, 82, 'a'}}, "error(1009) "},
		{true, 16, {{0x42, 80, 'a'}, {0x80, 1, 'a'}}, "Bz^80 Bz1$ "},
		{true, 16, {{0x42, 80, 'a'}, {0x80, 2, 'a'}}, "Bz^80 error(1009) "},
		{true, 16, {{0xc2, 81, 'a'}, {0x82, 17, 'a'}}, "Bz^81$ error(1009) "},
		{true, 16, {{0x82, 16, 'a'}, {0xc2, 81, 'a'}}, "B^16$ Bz^81$ "},
		{true, 0, {{0xc2, 125, 'a'}}, "Bz^125$ "},
	};
	for (size_t i = 0; i < LENGTH(rows); i++) {
		run(&rows[i], i);
	}
}

static void test_session_writes_rsv1_with_the_opcode(void **state)
{
	(void)state;
	uint8_t to[SESSION_MAX_OUT_HEADER];
	session_write_header(to, SESSION_TEXT | SESSION_PACKED, false, 1);
	assert_int_equal(to[0], 0xc1);
	session_write_header(to, SESSION_BINARY | SESSION_PACKED, true, 70000);
	assert_int_equal(to[0], 0x42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_passes_rsv1_where_it_was_agreed),
		cmocka_unit_test(test_session_refuses_rsv1_elsewhere),
		cmocka_unit_test(test_session_limits_what_is_packed_by_what_it_may_hold),
		cmocka_unit_test(test_session_writes_rsv1_with_the_opcode),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
