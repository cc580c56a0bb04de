/* SPDX-License-Identifier: MIT */
/*
 * Messages of permessage-deflate through zlib, whole ones only: each call takes a shared stream
 * (or the connection's own, with takeover), resets it, and is done with it when it returns. It
 * reads no frames and knows no connection; receive.c unpacks, output.c packs. The settings are
 * trusted: who reads the configuration has checked their ranges.
 */
#include "libbaton/deflate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

enum {
	KEEP_BYTES = 256 * 1024, /* a result buffer that grew beyond it is freed at the next call */
	FIRST_BYTES = 16 * 1024,
	LOOKAHEAD_BYTES = 262, /* zlib finds no match further back than the window less this */
	ZLIB_LEAST_BITS = 9,
	SMALL_BITS = 10, /* windows for messages that need no more, see window_for */
	MEDIUM_BITS = 12,
	ON_A_BOUNDARY = 128,       /* data_type of inflate: between two blocks and two bytes */
	PIECE_BYTES = 16 * 1024,   /* of what is inflated; then it is judged whether it goes on */
	PADDING_BYTES = 64 * 1024, /* of it that may yield nothing */
};

/* What ends a sync flush: the empty stored block of RFC 7692, 7.2.1, without its first byte. */
static const uint8_t tail[] = {0x00, 0x00, 0xff, 0xff};

/* A result. at[0..length) is written. */
struct space {
	uint8_t *at;
	size_t length, size;
};

struct deflate {
	struct deflate_settings settings;
	z_stream out[DEFLATE_MOST_BITS + 1]; /* by window bits; state NULL: not made yet */
	z_stream in;
	struct space packed, whole;
};

struct deflate_context {
	z_stream out, in; /* state NULL: not made yet */
};

struct deflate *deflate_create(const struct deflate_settings *settings)
{
	struct deflate *shared = calloc(1, sizeof *shared);
	if (shared != NULL) {
		shared->settings = *settings;
	}
	return shared;
}

void deflate_destroy(struct deflate *shared)
{
	if (shared == NULL) {
		return;
	}
	for (unsigned bits = 0; bits <= DEFLATE_MOST_BITS; bits++) {
		deflateEnd(&shared->out[bits]); /* refuses one that was not made, harmlessly */
	}
	inflateEnd(&shared->in);
	free(shared->packed.at);
	free(shared->whole.at);
	free(shared);
}

void deflate_context_destroy(struct deflate_context *context)
{
	if (context != NULL) {
		deflateEnd(&context->out);
		inflateEnd(&context->in);
		free(context);
	}
}

static bool space_grow(struct space *space, size_t size)
{
	size = size < FIRST_BYTES ? FIRST_BYTES : size;
	uint8_t *at = realloc(space->at, size);
	if (at == NULL) {
		return false;
	}
	space->at = at;
	space->size = size;
	return true;
}

/* Empties it, and gives back what one large message has taken. */
static void space_clear(struct space *space)
{
	space->length = 0;
	if (space->size > KEEP_BYTES) {
		free(space->at);
		*space = (struct space){.at = NULL};
	}
}

static bool context_is_there(struct deflate_context **context)
{
	if (*context == NULL) {
		*context = calloc(1, sizeof **context);
	}
	return *context != NULL;
}

/*
 * zlib refuses raw windows of 8 bits: they would become 9. We ask for the 9 ourselves, and a client
 * that keeps the 256 bytes it announced can read that: no match is further back than the window
 * less LOOKAHEAD_BYTES, 250 bytes here. test_deflate holds zlib to it.
 */
static int zlib_bits(unsigned bits)
{
	return bits < ZLIB_LEAST_BITS ? ZLIB_LEAST_BITS : (int)bits;
}

/* The smallest of three windows that spans the message: the same matches, and a reset that clears
 * 8 KiB of hash table instead of 64. */
static unsigned window_for(size_t len, unsigned most_bits)
{
	unsigned bits = len + LOOKAHEAD_BYTES <= 1u << SMALL_BITS    ? SMALL_BITS
			: len + LOOKAHEAD_BYTES <= 1u << MEDIUM_BITS ? MEDIUM_BITS
								     : DEFLATE_MOST_BITS;
	return bits < most_bits ? bits : most_bits;
}

static bool start_out(z_stream *out, int bits, int level)
{
	/* Hash table and symbols in step with the window; 8 is zlib's default for the largest. */
	int memory = bits - 5 < 8 ? bits - 5 : 8;
	return deflateInit2(out, level, Z_DEFLATED, -bits, memory, Z_DEFAULT_STRATEGY) == Z_OK;
}

/* The stream for a message, ready to begin it. NULL: no memory. */
static z_stream *out_stream(struct deflate *shared, struct deflate_terms terms,
			    struct deflate_context **context, size_t len)
{
	int bits = zlib_bits(terms.has_out_takeover ? terms.out_bits
						    : window_for(len, terms.out_bits));
	if (terms.has_out_takeover && !context_is_there(context)) {
		return NULL;
	}
	z_stream *out = terms.has_out_takeover ? &(*context)->out : &shared->out[bits];
	if (out->state == NULL) {
		return start_out(out, bits, shared->settings.level) ? out : NULL;
	}
	if (!terms.has_out_takeover) {
		deflateReset(out);
	}
	return out;
}

/* Deflates all of data and flushes, if that takes less than most bytes. */
static bool flush_all(z_stream *out, const void *data, size_t len, size_t most, struct space *to)
{
	size_t size = len + len / 1024 + 64;
	out->next_in = data;
	out->avail_in = (uInt)len;
	do { /* when nothing of the room is left over there may be more to come */
		size = size < most ? size : most;
		if (to->size < size && !space_grow(to, size)) {
			return false;
		}
		size_t room = to->size < most ? to->size : most;
		out->next_out = to->at + to->length;
		out->avail_out = (uInt)(room - to->length);
		deflate(out, Z_SYNC_FLUSH);
		to->length = (size_t)(out->next_out - to->at);
		size = room + room / 2;
	} while (out->avail_out == 0 && to->length < most);
	return out->avail_out > 0;
}

static bool is_worth_packing(const struct deflate *shared, struct deflate_terms terms, size_t len)
{
	return terms.out_bits != 0 && len >= shared->settings.least_bytes &&
	       len <= DEFLATE_MOST_BYTES;
}

bool deflate_pack(struct deflate *shared, struct deflate_terms terms,
		  struct deflate_context **context, const void *data, size_t len,
		  struct deflate_bytes *packed_r)
{
	if (!is_worth_packing(shared, terms, len) || len == 0) {
		return false; /* an empty message: zlib has nothing to flush after a flush */
	}
	struct space *to = &shared->packed;
	space_clear(to);
	z_stream *out = out_stream(shared, terms, context, len);
	if (out == NULL) {
		return false;
	}
	/* A result that fills most bytes has gained nothing. With takeover it goes out all the
	 * same: the stream will refer to it, and forgetting all that was before would cost more. */
	size_t most = terms.has_out_takeover ? SIZE_MAX : len + sizeof tail;
	if (!flush_all(out, data, len, most, to)) {
		if (terms.has_out_takeover) {
			deflateReset(out); /* the client will not see what it has taken */
		}
		return false;
	}
	assert(to->length > sizeof tail);
	assert(memcmp(to->at + to->length - sizeof tail, tail, sizeof tail) == 0);
	*packed_r = (struct deflate_bytes){to->at, to->length - sizeof tail};
	return true;
}

/* The stream for a message, ready to begin it. NULL: no memory. A shared one has the largest
 * window, which reads all smaller ones; one that is owned has what was agreed, and 9 for 8, for
 * the clients that let zlib turn the one into the other. */
static z_stream *in_stream(struct deflate *shared, struct deflate_terms terms,
			   struct deflate_context **context)
{
	if (terms.has_in_takeover && !context_is_there(context)) {
		return NULL;
	}
	z_stream *in = terms.has_in_takeover ? &(*context)->in : &shared->in;
	if (in->state == NULL) {
		int bits = terms.has_in_takeover ? zlib_bits(terms.in_bits) : DEFLATE_MOST_BITS;
		return inflateInit2(in, -bits) == Z_OK ? in : NULL;
	}
	if (!terms.has_in_takeover) {
		inflateReset(in);
	}
	return in;
}

/* Blocks that yield nothing are valid, and cost as much as others: whoever sends more of them than
 * any packer's choices explain wants our time. */
static bool is_mostly_padding(size_t packed, size_t unpacked)
{
	return packed > deflate_packed_limit(unpacked) + PADDING_BYTES;
}

/* Room for more, of most + 1 bytes in all: the last is there to see that the message is too big. */
static bool space_extend(struct space *space, size_t most)
{
	size_t size = 2 * space->size <= most ? 2 * space->size : most + 1;
	return space->length < space->size || space_grow(space, size);
}

/*
 * Inflates packed behind what is there. *ended_r: its last byte ended a block that has BFINAL set.
 * Such blocks may come anywhere (7.2.3.4), the next one begins at the next byte; inflateResetKeep
 * keeps the window, without which blocks of a few bits could make us copy 32 KiB each.
 */
static enum deflate_result inflate_all(z_stream *in, const void *packed, size_t len, size_t most,
				       struct space *to, bool *ended_r)
{
	const uint8_t *begin = packed;
	bool ended = false, is_full = false;
	in->next_in = begin;
	for (size_t left = len; left > 0 || is_full; left = len - (size_t)(in->next_in - begin)) {
		if (!space_extend(to, most)) {
			return DEFLATE_NO_MEMORY;
		}
		in->avail_in = left < PIECE_BYTES ? (uInt)left : PIECE_BYTES;
		in->next_out = to->at + to->length;
		in->avail_out = (uInt)((to->size <= most ? to->size : most + 1) - to->length);
		int code = inflate(in, Z_SYNC_FLUSH);
		to->length = (size_t)(in->next_out - to->at);
		if (to->length > most ||
		    is_mostly_padding((size_t)(in->next_in - begin), to->length)) {
			return DEFLATE_TOO_BIG;
		}
		if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
			return code == Z_MEM_ERROR ? DEFLATE_NO_MEMORY : DEFLATE_BAD;
		}
		ended = code == Z_STREAM_END;
		is_full = in->avail_out == 0 && !ended; /* it may hold more, without input */
		if (ended) {
			inflateResetKeep(in);
		}
	}
	*ended_r = ended;
	return DEFLATE_OK;
}

enum deflate_result deflate_unpack(struct deflate *shared, struct deflate_terms terms,
				   struct deflate_context **context, const void *packed, size_t len,
				   size_t limit, struct deflate_bytes *whole_r)
{
	struct space *to = &shared->whole;
	size_t most = limit != 0 && limit < DEFLATE_MOST_BYTES ? limit : DEFLATE_MOST_BYTES;
	bool ended = false;
	space_clear(to);
	if (len > deflate_packed_limit(DEFLATE_MOST_BYTES)) {
		return DEFLATE_TOO_BIG;
	}
	z_stream *in = in_stream(shared, terms, context);
	if (in == NULL) {
		return DEFLATE_NO_MEMORY;
	}
	enum deflate_result result = inflate_all(in, packed, len, most, to, &ended);
	/* Two things that a client should not send, but that have one meaning: no payload at all,
	 * and a last block with BFINAL that no empty block follows. */
	if (result == DEFLATE_OK && len > 0 && !ended) {
		result = inflate_all(in, tail, sizeof tail, most, to, &ended);
		if (result == DEFLATE_OK && in->data_type != ON_A_BOUNDARY) {
			return DEFLATE_BAD;
		}
	}
	if (result == DEFLATE_OK) {
		*whole_r = (struct deflate_bytes){to->length > 0 ? to->at : tail, to->length};
	}
	return result;
}

uint64_t deflate_packed_limit(uint64_t whole_limit)
{
	/* Stored blocks of zlib's smallest memory level: five bytes for each 127. */
	return whole_limit == 0 ? 0 : whole_limit + whole_limit / 16 + 64;
}
