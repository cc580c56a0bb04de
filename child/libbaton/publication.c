/* SPDX-License-Identifier: MIT */
/*
 * The frames of a published message. Who has agreed on context takeover gets it plain: packed for
 * one such connection it would be of no use to any other, and publishing is to cost the same
 * however many read. It sends nothing: topics.c does.
 */
#include "libbaton/publication.h"

#include "libbaton/conn.h"
#include "libbaton/packing.h"
#include "libbaton/queue.h"

#include <string.h>

enum { PLAIN = 0 };

static struct shared *write_frame(unsigned opcode, const void *payload, size_t len)
{
	uint8_t header[SESSION_MAX_OUT_HEADER];
	size_t header_len = session_write_header(header, opcode, false, len);
	struct shared *frame = shared_create(header_len + len);
	if (frame != NULL) {
		memcpy(frame->at, header, header_len);
		if (len > 0) {
			memcpy(frame->at + header_len, payload, len);
		}
	}
	return frame;
}

static unsigned opcode_of(const struct publication *publication)
{
	return publication->is_text ? SESSION_TEXT : SESSION_BINARY;
}

bool publication_init(struct publication *publication, bool is_text, const void *data, size_t len)
{
	*publication = (struct publication){.is_text = is_text, .data = data, .len = len};
	publication->frames[PLAIN] = write_frame(opcode_of(publication), data, len);
	return publication->frames[PLAIN] != NULL;
}

void publication_finish(struct publication *publication)
{
	for (unsigned bits = 0; bits <= DEFLATE_MOST_BITS; bits++) {
		if (publication->frames[bits] != NULL) {
			shared_release(publication->frames[bits]);
		}
	}
}

/* The plain one where packing gains nothing. */
static struct shared *pack_frame(struct publication *publication, struct baton_conn *conn)
{
	struct deflate_bytes packed;
	struct shared *frame = NULL;
	if (packing_pack(conn, publication->data, publication->len, &packed)) {
		frame = write_frame(opcode_of(publication) | SESSION_PACKED, packed.at, packed.len);
	}
	if (frame == NULL) {
		frame = publication->frames[PLAIN];
		frame->references++;
	}
	return frame;
}

struct shared *publication_frame(struct publication *publication, struct baton_conn *conn)
{
	unsigned bits = conn->terms.has_out_takeover ? PLAIN : conn->terms.out_bits;
	if (publication->frames[bits] == NULL) {
		publication->frames[bits] = pack_frame(publication, conn);
	}
	return publication->frames[bits];
}
