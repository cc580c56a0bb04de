/* SPDX-License-Identifier: MIT */
/*
 * Who the client is and how it came, by the word of the proxies in front (X-Forwarded-For,
 * Forwarded of RFC 7239, X-Real-IP). Pure. Only what a trusted proxy wrote counts, whatever the
 * client wrote before it.
 */
#ifndef BATON_FORWARDED_H
#define BATON_FORWARDED_H

#include "address_range.h"

#include <stdbool.h>

struct head;

/*
 * One header is believed, never several: a proxy that writes one of them passes the client's own
 * copy of the others on as it came.
 */
enum forwarded_header {
	FORWARDED_X_FORWARDED_FOR,
	FORWARDED_FORWARDED,
	FORWARDED_X_REAL_IP,
};

/* What a listener believes. */
struct forwarded_rule {
	struct address_range *trusted; /* owned by the configuration */
	size_t trusted_count;
	enum forwarded_header header;
};

enum forwarded_scheme { FORWARDED_UNKNOWN, FORWARDED_HTTP, FORWARDED_HTTPS };

struct forwarded {
	struct address client; /* port 0 where a header names none */
	enum forwarded_scheme scheme;
};

/*
 * Peer is who connected. If it is trusted, its header is read from the right, over all lines of
 * that name: the first address that is not trusted is the client, or the left-most when all are. An
 * element that does not name an address ("unknown", "_hidden", garbage, nothing) ends the walk: the
 * client is who wrote it then. X-Real-IP has one element and one line, or nobody is believed.
 * The scheme: proto of the element that named the client, or, without Forwarded, the last element
 * of X-Forwarded-Proto, which the proxy has to set or to remove.
 */
void forwarded_find(const struct head *, const struct address *peer, const struct forwarded_rule *,
		    struct forwarded *found_r);

/* Is this one of those whose word is believed? */
bool forwarded_trusts(const struct forwarded_rule *, const struct address *);

#endif
