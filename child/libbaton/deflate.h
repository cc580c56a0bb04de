/* SPDX-License-Identifier: MIT */
/*
 * permessage-deflate (RFC 7692), the server's side: the negotiation, and whole messages packed and
 * unpacked. Pure: no descriptor, no clock, no callback. Without context takeover (the default) the
 * streams of zlib belong to the process and a connection keeps its terms alone. No call leaves
 * anything half done in a shared stream, so connections cannot disturb each other; the price is
 * that the host gathers the fragments of a compressed message, as it does for any other.
 */
#ifndef BATON_DEFLATE_H
#define BATON_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DEFLATE_LEAST_BITS = 8, /* windows of 256 bytes to 32 KiB, RFC 7692, 7.1.2 */
	DEFLATE_MOST_BITS = 15,
	DEFLATE_RESPONSE_BYTES = 160,  /* of the longest response, with its NUL */
	DEFLATE_MOST_BYTES = 1u << 30, /* of one message, whatever the limit says */
};

/* What a pool wants. "out" is what we send, the server's side in the RFC's words; "in" the
 * client's. */
struct deflate_settings {
	bool is_enabled;
	bool has_out_takeover, has_in_takeover; /* up to 270 KB and 40 KB a connection */
	uint8_t out_bits, in_bits;              /* largest windows */
	uint8_t level;                          /* 1 to 9, as zlib's */
	uint32_t least_bytes;                   /* smaller messages leave as they are */
};

/* What was agreed with one client, two bytes. Zeroed: nothing, messages go plain. */
struct deflate_terms {
	uint8_t out_bits : 4, in_bits : 4;
	bool has_out_takeover : 1, has_in_takeover : 1;
};

/*
 * Takes the first acceptable offer of permessage-deflate in offered, the client's
 * Sec-WebSocket-Extensions (NULL: it sent none). An offer is declined for an unknown parameter, one
 * that comes twice, or a value that is not allowed (7.1); a violation of the grammar (RFC 6455,
 * 9.1) anywhere declines all: the gateway has answered it with 400 before. True: *terms_r is set
 * and response_r holds the value of our Sec-WebSocket-Extensions. False: answer without one.
 */
bool deflate_negotiate(const struct deflate_settings *, const char *offered,
		       char response_r[DEFLATE_RESPONSE_BYTES], struct deflate_terms *terms_r);

/* What a process has once: streams (made when first needed) and the two buffers of results. */
struct deflate;

/* Copies settings. NULL when there is no memory. */
struct deflate *deflate_create(const struct deflate_settings *settings);
void deflate_destroy(struct deflate *); /* NULL is fine */

/* The streams of a connection with takeover. A connection begins with NULL, the calls below make
 * it when it is needed, and its end destroys it. One pointer; NULL for terms without takeover. */
struct deflate_context;
void deflate_context_destroy(struct deflate_context *); /* NULL is fine */

struct deflate_bytes {
	const uint8_t *at; /* never NULL */
	size_t len;
};

/*
 * Packs one message. True: send *packed_r with RSV1 set on its first frame; it lives until the
 * next deflate_pack, and with takeover it must be sent, for the next message refers to it. False:
 * send the message as it is, without RSV1: it is too small, did not shrink, terms are zeroed, or
 * memory is short. The result depends on nothing but message, settings and out_bits when there is
 * no takeover: a message to many is packed once. context may be NULL then.
 */
bool deflate_pack(struct deflate *, struct deflate_terms, struct deflate_context **context,
		  const void *data, size_t len, struct deflate_bytes *packed_r);

enum deflate_result {
	DEFLATE_OK,
	DEFLATE_TOO_BIG, /* close with 1009: found after at most limit + 1 bytes of output, or some
			    64 KiB of input that yielded nothing */
	DEFLATE_BAD, /* close with 1007 (RFC 6455, 7.4.1): the frames were right, not the data */
	DEFLATE_NO_MEMORY, /* close with 1011 */
};

/*
 * Unpacks one message: the payloads of all its frames, behind one another. limit: most bytes of
 * the result, 0: DEFLATE_MOST_BYTES. *whole_r lives until the next deflate_unpack (deflate_pack
 * does not touch it) and may hold anything: that text is UTF-8 is for the caller to check. After
 * any failure the connection must be failed: with takeover its context is of no more use.
 */
enum deflate_result deflate_unpack(struct deflate *, struct deflate_terms,
				   struct deflate_context **context, const void *packed, size_t len,
				   size_t limit, struct deflate_bytes *whole_r);

/* Payload bytes that an honest client may need for a message of whole_limit bytes (0: no limit,
 * gives 0): data that does not shrink grows by the headers of stored blocks. */
uint64_t deflate_packed_limit(uint64_t whole_limit);

#endif
