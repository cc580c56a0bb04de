/* SPDX-License-Identifier: MIT */
/* Questions of the gateway whether a client may in (AUTH), from their arrival until the answer
 * has left. */
#ifndef BATON_QUESTION_H
#define BATON_QUESTION_H

#include "handoff/handoff.h"

#include <stdbool.h>

struct baton;
struct baton_question;

struct questions {
	struct baton_question *first; /* open ones, and answered ones that wait for room */
	bool answers_due;             /* there are of the latter */
};

/* Asks the app. False: it has no auth callback, and the client is denied. */
bool question_ask(struct baton *, const struct handoff_message *);

/* Sends the answers that are due. HANDOFF_AGAIN: the rest is kept, answers_due stays. */
enum handoff_result questions_send(struct questions *, int channel);

void questions_free(struct questions *); /* open or not */

#endif
