/* SPDX-License-Identifier: MIT */
/*
 * What a pool's deflate keys mean for connections: which terms are asked for, whose streams are
 * used, which failure ends a connection with which code. It reads no frames and writes none.
 * Called by settings.c (HELLO), offer.c (the 101), receive.c, output.c and publication.c.
 */
#include "libbaton/packing.h"

#include "handoff/handoff.h"
#include "handoff/pairs.h"
#include "handoff/utf8.h"
#include "libbaton/conn.h"
#include "libbaton/host.h"

#include <string.h>

enum {
	LEAST_BYTES = 64, /* smaller messages gain less than they cost */
	TAKEOVER_BITS =
		12, /* 4 KiB of what was sent: 32 KiB of it would cost three times as much */
	MOST_LEVEL = 9,
	INTERNAL_ERROR = 1011,
};

void packing_begin(struct packing *packing, const struct handoff_message *hello)
{
	uint64_t level = handoff_number(hello, "DEFLATE", 0);
	bool has_takeover = handoff_number(hello, "DEFLATE_TAKEOVER", 0) == 1;
	if (packing->deflate != NULL || level < 1 || level > MOST_LEVEL) {
		return;
	}
	uint8_t bits = has_takeover ? TAKEOVER_BITS : DEFLATE_MOST_BITS;
	packing->settings = (struct deflate_settings){
		.is_enabled = true,
		.has_out_takeover = has_takeover,
		.has_in_takeover = has_takeover,
		.out_bits = bits,
		.in_bits = bits,
		.level = (uint8_t)level,
		.least_bytes = LEAST_BYTES,
	};
	packing->deflate = deflate_create(&packing->settings);
	if (packing->deflate == NULL) {
		packing->settings = (struct deflate_settings){0}; /* nobody is promised anything */
	}
}

void packing_finish(struct packing *packing)
{
	deflate_destroy(packing->deflate);
	packing->deflate = NULL;
}

bool packing_agree(struct baton_conn *conn, const char *offered,
		   char response_r[DEFLATE_RESPONSE_BYTES])
{
	conn->session.may_pack = deflate_negotiate(&conn->baton->packing.settings, offered,
						   response_r, &conn->terms);
	return conn->session.may_pack;
}

bool packing_pack(struct baton_conn *conn, const void *data, size_t len,
		  struct deflate_bytes *packed_r)
{
	return deflate_pack(conn->baton->packing.deflate, conn->terms, conn->takeover, data, len,
			    packed_r);
}

static bool fail(struct baton_conn *conn, unsigned code, const char *why)
{
	conn_fail(conn, code, why, strlen(why));
	return false;
}

bool packing_unpack(struct baton_conn *conn, bool is_text, const void *packed, size_t len,
		    struct deflate_bytes *whole_r)
{
	struct baton *baton = conn->baton;
	uint32_t utf8 = UTF8_BETWEEN;
	switch (deflate_unpack(baton->packing.deflate, conn->terms, conn->takeover, packed, len,
			       (size_t)baton->limits.message_bytes, whole_r)) {
	case DEFLATE_OK:
		break;
	case DEFLATE_TOO_BIG:
		return fail(conn, SESSION_TOO_BIG, "message is too big");
	case DEFLATE_BAD:
		return fail(conn, SESSION_BAD_DATA, "message does not inflate");
	case DEFLATE_NO_MEMORY:
		return fail(conn, INTERNAL_ERROR, "no memory");
	}
	if (is_text && !(utf8_feed(&utf8, whole_r->at, whole_r->len) && utf8 == UTF8_BETWEEN)) {
		return fail(conn, SESSION_BAD_DATA, "text is not UTF-8");
	}
	return true;
}
