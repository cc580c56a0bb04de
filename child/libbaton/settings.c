/* SPDX-License-Identifier: MIT */
/*
 * HELLO: who is told what of it. What is no number, or absent, leaves a limit as it is and the
 * rest off; the gateway has checked the ranges. Called by baton.c and channel.c.
 */
#include "libbaton/settings.h"

#include "handoff/pairs.h"
#include "libbaton/host.h"
#include "libbaton/startup.h"

#include <string.h>

enum {
	DEFAULT_MESSAGE_BYTES = 1024 * 1024,
	DEFAULT_SEND_BYTES = 1024 * 1024,
	DEFAULT_DRAIN_MS = 10 * 1000,
};

void settings_init(struct baton *baton)
{
	baton->limits.message_bytes = DEFAULT_MESSAGE_BYTES;
	baton->send_limit = DEFAULT_SEND_BYTES;
	baton->drain.default_ms = DEFAULT_DRAIN_MS;
}

void settings_take(struct baton *baton, const struct handoff_message *hello)
{
	baton->limits.message_bytes =
		handoff_number(hello, "MESSAGE_LIMIT", baton->limits.message_bytes);
	baton->send_limit = (size_t)handoff_number(hello, "SEND_LIMIT", baton->send_limit);
	baton->drain.default_ms =
		handoff_small_number(hello, "DRAIN_TIMEOUT_MS", baton->drain.default_ms);
	baton->keepalive.interval_ms = handoff_small_number(hello, "PING_INTERVAL_MS", 0);
	const char *slow = handoff_pairs_find(hello->payload, hello->payload_bytes, "SLOW_CLIENT");
	baton->skips_slow = slow != NULL && strcmp(slow, "skip") == 0;
	packing_begin(&baton->packing, hello);
	baton->channel.capacity = startup_capacity(handoff_number(hello, "CAPACITY", UINT64_MAX));
}
