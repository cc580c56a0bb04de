/* SPDX-License-Identifier: MIT */
/* What goes out on a connection: the batch of the current event, the socket, the queue. */
#ifndef BATON_OUTPUT_H
#define BATON_OUTPUT_H

#include "libbaton/session.h"

#include <stdbool.h>
#include <stddef.h>

struct baton_conn;
struct shared;

/*
 * Sends head and body, in this order and behind all that was put before, as far as the kernel
 * takes them; the rest is copied into the queue. BATON_SENT, BATON_QUEUED, or BATON_CLOSED when
 * the connection broke (conn_break was called). Knows no limit.
 */
int output_put(struct baton_conn *, const void *head, size_t head_len, const void *body,
	       size_t len);

/* One frame, counted in bytes_out; the same results. */
int output_frame(struct baton_conn *, enum session_opcode, const void *payload, size_t len);

/* A whole frame that many get, counted likewise; what the kernel does not take waits by
 * reference. */
int output_share(struct baton_conn *, struct shared *frame);

/* A Close frame; code 1005: an empty one. len: at most 123. */
void output_close(struct baton_conn *, unsigned code, const void *why, size_t len);

/* May a frame of len bytes payload be put within send_limit? Always when nothing waits. */
bool output_has_room(struct baton_conn *, size_t len);

/* Writes the batch, which must be this connection's. */
void output_flush(struct baton_conn *);

/* The socket is writable: writes from the queue. True when that emptied it. */
bool output_drain(struct baton_conn *);

#endif
