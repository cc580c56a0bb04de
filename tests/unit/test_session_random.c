/* SPDX-License-Identifier: MIT */
/*
 * session against the second decoder of session_plain.h: 100,000 random sequences of frames with
 * random faults, read in random cuts and broken off anywhere, must give the same events in both.
 * The seed is fixed.
 */
#include "session_sequence.h"

enum { SEQUENCES = 100000 };

/* What is sent: mostly good. */

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

static size_t make_doubtful_text(uint8_t *to, size_t most)
{
	size_t len = make_text(to, most);
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
	size_t len = one_in(4) ? below(3) : 2 + make_doubtful_text(payload + 2, below(40));
	put_frame(to, 0x88, payload, len);
}

static void put_message(struct sequence *to)
{
	uint8_t payload[400];
	size_t most = one_in(8) ? 120 + below(280) : below(24);
	unsigned opcode = one_in(3) ? 2 : 1;
	size_t len = make_doubtful_text(payload, most), at = 0;
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

		plain_decode(&plain, sequence.bytes, sequence.len, &limits);
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
