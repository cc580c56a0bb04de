/* SPDX-License-Identifier: MIT */
/*
 * session against hostile clients: random sequences of the frames in a table, which says by the
 * RFC's section (RFC 6455) how each one ends a session. The last frame of a sequence decides; read
 * in random cuts, whole and byte by byte, the session must end with it, so and not otherwise, and
 * agree in everything with the decoder of session_plain.h. BATON_HOSTILE_FRAMES=2000000 asks for a
 * long run.
 */
#include "hostile_talk.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	USUAL_FRAMES = 50000,
	MOST_FRAMES = 12,  /* of one sequence */
	MOST_USUAL = 3000, /* bytes: a sequence that has more gets no other frame */
	REPORTED_BYTES = 64,
};

static void talk_begin(struct talk *talk)
{
	talk->wire.len = 0;
	talk->message = 0;
	talk->announced = 0;
	talk->owed[0] = '\0';
	talk->frames = 0;
	talk->limits = (struct session_limits){0};
	if (one_in(2)) {
		talk->limits = (struct session_limits){450 + below(100), 600 + below(500)};
	}
}

/* A frame that may stand here; one that ends the session is rarer, and so is a huge one. */
static void say_something(struct talk *talk)
{
	const struct row *row;
	do {
		row = &table[below(ROWS)];
	} while ((row->ends != GOES_ON && !one_in(4)) ||
		 (row->payload == HUGE_PAYLOAD && !one_in(100)) || !talk_say(talk, row));
}

/* A client that does not know yet that the session has ended, or does not care. */
static void say_more(struct sequence *wire)
{
	size_t again = one_in(2) ? wire->len : below((uint32_t)wire->len);
	for (size_t i = 0; i < again && i < MOST_USUAL; i++) {
		put(wire, wire->bytes[i]);
	}
	for (uint32_t left = below(20); left > 0; left--) {
		put(wire, below(256));
	}
}

static void make_talk(struct talk *talk)
{
	talk_begin(talk);
	do {
		say_something(talk);
	} while (talk->last->ends == GOES_ON && talk->frames < MOST_FRAMES &&
		 talk->wire.len < MOST_USUAL);
	if (talk->last->ends != GOES_ON && one_in(2)) {
		say_more(&talk->wire);
	}
}

static void explain(const struct talk *talk, const char *what)
{
	char hex[3 * REPORTED_BYTES + 1] = "";
	size_t from = talk->wire.len > REPORTED_BYTES ? talk->wire.len - REPORTED_BYTES : 0;
	for (size_t i = from; i < talk->wire.len; i++) {
		snprintf(hex + 3 * (i - from), 4, "%02x ", talk->wire.bytes[i]);
	}
	fail_msg("%s: row %td, %s (RFC 6455, %s), limits %llu and %llu, %zu bytes, the last: %s",
		 what, talk->last - table, talk->last->says, talk->last->section,
		 (unsigned long long)talk->limits.frame_bytes,
		 (unsigned long long)talk->limits.message_bytes, talk->wire.len, hex);
}

/* The table's word: the last event is the end that it names, and no other is one. */
static bool ends_as_table_says(const struct talk *talk, const struct host_record *record)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct host_event *event = &record->events[i];
		bool is_last = i + 1 == record->count;
		if (event->kind == SESSION_CLOSE) {
			return is_last && talk->last->ends == CLOSES && event->code == talk->code;
		}
		if (event->kind == SESSION_ERROR) {
			return is_last && event->code == talk->last->ends;
		}
	}
	return talk->last->ends == GOES_ON;
}

static void check_host(const struct talk *talk, const struct host *host, const struct plain *plain)
{
	if (!ends_as_table_says(talk, &host->record)) {
		explain(talk, "does not end as the table says");
	}
	if (!record_equals(&host->record, &plain->record)) {
		explain(talk, "is not what the second decoder saw");
	}
}

static void check_talk(const struct talk *talk)
{
	static struct host host;
	static struct plain plain;
	plain_decode(&plain, talk->wire.bytes, talk->wire.len, &talk->limits);
	host_begin(&host, &talk->limits);
	feed_in_cuts(&host, &talk->wire);
	check_host(talk, &host, &plain);

	size_t step = one_in(3) && talk->wire.len < HUGE_BYTES ? 1 : talk->wire.len;
	host_begin(&host, &talk->limits);
	for (size_t at = 0; at < talk->wire.len; at += step) {
		host_feed(&host, talk->wire.bytes + at, step);
	}
	check_host(talk, &host, &plain);
}

static void test_session_ends_hostile_sequences_as_the_rfc_says(void **state)
{
	(void)state;
	static struct talk talk;
	const char *wanted = getenv("BATON_HOSTILE_FRAMES");
	unsigned long most = wanted != NULL ? strtoul(wanted, NULL, 10) : USUAL_FRAMES;
	unsigned long frames = 0, sequences = 0;
	for (; frames < most; frames += talk.frames, sequences++) {
		make_talk(&talk);
		check_talk(&talk);
	}
	unsigned rarest = UINT32_MAX;
	for (size_t i = 0; i < ROWS; i++) {
		rarest = talk.said[i] < rarest ? talk.said[i] : rarest;
	}
	print_message("%lu frames in %lu sequences; the rarest of %d rows came %u times\n", frames,
		      sequences, ROWS, rarest);
	assert_in_range(rarest, most / 10000, most);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_ends_hostile_sequences_as_the_rfc_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
