/* SPDX-License-Identifier: MIT */
/*
 * From TAKEN to the 101: the metadata of the request, the author's open, the answer. The gateway
 * has judged the head already and wrote it anew, so this only looks things up in it. The metadata
 * is not kept beyond the answer: a copy is made for BATON_LATER alone.
 */
#include "libbaton/offer.h"

#include "libbaton/buffer.h"
#include "libbaton/conn.h"
#include "libbaton/handshake.h"
#include "libbaton/host.h"
#include "libbaton/metadata.h"
#include "libbaton/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct payload {
	const char *at;
	size_t len;
};

static struct payload payload_of(const struct baton_conn *conn)
{
	const struct baton *baton = conn->baton;
	if (baton->opening == conn) {
		return (struct payload){baton->channel.offer.payload,
					baton->channel.offer.payload_bytes};
	}
	if (conn->state == CONN_OPENING && conn->kept != NULL) {
		return (struct payload){(const char *)conn->kept->at, conn->kept->length};
	}
	return (struct payload){NULL, 0};
}

/* NULL when it is absent. Lives until the next call. */
static const char *find(struct baton_conn *conn, const char *key)
{
	struct payload payload = payload_of(conn);
	return payload.at != NULL ? metadata_find(payload.at, payload.len, key, conn->baton->value)
				  : NULL;
}

const char *baton_get(struct baton_conn *conn, const char *key)
{
	return conn->state == CONN_OPENING ? find(conn, key) : NULL;
}

/* ---- answers ---- */

static const char *reason_phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} known[] = {
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{409, "Conflict"},
		{410, "Gone"},
		{426, "Upgrade Required"},
		{429, "Too Many Requests"},
		{500, "Internal Server Error"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
	};
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (known[i].status == status) {
			return known[i].phrase;
		}
	}
	return "Refused";
}

/* RFC 9110, 9.3.2: the length is told, the body is not sent. */
static bool is_head(struct baton_conn *conn)
{
	const char *method = find(conn, "REQUEST_METHOD");
	return method != NULL && strcmp(method, "HEAD") == 0;
}

/* Nothing was written before this; behind it nothing will be. */
static int answer(struct baton_conn *conn, int status, const char *headers, const void *body,
		  size_t len)
{
	char start[160];
	int start_len = snprintf(start, sizeof start,
				 "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\nConnection: close\r\n",
				 status, reason_phrase(status), len);
	size_t headers_len = headers != NULL ? strlen(headers) : 0;
	len = is_head(conn) ? 0 : len;
	size_t total = (size_t)start_len + headers_len + 2 + len;
	struct buffer *whole = NULL;
	if (!buffer_append(&whole, start, (size_t)start_len, total) ||
	    !buffer_append(&whole, headers, headers_len, total) ||
	    !buffer_append(&whole, "\r\n", 2, total) || !buffer_append(&whole, body, len, total)) {
		buffer_free(&whole);
		errno = ENOMEM;
		return -1;
	}
	conn_set_end(conn, (unsigned)status, NULL, 0);
	conn->who = CONN_BY_CHILD;
	conn->lingers = true;
	conn->state = CONN_FLUSHING;
	buffer_free(&conn->kept);
	output_put(conn, whole->at, whole->length, NULL, 0);
	buffer_free(&whole);
	conn_settle_unless_current(conn);
	return 0;
}

void offer_refuse(struct baton_conn *conn, int status)
{
	if (answer(conn, status, NULL, NULL, 0) != 0) {
		conn_break(conn);
	}
}

/* The value of our Sec-WebSocket-Extensions, or NULL. */
static const char *agree_on_extensions(struct baton_conn *conn, char to[DEFLATE_RESPONSE_BYTES])
{
	if (conn->baton->packing.deflate == NULL) {
		return NULL;
	}
	const char *offered = find(conn, "HTTP_SEC_WEBSOCKET_EXTENSIONS");
	return packing_agree(conn, offered, to) ? to : NULL;
}

static void accept_with(struct baton_conn *conn, const char *subprotocol)
{
	char head[HANDSHAKE_MAX_BYTES], response[DEFLATE_RESPONSE_BYTES];
	const char *extensions = agree_on_extensions(conn, response);
	const char *key = find(conn, "HTTP_SEC_WEBSOCKET_KEY");
	size_t len =
		key != NULL ? handshake_write(head, key, strlen(key), subprotocol, extensions) : 0;
	if (len == 0) {
		offer_refuse(conn, 400); /* no upgrade request */
		return;
	}
	conn->state = CONN_OPEN;
	conn->heard = conn->sent = conn->baton->keepalive.round;
	keepalive_begin(conn->baton);
	buffer_free(&conn->kept);
	output_put(conn, head, len, NULL, 0);
	conn_settle_unless_current(conn);
}

int baton_accept(struct baton_conn *conn, const char *subprotocol)
{
	if (conn->state != CONN_OPENING) {
		errno = EALREADY;
		return -1;
	}
	char name[HANDSHAKE_MAX_SUBPROTOCOL + 1];
	if (subprotocol != NULL) {
		/* It may be what baton_get gave, and find overwrites that. */
		size_t len = (size_t)snprintf(name, sizeof name, "%s", subprotocol);
		if (len >= sizeof name ||
		    !handshake_offers(find(conn, "HTTP_SEC_WEBSOCKET_PROTOCOL"), name)) {
			errno = EINVAL;
			return -1;
		}
		subprotocol = name;
	}
	accept_with(conn, subprotocol);
	return 0;
}

/* Those that frame the answer: a second opinion would let a proxy see two answers in one. */
static bool is_ours(const char *name, size_t len)
{
	static const char *const names[] = {"Connection", "Content-Length", "Transfer-Encoding",
					    "Upgrade"};
	static const char prefix[] = "Sec-WebSocket-";
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (len == strlen(names[i]) && strncasecmp(name, names[i], len) == 0) {
			return true;
		}
	}
	return strncasecmp(name, prefix, sizeof prefix - 1) == 0;
}

/* What follows on one field line, or NULL when it is none that the author may write. */
static const char *skip_field(const char *at)
{
	size_t name_len = handshake_token(at);
	if (name_len == 0 || at[name_len] != ':' || is_ours(at, name_len)) {
		return NULL;
	}
	at += name_len + 1;
	while ((unsigned char)*at >= ' ' ? *at != 0x7f : *at == '\t') {
		at++;
	}
	return at[0] == '\r' && at[1] == '\n' ? at + 2 : NULL;
}

static bool are_headers(const char *at)
{
	while (at != NULL && *at != '\0') {
		at = skip_field(at);
	}
	return at != NULL;
}

int baton_answer(struct baton_conn *conn, int status, const char *headers, const void *body,
		 size_t len)
{
	if (conn->state != CONN_OPENING) {
		errno = EALREADY;
		return -1;
	}
	len = body != NULL ? len : 0;
	if (status < 400 || status > 599 || len > PTRDIFF_MAX ||
	    (headers != NULL && !are_headers(headers))) {
		errno = EINVAL;
		return -1;
	}
	return answer(conn, status, headers, body, len);
}

/* ---- open ---- */

static void decide(struct baton_conn *conn, int verdict)
{
	struct payload payload = payload_of(conn);
	if (verdict == BATON_ACCEPT) {
		accept_with(conn, NULL);
	} else if (verdict != BATON_LATER) {
		offer_refuse(conn, verdict >= 400 && verdict <= 599 ? verdict : 500);
	} else if (!buffer_append(&conn->kept, payload.at, payload.len, payload.len)) {
		offer_refuse(conn, 503);
	}
}

void offer_open(struct baton_conn *conn)
{
	struct baton *baton = conn->baton;
	table_add(&baton->table, conn);
	baton->opening = conn;
	baton->current = conn;
	int verdict = BATON_ACCEPT;
	if (baton->app.open != NULL) {
		verdict = baton->app.open(conn, baton->data);
	} else if (baton->app.auth != NULL) {
		verdict = 500; /* a route's pool by mistake: not everybody may in */
	}
	if (conn->state == CONN_OPENING) {
		decide(conn, verdict);
	}
	baton->opening = NULL;
	conn_settle(conn);
	baton->current = NULL;
}
