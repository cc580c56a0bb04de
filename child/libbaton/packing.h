/* SPDX-License-Identifier: MIT */
/* permessage-deflate on connections: deflate.h with the settings of the pool, from HELLO on. */
#ifndef BATON_PACKING_H
#define BATON_PACKING_H

#include "libbaton/deflate.h"

struct baton;
struct baton_conn;
struct handoff_message;

/* One a process. Zeroed: the pool has none of it. */
struct packing {
	struct deflate_settings settings; /* stand from HELLO on */
	struct deflate *deflate;          /* NULL: none of it */
};

/* Reads what HELLO says of it. A second HELLO changes nothing. */
void packing_begin(struct packing *, const struct handoff_message *hello);
void packing_finish(struct packing *);

/* Before the 101. offered: the client's Sec-WebSocket-Extensions, or NULL. True: response_r is the
 * value of ours, and from now on the connection packs. */
bool packing_agree(struct baton_conn *, const char *offered,
		   char response_r[DEFLATE_RESPONSE_BYTES]);

/* As deflate_pack: false, send it as it is. For whole messages that have room (with takeover what
 * was packed must leave), and between messages. */
bool packing_pack(struct baton_conn *, const void *data, size_t len,
		  struct deflate_bytes *packed_r);

/* The message behind a packed one; text is UTF-8. It lives until the next one of any connection.
 * False: the connection was failed (conn_fail). */
bool packing_unpack(struct baton_conn *, bool is_text, const void *packed, size_t len,
		    struct deflate_bytes *whole_r);

#endif
