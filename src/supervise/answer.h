/* SPDX-License-Identifier: MIT */
/* What an auth child answers, read and checked: ALLOW and DENY (docs/protocol.md, section 4).
 * Pure. */
#ifndef BATON_ANSWER_H
#define BATON_ANSWER_H

struct handoff_message;
struct handover_answer;

/*
 * Reads an ALLOW or DENY whose payload is valid pairs. NULL, and *answer_r points into the message;
 * else what is wrong with it, static, for child_condemn.
 */
const char *answer_read(const struct handoff_message *, struct handover_answer *answer_r);

#endif
