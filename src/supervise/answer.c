/* SPDX-License-Identifier: MIT */
/*
 * Reads what an auth child answers: see answer.h. What it grants goes to another program as if the
 * gateway had said it, so only keys that cannot be mistaken for the gateway's own may pass; its
 * challenge goes into a response's head, so nothing may pass that ends a line. Does not know who
 * was asked what: that is handover.c's. Called by talk.c.
 */
#include "supervise/answer.h"

#include "handoff/handoff.h"
#include "handoff/pairs.h"
#include "pool/handover.h"

#include <string.h>

enum { DEFAULT_STATUS = 403 };

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static const char *read_allow(const struct handoff_message *message,
			      struct handover_answer *answer_r)
{
	const char *end = message->payload + message->payload_bytes;
	if (message->payload_bytes > HANDOFF_MAX_GRANT_BYTES) {
		return "ALLOW with more than 4096 bytes of pairs";
	}
	for (const char *at = message->payload; at < end; at += strlen(at) + 1) {
		if (!starts_with(at, "REMOTE_USER=") && !starts_with(at, "AUTH_")) {
			return "ALLOW with a key that is neither REMOTE_USER nor begins with AUTH_";
		}
	}
	*answer_r = (struct handover_answer){.grant = message->payload,
					     .grant_bytes = message->payload_bytes};
	return NULL;
}

static const char *read_deny(const struct handoff_message *message,
			     struct handover_answer *answer_r)
{
	const char *payload = message->payload;
	const size_t bytes = message->payload_bytes;
	const char *challenge = handoff_pairs_find(payload, bytes, "CHALLENGE");
	uint64_t status;
	if (!handoff_pairs_number(payload, bytes, "STATUS", DEFAULT_STATUS, &status) ||
	    status < 400 || status > 599) {
		return "DENY with a STATUS outside of 400 to 599";
	}
	if (challenge != NULL && !handoff_is_challenge(challenge)) {
		return "DENY with a CHALLENGE that is no field value, or over 512 bytes";
	}
	*answer_r = (struct handover_answer){.status = (int)status,
					     .reason = handoff_pairs_find(payload, bytes, "REASON"),
					     .challenge = challenge};
	return NULL;
}

const char *answer_read(const struct handoff_message *message, struct handover_answer *answer_r)
{
	return message->type == HANDOFF_ALLOW ? read_allow(message, answer_r)
					      : read_deny(message, answer_r);
}
