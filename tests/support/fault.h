/* SPDX-License-Identifier: MIT */
/*
 * baton-fault: a child that speaks the hand-over protocol by itself, without libbaton's host, and
 * breaks it on command. For the integration tests; fault_child.c lists the commands.
 */
#ifndef FAULT_H
#define FAULT_H

#include "handoff/handoff.h"
#include "libbaton/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAULT_NO_SLOT = -1 };

struct fault_bytes {
	uint8_t *at;
	size_t length, size;
};

enum fault_client_state {
	FAULT_CLIENT_OPEN,
	FAULT_CLIENT_CLOSING, /* our Close is out, the client's is awaited */
	FAULT_CLIENT_ENDING,  /* nothing is read any more; ends when all is sent */
	FAULT_CLIENT_ENDED,   /* freed and reported at the end of the turn */
};

struct fault_client {
	struct fault_client *next;
	struct fault_child *child;
	int fd;
	int slot; /* in the poll set of this turn, or FAULT_NO_SLOT */
	enum fault_client_state state;
	struct session session;
	uint8_t tail[SESSION_MAX_TAIL]; /* what the session could not use yet */
	size_t tail_length;
	struct fault_bytes message, unsent;
	size_t handshake_left; /* bytes at the front of unsent that are no frames */
	struct handoff_closed report;
};

/* One per process. */
struct fault_child {
	int channel;        /* -1: the gateway is gone */
	bool reads_channel; /* false: stop-reading */
	bool is_ready_late; /* READY waits for ready_timer */
	int ready_timer;
	bool no_ready, no_pong, ready_is_garbage, ignores_end; /* --no-ready, ... */
	unsigned slow_ready_ms;
	bool is_draining;
	uint64_t drain_until_ms;
	uint64_t capacity;
	struct session_limits limits;
	struct fault_client *clients;
};

uint64_t fault_now_ms(void);
void fault_busy_wait(uint64_t ms); /* burns the time, as a callback that computes does */

/* ---- fault_channel.c ---- */

/* Sends one message; waits for room. Nothing happens without a gateway. */
void fault_channel_say(struct fault_child *, unsigned type, uint64_t id, const void *payload,
		       size_t bytes);
void fault_channel_say_ready(struct fault_child *);

/* Receives one packet and acts on it. */
void fault_channel_receive(struct fault_child *);

/* ---- fault_offer.c ---- */

/* Does with the offer what its query string asks for. Owns fd. */
void fault_offer_handle(struct fault_child *, const struct handoff_message *, int fd);

/* ---- fault_client.c ---- */

/* Owns fd; writes the 101. */
struct fault_client *fault_client_create(struct fault_child *, const struct handoff_message *,
					 int fd);
void fault_client_handle(struct fault_client *, short events);
void fault_client_send(struct fault_client *, enum session_opcode, const void *, size_t);
void fault_client_close(struct fault_client *, unsigned code, const char *reason);
short fault_client_wants(const struct fault_client *); /* events for poll(2) */

/* Reports and frees the clients that have ended. */
void fault_client_sweep(struct fault_child *);

/* ---- fault_command.c ---- */

/* False: the message is no command. */
bool fault_command_run(struct fault_client *, const char *text, size_t len);

#endif
