/* SPDX-License-Identifier: MIT */
/*
 * A second decoder of a client's frames, to check session.c against: slow, holds everything, and
 * written for the tests alone. Shares nothing with the engine but the names of the events, and
 * notes them as session_host.h does.
 */
#ifndef TESTS_SESSION_PLAIN_H
#define TESTS_SESSION_PLAIN_H

#include "session_host.h"

enum { MAX_WIRE = 69000 }; /* of one sequence: one frame of a 64-bit length fits */

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

static inline enum verdict text_verdict(const uint8_t *at, size_t len)
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

static inline struct host_event *note(struct plain *plain, enum session_event kind, unsigned code,
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

static inline struct host_event *unfinished_piece(struct plain *plain)
{
	struct host_record *record = &plain->record;
	struct host_event *event = record->count > 0 ? &record->events[record->count - 1] : NULL;
	return event != NULL && event->kind == SESSION_PIECE && !event->last ? event : NULL;
}

/* This and what follows: false when nothing more can come. */
static inline bool plain_refuse(struct plain *plain, unsigned code)
{
	struct host_event *cut_off = unfinished_piece(plain);
	if (cut_off != NULL) {
		plain->record.used = cut_off->at;
		plain->record.count--;
	}
	note(plain, SESSION_ERROR, code, NULL, 0);
	return false;
}

static inline bool plain_control(struct plain *plain, unsigned opcode, const uint8_t *payload,
				 size_t len)
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
static inline bool plain_data(struct plain *plain, bool final, const uint8_t *payload, size_t len,
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
static inline bool plain_head_is_bad(const struct plain *plain, unsigned byte)
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

static inline bool plain_frame(struct plain *plain)
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

/* Decodes all of wire; what happened is in plain->record. */
static inline void plain_decode(struct plain *plain, const uint8_t *wire, size_t len,
				const struct session_limits *limits)
{
	plain->wire = wire;
	plain->len = len;
	plain->limits = *limits;
	plain->at = 0;
	plain->message = 0;
	plain->record.count = plain->record.used = 0;
	while (plain_frame(plain)) {
	}
}

#endif
