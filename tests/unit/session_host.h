/* SPDX-License-Identifier: MIT */
/*
 * A little host of the session engine for its tests: feeds bytes read by read, keeps the tail
 * between reads as a real host must, and writes down what happened. Pieces of one message that
 * follow each other become one, so that two ways to cut the same bytes give the same record.
 * What had come of a message when an error cut it off depends on the reads: it is forgotten.
 */
#ifndef TESTS_SESSION_HOST_H
#define TESTS_SESSION_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "libbaton/session.h"

enum { HOST_MAX_BYTES = 70000, HOST_MAX_EVENTS = 64 };

struct host_event {
	enum session_event kind;
	uint8_t opcode;
	bool first, last;
	uint16_t code;
	size_t at, len; /* in bytes of the record */
};

struct host_record {
	size_t count, used;
	struct host_event events[HOST_MAX_EVENTS];
	uint8_t bytes[HOST_MAX_BYTES];
};

struct host {
	struct session session;
	struct session_limits limits;
	size_t tail;
	uint8_t buf[HOST_MAX_BYTES + SESSION_MAX_TAIL];
	struct host_record record;
};

static inline void host_begin(struct host *host, const struct session_limits *limits)
{
	memset(&host->session, 0, sizeof host->session);
	host->limits = *limits;
	host->tail = 0;
	host->record.count = 0;
	host->record.used = 0;
}

static inline void record_forget_unfinished(struct host_record *record)
{
	if (record->count == 0) {
		return;
	}
	const struct host_event *last = &record->events[record->count - 1];
	if (last->kind == SESSION_PIECE && !last->last) {
		record->used = last->at;
		record->count--;
	}
}

static inline void record_add(struct host_record *record, enum session_event kind,
			      const struct session_piece *piece)
{
	if (kind == SESSION_ERROR) {
		record_forget_unfinished(record);
	}
	struct host_event *last = record->count > 0 ? &record->events[record->count - 1] : NULL;
	size_t len = kind == SESSION_ERROR ? 0 : piece->len; /* the sentence is for people */
	assert_in_range(record->used + len, 0, sizeof record->bytes);
	memcpy(record->bytes + record->used, piece->at, len);
	record->used += len;
	if (kind == SESSION_PIECE && last != NULL && last->kind == SESSION_PIECE && !last->last) {
		assert_false(piece->first);
		assert_int_equal(piece->opcode, last->opcode);
		last->len += len;
		last->last = piece->last;
		return;
	}
	assert_in_range(record->count, 0, HOST_MAX_EVENTS - 1);
	struct host_event *event = &record->events[record->count++];
	*event = (struct host_event){.kind = kind, .at = record->used - len, .len = len};
	event->code = kind == SESSION_CLOSE || kind == SESSION_ERROR ? piece->code : 0;
	if (kind == SESSION_PIECE) {
		event->opcode = piece->opcode;
		event->first = piece->first;
		event->last = piece->last;
	}
}

/* An empty piece only where the peer sent an empty frame; a sentence with every error. */
static inline void host_check_piece(const struct host *host, enum session_event kind,
				    const struct session_piece *piece, const uint8_t *at,
				    size_t used)
{
	if (kind == SESSION_ERROR) {
		assert_non_null(piece->at);
		assert_int_equal(piece->len, strlen((const char *)piece->at));
		assert_in_range(piece->len, 1, SESSION_MAX_CONTROL - 2);
	} else {
		assert_true(piece->at >= at && piece->at + piece->len <= at + used);
	}
	if (kind == SESSION_PIECE && piece->len == 0) {
		assert_int_equal(used, 2 + 4);
	}
	assert_int_equal(host->session.ended, kind == SESSION_CLOSE || kind == SESSION_ERROR);
}

static inline void host_feed(struct host *host, const uint8_t *data, size_t len)
{
	memcpy(host->buf + host->tail, data, len);
	uint8_t *at = host->buf;
	size_t left = host->tail + len;
	for (;;) {
		struct session_piece piece;
		size_t used;
		bool ended = host->session.ended;
		enum session_event kind =
			session_next(&host->session, &host->limits, at, left, &used, &piece);
		assert_in_range(used, 0, left);
		if (kind != SESSION_NEED_MORE) {
			assert_false(ended);
			host_check_piece(host, kind, &piece, at, used);
			record_add(&host->record, kind, &piece);
		}
		at += used;
		left -= used;
		if (kind == SESSION_NEED_MORE) {
			assert_true(left == 0 || !ended);
			break;
		}
	}
	assert_in_range(left, 0, SESSION_MAX_TAIL);
	memmove(host->buf, at, left);
	host->tail = left;
}

static inline bool host_event_equals(const struct host_record *a, const struct host_record *b,
				     size_t i)
{
	const struct host_event *x = &a->events[i], *y = &b->events[i];
	return x->kind == y->kind && x->opcode == y->opcode && x->first == y->first &&
	       x->last == y->last && x->code == y->code && x->len == y->len &&
	       memcmp(a->bytes + x->at, b->bytes + y->at, x->len) == 0;
}

static inline bool record_equals(const struct host_record *a, const struct host_record *b)
{
	if (a->count != b->count) {
		return false;
	}
	for (size_t i = 0; i < a->count; i++) {
		if (!host_event_equals(a, b, i)) {
			return false;
		}
	}
	return true;
}

/* Is it what had happened at some moment before whole? */
static inline bool record_precedes(const struct host_record *begun, const struct host_record *whole)
{
	for (size_t i = 0; i < begun->count; i++) {
		if (i == whole->count) {
			return false;
		}
		const struct host_event *x = &begun->events[i], *y = &whole->events[i];
		if (i + 1 == begun->count && x->kind == SESSION_PIECE && !x->last) {
			return y->kind == SESSION_ERROR || /* which cut it off */
			       (y->kind == SESSION_PIECE && x->opcode == y->opcode &&
				x->first == y->first && x->len <= y->len &&
				memcmp(begun->bytes + x->at, whole->bytes + y->at, x->len) == 0);
		}
		if (!host_event_equals(begun, whole, i)) {
			return false;
		}
	}
	return true;
}

#endif
