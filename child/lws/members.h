/* SPDX-License-Identifier: MIT */
/*
 * The clients of an adapter, found by the wsi that libwebsockets made for them. The wsi's opaque
 * user data stays the program's own.
 *
 *	HTTP --ESTABLISHED--> OPEN --asked to close--> ASKED --writable--> CLOSING
 */
#ifndef BATON_LWS_MEMBERS_H
#define BATON_LWS_MEMBERS_H

#include "handoff/handoff.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lws;

enum member_state {
	MEMBER_HTTP,    /* a plain request, or the handshake is not over */
	MEMBER_OPEN,    /* speaks WebSocket */
	MEMBER_ASKED,   /* gets its Close frame when it is writable */
	MEMBER_CLOSING, /* our Close frame is out */
};

struct member {
	struct member *chain;       /* of its bucket */
	struct member *prev, *next; /* of all */
	struct lws *wsi;
	enum member_state state;
	bool is_deaf;         /* the client has sent its Close frame */
	bool was_open;        /* was a WebSocket at some time */
	bool has_asked;       /* its one request has been read */
	bool is_pinged;       /* by sweep.c, and not heard since */
	uint8_t heard;        /* the round in which it was last heard, or less: sweep.c */
	size_t message_bytes; /* of the message that is arriving */
	char *reason;         /* of our Close frame, or NULL */
	struct handoff_closed report;
	size_t pairs_bytes;
	char pairs[]; /* what the gateway said, without HEAD */
};

struct members {
	struct member **buckets;
	size_t bucket_count; /* a power of two, or 0 */
	struct member *first;
	size_t count;
};

/* A member without a wsi, not counted yet: members_add. NULL without memory. */
struct member *member_create(const struct handoff_message *offer);
void member_destroy(struct member *); /* NULL is fine */

/* False without memory. */
bool members_reserve(struct members *); /* room for one more */

/* There must be room. */
void members_add(struct members *, struct member *, struct lws *);
void members_remove(struct members *, struct member *);

struct member *members_find(const struct members *, const struct lws *);
struct member *members_find_id(const struct members *, uint64_t id); /* walks through all */

void members_finish(struct members *); /* destroys all */

#endif
