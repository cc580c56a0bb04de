/* SPDX-License-Identifier: MIT */
/*
 * The talk with the gateway. One packet an event, so that a callback that blocks holds up one
 * offer, and TAKEN before anything else is done with it. A full channel stops only what must go
 * in order; an error on it is never the connections' end: they are served without a gateway too.
 */
#include "libbaton/channel.h"

#include "handoff/pairs.h"
#include "libbaton/conn.h"
#include "libbaton/host.h"
#include "libbaton/offer.h"
#include "libbaton/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void handle_channel(struct loop_io *io, unsigned events);
static void handle_report_timer(struct loop_timer *timer);

/* ---- start and end ---- */

int channel_start(struct baton *baton, int fd)
{
	struct channel *channel = &baton->channel;
	channel->interest = LOOP_READ;
	loop_lane_init(&channel->report_lane, baton->loop, handle_report_timer);
	return loop_io_add(baton->loop, &channel->io, fd, LOOP_READ, handle_channel);
}

static void lose(struct baton *baton)
{
	struct channel *channel = &baton->channel;
	int fd = channel->io.fd;
	if (fd >= 0) {
		loop_io_remove(baton->loop, &channel->io);
		close(fd);
	}
	channel->is_mute = true;
	channel->reports.count = 0;
	channel->ready_due = channel->pong_due = channel->reports_due = false;
	channel->questions.answers_due = false;
}

void channel_finish(struct baton *baton)
{
	struct channel *channel = &baton->channel;
	lose(baton);
	if (channel->offered != NULL) {
		conn_discard(channel->offered);
		channel->offered = NULL;
	}
	questions_free(&channel->questions);
	reports_free(&channel->reports);
	loop_lane_finish(&channel->report_lane);
}

bool channel_is_quiet(const struct channel *channel)
{
	return channel->answer == 0 && !channel->reports_due && !channel->ready_due &&
	       !channel->pong_due && !channel->questions.answers_due;
}

bool channel_is_lost(const struct channel *channel)
{
	return channel->io.fd < 0;
}

/* ---- to the gateway ---- */

static enum handoff_result say(struct channel *channel, unsigned type, uint64_t id,
			       const void *payload, size_t len)
{
	if (channel->is_mute) {
		return HANDOFF_GONE;
	}
	enum handoff_result result = handoff_send(channel->io.fd, type, id, payload, len, -1);
	if (result == HANDOFF_GONE) {
		channel->is_mute = true; /* not lose(): offers may still be there to be received */
	}
	return result;
}

/* One line for the gateway's log, if there is room for it just now. */
static void tell(struct channel *channel, const char *text)
{
	char payload[256];
	struct handoff_pairs pairs;
	handoff_pairs_init(&pairs, payload, sizeof payload);
	handoff_pairs_add(&pairs, "LEVEL", "warning", 7);
	handoff_pairs_add(&pairs, "TEXT", text, strlen(text));
	say(channel, HANDOFF_LOG, 0, payload, pairs.length);
}

/* Each of these: false when it still waits for room. */

static bool send_ready(struct channel *channel)
{
	char payload[64];
	struct handoff_pairs pairs;
	handoff_pairs_init(&pairs, payload, sizeof payload);
	handoff_pairs_add_number(&pairs, "CAPACITY", channel->capacity);
	channel->ready_due = say(channel, HANDOFF_READY, 0, payload, pairs.length) == HANDOFF_AGAIN;
	return !channel->ready_due;
}

static bool send_pong(struct baton *baton)
{
	char payload[128];
	struct handoff_pairs pairs;
	handoff_pairs_init(&pairs, payload, sizeof payload);
	handoff_pairs_add_number(&pairs, "CONNECTIONS", baton->table.count);
	handoff_pairs_add_number(&pairs, "LAG_MS", baton->lag_ms);
	handoff_pairs_add_number(&pairs, "SKIPPED", baton->skipped);
	enum handoff_result result = say(&baton->channel, HANDOFF_PONG, 0, payload, pairs.length);
	baton->channel.pong_due = result == HANDOFF_AGAIN;
	if (result == HANDOFF_OK) {
		baton->lag_ms = 0;
	}
	return result != HANDOFF_AGAIN;
}

/* An offer whose TAKEN had to wait while a drain began goes to another child instead, or to our
 * successor: the gateway need not know of the drain, SIGTERM may have begun it. */
static bool send_answer(struct baton *baton)
{
	static const char leaving[] = "LEAVING=1";
	struct channel *channel = &baton->channel;
	if (channel->answer == HANDOFF_TAKEN && baton->drain.is_running) {
		conn_discard(channel->offered);
		channel->offered = NULL;
		channel->answer = HANDOFF_REFUSED;
	}
	bool leaves = channel->answer == HANDOFF_REFUSED && baton->drain.is_running;
	if (say(channel, channel->answer, channel->offer.id, leaves ? leaving : NULL,
		leaves ? sizeof leaving : 0) == HANDOFF_AGAIN) {
		return false;
	}
	channel->answer = 0;
	struct baton_conn *conn = channel->offered;
	channel->offered = NULL;
	if (conn != NULL) {
		/* Also when the gateway is gone: nobody else can serve this client any more. */
		offer_open(conn);
	}
	return true;
}

static bool send_answers(struct channel *channel)
{
	if (!channel->is_mute &&
	    questions_send(&channel->questions, channel->io.fd) == HANDOFF_GONE) {
		channel->is_mute = true;
	}
	channel->questions.answers_due &= !channel->is_mute; /* nobody waits for them any more */
	return !channel->questions.answers_due;
}

static void send_reports(struct channel *channel)
{
	if (!channel->is_mute && reports_send(&channel->reports, channel->io.fd) == HANDOFF_GONE) {
		channel->is_mute = true;
	}
	if (channel->is_mute) {
		channel->reports.count = 0;
	}
	channel->reports_due = channel->reports.count > 0;
}

static void handle_report_timer(struct loop_timer *timer)
{
	loop_owner(timer, struct channel, report_timer)->reports_due =
		true; /* the turn's end sends */
}

/* Reports of a few turns share a packet: they are in no hurry, and every packet wakes the
 * gateway. */
static void schedule_reports(struct baton *baton)
{
	struct channel *channel = &baton->channel;
	if (channel->reports.count >= REPORTS_AT_ONCE || baton->drain.is_running ||
	    baton->is_stopped) {
		channel->reports_due = channel->reports.count > 0;
	} else if (channel->reports.count > 0 && !loop_timer_is_running(&channel->report_timer)) {
		loop_timer_start(&channel->report_lane, &channel->report_timer, REPORT_DELAY_MS);
	}
}

void channel_report(struct baton *baton, const struct handoff_closed *report)
{
	struct channel *channel = &baton->channel;
	if (!channel->is_mute && !reports_add(&channel->reports, report)) {
		tell(channel, "no memory for the report of a closed connection, dropping it");
	}
}

static void watch_channel(struct baton *baton)
{
	struct channel *channel = &baton->channel;
	unsigned wanted = (channel->answer == 0 ? (unsigned)LOOP_READ : 0) |
			  (channel_is_quiet(channel) ? 0 : (unsigned)LOOP_WRITE);
	if (channel->io.fd >= 0 && wanted != channel->interest &&
	    loop_io_change(baton->loop, &channel->io, wanted) == 0) {
		channel->interest = wanted;
	}
}

static void send_all(struct baton *baton)
{
	struct channel *channel = &baton->channel;
	bool has_room = !channel->ready_due || send_ready(channel);
	has_room = has_room && (channel->answer == 0 || send_answer(baton));
	has_room = has_room && (!channel->questions.answers_due || send_answers(channel));
	has_room = has_room && (!channel->pong_due || send_pong(baton));
	if (has_room && channel->reports_due) {
		send_reports(channel);
	}
}

void channel_flush(struct baton *baton)
{
	schedule_reports(baton);
	if (!channel_is_quiet(&baton->channel) && !(baton->channel.interest & LOOP_WRITE)) {
		send_all(baton);
	}
	watch_channel(baton);
}

/* ---- from the gateway ---- */

static void handle_offer(struct baton *baton, const struct handoff_message *offer, int fd)
{
	struct channel *channel = &baton->channel;
	bool is_welcome =
		fd >= 0 && !baton->drain.is_running &&
		handoff_pairs_find(offer->payload, offer->payload_bytes, "HEAD") != NULL &&
		table_find(&baton->table, offer->id) == NULL;
	channel->offer = *offer;
	channel->offered = is_welcome ? conn_create(baton, offer->id, fd) : NULL;
	channel->answer = channel->offered != NULL ? HANDOFF_TAKEN : HANDOFF_REFUSED;
	if (channel->offered == NULL && fd >= 0) {
		close(fd);
	}
	send_answer(baton);
}

static void handle_close(struct baton *baton, const struct handoff_message *message)
{
	struct baton_conn *conn = table_find(&baton->table, message->id);
	if (conn != NULL) {
		conn_close(conn, handoff_small_number(message, "CODE", SESSION_GOING_AWAY),
			   handoff_pairs_find(message->payload, message->payload_bytes, "REASON"));
	}
}

static void tell_once(struct channel *channel, bool *told, const char *text)
{
	if (!*told) {
		*told = true;
		tell(channel, text);
	}
}

static void handle_message(struct baton *baton, const struct handoff_message *message, int fd)
{
	struct channel *channel = &baton->channel;
	char text[80];
	switch (message->type) {
	case HANDOFF_HELLO:
		settings_take(baton, message);
		channel->ready_due = true;
		break;
	case HANDOFF_CONNECTION:
		handle_offer(baton, message, fd);
		break;
	case HANDOFF_AUTH:
		if (!question_ask(baton, message)) {
			tell_once(channel, &channel->told_no_auth,
				  "asked who may in, but this child has no auth callback");
		}
		break;
	case HANDOFF_CLOSE:
		handle_close(baton, message);
		break;
	case HANDOFF_PING:
		channel->pong_due = true;
		break;
	case HANDOFF_DRAIN:
		drain_begin(baton,
			    handoff_small_number(message, "DEADLINE_MS", baton->drain.default_ms));
		break;
	default: /* a number from outside, not an enum */
		snprintf(text, sizeof text, "message of unknown type %u, ignoring", message->type);
		tell_once(channel, &channel->told_unknown, text);
		break;
	}
}

static void receive_packet(struct baton *baton)
{
	struct channel *channel = &baton->channel;
	struct handoff_message message;
	int fd;
	errno = 0;
	enum handoff_result result =
		handoff_receive(channel->io.fd, channel->packet, &message, &fd);
	bool is_bad = result == HANDOFF_MALFORMED ||
		      (result == HANDOFF_OK &&
		       !handoff_pairs_are_valid(message.payload, message.payload_bytes));
	if (is_bad) {
		if (result == HANDOFF_OK && message.type == HANDOFF_CONNECTION) {
			message.payload_bytes = 0; /* so that nothing in it makes it welcome */
			handle_offer(baton, &message, fd);
		}
		tell_once(channel, &channel->told_malformed, "malformed message, ignoring");
		return;
	}
	switch (result) {
	case HANDOFF_OK:
		handle_message(baton, &message, fd);
		break;
	case HANDOFF_NO_FD: /* we are at our limit of descriptors */
		handle_offer(baton, &message, -1);
		break;
	case HANDOFF_GONE:
		/* ECONNRESET comes before packets that are still there (unread ones of ours were
		 * lost); the end of file behind them. */
		if (errno != ECONNRESET) {
			lose(baton);
		}
		break;
	case HANDOFF_AGAIN:
	case HANDOFF_MALFORMED:
		break;
	}
}

static void handle_channel(struct loop_io *io, unsigned events)
{
	struct baton *baton = loop_owner(io, struct baton, channel.io);
	struct channel *channel = &baton->channel;
	if (!channel_is_quiet(channel)) {
		send_all(baton); /* also on a hang-up: it tells send_answer that nobody waits */
	}
	if ((events & LOOP_READ) && channel->answer == 0) {
		receive_packet(baton);
	}
	if (!channel_is_quiet(channel) && channel->answer == 0) {
		send_all(baton);
	}
	watch_channel(baton);
}
