/* SPDX-License-Identifier: MIT */
/*
 * The adapter's talk with the gateway, docs/protocol.md. A packet is received only while there is
 * room for its answer, so a gateway that does not read holds up its offers and no client. Reports
 * and PONG wait for the timer. Called by wrap.c when the channel is readable.
 */
#include "lws/adapter.h"

#include "handoff/pairs.h"
#include "libbaton/startup.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	PACKETS_AT_ONCE = 16, /* then the clients have their turn */
	FULL_WAIT_MS = 1,     /* a turn: the loop would spin, for a full channel stays readable */
	RETRY_MS = 20,        /* the channel was full */
	OWN_DESCRIPTORS =
		32,        /* libwebsockets' own and the program's, besides startup.c's reserve */
	GOING_AWAY = 1001, /* RFC 6455, 7.4.1 */
	BAD_REQUEST = 400,
};

/* ---- to the gateway ---- */

static enum handoff_result say(unsigned type, uint64_t id, const struct handoff_pairs *pairs)
{
	if (adapter.channel < 0) {
		return HANDOFF_GONE;
	}
	return handoff_send(adapter.channel, type, id, pairs != NULL ? pairs->at : NULL,
			    pairs != NULL ? pairs->length : 0, -1);
}

void talk_tell(const char *text)
{
	char payload[256];
	struct handoff_pairs pairs;
	handoff_pairs_init(&pairs, payload, sizeof payload);
	handoff_pairs_add(&pairs, "LEVEL", "warning", 7);
	handoff_pairs_add(&pairs, "TEXT", text, strlen(text));
	say(HANDOFF_LOG, 0, &pairs);
}

/* Whether a packet can be sent without waiting; also true when nobody is there to get it. */
static bool channel_has_room(void)
{
	struct pollfd channel = {.fd = adapter.channel, .events = POLLOUT};
	return poll(&channel, 1, FULL_WAIT_MS) > 0;
}

/* There is room. When the gateway is gone nobody else can serve a client that it had offered: go
 * on as if. */
static void answer(unsigned type, uint64_t id, int status)
{
	char payload[32];
	struct handoff_pairs pairs;
	handoff_pairs_init(&pairs, payload, sizeof payload);
	if (status != 0) {
		handoff_pairs_add_number(&pairs, "STATUS", (uint64_t)status);
	}
	say(type, id, &pairs);
}

/* Each of these: false when it still waits for room. */

static bool send_ready(void)
{
	char payload[64];
	struct handoff_pairs pairs;
	handoff_pairs_init(&pairs, payload, sizeof payload);
	handoff_pairs_add_number(&pairs, "CAPACITY", adapter.capacity);
	adapter.ready_due = say(HANDOFF_READY, 0, &pairs) == HANDOFF_AGAIN;
	return !adapter.ready_due;
}

static bool send_pong(void)
{
	char payload[64];
	struct handoff_pairs pairs;
	handoff_pairs_init(&pairs, payload, sizeof payload);
	handoff_pairs_add_number(&pairs, "CONNECTIONS", adapter.members.count);
	adapter.pong_due = say(HANDOFF_PONG, 0, &pairs) == HANDOFF_AGAIN;
	return !adapter.pong_due;
}

static bool send_reports(void)
{
	if (adapter.channel < 0 ||
	    reports_send(&adapter.reports, adapter.channel) == HANDOFF_GONE) {
		adapter.reports.count = 0;
	}
	return adapter.reports.count == 0;
}

void talk_flush(void)
{
	bool has_room = (!adapter.ready_due || send_ready()) &&
			(!adapter.pong_due || send_pong()) &&
			(adapter.reports.count == 0 || send_reports());
	if (!has_room) {
		leave_wake(RETRY_MS);
	}
}

/* ---- from the gateway ---- */

static void handle_hello(const struct handoff_message *hello)
{
	adapter.message_limit_bytes = (size_t)handoff_number(hello, "MESSAGE_LIMIT", SIZE_MAX);
	adapter.ping_interval_ms = handoff_small_number(hello, "PING_INTERVAL_MS", 0);
	uint64_t most = startup_capacity(UINT64_MAX),
		 wanted = handoff_number(hello, "CAPACITY", most);
	most = most > OWN_DESCRIPTORS ? most - OWN_DESCRIPTORS : 1;
	adapter.capacity = wanted < most ? wanted : most;
	adapter.ready_due = true;
}

struct baton_lws_offer {
	const struct handoff_message *message;
};

const char *baton_lws_offer_get(const struct baton_lws_offer *offer, const char *key)
{
	return handoff_pairs_find(offer->message->payload, offer->message->payload_bytes, key);
}

/* libwebsockets decodes the target while it still looks for the end of its line: an encoded line
 * end is one to it, and what follows a header field, which the gateway has not judged. */
static bool has_encoded_line_end(const char *head)
{
	const char *end = head + strcspn(head, "\r");
	const char *at = head;
	while ((at = memchr(at, '%', (size_t)(end - at))) != NULL) {
		if (at[1] == '0' && strchr("0aAdD", at[2]) != NULL) { /* or a NUL */
			return true;
		}
		at++;
	}
	return false;
}

/* 0, or the status with which the program does not want the client. */
static int ask_program(const struct handoff_message *message)
{
	struct baton_lws_offer offer = {.message = message};
	int status = adapter.app.offered != NULL ? adapter.app.offered(&offer, adapter.data) : 0;
	return status == 0 || (status >= 400 && status <= 599) ? status : 500;
}

static void refuse(uint64_t id, int fd, int status)
{
	answer(HANDOFF_REFUSED, id, status);
	if (fd >= 0) {
		close(fd);
	}
}

static void handle_offer(const struct handoff_message *offer, int fd)
{
	const char *head = handoff_pairs_find(offer->payload, offer->payload_bytes, "HEAD");
	if (fd < 0 || head == NULL || adapter.is_draining ||
	    adapter.members.count >= adapter.capacity || !members_reserve(&adapter.members)) {
		refuse(offer->id, fd, 0);
		return;
	}
	int status = has_encoded_line_end(head) ? BAD_REQUEST : ask_program(offer);
	struct member *member = status == 0 ? member_create(offer) : NULL;
	if (member == NULL) {
		refuse(offer->id, fd, status);
		return;
	}
	answer(HANDOFF_TAKEN, offer->id, 0);
	wrap_adopt(member, fd, head);
	leave_watch();
}

static void handle_close(const struct handoff_message *message)
{
	struct member *member = members_find_id(&adapter.members, message->id);
	if (member != NULL) {
		wrap_close(member, handoff_small_number(message, "CODE", GOING_AWAY),
			   handoff_pairs_find(message->payload, message->payload_bytes, "REASON"));
	}
}

static void tell_once(bool *told, const char *text)
{
	if (!*told) {
		*told = true;
		talk_tell(text);
	}
}

static void handle_message(const struct handoff_message *message, int fd)
{
	switch (message->type) {
	case HANDOFF_HELLO:
		handle_hello(message);
		break;
	case HANDOFF_CONNECTION:
		handle_offer(message, fd);
		break;
	case HANDOFF_CLOSE:
		handle_close(message);
		break;
	case HANDOFF_PING:
		adapter.pong_due = true;
		break;
	case HANDOFF_DRAIN:
		leave_drain(handoff_small_number(message, "DEADLINE_MS", 0));
		break;
	default: /* a number from outside, not an enum */
		tell_once(&adapter.told_unknown, "message of unknown type, ignoring");
		break;
	}
}

static void handle_malformed(const struct handoff_message *message, int fd)
{
	if (fd >= 0) {
		close(fd);
	}
	if (message != NULL && message->type == HANDOFF_CONNECTION) {
		answer(HANDOFF_REFUSED, message->id, 0);
	}
	tell_once(&adapter.told_malformed, "malformed message, ignoring");
}

/* False: nothing more is there. *gone_r: and never will be. */
static bool receive_packet(bool *gone_r)
{
	struct handoff_message message;
	int fd;
	errno = 0;
	switch (handoff_receive(adapter.channel, adapter.packet, &message, &fd)) {
	case HANDOFF_OK:
		if (handoff_pairs_are_valid(message.payload, message.payload_bytes)) {
			handle_message(&message, fd);
		} else {
			handle_malformed(&message, fd);
		}
		return true;
	case HANDOFF_NO_FD: /* we are at our limit of descriptors */
		answer(HANDOFF_REFUSED, message.id, 0);
		return true;
	case HANDOFF_MALFORMED:
		handle_malformed(NULL, fd);
		return true;
	case HANDOFF_GONE:
		/* ECONNRESET comes before packets that are still there, the end of file behind
		 * them. */
		*gone_r = errno != ECONNRESET;
		return !*gone_r;
	case HANDOFF_AGAIN:
		break;
	}
	return false;
}

/* Several packets an event: each is answered before the next is received, and what a callback holds
 * up the gateway can take back. */
int talk_receive(void)
{
	bool is_gone = false;
	for (int i = 0; i < PACKETS_AT_ONCE && channel_has_room() && receive_packet(&is_gone); i++) {
	}
	talk_flush();
	return is_gone ? -1 : 0;
}
