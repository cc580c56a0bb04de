/* SPDX-License-Identifier: MIT */
/*
 * The grammars of RFC 3986, 9110 and 6455 that a head is made of: byte classes and yes-or-no
 * questions about slices. Pure, no allocation; every function reads each byte about once.
 */
#ifndef BATON_GRAMMAR_H
#define BATON_GRAMMAR_H

#include "slice.h"

#include <stdint.h>

enum grammar_class {
	GRAMMAR_TOKEN = 1,      /* tchar (RFC 9110, 5.6.2) */
	GRAMMAR_VISIBLE = 2,    /* VCHAR (RFC 5234, B.1) */
	GRAMMAR_VALUE = 4,      /* VCHAR, obs-text, SP, HTAB (RFC 9110, 5.5) */
	GRAMMAR_UNRESERVED = 8, /* RFC 3986, 2.3 */
	GRAMMAR_NAME = 16,      /* unreserved, sub-delims: reg-name without its %XX (3.2.2) */
	GRAMMAR_PATH = 32,      /* pchar without %XX, and '/' (3.3) */
	GRAMMAR_QUERY = 64,     /* the same and '?' (3.4) */
	GRAMMAR_BASE64 = 128,   /* RFC 4648, 4, without '=' */
};

extern const uint8_t grammar_classes[256];

static inline bool grammar_is(char byte, enum grammar_class wanted)
{
	return (grammar_classes[(unsigned char)byte] & wanted) != 0;
}

/*
 * Takes the first byte off a not empty rest, or the byte that a %XX stands for; *encoded_r says
 * which it was. -1: the byte is not of this class, or the %XX is none; rest is undefined then.
 */
int grammar_take_byte(struct slice *rest, enum grammar_class wanted, bool *encoded_r);

/* 1*DIGIT, at most that number; leading zeros are fine. Written on true only. */
bool grammar_number(struct slice, uint64_t most, uint64_t *number_r);

/* 1*tchar. */
bool grammar_is_token(struct slice);

/* pchar and '/', valid %XX but no %00, and no segment that is "." or ".." when decoded, with or
 * without ";..." behind it. */
bool grammar_is_path(struct slice);

/* What may stand behind the '?'. */
bool grammar_is_query(struct slice);

/* The one base64 spelling of 16 bytes (RFC 4648, 3.5: trailing bits are zero). */
bool grammar_is_key(struct slice);

/* One element of Sec-WebSocket-Extensions: token *( ";" token [ "=" value ] ) (RFC 6455, 9.1). */
bool grammar_is_extension(struct slice);

/*
 * uri-host [ ":" port ] (RFC 9110, 7.2): not empty, IPv6 in brackets, no user, port 0 to 65535.
 * An empty port is refused. *port_r has .at == NULL when there is none. Written on true only.
 */
bool grammar_split_host(struct slice host, struct slice *name_r, struct slice *port_r);

/* Of a port that grammar_split_host gave; otherwise where there is none. */
unsigned grammar_port_number(struct slice port, unsigned otherwise);

/* Without the SP and HTAB around it. */
struct slice grammar_trim(struct slice);

/*
 * Takes the next piece, without SP and HTAB around it, off a list; false when the list is used
 * up. Pieces may be empty: "" has one, "a," two. rest.at becomes NULL behind the last.
 */
bool grammar_split(struct slice *rest, char separator, struct slice *piece_r);

#endif
