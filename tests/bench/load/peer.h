/* SPDX-License-Identifier: MIT */
/*
 * One client socket from connect() to its judged 101. Keys and their answers are computed once at
 * the start, so that checking one is a compare.
 */
#ifndef LOAD_PEER_H
#define LOAD_PEER_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "tally.h"

enum { PEER_REPLY_BYTES = 1000, PEER_REQUEST_BYTES = 1024 };

struct peer {
	int fd; /* -1: none */
	uint16_t key;
	uint16_t have; /* bytes in reply */
	char reply[PEER_REPLY_BYTES];
};

enum peer_answer {
	PEER_MORE,     /* the reply's head has not ended */
	PEER_UPGRADED, /* 101, and right in every line */
	PEER_REFUSED,  /* another status */
	PEER_WRONG,    /* tally_explain has said why */
};

void peer_init(const struct options *);

/* Begins to connect. 0, or -1 with errno; EAGAIN: a Unix listener's backlog is full, try again. */
int peer_connect(struct peer *);

/* Closes, if there is anything to close. */
void peer_finish(struct peer *);

/* Writes the upgrade request of this peer; its length. */
size_t peer_request(const struct peer *, char out[PEER_REQUEST_BYTES]);

/* Adds bytes of the reply; used_r: how many of them belonged to the head. status_r for REFUSED. */
enum peer_answer peer_reply(struct peer *, struct tally *, const uint8_t *data, size_t len,
			    size_t *used_r, unsigned *status_r);

#endif
