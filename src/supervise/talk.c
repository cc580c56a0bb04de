/* SPDX-License-Identifier: MIT */
/*
 * What children say: see talk.h. One function a message; a child may be wrong, broken or hostile,
 * so everything is checked against what it was offered and what it owns before it counts. Called by
 * child.c; calls handover.c (receipts), the ledger and the journal (ends).
 */
#include "supervise/talk.h"

#include "config/config.h"
#include "handoff/pairs.h"
#include "journal.h"
#include "pool/ledger.h"
#include "supervise/answer.h"
#include "supervise/heartbeat.h"
#include "supervise/supervisor.h"

#include <errno.h>
#include <string.h>

enum {
	/* LOG and unknown messages between two heartbeats: more is a flood. */
	MAX_IDLE_TALK = 1000,
	/* Messages of a dead child that are read: more than its queue can hold. */
	MAX_LAST_MESSAGES = 10000,
};

static void handle_ready(struct child *child, const struct handoff_message *message)
{
	const struct config_pool *config = child->receiver.pool->config;
	uint64_t capacity;
	if (!handoff_pairs_number(message->payload, message->payload_bytes, "CAPACITY",
				  config->capacity, &capacity) ||
	    capacity == 0) {
		child_condemn(child, "READY with a CAPACITY that is no number, or 0");
	} else if (child->state == CHILD_STARTING) {
		child_become_ready(child, capacity);
	} else if (child->state == CHILD_READY) {
		child_condemn(child, "READY twice");
	} /* else it was told to stop in the meantime */
}

static void handle_taken(struct child *child, const struct handoff_message *message)
{
	if (!handover_taken(&child->receiver, message->id)) {
		child_condemn(child, "TAKEN for a connection that it was not offered");
		return;
	}
	child->told_full = false;
}

static void tell_full(struct child *child)
{
	const struct seat *seat = &child->receiver.seat;
	if (!child->told_full) {
		child->told_full = true;
		child_log(child, LOG_WARN, "child-full",
			  "reason=\"REFUSED without a STATUS: no room\" connections=%u capacity=%u",
			  seat->live, seat->capacity);
	}
}

static void handle_refused(struct child *child, const struct handoff_message *message)
{
	const struct seat *seat = &child->receiver.seat;
	const bool was_full = seat->is_full;
	uint64_t status;
	if (handoff_number(message, "LEAVING", 0) != 0 && child->state == CHILD_READY) {
		child_log(child, LOG_INFO, "child-leaves", "connections=%u", seat->live);
		child_drain(child); /* before the offer is dealt again: it may wait for a successor */
	}
	if (!handoff_pairs_number(message->payload, message->payload_bytes, "STATUS", 0, &status) ||
	    (status != 0 && (status < 400 || status > 599))) {
		child_condemn(child, "REFUSED with a STATUS outside of 400 to 599");
	} else if (!handover_refused(&child->receiver, message->id, (int)status)) {
		child_condemn(child, "REFUSED for a connection that it was not offered");
	} else if (status == 0 && !was_full && seat->state != SEAT_SHUT) {
		tell_full(child);
		heartbeat_ask_soon(child);
	}
}

/* Reports of ended connections. False: one of them is not this child's; those before it count. */
static bool bury_reported(struct child *child, const struct handoff_message *message)
{
	const struct receiver *receiver = &child->receiver;
	for (size_t at = 0; at < message->payload_bytes; at += HANDOFF_CLOSED_BYTES) {
		struct handoff_closed report;
		handoff_closed_read(message->payload + at, &report);
		struct record *record = ledger_find(child->supervisor->ledger, report.id);
		if (record == NULL || record->pool != receiver->pool->index ||
		    record->seat != receiver->seat.index) {
			return false;
		}
		child_bury(child, record, &report);
	}
	return true;
}

static void handle_closed(struct child *child, const struct handoff_message *message)
{
	if (message->payload_bytes == 0 || message->payload_bytes % HANDOFF_CLOSED_BYTES != 0) {
		child_condemn(child, "CLOSED of a wrong length");
	} else if (!bury_reported(child, message)) {
		child_condemn(child, "CLOSED for a connection that is not its own");
	} else {
		child->receiver.seat.is_full = false;
		handover_serve(&child->receiver);
	}
}

static void handle_pong(struct child *child, const struct handoff_message *message)
{
	if (!child->ping_waits || child->ping_unsent) {
		child_condemn(child, "PONG without PING");
		return;
	}
	uint64_t lag_ms, skipped;
	if (!handoff_pairs_number(message->payload, message->payload_bytes, "LAG_MS", 0, &lag_ms) ||
	    !handoff_pairs_number(message->payload, message->payload_bytes, "SKIPPED", 0,
				  &skipped)) {
		child_condemn(child, "PONG with a LAG_MS or SKIPPED that is no number");
		return;
	}
	child->lag_ms = lag_ms;
	child->skipped = skipped;
	child->ping_waits = false;
	child->pong_ms = loop_now_ms(child->supervisor->loop);
	child->receiver.seat.is_full = false;
	handover_serve(&child->receiver);
}

static bool is_flood(struct child *child)
{
	if (++child->idle_talk > MAX_IDLE_TALK) {
		child_condemn(child, "a flood of messages");
		return true;
	}
	return false;
}

/* An answer may come when its client has been sent away, at the deadline; but no more of them than
 * were asked, or it is idle talk. */
static void handle_answer(struct child *child, const struct handoff_message *message)
{
	struct receiver *receiver = &child->receiver;
	struct handover_answer answer;
	if (child->state == CHILD_KILLED) {
		return; /* whoever is killed for what it said is not believed who may come in */
	}
	const char *fault = answer_read(message, &answer);
	if (fault != NULL) {
		child_condemn(child, fault);
	} else if (!handover_answered(receiver, message->id, &answer)) {
		if (receiver->unanswered > 0) {
			receiver->unanswered--;
		} else {
			is_flood(child);
		}
	}
}

static void handle_log(struct child *child, const struct handoff_message *message)
{
	char text[LOG_TEXT_BYTES];
	const char *line = handoff_pairs_find(message->payload, message->payload_bytes, "TEXT");
	line = line != NULL ? line : "";
	if (!is_flood(child)) {
		child_log(child, LOG_INFO, "child-log", "text=%s",
			  log_quote(text, line, strlen(line)));
	}
}

static void handle_unknown(struct child *child, const struct handoff_message *message)
{
	if (!is_flood(child)) {
		child_log(child, LOG_WARN, "child-message-unknown", "type=%u action=ignore",
			  message->type);
	}
}

/* ---- which message is whose ---- */

enum speaker {
	SPEAKER_ANY,   /* about itself and this moment: from a dead child it means nothing */
	SPEAKER_TAKER, /* who takes connections is not asked, */
	SPEAKER_ASKED, /* and who is asked takes none */
};

static const struct rule {
	enum speaker speaker;
	bool has_pairs;
	void (*handle)(struct child *, const struct handoff_message *);
} rules[] = {
	[HANDOFF_READY] = {SPEAKER_ANY, true, handle_ready},
	[HANDOFF_TAKEN] = {SPEAKER_TAKER, true, handle_taken},
	[HANDOFF_REFUSED] = {SPEAKER_TAKER, true, handle_refused},
	[HANDOFF_CLOSED] = {SPEAKER_TAKER, false, handle_closed},
	[HANDOFF_PONG] = {SPEAKER_ANY, true, handle_pong},
	[HANDOFF_LOG] = {SPEAKER_ANY, true, handle_log},
	[HANDOFF_ALLOW] = {SPEAKER_ASKED, true, handle_answer},
	[HANDOFF_DENY] = {SPEAKER_ASKED, true, handle_answer},
};

/* Types of a newer version may carry anything: only what we know is checked. */
static const struct rule *rule_of(const struct handoff_message *message)
{
	static const struct rule unknown = {SPEAKER_ANY, false, handle_unknown};
	const bool is_known = message->type < sizeof rules / sizeof rules[0] &&
			      rules[message->type].handle != NULL;
	return is_known ? &rules[message->type] : &unknown;
}

static void handle_message(struct child *child, const struct handoff_message *message)
{
	const bool is_asked = child->receiver.pool->config->kind == CONFIG_KIND_AUTH;
	const struct rule *rule = rule_of(message);
	if (rule->speaker == (is_asked ? SPEAKER_TAKER : SPEAKER_ASKED)) {
		child_condemn(child, "a message that children of this kind of pool do not send");
	} else if (rule->has_pairs &&
		   !handoff_pairs_are_valid(message->payload, message->payload_bytes)) {
		child_condemn(child, "a payload that is not KEY=VALUE pairs");
	} else {
		rule->handle(child, message);
	}
}

/* It spoke, so it lives: a suspect is trusted again. */
static void clear_suspicion(struct child *child)
{
	struct seat *seat = &child->receiver.seat;
	if (child->state == CHILD_READY && seat->state == SEAT_SUSPECT) {
		seat->state = SEAT_OPEN;
		handover_serve(&child->receiver);
	}
}

void talk_receive(struct child *child)
{
	struct handoff_message message;
	switch (native_receive(&child->receiver.link, &message)) {
	case HANDOFF_OK:
		handle_message(child, &message);
		clear_suspicion(child);
		break;
	case HANDOFF_AGAIN:
		break;
	case HANDOFF_GONE:
		/* With our duplicate of its end open this is no death; that comes by pidfd. */
		child_condemn(child, "an empty message, or a channel that was shut");
		break;
	case HANDOFF_MALFORMED:
	case HANDOFF_NO_FD: /* comes to who wants descriptors only */
		child_condemn(child, message.fault);
		break;
	}
}

void talk_read_last(struct child *child)
{
	struct handoff_message message;
	for (int i = 0; i < MAX_LAST_MESSAGES; i++) {
		enum handoff_result result = native_receive(&child->receiver.link, &message);
		if (result == HANDOFF_GONE || (result == HANDOFF_AGAIN && errno != EINTR)) {
			return;
		}
		if (result == HANDOFF_OK && rule_of(&message)->speaker != SPEAKER_ANY) {
			handle_message(child, &message);
		}
	}
}
