/* SPDX-License-Identifier: MIT */
/*
 * The answer to an upgrade request that has been accepted: the 101 with its accept key, and the
 * question whether a subprotocol was offered. It reads no head and refuses nobody: the gateway
 * judged the request, conn.c writes refusals. SHA1() fetches the digest anew at each call, a third
 * of a microsecond; in return there is no state to keep, to share between threads or to free.
 */
#include "libbaton/handshake.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <string.h>

enum { KEY_BYTES = 24 }; /* base64 of 16 bytes */

static const char accept_guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, 1.3 */

static const char status_lines[] = "HTTP/1.1 101 Switching Protocols\r\n"
				   "Upgrade: websocket\r\n"
				   "Connection: Upgrade\r\n"
				   "Sec-WebSocket-Accept: ";
static const char protocol_field[] = "\r\nSec-WebSocket-Protocol: ";
static const char extensions_field[] = "\r\nSec-WebSocket-Extensions: ";
static const char head_end[] = "\r\n\r\n";

enum {
	FIXED_BYTES = sizeof status_lines - 1 + HANDSHAKE_ACCEPT_BYTES + sizeof head_end - 1,
};

size_t handshake_token(const char *text)
{
	static const char token_bytes[] = "!#$%&'*+-.^_`|~0123456789"
					  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "abcdefghijklmnopqrstuvwxyz";
	return strspn(text, token_bytes);
}

/* Also what keeps a subprotocol from smuggling a header line into the answer. */
static bool is_token(const char *text)
{
	size_t len = handshake_token(text);
	return len > 0 && text[len] == '\0';
}

static void write_accept(char to[HANDSHAKE_ACCEPT_BYTES + 1], const char *key)
{
	unsigned char text[KEY_BYTES + sizeof accept_guid - 1];
	memcpy(text, key, KEY_BYTES);
	memcpy(text + KEY_BYTES, accept_guid, sizeof accept_guid - 1);

	unsigned char digest[SHA_DIGEST_LENGTH];
	SHA1(text, sizeof text, digest);
	EVP_EncodeBlock((unsigned char *)to, digest, sizeof digest);
}

static char *append(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	return to + len;
}

/* value: NULL, and nothing is written. */
static char *append_field(char *to, const char *field, const char *value)
{
	return value != NULL ? append(append(to, field, strlen(field)), value, strlen(value)) : to;
}

static size_t field_length(const char *field, const char *value)
{
	return value != NULL ? strlen(field) + strlen(value) : 0;
}

size_t handshake_write(char to[HANDSHAKE_MAX_BYTES], const char *key, size_t key_len,
		       const char *subprotocol, const char *extensions)
{
	size_t fields = field_length(protocol_field, subprotocol) +
			field_length(extensions_field, extensions);
	if (key_len != KEY_BYTES || fields > HANDSHAKE_MAX_BYTES - FIXED_BYTES ||
	    (subprotocol != NULL && !is_token(subprotocol))) {
		return 0;
	}
	char accept[HANDSHAKE_ACCEPT_BYTES + 1]; /* EVP_EncodeBlock adds a NUL */
	write_accept(accept, key);

	char *at = append(to, status_lines, sizeof status_lines - 1);
	at = append(at, accept, HANDSHAKE_ACCEPT_BYTES);
	at = append_field(at, protocol_field, subprotocol);
	at = append_field(at, extensions_field, extensions);
	at = append(at, head_end, sizeof head_end - 1);
	return (size_t)(at - to);
}

int handshake_offers(const char *offered, const char *name)
{
	static const char blanks[] = " \t";
	if (offered == NULL || name == NULL || !is_token(name)) {
		return 0;
	}
	size_t len = strlen(name);
	for (const char *at = offered; at != NULL; at = strchr(at, ',')) {
		at += strspn(at, ", \t");
		if (strncmp(at, name, len) == 0) {
			const char *end = at + len + strspn(at + len, blanks);
			if (*end == ',' || *end == '\0') {
				return 1;
			}
		}
	}
	return 0;
}

void handshake_prepare(void)
{
	char discarded[HANDSHAKE_MAX_BYTES];
	handshake_write(discarded, "AAAAAAAAAAAAAAAAAAAAAA==", 24, NULL, NULL);
}
