/* SPDX-License-Identifier: MIT */
/*
 * deflate.c and deflate_offer.c: any packed bytes unpack to at most the limit or are refused, and
 * disturb no later message; whatever is packed unpacks to itself, with takeover and without; any
 * offer is answered within its buffer. Input: three bytes of options, then the bytes.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libbaton/deflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct deflate_terms terms_of(unsigned option)
{
	return (struct deflate_terms){
		.out_bits = 8 + option % 8,
		.in_bits = 15,
		.has_out_takeover = (option & 0x40) != 0,
		.has_in_takeover = (option & 0x80) != 0,
	};
}

static void check_unpack(struct deflate *shared, struct deflate_terms terms, size_t limit,
			 const uint8_t *data, size_t len)
{
	struct deflate_context *context = NULL;
	struct deflate_bytes whole;
	for (int turn = 0; turn < 2; turn++) {
		enum deflate_result result =
			deflate_unpack(shared, terms, &context, data, len, limit, &whole);
		assert(result != DEFLATE_NO_MEMORY);
		if (result != DEFLATE_OK) {
			break;
		}
		assert(whole.at != NULL && whole.len <= limit);
	}
	deflate_context_destroy(context);
}

/* The other side of a connection has its takeovers the other way round. */
static void check_round_trip(struct deflate *shared, struct deflate_terms terms,
			     const uint8_t *data, size_t len)
{
	struct deflate_terms peer = {.out_bits = 15,
				     .in_bits = terms.out_bits,
				     .has_in_takeover = terms.has_out_takeover};
	struct deflate_context *out = NULL, *in = NULL;
	for (int turn = 0; turn < 3; turn++) {
		struct deflate_bytes packed, whole;
		size_t part = turn == 1 ? len / 2 : len;
		if (!deflate_pack(shared, terms, &out, data, part, &packed)) {
			continue; /* goes as it is */
		}
		assert(packed.len < part || terms.has_out_takeover);
		assert(packed.len <= deflate_packed_limit(part));
		enum deflate_result result =
			deflate_unpack(shared, peer, &in, packed.at, packed.len, part, &whole);
		assert(result == DEFLATE_OK && whole.len == part);
		assert(memcmp(whole.at, data, part) == 0);
		const struct deflate_terms other = {.out_bits = 15, .in_bits = 15};
		deflate_unpack(shared, other, NULL, data, len, len, &whole); /* disturbs nobody */
	}
	deflate_context_destroy(out);
	deflate_context_destroy(in);
}

static void check_offer(const struct deflate_settings *settings, const uint8_t *data, size_t len)
{
	char response[DEFLATE_RESPONSE_BYTES];
	struct deflate_terms terms;
	char *offered = malloc(len + 1);
	assert(offered != NULL);
	memcpy(offered, data, len);
	offered[len] = '\0';
	if (deflate_negotiate(settings, offered, response, &terms)) {
		assert(memchr(response, '\0', sizeof response) != NULL);
		assert(strncmp(response, "permessage-deflate", 18) == 0);
		assert(terms.out_bits >= DEFLATE_LEAST_BITS && terms.in_bits >= DEFLATE_LEAST_BITS);
		assert(terms.out_bits <= settings->out_bits);
		assert(!terms.has_out_takeover || settings->has_out_takeover);
		assert(!terms.has_in_takeover || settings->has_in_takeover);
	}
	free(offered);
}

/* One for each level, for good: what one input leaves behind must not matter to the next. */
static struct deflate *shared_of(const struct deflate_settings *settings)
{
	static struct deflate *all[10];
	struct deflate **shared = &all[settings->level];
	if (*shared == NULL) {
		*shared = deflate_create(settings);
	}
	assert(*shared != NULL);
	return *shared;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 3) {
		return 0;
	}
	struct deflate_terms terms = terms_of(data[0]);
	const struct deflate_settings settings = {
		.is_enabled = true,
		.has_out_takeover = (data[2] & 1) != 0,
		.has_in_takeover = (data[2] & 2) != 0,
		.out_bits = (uint8_t)(8 + data[2] / 4 % 8),
		.in_bits = (uint8_t)(8 + data[2] / 32),
		.level = (uint8_t)(1 + data[0] % 9),
	};
	size_t limit = 1 + (size_t)data[1] * data[1];
	struct deflate *shared = shared_of(&settings);
	check_unpack(shared, terms, limit, data + 3, len - 3);
	check_round_trip(shared, terms, data + 3, len - 3);
	check_offer(&settings, data + 3, len - 3);
	return 0;
}
