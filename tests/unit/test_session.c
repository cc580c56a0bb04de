/* SPDX-License-Identifier: MIT */
/*
 * session against tables written from RFC 6455. Every row runs whole, byte by byte, in two reads
 * cut at each place, and truncated at each length: the same events must come out.
 *
 * A row is bytes in hex, blanks ignored. m: a mask key, and what follows up to ; is masked with
 * it. 61*9: that byte nine times. !: the error must come with the byte before, no later and no
 * sooner. Expected: T or B for pieces, ^ where a message begins, $ where it ends.
 */
#include "session_host.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof(array)[0])

struct row {
	const char *wire, *expected;
	struct session_limits limits;
};

struct wire {
	size_t len;
	size_t refused_at; /* bytes until the error, 0: no error */
	uint8_t bytes[HOST_MAX_BYTES];
};

static void assemble(const char *text, struct wire *wire_r)
{
	static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
	bool masked = false;
	size_t begin = 0;
	wire_r->len = wire_r->refused_at = 0;
	while (*text != '\0') {
		if (*text == 'm') {
			memcpy(wire_r->bytes + wire_r->len, key, sizeof key);
			begin = wire_r->len += sizeof key;
			masked = true;
		} else if (*text == ';') {
			masked = false;
		} else if (*text == '!') {
			wire_r->refused_at = wire_r->len;
		} else if (isxdigit((unsigned char)*text)) {
			uint8_t byte = (uint8_t)strtoul((char[]){text[0], text[1], 0}, NULL, 16);
			char *after = (char *)++text + 1;
			unsigned long times = *after == '*' ? strtoul(after + 1, &after, 10) : 1;
			for (; times > 0; times--) {
				size_t i = wire_r->len++;
				wire_r->bytes[i] = byte ^ (masked ? key[(i - begin) % 4] : 0);
			}
			text = after - 1;
		}
		text++;
	}
}

static int render_bytes(char *to, size_t size, const uint8_t *at, size_t len)
{
	if (len > 16 && memcmp(at, at + 1, len - 1) == 0) {
		return snprintf(to, size, "%02x*%zu", at[0], len);
	}
	int used = 0;
	for (size_t i = 0; i < len && (size_t)used + 3 < size; i++) {
		used += snprintf(to + used, size - (size_t)used, "%02x", at[i]);
	}
	return used;
}

static void render(const struct host_record *record, char *to, size_t size)
{
	to[0] = '\0';
	for (size_t i = 0; i < record->count; i++) {
		const struct host_event *event = &record->events[i];
		char bytes[600] = "";
		render_bytes(bytes, sizeof bytes, record->bytes + event->at, event->len);
		int used = 0;
		switch (event->kind) {
		case SESSION_NEED_MORE:
			break;
		case SESSION_PIECE:
			used = snprintf(to, size, "%c%s%s%s",
					event->opcode == SESSION_TEXT ? 'T' : 'B',
					event->first ? "^" : "", bytes, event->last ? "$" : "");
			break;
		case SESSION_PING:
			used = snprintf(to, size, "ping(%s)", bytes);
			break;
		case SESSION_PONG:
			used = snprintf(to, size, "pong(%s)", bytes);
			break;
		case SESSION_CLOSE:
			used = snprintf(to, size, "close(%d%s%s)", event->code,
					event->len > 0 ? " " : "", bytes);
			break;
		case SESSION_ERROR:
			used = snprintf(to, size, "error(%d)", event->code);
			break;
		}
		to += used;
		size -= (size_t)used;
		if (i + 1 < record->count) {
			*to++ = ' ';
			size--;
			*to = '\0';
		}
	}
}

static void run_bytewise(struct host *host, const struct row *row, const struct wire *wire)
{
	size_t refused_at = 0;
	host_begin(host, &row->limits);
	for (size_t i = 0; i < wire->len; i++) {
		host_feed(host, wire->bytes + i, 1);
		const struct host_record *record = &host->record;
		if (refused_at == 0 && record->count > 0 &&
		    record->events[record->count - 1].kind == SESSION_ERROR) {
			refused_at = i + 1;
		}
	}
	if (refused_at != wire->refused_at) {
		fail_msg("refused with byte %zu, expected %zu: %s", refused_at, wire->refused_at,
			 row->wire);
	}
}

/* Of a long row only the ends and some places between. */
static bool is_cut(const struct wire *wire, size_t at)
{
	return wire->len < 300 || at < 30 || at + 30 > wire->len || at % 5003 == 0;
}

static void check_row(size_t index, const struct row *row)
{
	static struct wire wire;
	static struct host whole, host;
	assemble(row->wire, &wire);

	host_begin(&whole, &row->limits);
	host_feed(&whole, wire.bytes, wire.len);
	char rendered[1500];
	render(&whole.record, rendered, sizeof rendered);
	if (strcmp(rendered, row->expected) != 0) {
		fail_msg("row %zu: %s\n  expected %s\n  came     %s", index, row->wire,
			 row->expected, rendered);
	}
	run_bytewise(&host, row, &wire);
	if (!record_equals(&host.record, &whole.record)) {
		render(&host.record, rendered, sizeof rendered);
		fail_msg("row %zu, byte by byte: %s: %s", index, row->wire, rendered);
	}
	for (size_t cut = 0; cut <= wire.len; cut++) {
		if (!is_cut(&wire, cut)) {
			continue;
		}
		host_begin(&host, &row->limits);
		host_feed(&host, wire.bytes, cut);
		if (!record_precedes(&host.record, &whole.record)) {
			render(&host.record, rendered, sizeof rendered);
			fail_msg("row %zu, truncated to %zu: %s: %s", index, cut, row->wire,
				 rendered);
		}
		host_feed(&host, wire.bytes + cut, wire.len - cut);
		if (!record_equals(&host.record, &whole.record)) {
			render(&host.record, rendered, sizeof rendered);
			fail_msg("row %zu, cut at %zu: %s: %s", index, cut, row->wire, rendered);
		}
	}
}

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		check_row(i, &rows[i]);
	}
}

/* 5.2, 5.4, 5.5: must this first byte be refused, outside or inside a message? */
static bool first_byte_is_bad(unsigned byte, bool inside)
{
	unsigned opcode = byte & 15;
	if ((byte & 0x70) != 0 || (opcode > 2 && opcode < 8) || opcode > 10) {
		return true;
	}
	return opcode >= 8 ? (byte & 0x80) == 0 : (opcode == 0) != inside;
}

/* What a good frame with this first byte and the payload 0c 40, then a Ping, must give. */
static void expect_good_frame(unsigned byte, bool inside, char *to, size_t size)
{
	const char *before = inside ? "T^61 " : "", *end = byte & 0x80 ? "$" : "";
	switch (byte & 15) {
	case 8:
		snprintf(to, size, "%sclose(3136)", before);
		break;
	case 9:
		snprintf(to, size, "%sping(0c40) ping()", before);
		break;
	case 10:
		snprintf(to, size, "%spong(0c40) ping()", before);
		break;
	case 0:
		snprintf(to, size, "T^610c40%s ping()", end);
		break;
	default:
		snprintf(to, size, "%c^0c40%s ping()", (byte & 15) == 1 ? 'T' : 'B', end);
	}
}

static void test_session_judges_every_first_byte_and_mask_bit(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 256 * 4; i++) {
		unsigned byte = i & 255;
		bool masked = i & 256, inside = i & 512;
		char wire[100], expected[100] = "error(1002)";
		bool bad = first_byte_is_bad(byte, inside);
		if (!bad && masked) {
			expect_good_frame(byte, inside, expected, sizeof expected);
		}
		snprintf(wire, sizeof wire, "%s %02x %s %s 0c40; 89 80 m",
			 inside ? "01 81 m 61;" : "", byte, bad ? "!" : "",
			 masked ? "82 m"
			 : bad  ? "02"
				: "02 !");
		check_row(i, &(struct row){wire, expected, {0, 0}});
	}
}

static void test_session_reads_all_forms_of_length(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"82 80 m", "B^$", {0, 0}},
		{"81 80 m", "T^$", {0, 0}},
		{"82 81 m 61", "B^61$", {0, 0}},
		{"82 fd m 61*125", "B^61*125$", {0, 0}},
		{"82 fe 007e m 61*126", "B^61*126$", {0, 0}},
		{"82 fe 007f m 61*127", "B^61*127$", {0, 0}},
		{"81 fe ffff m 61*65535; 89 80 m", "T^61*65535$ ping()", {0, 0}},
		{"81 ff 0000000000010000 m 61*65536; 89 80 m", "T^61*65536$ ping()", {0, 0}},
		{"82 ff 4000000000000000 m 61", "B^61", {0, 0}},
		{"82 ff 7fffffffffffffff m 61*20", "B^61*20", {0, 0}},
		{"89 fd m 61*125; 8a fd m 62*125", "ping(61*125) pong(62*125)", {0, 0}},
		{"89 80 m; 89 80 m; 8a 80 m; 89 81 m 31", "ping() ping() pong() ping(31)", {0, 0}},
	};
	check_rows(rows, ARRAY_SIZE(rows));
}

static void test_session_refuses_bad_lengths(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"82 fe 0000 ! m", "error(1002)", {0, 0}},
		{"82 fe 007d ! m 61*125", "error(1002)", {0, 0}},
		{"82 ff 0000000000000000 ! m", "error(1002)", {0, 0}},
		{"82 ff 000000000000007d ! m 61*125", "error(1002)", {0, 0}},
		{"82 ff 000000000000ffff ! m 61*65535", "error(1002)", {0, 0}},
		{"82 ff 80 ! 00000000000000 m", "error(1002)", {0, 0}},
		{"82 ff ff ! ffffffffffffff m", "error(1002)", {0, 0}},
		{"82 7e ! 007e 61*126", "error(1002)", {0, 0}},
		{"89 fe ! 007e m 61*126", "error(1002)", {0, 0}},
		{"8a ff ! 000000000000007e m 61*126", "error(1002)", {0, 0}},
		{"88 fe ! 007e m 03e8 61*124", "error(1002)", {0, 0}},
	};
	check_rows(rows, ARRAY_SIZE(rows));
}

static void test_session_joins_fragments_with_control_frames_between(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"01 81 m 61; 00 81 m 62; 80 81 m 63", "T^616263$", {0, 0}},
		{"01 81 m 61; 89 81 m 70; 00 81 m 62; 8a 80 m; 80 81 m 63; 82 81 m 64",
		 "T^61 ping(70) T62 pong() T63$ B^64$",
		 {0, 0}},
		{"01 80 m; 00 80 m; 80 80 m", "T^$", {0, 0}},
		{"02 80 m; 89 80 m; 80 80 m", "B^ ping() B$", {0, 0}},
		{"02 80 m; 89 80 m; 00 81 m 61; 89 80 m; 00 80 m; 89 80 m; 80 80 m",
		 "B^ ping() B61 ping() B ping() B$",
		 {0, 0}},
		{"01 81 m 61; 88 82 m 03e8; 80 81 m 62", "T^61 close(1000)", {0, 0}},
		{"01 81 m 61; 89 80 m; 81 ! 81 m 62", "T^61 ping() error(1002)", {0, 0}},
		{"01 81 m 61; 80 81 m 62; 80 ! 81 m 63", "T^6162$ error(1002)", {0, 0}},
		{"82 81 m 61; 82 81 m 62; 81 81 m 63", "B^61$ B^62$ T^63$", {0, 0}},
	};
	check_rows(rows, ARRAY_SIZE(rows));
}

static void test_session_takes_utf8_cut_anywhere(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"81 8b m cebae1bdb9cf83cebcceb5", "T^cebae1bdb9cf83cebcceb5$", {0, 0}},
		{"01 81 m c3; 80 81 m a9", "T^c3a9$", {0, 0}},
		{"01 81 m f0; 00 81 m 9f; 89 82 m ffff; 00 80 m; 00 81 m 98; 80 81 m 80",
		 "T^f09f ping(ffff) T9880$",
		 {0, 0}},
		{"81 84 m f48fbfbf", "T^f48fbfbf$", {0, 0}},
		{"81 83 m ed9fbf; 81 83 m ee8080", "T^ed9fbf$ T^ee8080$", {0, 0}},
		{"81 83 m efbfbe; 81 81 m 00", "T^efbfbe$ T^00$", {0, 0}},
		{"82 84 m ff80c0ed", "B^ff80c0ed$", {0, 0}},
		{"02 81 m ff; 80 81 m c3; 81 81 m 61", "B^ffc3$ T^61$", {0, 0}},
	};
	check_rows(rows, ARRAY_SIZE(rows));
}

static void test_session_refuses_text_as_soon_as_it_is_no_utf8(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"81 81 m ff !", "error(1007)", {0, 0}},
		{"81 85 m 6180 ! 616161", "error(1007)", {0, 0}},
		{"81 83 m eda0 ! 80", "error(1007)", {0, 0}},       /* surrogates */
		{"81 86 m edbf ! bfedb080", "error(1007)", {0, 0}}, /* also in pairs */
		{"81 82 m c0 ! 80", "error(1007)", {0, 0}},         /* overlong */
		{"81 82 m c1 ! bf", "error(1007)", {0, 0}},
		{"81 83 m e09f ! bf", "error(1007)", {0, 0}},
		{"81 84 m f08f ! bfbf", "error(1007)", {0, 0}},
		{"81 84 m f490 ! 8080", "error(1007)", {0, 0}}, /* beyond U+10FFFF */
		{"81 84 m f5 ! 808080", "error(1007)", {0, 0}},
		{"81 83 m c361 ! 61", "error(1007)", {0, 0}},
		{"81 83 m e28261 !", "error(1007)", {0, 0}},
		{"81 81 m c3 !", "error(1007)", {0, 0}}, /* the end inside a character */
		{"81 84 m 61f09f98 !", "error(1007)", {0, 0}},
		{"01 81 m c3; 80 80 m !", "error(1007)", {0, 0}},
		{"01 81 m c3; 89 80 m; 00 81 m 61 !; 80 81 m 61",
		 "T^c3 ping() error(1007)",
		 {0, 0}},
		{"81 81 m 61; 81 81 m a9 !", "T^61$ error(1007)", {0, 0}},
		{"81 fe 0081 m 61*70 ff ! 61*58", "error(1007)", {0, 0}},
		{"81 ff 7fffffffffffffff m 61 80 ! 61*9", "error(1007)", {0, 0}},
	};
	check_rows(rows, ARRAY_SIZE(rows));
}

static void test_session_takes_good_closes_and_then_nothing_more(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"88 80 m", "close(1005)", {0, 0}},
		{"88 80 m; 89 80 m; 81 81 m 61; ff ff ff", "close(1005)", {0, 0}},
		{"88 82 m 03e8; 82 fd m 61*125", "close(1000)", {0, 0}},
		{"88 84 m 03e9 c3a9", "close(1001 c3a9)", {0, 0}},
		{"88 fd m 0fa0 61*123", "close(4000 61*123)", {0, 0}},
		{"82 81 m 61; 89 80 m; 88 82 m 03f3; 88 80 m", "B^61$ ping() close(1011)", {0, 0}},
	};
	check_rows(rows, ARRAY_SIZE(rows));
}

static void test_session_refuses_bad_closes(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"88 81 m 03 !", "error(1002)", {0, 0}},
		{"88 83 m 03e8ff !; 89 80 m", "error(1007)", {0, 0}},
		{"88 83 m 03e8c3 !", "error(1007)", {0, 0}},
		{"88 85 m 03e8eda080 !", "error(1007)", {0, 0}},
		{"88 83 m 03ecff !", "error(1002)", {0, 0}}, /* the code is judged first */
	};
	check_rows(rows, ARRAY_SIZE(rows));
}

static void test_session_judges_every_close_code(void **state)
{
	(void)state;
	static const struct {
		unsigned from, to;
	} good[] = {{1000, 1003}, {1007, 1014}, {3000, 4999}}; /* 7.4 and the registry */
	for (unsigned code = 0; code < 65536; code++) {
		bool expected = false;
		for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
			expected = expected || (code >= good[i].from && code <= good[i].to);
		}
		uint8_t frame[] = {0x88, 0x82, 0, 0, 0, 0, (uint8_t)(code >> 8), (uint8_t)code};
		struct session session = {0};
		struct session_limits limits = {0};
		struct session_piece piece;
		size_t used;
		enum session_event kind =
			session_next(&session, &limits, frame, sizeof frame, &used, &piece);
		if (session_code_is_valid(code) != expected ||
		    kind != (expected ? SESSION_CLOSE : SESSION_ERROR) ||
		    piece.code != (expected ? code : SESSION_PROTOCOL_ERROR)) {
			fail_msg("code %u: expected %d, event %d, code %d", code, expected, kind,
				 piece.code);
		}
	}
	assert_false(session_code_is_valid(65536 + 1000));
}

static void test_session_enforces_limits_before_the_payload(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"82 85 m 6161616161", "B^6161616161$", {5, 0}},
		{"82 86 ! m 61*6", "error(1009)", {5, 0}},
		{"82 85 m 6161616161", "B^6161616161$", {0, 5}},
		{"82 86 ! m 61*6", "error(1009)", {0, 5}},
		{"82 fe 007e ! m 61*126", "error(1009)", {0, 125}},
		{"82 ff 7fffffffffffffff ! m 61", "error(1009)", {0, 1000}},
		{"02 83 m 616263; 80 82 m 6465", "B^6162636465$", {3, 5}},
		{"02 83 m 616263; 89 80 m; 80 83 ! m 646566",
		 "B^616263 ping() error(1009)",
		 {3, 5}},
		{"02 81 m 61; 00 ff 7fffffffffffffff ! m 61", "error(1009)", {0, 5}},
		{"82 83 m 616263; 82 83 m 646566", "B^616263$ B^646566$", {0, 5}},
		{"82 83 m 616263; 02 82 m 6465; 80 83 m 666768", "B^616263$ B^6465666768$", {0, 5}},
		{"89 89 m 61*9; 81 81 m 61", "ping(616161616161616161) T^61$", {1, 1}},
		{"82 fe 0001 ! m 61", "error(1002)", {0, 1}},
		{"02 80 m; 00 80 m; 80 81 m 61", "B^61$", {1, 1}},
	};
	check_rows(rows, ARRAY_SIZE(rows));
}

static void test_session_survives_a_limit_that_shrinks_inside_a_message(void **state)
{
	(void)state;
	static struct host host;
	static struct wire wire;
	host_begin(&host, &(struct session_limits){0, 10});
	assemble("02 84 m 61626364;", &wire);
	host_feed(&host, wire.bytes, wire.len);
	host.limits.message_bytes = 3;
	assemble("80 80 m", &wire);
	host_feed(&host, wire.bytes, wire.len);
	assert_int_equal(host.record.count, 1);
	assert_int_equal(host.record.events[0].code, SESSION_TOO_BIG);
}

/* Each length on each alignment, in two reads: the mask goes on where the first one stopped. */
static void test_session_unmasks_every_length_and_cut(void **state)
{
	(void)state;
	enum { MOST = 150 };
	for (size_t len = 1; len <= MOST; len++) {
		for (size_t cut = 0; cut < len; cut++) {
			struct session session = {
				.frame_left = len,
				.mask = {0x80, 0x01, 0xfe, 0x3c},
				.message_opcode = SESSION_BINARY,
				.in_frame = true,
			};
			uint8_t buf[MOST + 16], mask[4];
			uint8_t *at = buf + len % 16;
			memcpy(mask, session.mask, sizeof mask);
			for (size_t i = 0; i < len; i++) {
				at[i] = (uint8_t)(i * 7) ^ mask[i % 4];
			}
			struct session_limits limits = {0};
			struct session_piece piece;
			size_t used;
			session_next(&session, &limits, at, cut, &used, &piece);
			assert_int_equal(used, cut);
			session_next(&session, &limits, at + cut, len - cut, &used, &piece);
			assert_int_equal(used, len - cut);
			assert_ptr_equal(piece.at, at + cut);
			for (size_t i = 0; i < len; i++) {
				assert_int_equal(at[i], (uint8_t)(i * 7));
			}
		}
	}
}

static void test_session_writes_minimal_headers(void **state)
{
	(void)state;
	static const struct {
		uint64_t bytes;
		size_t len;
		uint8_t expected[SESSION_MAX_OUT_HEADER];
	} rows[] = {
		{0, 2, {0x82, 0}},
		{125, 2, {0x82, 125}},
		{126, 4, {0x82, 126, 0, 126}},
		{0x1234, 4, {0x82, 126, 0x12, 0x34}},
		{65535, 4, {0x82, 126, 0xff, 0xff}},
		{65536, 10, {0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
		{0x0123456789abcdef, 10, {0x82, 127, 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t to[SESSION_MAX_OUT_HEADER] = {0};
		assert_int_equal(session_write_header(to, SESSION_BINARY, false, rows[i].bytes),
				 rows[i].len);
		assert_memory_equal(to, rows[i].expected, sizeof to);
		session_write_header(to, SESSION_CONTINUATION, true, rows[i].bytes);
		assert_int_equal(to[0], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_judges_every_first_byte_and_mask_bit),
		cmocka_unit_test(test_session_reads_all_forms_of_length),
		cmocka_unit_test(test_session_refuses_bad_lengths),
		cmocka_unit_test(test_session_joins_fragments_with_control_frames_between),
		cmocka_unit_test(test_session_takes_utf8_cut_anywhere),
		cmocka_unit_test(test_session_refuses_text_as_soon_as_it_is_no_utf8),
		cmocka_unit_test(test_session_takes_good_closes_and_then_nothing_more),
		cmocka_unit_test(test_session_refuses_bad_closes),
		cmocka_unit_test(test_session_judges_every_close_code),
		cmocka_unit_test(test_session_enforces_limits_before_the_payload),
		cmocka_unit_test(test_session_survives_a_limit_that_shrinks_inside_a_message),
		cmocka_unit_test(test_session_unmasks_every_length_and_cut),
		cmocka_unit_test(test_session_writes_minimal_headers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
