/* SPDX-License-Identifier: MIT */
/* The server's half of the opening handshake (RFC 6455, 4.2.2), bytes only. */
#ifndef BATON_HANDSHAKE_H
#define BATON_HANDSHAKE_H

#include <stddef.h>

enum {
	HANDSHAKE_ACCEPT_BYTES = 28,
	HANDSHAKE_MAX_SUBPROTOCOL = 512, /* baton.h says so, too */
	HANDSHAKE_MAX_BYTES = 1024,      /* has room for it, and for every response of deflate.h */
};

/*
 * Writes "HTTP/1.1 101 Switching Protocols" with Sec-WebSocket-Accept for key (key_len must be
 * 24) and, when they are not NULL, Sec-WebSocket-Protocol and Sec-WebSocket-Extensions, whose
 * value is written as it stands. Returns the length, or 0 when the subprotocol is no token, they do
 * not fit, or the key has another length.
 */
size_t handshake_write(char to[HANDSHAKE_MAX_BYTES], const char *key, size_t key_len,
		       const char *subprotocol, const char *extensions);

/* Does once what the first handshake would do between TAKEN and 101 (OpenSSL reads its files). */
void handshake_prepare(void);

/* Is name, compared exactly, one of the tokens of the client's Sec-WebSocket-Protocol value? */
int handshake_offers(const char *offered, const char *name);

/* How many bytes of a token text begins with (RFC 9110, 5.6.2). */
size_t handshake_token(const char *text);

#endif
