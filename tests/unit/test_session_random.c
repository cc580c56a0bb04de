/* SPDX-License-Identifier: MIT */
/*
 * session against a second decoder, which is slow, holds everything and was written for this test
 * alone: 100,000 random sequences of frames with random faults, read in random cuts and broken off
 * anywhere, must give the same events in both. The seed is fixed.
 */
#include "session_host.h"

enum { SEQUENCES = 100000, MAX_WIRE = 4096 };

static uint64_t seed = 0x6261746f6e;

static uint32_t below(uint32_t bound)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % bound;
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

/* The second decoder. */

enum verdict {
	VERDICT_BAD,
	VERDICT_BEGUN,
	VERDICT_WHOLE,
};

/* The well-formed byte sequences, Unicode 15, table 3-7. */
static const struct {
	uint8_t len, from[4], to[4];
} well_formed[] = {
	{1, {0x00}, {0x7f}},
	{2, {0xc2, 0x80}, {0xdf, 0xbf}},
	{3, {0xe0, 0xa0, 0x80}, {0xe0, 0xbf, 0xbf}},
	{3, {0xe1, 0x80, 0x80}, {0xec, 0xbf, 0xbf}},
	{3, {0xed, 0x80, 0x80}, {0xed, 0x9f, 0xbf}},
	{3, {0xee, 0x80, 0x80}, {0xef, 0xbf, 0xbf}},
	{4, {0xf0, 0x90, 0x80, 0x80}, {0xf0, 0xbf, 0xbf, 0xbf}},
	{4, {0xf1, 0x80, 0x80, 0x80}, {0xf3, 0xbf, 0xbf, 0xbf}},
	{4, {0xf4, 0x80, 0x80, 0x80}, {0xf4, 0x8f, 0xbf, 0xbf}},
};

static enum verdict text_verdict(const uint8_t *at, size_t len)
{
	size_t i = 0;
	while (i < len) {
		size_t row = 0, rows = sizeof well_formed / sizeof well_formed[0], fits = 0;
		for (; row < rows; row++) {
			for (fits = 0; fits < well_formed[row].len && i + fits < len; fits++) {
				if (at[i + fits] < well_formed[row].from[fits] ||
				    at[i + fits] > well_formed[row].to[fits]) {
					break;
				}
			}
			if (fits == well_formed[row].len || i + fits == len) {
				break;
			}
		}
		if (row == rows) {
			return VERDICT_BAD;
		}
		if (fits < well_formed[row].len) {
			return VERDICT_BEGUN;
		}
		i += fits;
	}
	return VERDICT_WHOLE;
}

struct plain {
	const uint8_t *wire;
	size_t len, at;
	struct session_limits limits;
	unsigned message; /* its opcode, 0 outside one */
	bool begun;       /* a part of it was noted */
	uint64_t announced;
	uint8_t text[MAX_WIRE]; /* all payload of the message */
	size_t text_len;
	struct host_record record;
};

static struct host_event *note(struct plain *plain, enum session_event kind, unsigned code,
			       const uint8_t *at, size_t len)
{
	struct host_record *record = &plain->record;
	assert_in_range(record->count, 0, HOST_MAX_EVENTS - 1);
	struct host_event *event = &record->events[record->count++];
	*event = (struct host_event){.kind = kind, .at = record->used, .len = len};
	event->code = (uint16_t)code;
	for (size_t i = 0; i < len; i++) {
		record->bytes[record->used++] = at[i];
	}
	return event;
}

static struct host_event *unfinished_piece(struct plain *plain)
{
	struct host_record *record = &plain->record;
	struct host_event *event = record->count > 0 ? &record->events[record->count - 1] : NULL;
	return event != NULL && event->kind == SESSION_PIECE && !event->last ? event : NULL;
}

/* This and what follows: false when nothing more can come. */
static bool plain_refuse(struct plain *plain, unsigned code)
{
	struct host_event *cut_off = unfinished_piece(plain);
	if (cut_off != NULL) {
		plain->record.used = cut_off->at;
		plain->record.count--;
	}
	note(plain, SESSION_ERROR, code, NULL, 0);
	return false;
}

static bool plain_control(struct plain *plain, unsigned opcode, const uint8_t *payload, size_t len)
{
	if (opcode != 8) {
		note(plain, opcode == 9 ? SESSION_PING : SESSION_PONG, 0, payload, len);
		return true;
	}
	if (len == 0) {
		note(plain, SESSION_CLOSE, 1005, NULL, 0);
		return false;
	}
	unsigned code = len > 1 ? payload[0] * 256u + payload[1] : 0;
	if (code < 1000 || code > 4999 || (code > 1014 && code < 3000) ||
	    (code >= 1004 && code <= 1006)) {
		return plain_refuse(plain, 1002);
	}
	if (text_verdict(payload + 2, len - 2) != VERDICT_WHOLE) {
		return plain_refuse(plain, 1007);
	}
	note(plain, SESSION_CLOSE, code, payload + 2, len - 2);
	return false;
}

/* What came of a data frame's payload: all of it, or the input ends with it. */
static bool plain_data(struct plain *plain, bool final, const uint8_t *payload, size_t len,
		       bool is_all)
{
	memcpy(plain->text + plain->text_len, payload, len);
	plain->text_len += len;
	if (plain->message == 1) {
		enum verdict verdict = text_verdict(plain->text, plain->text_len);
		if (verdict == VERDICT_BAD || (final && is_all && verdict != VERDICT_WHOLE)) {
			return plain_refuse(plain, 1007);
		}
	}
	if (len == 0 && !is_all) {
		return false;
	}
	struct host_event *event = unfinished_piece(plain);
	if (event != NULL) {
		memcpy(plain->record.bytes + plain->record.used, payload, len);
		plain->record.used += len;
		event->len += len;
	} else {
		event = note(plain, SESSION_PIECE, 0, payload, len);
		event->opcode = (uint8_t)plain->message;
		event->first = !plain->begun;
	}
	event->last = final && is_all;
	plain->begun = true;
	if (event->last) {
		plain->message = 0;
	}
	return is_all;
}

/* Is the first byte wrong here? */
static bool plain_head_is_bad(const struct plain *plain, unsigned byte)
{
	static const char sorts[] = "cdd-----xxx-----"; /* continuation, data, control */
	switch (sorts[byte % 16]) {
	case 'c':
		return byte / 16 % 8 != 0 || plain->message == 0;
	case 'd':
		return byte / 16 % 8 != 0 || plain->message != 0;
	case 'x':
		return byte / 16 != 8;
	default:
		return true;
	}
}

static bool plain_frame(struct plain *plain)
{
	const uint8_t *wire = plain->wire + plain->at;
	size_t have = plain->len - plain->at;
	if (have >= 1 && plain_head_is_bad(plain, wire[0])) {
		return plain_refuse(plain, 1002);
	}
	if (have < 2) {
		return false;
	}
	unsigned opcode = wire[0] % 16, form = wire[1] - 128u;
	if (wire[1] < 128 || (opcode >= 8 && form > 125) ||
	    (form == 127 && have > 2 && wire[2] > 127)) {
		return plain_refuse(plain, 1002);
	}
	size_t head = form == 127 ? 10 : form == 126 ? 4 : 2;
	if (have < head) {
		return false;
	}
	uint64_t bytes = head == 2 ? form : 0;
	for (size_t i = 2; i < head; i++) {
		bytes = bytes * 256 + wire[i];
	}
	if (form != (bytes > 65535 ? 127 : bytes > 125 ? 126 : bytes)) {
		return plain_refuse(plain, 1002);
	}
	if (opcode < 8) {
		uint64_t total = bytes + (opcode == 0 ? plain->announced : 0);
		if ((plain->limits.frame_bytes != 0 && bytes > plain->limits.frame_bytes) ||
		    (plain->limits.message_bytes != 0 && total > plain->limits.message_bytes)) {
			return plain_refuse(plain, 1009);
		}
	}
	if (have < head + 4) {
		return false;
	}
	size_t take = bytes < have - head - 4 ? (size_t)bytes : have - head - 4;
	uint8_t payload[MAX_WIRE];
	for (size_t i = 0; i < take; i++) {
		payload[i] = wire[head + 4 + i] ^ wire[head + i % 4];
	}
	plain->at += head + 4 + take;
	if (opcode >= 8) {
		return take == bytes && plain_control(plain, opcode, payload, take);
	}
	if (opcode != 0) {
		plain->message = opcode;
		plain->begun = false;
		plain->announced = 0;
		plain->text_len = 0;
	}
	plain->announced += bytes;
	return plain_data(plain, wire[0] > 127, payload, take, take == bytes);
}

/* What is sent: mostly good. */

struct sequence {
	size_t len;
	uint8_t bytes[MAX_WIRE];
};

static void put(struct sequence *to, unsigned byte)
{
	assert_in_range(to->len, 0, MAX_WIRE - 1);
	to->bytes[to->len++] = (uint8_t)byte;
}

static void put_frame(struct sequence *to, unsigned first, const uint8_t *payload, size_t len)
{
	size_t form = len < 126 ? len : 126;
	if (one_in(150)) {
		form = 126 + below(2);
	}
	put(to, one_in(150) ? below(256) : first);
	put(to, (unsigned)form + (one_in(300) ? 0 : 128));
	for (int shift = form == 127 ? 56 : form == 126 ? 8 : -8; shift >= 0; shift -= 8) {
		put(to, (unsigned)((uint64_t)len >> shift));
	}
	uint8_t mask[4];
	for (size_t i = 0; i < 4; i++) {
		mask[i] = (uint8_t)below(256);
		put(to, mask[i]);
	}
	for (size_t i = 0; i < len; i++) {
		put(to, payload[i] ^ mask[i % 4]);
	}
}

static size_t make_text(uint8_t *to, size_t most)
{
	size_t len = 0;
	bool is_ascii = one_in(3);
	while (len + 4 <= most) {
		size_t row = is_ascii ? 0 : below(sizeof well_formed / sizeof well_formed[0]);
		for (size_t i = 0; i < well_formed[row].len; i++) {
			unsigned from = well_formed[row].from[i];
			to[len++] = (uint8_t)(from + below(well_formed[row].to[i] - from + 1u));
		}
	}
	if (len > 0 && one_in(12)) {
		to[below((uint32_t)len)] = (uint8_t)(0x80 + below(128));
	}
	return len;
}

static void put_control(struct sequence *to)
{
	uint8_t payload[125];
	size_t len = one_in(8) ? below(126) : below(6);
	for (size_t i = 0; i < len; i++) {
		payload[i] = (uint8_t)below(256);
	}
	put_frame(to, one_in(3) ? 0x8a : 0x89, payload, len);
}

static void put_close(struct sequence *to)
{
	static const unsigned codes[] = {0,    999,  1000, 1004, 1005, 1014,
					 1015, 2999, 3000, 4999, 5000};
	uint8_t payload[42];
	unsigned code = one_in(2) ? codes[below(11)] : 1000 + below(12);
	payload[0] = (uint8_t)(code >> 8);
	payload[1] = (uint8_t)code;
	size_t len = one_in(4) ? below(3) : 2 + make_text(payload + 2, below(40));
	put_frame(to, 0x88, payload, len);
}

static void put_message(struct sequence *to)
{
	uint8_t payload[400];
	size_t most = one_in(8) ? 120 + below(280) : below(24);
	unsigned opcode = one_in(3) ? 2 : 1;
	size_t len = make_text(payload, most), at = 0;
	for (bool final = false; !final;) {
		size_t part = one_in(2) ? len - at : below((uint32_t)(len - at) + 1);
		final = at + part == len && !one_in(8);
		put_frame(to, opcode | (final ? 0x80 : 0), payload + at, part);
		at += part;
		opcode = 0;
		if (one_in(4)) {
			put_control(to);
		}
	}
}

static void make_sequence(struct sequence *to)
{
	to->len = 0;
	for (uint32_t i = 1 + below(4); i > 0; i--) {
		put_message(to);
		if (one_in(4)) {
			put_control(to);
		}
	}
	if (one_in(3)) {
		put_close(to);
		put_message(to);
	}
	for (uint32_t flips = one_in(2) ? 0 : below(3); flips > 0; flips--) {
		to->bytes[below((uint32_t)to->len)] ^= (uint8_t)(1u << below(8));
	}
	if (one_in(3)) {
		to->len = below((uint32_t)to->len + 1);
	}
}

static void feed_in_cuts(struct host *host, const struct sequence *sequence)
{
	uint32_t most = one_in(3) ? 3 : one_in(2) ? 40 : MAX_WIRE;
	for (size_t at = 0; at < sequence->len;) {
		size_t part = 1 + below(most);
		part = part < sequence->len - at ? part : sequence->len - at;
		host_feed(host, sequence->bytes + at, part);
		at += part;
	}
}

static void test_session_agrees_with_a_second_decoder(void **state)
{
	(void)state;
	static struct sequence sequence;
	static struct host host;
	static struct plain plain;
	unsigned errors[3] = {0}, closes = 0;
	for (unsigned i = 0; i < SEQUENCES; i++) {
		make_sequence(&sequence);
		struct session_limits limits = {0};
		if (one_in(4)) {
			limits = (struct session_limits){below(30), below(60)};
		}
		host_begin(&host, &limits);
		feed_in_cuts(&host, &sequence);

		plain.wire = sequence.bytes;
		plain.len = sequence.len;
		plain.limits = limits;
		plain.at = 0;
		plain.message = 0;
		plain.record.count = plain.record.used = 0;
		while (plain_frame(&plain)) {
		}
		if (!record_equals(&host.record, &plain.record)) {
			fail_msg("sequence %u of %zu bytes: %zu events, expected %zu", i,
				 sequence.len, host.record.count, plain.record.count);
		}
		const struct host_record *record = &plain.record;
		const struct host_event *end = &record->events[record->count - (record->count > 0)];
		if (record->count > 0 && end->kind == SESSION_ERROR) {
			errors[end->code == 1002 ? 0 : end->code == 1007 ? 1 : 2]++;
		}
		closes += record->count > 0 && end->kind == SESSION_CLOSE;
	}
	/* The comparison is worth something only if every end was often seen. */
	assert_in_range(errors[0], 10000, SEQUENCES);
	assert_in_range(errors[1], 5000, SEQUENCES);
	assert_in_range(errors[2], 5000, SEQUENCES);
	assert_in_range(closes, 5000, SEQUENCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_agrees_with_a_second_decoder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
