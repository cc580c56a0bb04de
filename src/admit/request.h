/* SPDX-License-Identifier: MIT */
/*
 * The judged view of a head: is this a WebSocket upgrade that RFC 6455 (4.2.1) and RFC 9112
 * allow, and where does it want to go? Pure. Everything that later parts know of a request
 * comes from here; the raw head is not looked at again except to be written canonically.
 */
#ifndef BATON_REQUEST_H
#define BATON_REQUEST_H

#include "admit/head.h"

struct request {
	const struct head *head;
	struct slice host; /* Host field or absolute-form authority as sent, "example.org:8080" */
	struct slice host_name; /* without the port; IPv6 literals keep their brackets */
	struct slice host_port; /* digits; .at == NULL when there is none */
	struct slice path;      /* begins with '/', raw (percent-encoded as sent) */
	struct slice query;     /* behind the '?'; .at == NULL when there is no '?' */
	struct slice origin;    /* .at == NULL when absent */
	struct slice key;       /* Sec-WebSocket-Key, 24 characters; .at == NULL if !is_upgrade */
	struct slice length;    /* Content-Length, digits; .at == NULL if absent or is_upgrade */
	bool is_chunked;        /* the body is; never together with length */
	bool is_upgrade;        /* false: plain HTTP */
};

/*
 * Judges what every request must satisfy: target, Host, framing fields, and, when it asks for
 * an upgrade (Upgrade names websocket), the whole of RFC 6455, 4.2.1. Any other request gets
 * REFUSAL_NONE with is_upgrade == false: the caller decides whether plain HTTP is spoken there
 * (health, http = true) or answers REFUSAL_NOT_UPGRADE.
 * *request_r is written on REFUSAL_NONE only; its slices live as long as the head's.
 */
enum refusal request_judge(const struct head *, struct request *request_r);

/*
 * Writes the canonical head that a native child gets: the request line in origin-form, Host,
 * "Upgrade: websocket", "Connection: Upgrade", then the client's other fields, one line each,
 * without hop-by-hop fields (RFC 9110, 7.6.1) and without what pretends to come from a proxy
 * (Forwarded, X-Forwarded-*, X-Real-IP), nor a name that is one of these when '_' is read as '-'.
 * Of a plain request: "Connection: close" instead of the two, then the field that frames its body,
 * and no Sec-WebSocket-*: so a field of that name or Upgrade means that the upgrade was judged.
 * Returns the length, or 0 when it does not fit into size (nothing useful is in buf then).
 */
size_t request_write_head(const struct request *, char *buf, size_t size);

/* Is a field of this name left out of every canonical head: one for a single hop, one that baton
 * writes itself, or a claim about the client? */
bool request_withholds(struct slice name);

/* Does a field of this name stand in this request's canonical head, if the client sent it? */
bool request_forwards(const struct request *, struct slice name);

/* The value of a query key or cookie (the first one), raw, .at == NULL when absent. */
struct slice request_query(const struct request *, struct slice key);
struct slice request_cookie(const struct request *, struct slice name);

#endif
