/* SPDX-License-Identifier: MIT */
/* What comes in on a connection: one read an event, the session's events, the callbacks. */
#ifndef BATON_RECEIVE_H
#define BATON_RECEIVE_H

struct baton_conn;

/* Reads once and handles all that this completes. events: what the loop told of the socket
 * (LOOP_LEFT: the end of file may stand behind the bytes). */
void receive_read(struct baton_conn *, unsigned events);

/* Handles the bytes that a pause had left, without reading. */
void receive_kept(struct baton_conn *);

#endif
