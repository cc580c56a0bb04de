/* SPDX-License-Identifier: MIT */
/*
 * Messages of permessage-deflate: the examples of RFC 7692, 7.2.3 byte for byte, round trips with
 * every window, what Python's zlib made, and what is sent as it is.
 */
#include "deflate_messages.h"

#include <zlib.h>

static void test_deflate_reads_the_examples_of_the_rfc(void **state)
{
	(void)state;
	struct deflate *shared = create(6);
	static const struct {
		const char *packed;
		size_t len;
		const char *whole;
	} rows[] = {
		{BYTES("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello"},     /* 7.2.3.1 */
		{BYTES("\x00\x05\x00\xfa\xff Hello\x00"), NULL},      /* a wrong length: below */
		{BYTES("\x00\x05\x00\xfa\xffHello\x00"), "Hello"},    /* 7.2.3.3 */
		{BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "Hello"}, /* 7.2.3.4 */
		{BYTES("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
		 "Hello"},           /* 7.2.3.5 */
		{BYTES("\x00"), ""}, /* 7.2.3.6 */
		/* Not the RFC's, but of one meaning: no payload, BFINAL without the last 0x00,
		 * BFINAL twice, and a match that reaches back beyond it. */
		{BYTES(""), ""},
		{BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00"), "Hello"},
		{BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
		 "HelloHello"},
		{BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x00\x11\x00\x00"), "HelloHello"},
		{BYTES("\x03\x00\x03\x00\x03\x00\x00"), ""},
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct deflate_bytes whole = {(const uint8_t *)"", 0};
		enum deflate_result result =
			unpack(shared, plain, NULL, rows[i].packed, rows[i].len, 100, &whole);
		if (rows[i].whole == NULL) {
			assert_int_equal(result, DEFLATE_BAD);
			continue;
		}
		if (result != DEFLATE_OK || whole.len != strlen(rows[i].whole) ||
		    memcmp(whole.at, rows[i].whole, whole.len) != 0) {
			fail_msg("row %zu: result %d, %zu bytes", i, (int)result, whole.len);
		}
	}
	deflate_destroy(shared);
}

static void test_deflate_shares_the_window_as_in_the_rfc(void **state)
{
	(void)state;
	struct deflate *shared = create(6);
	struct deflate_context *context = NULL;
	/* 7.2.3.2: the second Hello refers to the first; both ways. */
	static const char *const packed[] = {"\xf2\x48\xcd\xc9\xc9\x07\x00",
					     "\xf2\x00\x11\x00\x00"};
	static const size_t lens[] = {7, 5};
	for (size_t i = 0; i < 2; i++) {
		struct deflate_bytes out;
		assert_true(deflate_pack(shared, takeover, &context, "Hello", 5, &out));
		assert_int_equal(out.len, lens[i]);
		assert_memory_equal(out.at, packed[i], lens[i]);
		assert_unpacks(shared, takeover, &context, packed[i], lens[i], "Hello", 5);
	}
	deflate_context_destroy(context);

	/* Without takeover there is nothing to refer to. */
	struct deflate_bytes whole;
	assert_unpacks(shared, plain, NULL, packed[0], lens[0], "Hello", 5);
	assert_int_equal(unpack(shared, plain, NULL, packed[1], lens[1], 0, &whole), DEFLATE_BAD);
	deflate_destroy(shared);
}

/* After BFINAL the window stays, also to the next message. */
static void test_deflate_keeps_the_window_over_final_blocks(void **state)
{
	(void)state;
	struct deflate *shared = create(6);
	struct deflate_context *context = NULL;
	assert_unpacks(shared, takeover, &context, BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
		       BYTES("Hello"));
	assert_unpacks(shared, takeover, &context, BYTES("\xf2\x00\x11\x00\x00"), BYTES("Hello"));
	assert_unpacks(shared, takeover, &context, BYTES("\x03\x00"), BYTES(""));
	assert_unpacks(shared, takeover, &context, BYTES("\xf2\x00\x11\x00\x00"), BYTES("Hello"));
	deflate_context_destroy(context);
	deflate_destroy(shared);
}

#define JSON                                                                                  \
	"{\"type\":\"move\",\"id\":4711,\"at\":[17,42],\"by\":\"ada\",\"tags\":[\"a\",\"b\"," \
	"\"a\",\"b\"],\"type2\":\"move\",\"id2\":4711}"

/* zlib.compressobj(level, 8, -bits, 8, strategy), compress, flush(Z_SYNC_FLUSH or Z_FULL_FLUSH),
 * without the last four bytes. */
static void test_deflate_reads_what_python_made(void **state)
{
	(void)state;
	struct deflate *shared = create(6);
	struct deflate_context *context = NULL;
	static const char level_6[] =
		"\xaa\x56\x2a\xa9\x2c\x48\x55\xb2\x52\xca\xcd\x2f\x4b\x55\xd2\x51\xca\x4c\x51\xb2"
		"\x32\x31\x37\x34\xd4\x51\x4a\x2c\x51\xb2\x8a\x36\x34\xd7\x31\x31\x8a\xd5\x51\x4a"
		"\xaa\x04\x2a\x49\x4c\x49\x04\xaa\x28\x49\x4c\x2f\x06\xca\x28\x81\xd8\x49\x40\x0c"
		"\xa1\x81\x6a\x40\x06\x19\x21\x9b\x64\x04\x31\xaa\x16\x00";
	static const char level_1_window_9[] =
		"\xaa\x56\x2a\xa9\x2c\x48\x55\xb2\x52\xca\xcd\x2f\x4b\x55\xd2\x51\xca\x4c\x51\xb2"
		"\x32\x31\x37\x34\xd4\x51\x4a\x2c\x51\xb2\x8a\x36\x34\xd7\x31\x31\x8a\xd5\x51\x4a"
		"\xaa\x04\x2a\x49\x4c\x49\x04\xaa\x28\x49\x4c\x2f\x06\xca\x28\x81\xd8\x49\x40\x0c"
		"\xa1\x81\x6a\x40\x06\x19\x21\x9b\x04\xe4\x80\x8c\xaa\x05\x00";
	static const char huffman_only[] =
		"\x04\xc1\x31\x0a\x80\x30\x10\x45\xc1\xbb\xbc\xfa\x37\x1b\x02\x81\xbd\x8a\x58\x6c"
		"\x48\x10\x0b\x51\x30\x08\x41\xbc\xbb\x33\x2f\x63\x5e\x1d\xe7\x38\x9f\x8e\xd8\x1b"
		"\x9e\x8b\x99\x88\x81\x2f\x56\x94\xd3\x2a\xea\xc4\x89\x16\x88\x11\xdb\x8d\x2f\x04"
		"\xa2\x22\x02\x51\x59\xc5\x98\x57\x4f\x38\xc7\xf9\x74\xc4\xde\x12\x9e\x8b\xd9\xf7"
		"\x03";
	assert_unpacks(shared, takeover, &context, BYTES(level_6), BYTES(JSON));
	assert_unpacks(shared, takeover, &context, BYTES("\xaa\xa6\x83\x1d\x00\x00"), BYTES(JSON));
	assert_unpacks(shared, plain, NULL, BYTES(level_6), BYTES(JSON));
	assert_unpacks(shared, plain, NULL, BYTES(level_1_window_9), BYTES(JSON));
	assert_unpacks(shared, plain, NULL, BYTES(huffman_only), BYTES(JSON));
	assert_unpacks(shared, plain, NULL,
		       BYTES("\x00\x06\x00\xf9\xff\x73\x74\x6f\x72\x65\x64\x00"), BYTES("stored"));
	deflate_context_destroy(context);
	deflate_destroy(shared);
}

/* What a client with a window of exactly these bits makes of it, 8 bits included. */
static void assert_client_reads(z_stream *client, const struct deflate_bytes *packed,
				const uint8_t *expected, size_t len)
{
	uint8_t *input = malloc(packed->len + 4), *output = malloc(len + 1);
	assert_non_null(input);
	assert_non_null(output);
	memcpy(input, packed->at, packed->len);
	memcpy(input + packed->len, "\0\0\xff\xff", 4);
	client->next_in = input;
	client->avail_in = (uInt)(packed->len + 4);
	size_t got = 0;
	while (client->avail_in > 0 && got <= len) {
		/* Small pieces: a window is all that zlib can refer to. */
		client->next_out = output + got;
		client->avail_out = (uInt)(len + 1 - got < 100 ? len + 1 - got : 100);
		assert_int_equal(inflate(client, Z_SYNC_FLUSH), Z_OK);
		got = (size_t)(client->next_out - output);
	}
	assert_int_equal(got, len);
	assert_memory_equal(output, expected, len);
	free(input);
	free(output);
}

static void check_round_trip(struct deflate *shared, struct deflate_terms terms,
			     const uint8_t *data, size_t len)
{
	struct deflate_context *context = NULL;
	z_stream client = {0};
	assert_int_equal(inflateInit2(&client, -(int)terms.out_bits), Z_OK);
	for (unsigned turn = 0; turn < 3; turn++) {
		struct deflate_bytes packed;
		if (!deflate_pack(shared, terms, &context, data, len, &packed)) {
			assert_true(len == 0 || !terms.has_out_takeover);
			continue;
		}
		assert_true(terms.has_out_takeover || packed.len < len);
		if (!terms.has_out_takeover) {
			assert_int_equal(inflateReset(&client), Z_OK);
		}
		assert_client_reads(&client, &packed, data, len);
		assert_unpacks(shared, terms, &context, packed.at, packed.len, data, len);
	}
	inflateEnd(&client);
	deflate_context_destroy(context);
}

static void test_deflate_round_trips_with_every_window(void **state)
{
	(void)state;
	static const struct {
		char kind;
		size_t len;
	} rows[] = {{'w', 0},    {'w', 1},         {'w', 2},         {'w', 100},
		    {'w', 512},  {'w', 762},       {'w', 763},       {'w', 3834},
		    {'w', 3835}, {'w', 64 * 1024}, {'r', 64 * 1024}, {'0', 300 * 1024}};
	uint8_t *data = malloc(MEGABYTE);
	assert_non_null(data);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(data, 0, MEGABYTE);
		if (rows[i].kind == 'w') {
			fill_words((char *)data, rows[i].len, 7);
		} else if (rows[i].kind == 'r') {
			fill_random(data, rows[i].len, 7);
		}
		struct deflate *shared = create(i % 9 + 1);
		for (unsigned bits = DEFLATE_LEAST_BITS; bits <= DEFLATE_MOST_BITS; bits++) {
			struct deflate_terms terms = {.out_bits = bits & 15, .in_bits = bits & 15};
			check_round_trip(shared, terms, data, rows[i].len);
			terms.has_out_takeover = terms.has_in_takeover = true;
			check_round_trip(shared, terms, data, rows[i].len);
		}
		deflate_destroy(shared);
	}
	free(data);
}

static void test_deflate_round_trips_a_megabyte_of_zeros(void **state)
{
	(void)state;
	struct deflate *shared = create(6);
	uint8_t *data = calloc(1, MEGABYTE);
	assert_non_null(data);
	check_round_trip(shared, plain, data, MEGABYTE);
	check_round_trip(shared, takeover, data, MEGABYTE);
	free(data);
	deflate_destroy(shared);
}

/* zlib takes 9 for 8; what makes that right is that no match is further back than 250 bytes. */
static void test_deflate_of_8_bits_reaches_back_256_bytes_at_most(void **state)
{
	(void)state;
	enum { LENGTH = 8192 };
	uint8_t *data = malloc(LENGTH);
	assert_non_null(data);
	const struct deflate_terms terms = {
		.out_bits = 8, .in_bits = 8, .has_out_takeover = true, .has_in_takeover = true};
	for (unsigned level = 1; level <= 9; level++) {
		struct deflate *shared = create(level);
		for (size_t period = 240; period <= 270; period++) {
			fill_random(data, period, (uint32_t)period);
			for (size_t i = period; i < LENGTH; i++) {
				data[i] = data[i - period];
			}
			check_round_trip(shared, terms, data, LENGTH);
		}
		deflate_destroy(shared);
	}
	free(data);
}

/* A client may restrict itself to less than it said, or deflate at the pool's bits exactly. */
static void test_deflate_reads_clients_of_every_window_and_memory_level(void **state)
{
	(void)state;
	enum { LENGTH = 20000 };
	char *data = malloc(LENGTH);
	uint8_t *packed = malloc(2 * LENGTH);
	assert_non_null(data);
	assert_non_null(packed);
	struct deflate *shared = create(6);
	for (int bits = 9; bits <= 15; bits++) {
		struct deflate_context *context = NULL;
		struct deflate_terms terms = {.in_bits = (unsigned)bits & 15,
					      .has_in_takeover = true};
		z_stream client = {0};
		assert_int_equal(deflateInit2(&client, bits % 9 + 1, Z_DEFLATED, -bits, bits - 8,
					      Z_DEFAULT_STRATEGY),
				 Z_OK);
		for (uint32_t seed = 0; seed < 5; seed++) {
			fill_words(data, LENGTH, seed / 2);
			client.next_in = (Bytef *)data;
			client.avail_in = LENGTH;
			client.next_out = packed;
			client.avail_out = 2 * LENGTH;
			assert_int_equal(deflate(&client, Z_SYNC_FLUSH), Z_OK);
			size_t len = 2 * LENGTH - client.avail_out - 4;
			assert_unpacks(shared, terms, &context, packed, len, data, LENGTH);
		}
		deflateEnd(&client);
		deflate_context_destroy(context);
	}
	deflate_destroy(shared);
	free(data);
	free(packed);
}

static void test_deflate_leaves_alone_what_gains_nothing(void **state)
{
	(void)state;
	uint8_t noise[4096], zeros[4096] = {0};
	struct deflate_bytes packed;
	const struct deflate_settings settings = {
		.is_enabled = true, .out_bits = 15, .in_bits = 15, .level = 6, .least_bytes = 100};
	struct deflate *shared = deflate_create(&settings);
	assert_non_null(shared);
	fill_random(noise, sizeof noise, 3);
	assert_false(deflate_pack(shared, plain, NULL, zeros, 0, &packed));
	assert_false(deflate_pack(shared, plain, NULL, zeros, 99, &packed));
	assert_true(deflate_pack(shared, plain, NULL, zeros, 100, &packed));
	assert_false(deflate_pack(shared, plain, NULL, noise, sizeof noise, &packed));
	assert_true(deflate_pack(shared, plain, NULL, zeros, sizeof zeros, &packed));
	assert_false(deflate_pack(shared, (struct deflate_terms){0}, NULL, zeros, 100, &packed));
	deflate_destroy(shared);
}

/* With takeover what did not shrink must go out packed, and what was skipped was never seen. */
static void test_deflate_with_takeover_stays_in_step(void **state)
{
	(void)state;
	uint8_t noise[600], words[600];
	const struct deflate_settings settings = {.is_enabled = true,
						  .has_out_takeover = true,
						  .out_bits = 15,
						  .in_bits = 15,
						  .level = 6,
						  .least_bytes = 100};
	struct deflate *shared = deflate_create(&settings);
	struct deflate_context *ours = NULL, *theirs = NULL;
	struct deflate_bytes packed;
	assert_non_null(shared);
	fill_random(noise, sizeof noise, 3);
	fill_words((char *)words, sizeof words, 3);
	for (unsigned turn = 0; turn < 4; turn++) {
		assert_true(deflate_pack(shared, takeover, &ours, noise, sizeof noise, &packed));
		assert_unpacks(shared, takeover, &theirs, packed.at, packed.len, noise,
			       sizeof noise);
		assert_false(deflate_pack(shared, takeover, &ours, words, 50, &packed));
		assert_true(deflate_pack(shared, takeover, &ours, words, sizeof words, &packed));
		assert_unpacks(shared, takeover, &theirs, packed.at, packed.len, words,
			       sizeof words);
		assert_true(turn == 0 || packed.len < 20);
	}
	deflate_context_destroy(ours);
	deflate_context_destroy(theirs);
	deflate_destroy(shared);
}

static void test_deflate_results_outlive_the_other_direction(void **state)
{
	(void)state;
	struct deflate *shared = create(6);
	struct deflate_bytes whole, packed;
	char words[2000];
	fill_words(words, sizeof words, 5);
	assert_int_equal(
		deflate_unpack(shared, plain, NULL, "\xf2\x48\xcd\xc9\xc9\x07\x00", 7, 0, &whole),
		DEFLATE_OK);
	assert_true(deflate_pack(shared, plain, NULL, words, sizeof words, &packed));
	assert_memory_equal(whole.at, "Hello", 5);
	deflate_destroy(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deflate_reads_the_examples_of_the_rfc),
		cmocka_unit_test(test_deflate_shares_the_window_as_in_the_rfc),
		cmocka_unit_test(test_deflate_keeps_the_window_over_final_blocks),
		cmocka_unit_test(test_deflate_reads_what_python_made),
		cmocka_unit_test(test_deflate_round_trips_with_every_window),
		cmocka_unit_test(test_deflate_round_trips_a_megabyte_of_zeros),
		cmocka_unit_test(test_deflate_of_8_bits_reaches_back_256_bytes_at_most),
		cmocka_unit_test(test_deflate_reads_clients_of_every_window_and_memory_level),
		cmocka_unit_test(test_deflate_leaves_alone_what_gains_nothing),
		cmocka_unit_test(test_deflate_with_takeover_stays_in_step),
		cmocka_unit_test(test_deflate_results_outlive_the_other_direction),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
