/* SPDX-License-Identifier: MIT */
/*
 * Messages of permessage-deflate from hostile or unusual clients: bombs, streams that are cut,
 * damaged or go on behind their end, blocks that cost much and give nothing.
 */
#include "deflate_messages.h"

#include <zlib.h>

static void test_deflate_refuses_a_bomb_at_the_limit(void **state)
{
	(void)state;
	struct deflate *shared = create(9);
	uint8_t *zeros = calloc(16, MEGABYTE);
	assert_non_null(zeros);
	struct deflate_bytes packed, whole;
	assert_true(deflate_pack(shared, plain, NULL, zeros, 16 * (size_t)MEGABYTE, &packed));
	assert_in_range(packed.len, 1, 20000);
	static const size_t limits[] = {1, 2, 100, 65535, 65536, MEGABYTE, 16 * MEGABYTE - 1};
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		assert_int_equal(
			unpack(shared, plain, NULL, packed.at, packed.len, limits[i], &whole),
			DEFLATE_TOO_BIG);
	}
	assert_int_equal(unpack(shared, plain, NULL, packed.at, packed.len, 16 * MEGABYTE, &whole),
			 DEFLATE_OK);
	assert_int_equal(whole.len, 16 * MEGABYTE);
	free(zeros);
	deflate_destroy(shared);
}

static void test_deflate_limit_itself_is_allowed(void **state)
{
	(void)state;
	struct deflate *shared = create(6);
	static const char hello[] = "\xf2\x48\xcd\xc9\xc9\x07\x00";
	struct deflate_bytes whole;
	for (size_t limit = 1; limit < 10; limit++) {
		assert_int_equal(unpack(shared, plain, NULL, BYTES(hello), limit, &whole),
				 limit >= 5 ? DEFLATE_OK : DEFLATE_TOO_BIG);
	}
	deflate_destroy(shared);
}

/* The result buffer is full in the middle of the last match, and zlib has read all the input. */
static void test_deflate_sees_the_final_block_behind_a_full_buffer(void **state)
{
	(void)state;
	enum { BUFFER_BYTES = 16 * 1024, MATCH_BYTES = 258 };
	static Bytef zeros[BUFFER_BYTES + MATCH_BYTES], packed[1000];
	for (size_t len = BUFFER_BYTES - 1; len <= sizeof zeros; len++) {
		z_stream client = {.next_in = zeros, .next_out = packed};
		assert_int_equal(deflateInit2(&client, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY),
				 Z_OK);
		client.avail_in = (uInt)len;
		client.avail_out = sizeof packed;
		assert_int_equal(deflate(&client, Z_FINISH), Z_STREAM_END);
		struct deflate *shared = create(6);
		assert_unpacks(shared, plain, NULL, packed, client.total_out, zeros, len);
		deflate_destroy(shared);
		deflateEnd(&client);
	}
}

/* 40,000 bytes, and behind them so many final blocks of two bytes each, which yield nothing. */
static enum deflate_result unpack_padded(size_t blocks)
{
	enum { PLACE = 40000 };
	struct deflate *shared = create(6);
	uint8_t *packed = malloc(PLACE + 2 * blocks);
	struct deflate_bytes whole, zeros;
	uint8_t *input = calloc(1, PLACE);
	assert_non_null(packed);
	assert_non_null(input);
	assert_true(deflate_pack(shared, plain, NULL, input, PLACE, &zeros));
	memcpy(packed, zeros.at, zeros.len);
	size_t at = zeros.len; /* ends with half an empty stored block */
	memcpy(packed + at, "\x00\x00\xff\xff", 4);
	at += 4;
	for (size_t i = 0; i < blocks; i++, at += 2) {
		memcpy(packed + at, "\x03\x00", 2);
	}
	enum deflate_result result = unpack(shared, plain, NULL, packed, at, PLACE, &whole);
	assert_true(result != DEFLATE_OK || whole.len == PLACE);
	free(input);
	free(packed);
	deflate_destroy(shared);
	return result;
}

static void test_deflate_takes_some_padding_and_not_a_megabyte_of_it(void **state)
{
	(void)state;
	assert_int_equal(unpack_padded(32000), DEFLATE_OK);
	assert_int_equal(unpack_padded(60000), DEFLATE_TOO_BIG);
	assert_int_equal(unpack_padded(MEGABYTE / 2), DEFLATE_TOO_BIG);
}

static void test_deflate_refuses_cut_messages(void **state)
{
	(void)state;
	struct deflate *shared = create(6);
	char words[700];
	uint8_t copy[700];
	struct deflate_bytes packed, whole;
	fill_words(words, sizeof words, 9);
	assert_true(deflate_pack(shared, plain, NULL, words, sizeof words, &packed));
	memcpy(copy, packed.at, packed.len);
	for (size_t len = 1; len < packed.len; len++) {
		if (unpack(shared, plain, NULL, copy, len, 0, &whole) != DEFLATE_BAD) {
			fail_msg("cut to %zu of %zu bytes it was taken", len, packed.len);
		}
	}
	/* And the next message is none the worse. */
	assert_unpacks(shared, plain, NULL, copy, packed.len, words, sizeof words);
	deflate_destroy(shared);
}

/* Every byte replaced by every other: an error, or a result within the limit. */
static void test_deflate_survives_every_damaged_byte(void **state)
{
	(void)state;
	enum { LIMIT = 1000 };
	struct deflate *shared = create(6);
	char words[200];
	uint8_t copy[200];
	struct deflate_bytes packed, whole;
	size_t refused = 0;
	fill_words(words, sizeof words, 11);
	assert_true(deflate_pack(shared, plain, NULL, words, sizeof words, &packed));
	memcpy(copy, packed.at, packed.len);
	for (size_t i = 0; i < packed.len; i++) {
		for (unsigned change = 1; change < 256; change++) {
			copy[i] ^= (uint8_t)change;
			if (unpack(shared, plain, NULL, copy, packed.len, LIMIT, &whole) !=
			    DEFLATE_OK) {
				refused++;
			} else {
				assert_in_range(whole.len, 0, LIMIT);
			}
			copy[i] ^= (uint8_t)change;
		}
	}
	assert_in_range(refused, packed.len * 100, packed.len * 255);
	assert_unpacks(shared, plain, NULL, copy, packed.len, words, sizeof words);
	deflate_destroy(shared);
}

static void test_deflate_survives_random_bytes(void **state)
{
	(void)state;
	struct deflate *shared = create(6);
	struct deflate_context *context = NULL;
	uint8_t noise[64];
	struct deflate_bytes whole;
	for (uint32_t seed = 1; seed < 20000; seed++) {
		fill_random(noise, sizeof noise, seed * 2654435761u);
		size_t len = seed % sizeof noise;
		if (unpack(shared, plain, NULL, noise, len, 500, &whole) == DEFLATE_OK) {
			assert_in_range(whole.len, 0, 500);
		}
	}
	assert_int_equal(unpack(shared, takeover, &context, noise, 64, 500, &whole), DEFLATE_BAD);
	deflate_context_destroy(context);
	deflate_destroy(shared);
}

/* What follows a message that is complete belongs to it: it must be deflate data too. */
static void test_deflate_refuses_data_behind_the_end(void **state)
{
	(void)state;
	struct deflate *shared = create(6);
	struct deflate_bytes whole;
	static const struct {
		const char *packed;
		size_t len;
	} rows[] = {
		{BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xffjunk")},
		{BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\x06")},             /* reserved block type */
		{BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\x00\x00")},         /* half a stored header */
		{BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff")}, /* the tail was not removed */
		{BYTES("\x01\x04\x00\xfb\xff")}, /* the tail as a final block's data */
		{BYTES("\x06")},
		{BYTES("\x02")},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum deflate_result result =
			unpack(shared, plain, NULL, rows[i].packed, rows[i].len, 0, &whole);
		if (result != DEFLATE_BAD) {
			fail_msg("row %zu: result %d", i, (int)result);
		}
	}
	deflate_destroy(shared);
}

/* Data that does not shrink, as a client with little memory sends it. */
static void test_deflate_packed_limit_lets_honest_clients_through(void **state)
{
	(void)state;
	static uint8_t noise[100000], packed[200000];
	fill_random(noise, sizeof noise, 17);
	assert_int_equal(deflate_packed_limit(0), 0);
	for (int memory = 1; memory <= 9; memory++) {
		for (size_t len = 1; len <= sizeof noise; len = len * 7 + 1) {
			z_stream client = {.next_in = noise, .next_out = packed};
			assert_int_equal(deflateInit2(&client, 1, Z_DEFLATED, -9, memory,
						      Z_DEFAULT_STRATEGY),
					 Z_OK);
			client.avail_in = (uInt)len;
			client.avail_out = sizeof packed;
			assert_int_equal(deflate(&client, Z_SYNC_FLUSH), Z_OK);
			assert_in_range(client.total_out, 1, deflate_packed_limit(len));
			deflateEnd(&client);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deflate_refuses_a_bomb_at_the_limit),
		cmocka_unit_test(test_deflate_limit_itself_is_allowed),
		cmocka_unit_test(test_deflate_sees_the_final_block_behind_a_full_buffer),
		cmocka_unit_test(test_deflate_takes_some_padding_and_not_a_megabyte_of_it),
		cmocka_unit_test(test_deflate_refuses_cut_messages),
		cmocka_unit_test(test_deflate_survives_every_damaged_byte),
		cmocka_unit_test(test_deflate_survives_random_bytes),
		cmocka_unit_test(test_deflate_refuses_data_behind_the_end),
		cmocka_unit_test(test_deflate_packed_limit_lets_honest_clients_through),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
