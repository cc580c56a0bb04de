/* SPDX-License-Identifier: MIT */
/*
 * The native dialect: one child's channel, as the gateway holds it. Owns both ends: the parent's,
 * and a duplicate of the child's, through which what the child has not read yet can be taken back.
 * Mechanism only; when to offer, take back or kill is decided in handover.c and child.c.
 */
#ifndef BATON_NATIVE_H
#define BATON_NATIVE_H

#include "handoff/handoff.h"

struct config_pool;

struct native_link {
	int channel;   /* our end */
	int child_end; /* duplicate of what the child has as fd 3 */
};

enum { NATIVE_NO_LINK = -1 };

/* Makes a fresh pair. 0, or -1 with errno; both fds are -1 then. */
int native_open(struct native_link *);
void native_close(struct native_link *); /* safe on a closed one */

/*
 * Ends the talk of a child that has died, or must not be believed any more: shuts our end, so that
 * a descendant that inherited the channel cannot acknowledge. Both queues stay readable.
 */
void native_shut(struct native_link *);

/* The pool's settings for a fresh child. */
enum handoff_result native_hello(const struct native_link *, const struct config_pool *,
				 unsigned child);

/* One message without a payload, or with DEADLINE_MS. */
enum handoff_result native_ping(const struct native_link *);
enum handoff_result native_drain(const struct native_link *, unsigned deadline_ms);

/* Offers fd; the caller keeps its copy. message: the pairs of a CONNECTION. */
enum handoff_result native_offer(const struct native_link *, uint64_t id, const void *message,
				 size_t bytes, int fd);

/* Puts a question to a child of an auth pool: the same pairs, no socket. */
enum handoff_result native_ask(const struct native_link *, uint64_t id, const void *message,
			       size_t bytes);

/* The next message of the child; it lives until the next call of any native_ function. */
enum handoff_result native_receive(const struct native_link *, struct handoff_message *message_r);

typedef void native_back_fn(void *data, uint64_t id);

/*
 * Takes out of the child's queue all that it has not read: fn for each offer and question, which
 * the child will never see then. Other messages are sent again (resend) or dropped.
 */
void native_take_back(const struct native_link *, bool resend, native_back_fn *fn, void *data);

#endif
