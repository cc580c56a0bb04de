/* SPDX-License-Identifier: MIT */
/*
 * Why a client is refused: the one table that the reply, the log line and the counters read.
 * A sentence says what was wrong and what to do about it, and never repeats a byte that the
 * client sent. Which refusal applies is decided elsewhere: head.c, request.c, route.c,
 * limits.c, conn.c.
 */
#include "admit/refusal.h"

#include <assert.h>

static const struct {
	int status;
	const char *name;
	const char *text;
} table[REFUSAL_COUNT] = {
	[REFUSAL_NONE] = {0, "none", "Nothing is wrong with this request."},

	[REFUSAL_BAD_LINE] = {400, "bad-line",
			      "The request line must be METHOD SP TARGET SP HTTP/1.1 CRLF, with "
			      "single spaces and nothing before it."},
	[REFUSAL_BAD_METHOD] = {400, "bad-method",
				"The request does not start with an HTTP method; if this is TLS, "
				"use ws:// or http:// here, or connect to a port that speaks TLS."},
	[REFUSAL_BAD_TARGET] = {400, "bad-target",
				"The request target must be a path that begins with '/', or a "
				"whole http, https, ws or wss URL, in visible ASCII."},
	[REFUSAL_BAD_FIELD] = {400, "bad-field",
			       "A header line must be NAME: VALUE, with no space before the colon "
			       "and no control characters."},
	[REFUSAL_OBS_FOLD] = {400, "obs-fold",
			      "A header line begins with white space; write each header field on "
			      "one line."},
	[REFUSAL_BARE_LF] = {400, "bare-lf",
			     "Lines must end in CR LF; a CR or an LF stands alone in the head."},
	[REFUSAL_NUL] = {400, "nul", "The head contains a NUL byte; leave it out."},
	[REFUSAL_TARGET_TOO_LONG] = {414, "target-too-long",
				     "The request target is longer than 8000 bytes; send less in "
				     "the URL."},
	[REFUSAL_HEAD_TOO_LARGE] =
		{431, "head-too-large",
		 "The request head is larger than this gateway allows; send "
		 "fewer or smaller header fields (cookies are the usual cause)."},
	[REFUSAL_TOO_MANY_FIELDS] = {431, "too-many-fields",
				     "The request has more than 100 header fields; send fewer."},
	[REFUSAL_VERSION] = {505, "version",
			     "This address speaks HTTP/1.1 only; send the request as HTTP/1.1."},
	[REFUSAL_URGENT_DATA] = {400, "urgent-data",
				 "TCP urgent data is not allowed in a request head; send it as "
				 "ordinary data."},
	[REFUSAL_HALF_HEAD] = {400, "half-head",
			       "The connection was closed for writing before the request head "
			       "ended; send the empty line that ends it."},

	[REFUSAL_PROXY] =
		{400, "proxy",
		 "This port expects a PROXY header (version 1 or 2, at most 4096 bytes) in "
		 "front of the request: connect through the proxy, or let it send one."},
	[REFUSAL_PROXY_TIMEOUT] =
		{408, "proxy-timeout",
		 "This port expects a PROXY header in front of the request, and it "
		 "did not arrive in time; connect through the proxy, or let it send "
		 "one at once."},

	[REFUSAL_HOST] = {400, "host",
			  "The request needs exactly one Host field, HOST or HOST:PORT, and a "
			  "target with a host must name the same one."},
	[REFUSAL_FRAMING] =
		{400, "framing",
		 "Frame a body by one Content-Length of digits, or by "
		 "'Transfer-Encoding: chunked' alone; a WebSocket upgrade has no body."},
	[REFUSAL_CODING] = {501, "coding",
			    "The only transfer coding that is known here is chunked; leave out the "
			    "others."},
	[REFUSAL_DUPLICATE] = {400, "duplicate",
			       "Origin, Content-Length, Sec-WebSocket-Key and "
			       "Sec-WebSocket-Version may stand only once; send each on one line."},
	[REFUSAL_PATH] = {400, "path",
			  "The path or query has a character that must be percent-encoded, a bad "
			  "percent-encoding, a '#', a '.' or '..' segment, or a '//', a ';' or a "
			  "needless '%' that could mean another path."},
	[REFUSAL_METHOD] = {405, "method",
			    "A WebSocket is opened with GET, and nothing here takes CONNECT or "
			    "TRACE; use another method."},
	[REFUSAL_NOT_UPGRADE] =
		{426, "not-upgrade",
		 "This address speaks WebSocket only; connect with a WebSocket "
		 "client, or send 'Upgrade: websocket'. Behind a proxy: let it pass "
		 "Upgrade and Connection on."},
	[REFUSAL_CONNECTION] =
		{400, "connection",
		 "A WebSocket upgrade needs 'Connection: Upgrade', and Connection "
		 "may not name Host, Origin or a Sec-WebSocket field. Behind a proxy: "
		 "let it pass Connection on."},
	[REFUSAL_KEY] = {400, "key",
			 "Sec-WebSocket-Key must be the base64 form of 16 random bytes: 24 "
			 "characters, the last two '=='."},
	[REFUSAL_WS_VERSION] = {426, "ws-version",
				"This server speaks WebSocket version 13 only; send "
				"'Sec-WebSocket-Version: 13'."},
	[REFUSAL_WS_FIELD] = {400, "ws-field",
			      "Sec-WebSocket-Protocol must be a list of different names, and "
			      "Sec-WebSocket-Extensions a list of NAME; PARAMETER=VALUE."},

	[REFUSAL_ORIGIN] = {403, "origin",
			    "Pages of this origin may not connect here; the operator can add it "
			    "to the route's origins."},
	[REFUSAL_NO_ROUTE] = {404, "no-route",
			      "Nothing is served at this address; check the host and the path."},
	[REFUSAL_HEAD_TIMEOUT] = {408, "head-timeout",
				  "The request head did not arrive in time; send it at once after "
				  "connecting."},
	[REFUSAL_AUTH] = {403, "auth", "You may not come in here."},
	[REFUSAL_AUTH_DOWN] = {503, "auth-down",
			       "The program that says who may come in here does not run; try again "
			       "later, or tell the operator."},
	[REFUSAL_AUTH_BUSY] = {503, "auth-busy",
			       "Nobody could say in time whether you may come in; try again in a "
			       "moment."},
	[REFUSAL_CONNECTIONS] = {503, "connections",
				 "All places of this gateway are taken; try again in a moment."},
	[REFUSAL_ROUTE_CONNECTIONS] =
		{503, "route-connections",
		 "All places at this address are taken; try again in a moment."},
	[REFUSAL_ADDRESS_CONNECTIONS] =
		{429, "address-connections",
		 "Too many connections from your network address are open; close one, then try "
		 "again."},
	[REFUSAL_ADDRESS_RATE] = {429, "address-rate",
				  "Your network address opens connections too fast; wait before "
				  "you try again."},
	[REFUSAL_POOL_FAILED] = {503, "pool-failed",
				 "The program behind this address does not start; try again later, "
				 "or tell the operator."},
	[REFUSAL_QUEUE_FULL] =
		{503, "queue-full",
		 "All places are taken, and so is the queue; try again in a moment."},
	[REFUSAL_QUEUE_TIMEOUT] = {503, "queue-timeout",
				   "No place became free in time; try again in a moment."},
	[REFUSAL_HANDOVER_TIMEOUT] = {503, "handover-timeout",
				      "No process took the connection in time; try again in a "
				      "moment."},
	[REFUSAL_CHILDREN_DIED] = {503, "children-died",
				   "The processes that were to take the connection ended before "
				   "they did; try again in a moment."},
	[REFUSAL_CHILDREN_FULL] = {503, "children-full",
				   "The processes behind this address have no room for another "
				   "connection; try again in a moment."},
	[REFUSAL_STOPPING] = {503, "stopping",
			      "The gateway is shutting down; try again in a moment."},
	[REFUSAL_BY_CHILD] = {503, "by-child",
			      "The application refused this connection; its own documentation "
			      "says what it expects."},
};

int refusal_status(enum refusal refusal)
{
	assert(refusal < REFUSAL_COUNT);
	return table[refusal].status;
}

const char *refusal_name(enum refusal refusal)
{
	assert(refusal < REFUSAL_COUNT);
	return table[refusal].name;
}

const char *refusal_text(enum refusal refusal)
{
	assert(refusal < REFUSAL_COUNT);
	return table[refusal].text;
}
