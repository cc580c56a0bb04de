/* SPDX-License-Identifier: MIT */
/*
 * Refusing by a Close frame: see closing.h. SHA-1 is libmd's, because the gateway links no OpenSSL;
 * this is its only use of a digest. Judges nothing and sends nothing: conn.c prepares, refuse.c
 * sends.
 */
#include "admit/closing.h"

#include "admit/field_list.h"
#include "admit/request.h"
#include "handoff/utf8.h"

#include <assert.h>
#include <resolv.h>
#include <sha1.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
	CLOSE_POLICY = 1008,
	CLOSE_ERROR = 1011,
	CLOSE_LATER = 1013,
	MAX_REASON_BYTES = 123, /* RFC 6455, 5.5: a control frame carries 125, the code is two */
	FINAL_CLOSE = 0x88,     /* FIN and the opcode */
};

static void write_accept(struct slice key, char accept[CLOSING_ACCEPT_BYTES + 1])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t digest[SHA1_DIGEST_LENGTH];
	SHA1_CTX context;
	SHA1Init(&context);
	SHA1Update(&context, (const uint8_t *)key.at, key.len);
	SHA1Update(&context, (const uint8_t *)guid, sizeof guid - 1);
	SHA1Final(digest, &context);
	int len = b64_ntop(digest, sizeof digest, accept, CLOSING_ACCEPT_BYTES + 1);
	assert(len == CLOSING_ACCEPT_BYTES);
}

void closing_prepare(const struct request *request, struct closing *closing_r)
{
	/* Browsers fail a connection that answers none of the subprotocols they offered. */
	struct field_list list = field_list_of(request->head, "Sec-WebSocket-Protocol");
	struct slice protocol = {"", 0};
	field_list_next(&list, &protocol);
	*closing_r = (struct closing){.accept = ""};
	if (protocol.len <= CLOSING_PROTOCOL_BYTES) {
		memcpy(closing_r->protocol, protocol.at, protocol.len);
		write_accept(request->key, closing_r->accept);
	}
}

/*
 * 1008 is for what no other code suits better (RFC 6455, 7.4.1); the name of 1013 in IANA's
 * registry says what 429 and 503 say with their Retry-After.
 */
static unsigned code_of(int status)
{
	if (status == 429 || status == 503) {
		return CLOSE_LATER;
	}
	return status < 500 ? CLOSE_POLICY : CLOSE_ERROR;
}

size_t closing_write(const struct closing *closing, int status, const char *reason,
		     char buf[CLOSING_MAX_BYTES])
{
	bool has_protocol = closing->protocol[0] != '\0';
	size_t reason_len = utf8_fit(reason, MAX_REASON_BYTES);
	unsigned code = code_of(status);
	int len = snprintf(buf, CLOSING_MAX_BYTES,
			   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			   "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s%s%s\r\n"
			   "%c%c%c%c%.*s",
			   closing->accept, has_protocol ? "Sec-WebSocket-Protocol: " : "",
			   closing->protocol, has_protocol ? "\r\n" : "", FINAL_CLOSE,
			   (int)(2 + reason_len), (int)(code >> 8), (int)(code & 0xff),
			   (int)reason_len, reason);
	assert(len > 0 && len < CLOSING_MAX_BYTES);
	return (size_t)len;
}
