/* SPDX-License-Identifier: MIT */
/* What comes in on a connection: one read an event, the session's events, the callbacks. */
#ifndef BATON_RECEIVE_H
#define BATON_RECEIVE_H

struct baton_conn;

/* Reads once and handles all that this completes. */
void receive_read(struct baton_conn *);

/* Handles the bytes that a pause had left, without reading. */
void receive_kept(struct baton_conn *);

#endif
