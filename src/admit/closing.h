/* SPDX-License-Identifier: MIT */
/*
 * A refusal that a browser can see (refuse_as = "close"): its WebSocket API hides the HTTP status
 * of a failed handshake, so the handshake succeeds and a Close frame says why. Pure, bytes only.
 */
#ifndef BATON_CLOSING_H
#define BATON_CLOSING_H

#include <stddef.h>

struct request;

enum {
	CLOSING_ACCEPT_BYTES = 28, /* base64 of a SHA-1 */
	CLOSING_PROTOCOL_BYTES = 98,
	CLOSING_MAX_BYTES = 512,
};

/* What the 101 needs of a head, which may be consumed before it is known that one is refused. */
struct closing {
	char accept[CLOSING_ACCEPT_BYTES + 1];     /* "": refuse with the status */
	char protocol[CLOSING_PROTOCOL_BYTES + 1]; /* "": the client offers none */
};

/* Fills *closing_r in from an upgrade. Where the subprotocol is too long to keep, accept is "". */
void closing_prepare(const struct request *, struct closing *closing_r);

/*
 * Writes the 101 (RFC 6455, 4.2.2) and the Close frame (5.5.1). The code stands for the HTTP
 * status that it replaces: 1013 (try again later) for 429 and 503, 1008 (policy) for other 4xx,
 * 1011 (error) for other 5xx. reason is UTF-8; what is longer than a frame allows is cut off
 * between two characters. Returns the length.
 */
size_t closing_write(const struct closing *, int status, const char *reason,
		     char buf[CLOSING_MAX_BYTES]);

#endif
