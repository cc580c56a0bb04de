/* SPDX-License-Identifier: MIT */
/*
 * The channel as baton-fault sees it: correct, but for the options that make READY or PONG wrong.
 * It waits where a real child would queue. What is done with an offer is fault_offer.c's.
 */
#include "fault.h"

#include "handoff/pairs.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { OWN_DESCRIPTORS = 16 };

void fault_channel_say(struct fault_child *child, unsigned type, uint64_t id, const void *payload,
		       size_t bytes)
{
	while (child->channel >= 0 &&
	       handoff_send(child->channel, type, id, payload, bytes, -1) == HANDOFF_AGAIN) {
		poll(&(struct pollfd){.fd = child->channel, .events = POLLOUT}, 1, -1);
	}
}

void fault_channel_say_ready(struct fault_child *child)
{
	static const char garbage[] = "this is no pair";
	char text[64];
	struct handoff_pairs pairs;
	if (child->no_ready || child->is_ready_late) {
		return;
	}
	if (child->ready_is_garbage) {
		fault_channel_say(child, HANDOFF_READY, 0, garbage, sizeof garbage - 1);
		return;
	}
	handoff_pairs_init(&pairs, text, sizeof text);
	handoff_pairs_add_number(&pairs, "CAPACITY", child->capacity);
	fault_channel_say(child, HANDOFF_READY, 0, text, pairs.length);
}

static uint64_t number(const struct handoff_message *message, const char *key, uint64_t fallback)
{
	uint64_t value = fallback;
	handoff_pairs_number(message->payload, message->payload_bytes, key, fallback, &value);
	return value;
}

static void handle_hello(struct fault_child *child, const struct handoff_message *hello)
{
	struct rlimit limit = {.rlim_cur = 1024};
	getrlimit(RLIMIT_NOFILE, &limit);
	uint64_t most = limit.rlim_cur > OWN_DESCRIPTORS ? limit.rlim_cur - OWN_DESCRIPTORS : 1;
	uint64_t wanted = number(hello, "CAPACITY", most);
	child->capacity = wanted < most ? wanted : most;
	child->limits.message_bytes = number(hello, "MESSAGE_LIMIT", child->limits.message_bytes);
	fault_channel_say_ready(child);
}

static void handle_offer(struct fault_child *child, const struct handoff_message *offer, int fd)
{
	if (fd >= 0 && !child->is_draining) {
		fault_offer_handle(child, offer, fd);
		return;
	}
	if (fd >= 0) {
		close(fd);
	}
	fault_channel_say(child, HANDOFF_REFUSED, offer->id, NULL, 0);
}

static void handle_close(struct fault_child *child, const struct handoff_message *message)
{
	for (struct fault_client *it = child->clients; it != NULL; it = it->next) {
		if (it->report.id == message->id) {
			fault_client_close(it,
					   (unsigned)number(message, "CODE", SESSION_GOING_AWAY),
					   handoff_pairs_find(message->payload,
							      message->payload_bytes, "REASON"));
			return;
		}
	}
}

static void handle_drain(struct fault_child *child, const struct handoff_message *message)
{
	if (child->ignores_end) {
		return;
	}
	child->is_draining = true;
	child->drain_until_ms = fault_now_ms() + number(message, "DEADLINE_MS", 0);
	for (struct fault_client *it = child->clients; it != NULL; it = it->next) {
		fault_client_close(it, SESSION_GOING_AWAY, NULL);
	}
}

static void handle_message(struct fault_child *child, const struct handoff_message *message, int fd)
{
	switch (message->type) {
	case HANDOFF_HELLO:
		handle_hello(child, message);
		break;
	case HANDOFF_CONNECTION:
		handle_offer(child, message, fd);
		break;
	case HANDOFF_CLOSE:
		handle_close(child, message);
		break;
	case HANDOFF_PING:
		if (!child->no_pong) {
			fault_channel_say(child, HANDOFF_PONG, 0, NULL, 0);
		}
		break;
	case HANDOFF_DRAIN:
		handle_drain(child, message);
		break;
	default: /* a number from outside, not an enum */
		break;
	}
}

void fault_channel_receive(struct fault_child *child)
{
	static char packet[HANDOFF_MAX_BYTES];
	struct handoff_message message;
	int fd = -1;
	errno = 0;
	switch (handoff_receive(child->channel, packet, &message, &fd)) {
	case HANDOFF_OK:
	case HANDOFF_NO_FD:
		handle_message(child, &message, fd);
		break;
	case HANDOFF_GONE:
		if (errno != ECONNRESET) { /* else more may be there */
			close(child->channel);
			child->channel = -1;
		}
		break;
	case HANDOFF_AGAIN: /* taken back */
	case HANDOFF_MALFORMED:
		break;
	}
}
