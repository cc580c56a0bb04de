/* SPDX-License-Identifier: MIT */
/*
 * The native dialect over src/handoff: see native.h. Taking back is exact because a SEQPACKET
 * message goes to one reader only: when we receive from our duplicate of the child's end, the
 * child cannot have it, and the other way round.
 */
#include "dialect/native.h"

#include "config/config.h"
#include "fdutil.h"
#include "handoff/pairs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	/* Four offers of the largest size fit, whatever the system's default is. */
	CHANNEL_BUFFER_BYTES = 1024 * 1024,
};

static char packet[HANDOFF_MAX_BYTES]; /* the one that was received last */

int native_open(struct native_link *link)
{
	int pair[2];
	link->channel = link->child_end = NATIVE_NO_LINK;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		return -1;
	}
	const int bytes = CHANNEL_BUFFER_BYTES;
	for (int i = 0; i < 2; i++) {
		/* Without the privilege the system's limit applies: fewer receipts fit, nothing
		 * breaks. */
		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0) {
			setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
		}
	}
	link->channel = pair[0];
	link->child_end = pair[1];
	return 0;
}

void native_close(struct native_link *link)
{
	fd_close(&link->channel);
	fd_close(&link->child_end);
}

void native_shut(struct native_link *link)
{
	shutdown(link->channel, SHUT_RDWR);
}

enum handoff_result native_hello(const struct native_link *link, const struct config_pool *pool,
				 unsigned child)
{
	char text[1024];
	struct handoff_pairs pairs;
	handoff_pairs_init(&pairs, text, sizeof text);
	handoff_pairs_add(&pairs, "POOL", pool->name, strlen(pool->name));
	handoff_pairs_add_number(&pairs, "CHILD", child);
	if (pool->kind == CONFIG_KIND_AUTH) {
		handoff_pairs_add(&pairs, "KIND", "auth", strlen("auth"));
	}
	handoff_pairs_add_number(&pairs, "CAPACITY", pool->capacity);
	handoff_pairs_add_number(&pairs, "MESSAGE_LIMIT", pool->message_limit_bytes);
	handoff_pairs_add_number(&pairs, "SEND_LIMIT", pool->send_limit_bytes);
	handoff_pairs_add_number(&pairs, "DRAIN_TIMEOUT_MS", pool->drain_timeout_ms);
	handoff_pairs_add_number(&pairs, "PING_INTERVAL_MS", pool->keepalive_ms);
	const char *slow = pool->slow_client == CONFIG_SLOW_SKIP ? "skip" : "close";
	handoff_pairs_add(&pairs, "SLOW_CLIENT", slow, strlen(slow));
	if (pool->deflate) {
		handoff_pairs_add_number(&pairs, "DEFLATE", pool->deflate_level);
		handoff_pairs_add_number(&pairs, "DEFLATE_TAKEOVER", pool->deflate_takeover);
	}
	return handoff_send(link->channel, HANDOFF_HELLO, 0, text, pairs.length, -1);
}

enum handoff_result native_ping(const struct native_link *link)
{
	return handoff_send(link->channel, HANDOFF_PING, 0, NULL, 0, -1);
}

enum handoff_result native_drain(const struct native_link *link, unsigned deadline_ms)
{
	char text[64];
	struct handoff_pairs pairs;
	handoff_pairs_init(&pairs, text, sizeof text);
	handoff_pairs_add_number(&pairs, "DEADLINE_MS", deadline_ms);
	return handoff_send(link->channel, HANDOFF_DRAIN, 0, text, pairs.length, -1);
}

enum handoff_result native_offer(const struct native_link *link, uint64_t id, const void *message,
				 size_t bytes, int fd)
{
	return handoff_send(link->channel, HANDOFF_CONNECTION, id, message, bytes, fd);
}

enum handoff_result native_ask(const struct native_link *link, uint64_t id, const void *message,
			       size_t bytes)
{
	return handoff_send(link->channel, HANDOFF_AUTH, id, message, bytes, -1);
}

enum handoff_result native_receive(const struct native_link *link,
				   struct handoff_message *message_r)
{
	return handoff_receive(link->channel, packet, message_r, NULL);
}

/* A message that came out of the queue with the offers and must go back in. */
struct kept {
	struct kept *next;
	unsigned type;
	uint64_t id;
	size_t bytes;
	char payload[];
};

static struct kept *keep(const struct handoff_message *message)
{
	struct kept *kept = malloc(sizeof *kept + message->payload_bytes);
	if (kept != NULL) {
		kept->next = NULL;
		kept->type = message->type;
		kept->id = message->id;
		kept->bytes = message->payload_bytes;
		memcpy(kept->payload, message->payload, message->payload_bytes);
	}
	return kept;
}

static void send_again(const struct native_link *link, struct kept *list)
{
	while (list != NULL) {
		struct kept *next = list->next;
		handoff_send(link->channel, list->type, list->id, list->payload, list->bytes, -1);
		free(list);
		list = next;
	}
}

void native_take_back(const struct native_link *link, bool resend, native_back_fn *fn, void *data)
{
	struct handoff_message message;
	struct kept *others = NULL, **tail = &others;
	for (;;) {
		int fd;
		enum handoff_result result =
			handoff_receive(link->child_end, packet, &message, &fd);
		fd_close(&fd); /* one more copy; ours is with the connection */
		if (result == HANDOFF_GONE || (result == HANDOFF_AGAIN && errno != EINTR)) {
			break;
		}
		if (result == HANDOFF_AGAIN || result == HANDOFF_MALFORMED) {
			continue;
		}
		if (message.type == HANDOFF_CONNECTION || message.type == HANDOFF_AUTH) {
			fn(data, message.id);
		} else if (resend && (*tail = keep(&message)) != NULL) {
			tail = &(*tail)->next;
		}
	}
	send_again(link, others);
}
