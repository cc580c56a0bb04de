/* SPDX-License-Identifier: MIT */
/*
 * What the parts of a connection know of each other: conns.c (the slots), arrive.c (the PROXY
 * header and the head), conn.c (the state machine), refuse.c (the answer and the lingering close).
 * Nobody else includes this.
 */
#ifndef BATON_CONN_PRIVATE_H
#define BATON_CONN_PRIVATE_H

#include "admit/conn.h"

/* ---- conns.c ---- */

/* A conn with the socket, which is its own from here on, and the record. There is room:
 * conns_why_full said so. */
struct conn *conns_add(struct conns *, int fd, struct record *);

/* The slot is free again; the socket is somebody else's, or closed. */
void conns_remove(struct conn *);

/* Why no client can be accepted now, for the log; NULL: there is room for one more. */
const char *conns_why_full(const struct conns *);

/* ---- conn.c ---- */

/* Watches, or watches for something else. False: the kernel has no memory for it; it is logged. */
bool conn_watch(struct conn *, unsigned events);

/* The head is there and well-formed: the client is handed over, refused, or its health answered. */
void conn_judge(struct conn *);

/* The end, here and in the ledger; left: the client wanted it, which is counted. */
void conn_close(struct conn *);
void conn_left(struct conn *);

/* Of the socket itself, whoever the client behind it is. */
bool conn_is_unix(const struct conn *);

/* ---- arrive.c ---- */

/* An event of a conn in PROXY or HEAD; 0: it has just come. */
void arrive_look(struct conn *, unsigned events);

/* The deadline of a conn in PROXY or HEAD. */
void arrive_handle_timer(struct loop_timer *);

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
