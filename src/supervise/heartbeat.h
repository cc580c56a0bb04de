/* SPDX-License-Identifier: MIT */
/*
 * The heartbeat of a child that is READY: a PING every ping_interval, SIGABRT (child_abort) when no
 * PONG came for ping_timeout. Uses the child's timer in that state.
 */
#ifndef BATON_HEARTBEAT_H
#define BATON_HEARTBEAT_H

struct child;

/* Sends a PING unless one is out: the receiver did not read in time. */
void heartbeat_suspect(struct child *);

/* It has no room: sends the next PING soon, whose PONG says that it may be tried again. */
void heartbeat_ask_soon(struct child *);

/* The child's timer in READY: a PING, or the end of its patience. */
void heartbeat_handle_timer(struct child *);

#endif
