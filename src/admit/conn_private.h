/* SPDX-License-Identifier: MIT */
/*
 * What the parts of a connection know of each other: conns.c (the slots), conn.c (the state
 * machine), refuse.c (the answer and the lingering close). Nobody else includes this.
 */
#ifndef BATON_CONN_PRIVATE_H
#define BATON_CONN_PRIVATE_H

#include "admit/conn.h"

/* ---- conns.c ---- */

/* A conn in HEAD with the socket, which is its own from here on, and the record. There is room:
 * conns_why_full said so. */
struct conn *conns_add(struct conns *, int fd, struct record *);

/* The slot is free again; the socket is somebody else's, or closed. */
void conns_remove(struct conn *);

/* Why no client can be accepted now, for the log; NULL: there is room for one more. */
const char *conns_why_full(const struct conns *);

/* ---- conn.c ---- */

/* Watches, or watches for something else. False: the kernel has no memory for it; it is logged. */
bool conn_watch(struct conn *, unsigned events);

/* The deadline of a conn in HEAD. */
void conn_handle_head_timer(struct loop_timer *);

/* The end, here and in the ledger. */
void conn_close(struct conn *);

/* ---- refuse.c ---- */

/* Answers with the refusal, logs and counts it, and lingers. status 0: the refusal's own. */
void refuse(struct conn *, enum refusal, int status);

/* The same with what an auth child said: DENY. */
void refuse_denied(struct conn *, const struct handover_answer *);

/* Sends an answer and lets the client read it before the close. */
void refuse_answer(struct conn *, const char *bytes, size_t len);

/* An event of a conn in LINGER. */
void refuse_linger(struct conn *);

/* The deadline of a conn in LINGER. */
void refuse_handle_timer(struct loop_timer *);

#endif
