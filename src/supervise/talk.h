/* SPDX-License-Identifier: MIT */
/* What children say, judged: one message at a time, and the last words of a dead one. */
#ifndef BATON_TALK_H
#define BATON_TALK_H

struct child;

/* Reads one message of a living child and acts on it. A child that breaks the protocol
 * (docs/protocol.md) is condemned. */
void talk_receive(struct child *);

/* Reads what a dead child left behind: receipts and reports count, and answers, unless it was
 * killed: then another child is asked. Nothing else does. */
void talk_read_last(struct child *);

#endif
