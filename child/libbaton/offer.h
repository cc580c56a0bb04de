/* SPDX-License-Identifier: MIT */
/* An offer that was taken: metadata, the open callback, 101 or a refusal. */
#ifndef BATON_OFFER_H
#define BATON_OFFER_H

struct baton_conn;

/* Runs open and does as it says. The payload is channel.offer. */
void offer_open(struct baton_conn *);

/* Answers with a status and ends the connection. */
void offer_refuse(struct baton_conn *, int status);

#endif
