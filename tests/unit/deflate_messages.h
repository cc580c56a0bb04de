/* SPDX-License-Identifier: MIT */
/* What the tests of deflate share: terms, payloads, and unpacking under ASan's eyes. */
#ifndef BATON_DEFLATE_MESSAGES_H
#define BATON_DEFLATE_MESSAGES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "libbaton/deflate.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof(array)[0])
#define BYTES(literal)    (literal), sizeof(literal) - 1

enum { MEGABYTE = 1024 * 1024 };

static const struct deflate_terms plain = {.out_bits = 15, .in_bits = 15};
static const struct deflate_terms takeover = {
	.out_bits = 15, .in_bits = 15, .has_out_takeover = true, .has_in_takeover = true};

static inline struct deflate *create(unsigned level)
{
	const struct deflate_settings settings = {.is_enabled = true,
						  .has_out_takeover = true,
						  .has_in_takeover = true,
						  .out_bits = 15,
						  .in_bits = 15,
						  .level = (uint8_t)level};
	struct deflate *shared = deflate_create(&settings);
	assert_non_null(shared);
	return shared;
}

static inline void fill_random(uint8_t *to, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 17;
		seed ^= seed << 5;
		to[i] = (uint8_t)(seed >> 11);
	}
}

/* Text whose matches lie at every distance: words from a small list. */
static inline void fill_words(char *to, size_t len, uint32_t seed)
{
	static const char *const words[] = {"\"id\":", "4711,",   "\"room\":\"",    "lobby\",",
					    "true,",   "\"by\":", "\"ada\",\"at\"", "[17,42],"};
	uint8_t dice;
	for (size_t at = 0, k = 0; at < len; k++) {
		fill_random(&dice, 1, seed + (uint32_t)k * 2654435761u);
		const char *word = words[dice % ARRAY_SIZE(words)];
		for (; *word != '\0' && at < len; word++) {
			to[at++] = *word;
		}
	}
}

/* Unpacks from an allocation of exactly len bytes, so that ASan sees a read behind it. */
static inline enum deflate_result unpack(struct deflate *shared, struct deflate_terms terms,
					 struct deflate_context **context, const void *packed,
					 size_t len, size_t limit, struct deflate_bytes *whole_r)
{
	uint8_t *exact = malloc(len > 0 ? len : 1);
	assert_non_null(exact);
	memcpy(exact, packed, len);
	enum deflate_result result =
		deflate_unpack(shared, terms, context, exact, len, limit, whole_r);
	free(exact);
	return result;
}

static inline void assert_unpacks(struct deflate *shared, struct deflate_terms terms,
				  struct deflate_context **context, const void *packed, size_t len,
				  const void *expected, size_t expected_len)
{
	struct deflate_bytes whole;
	assert_int_equal(unpack(shared, terms, context, packed, len, 0, &whole), DEFLATE_OK);
	assert_int_equal(whole.len, expected_len);
	assert_memory_equal(whole.at, expected, expected_len);
}

#endif
