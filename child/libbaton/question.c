/* SPDX-License-Identifier: MIT */
/*
 * The work of an auth child: a question of the gateway, the author's answer, its way into the
 * channel. A gateway asks at most 64 at a time, so that one list in no order is enough. There is no
 * time-out here: the gateway has one. Called by channel.c and by authors.
 */
#include "libbaton/question.h"

#include "handoff/pairs.h"
#include "libbaton/host.h"
#include "libbaton/metadata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { REASON_BYTES = 1000 }; /* the gateway cuts it where a character ends */

struct baton_question {
	struct baton_question *next;
	struct baton *baton;
	uint64_t id;
	unsigned answer; /* HANDOFF_ALLOW, HANDOFF_DENY; 0: open */
	struct handoff_pairs pairs;
	char said[HANDOFF_MAX_GRANT_BYTES]; /* what pairs writes */
	size_t payload_bytes;
	char payload[]; /* of the AUTH */
};

static struct baton_question *create(struct baton *baton, const struct handoff_message *message)
{
	struct baton_question *question = malloc(sizeof *question + message->payload_bytes);
	if (question != NULL) {
		question->next = baton->channel.questions.first;
		question->baton = baton;
		question->id = message->id;
		question->answer = 0;
		question->payload_bytes = message->payload_bytes;
		memcpy(question->payload, message->payload, message->payload_bytes);
		handoff_pairs_init(&question->pairs, question->said, sizeof question->said);
		baton->channel.questions.first = question;
	}
	return question;
}

bool question_ask(struct baton *baton, const struct handoff_message *message)
{
	struct baton_question *question = create(baton, message);
	if (question == NULL) {
		return true; /* no answer then: the gateway does not wait for ever */
	}
	if (baton->app.auth == NULL) {
		baton_deny(question, 500, "this service cannot tell who may in", NULL);
		return false;
	}
	baton->app.auth(question, baton->data);
	return true;
}

enum handoff_result questions_send(struct questions *questions, int channel)
{
	struct baton_question **at = &questions->first;
	while (*at != NULL) {
		struct baton_question *question = *at;
		if (question->answer == 0) {
			at = &question->next;
			continue;
		}
		enum handoff_result result =
			handoff_send(channel, question->answer, question->id, question->said,
				     question->pairs.length, -1);
		if (result != HANDOFF_OK) {
			return result;
		}
		*at = question->next;
		free(question);
	}
	questions->answers_due = false;
	return HANDOFF_OK;
}

void questions_free(struct questions *questions)
{
	for (struct baton_question *question = questions->first, *next; question != NULL;
	     question = next) {
		next = question->next;
		free(question);
	}
	*questions = (struct questions){NULL, false};
}

/* ---- public ---- */

const char *baton_question_get(struct baton_question *question, const char *key)
{
	return metadata_find(question->payload, question->payload_bytes, key,
			     question->baton->value);
}

static bool is_key(const char *key)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	return strcmp(key, "REMOTE_USER") == 0 ||
	       (strncmp(key, "AUTH_", 5) == 0 && key[strspn(key, letters)] == '\0');
}

static bool is_text(const char *value)
{
	const unsigned char *at = (const unsigned char *)value;
	while (*at >= ' ' && *at != 0x7f) {
		at++;
	}
	return *at == '\0';
}

int baton_question_tell(struct baton_question *question, const char *key, const char *value)
{
	if (value == NULL || !is_key(key) || !is_text(value)) {
		errno = EINVAL;
		return -1;
	}
	handoff_pairs_add(&question->pairs, key, value, strlen(value));
	if (question->pairs.overflow) {
		question->pairs.overflow = false; /* what was there before is whole */
		errno = ENOSPC;
		return -1;
	}
	return 0;
}

static void answer(struct baton_question *question, unsigned type)
{
	question->answer = type;
	question->baton->channel.questions.answers_due = true;
	host_nudge(question->baton); /* it leaves at the end of the turn */
}

void baton_allow(struct baton_question *question)
{
	answer(question, HANDOFF_ALLOW);
}

void baton_deny(struct baton_question *question, int status, const char *reason,
		const char *challenge)
{
	struct handoff_pairs *pairs = &question->pairs;
	handoff_pairs_init(pairs, question->said, sizeof question->said); /* nobody is to be told */
	handoff_pairs_add_number(pairs, "STATUS",
				 status >= 400 && status <= 599 ? (uint64_t)status : 500);
	if (reason != NULL && *reason != '\0') {
		handoff_pairs_add(pairs, "REASON", reason, strnlen(reason, REASON_BYTES));
	}
	if (challenge != NULL && handoff_is_challenge(challenge)) {
		handoff_pairs_add(pairs, "CHALLENGE", challenge, strlen(challenge));
	}
	answer(question, HANDOFF_DENY);
}
