/* SPDX-License-Identifier: MIT */
/*
 * What a message of 512 bytes of JSON costs through deflate.c, packed and unpacked, beside zlib
 * alone on the same bytes: both streams reset for each message, as without context takeover. Twice,
 * with zlib's defaults and with the small window that deflate.c takes for such a message. Rounds
 * alternate and the best of each counts, which disturbs least; part of no test. Run by bench.py.
 *
 *	deflate_bench [--message]	only prints the message
 */
#include "libbaton/deflate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

enum { ROUNDS = 15, TURNS = 2000, MESSAGE_BYTES = 512, TAIL_BYTES = 4 };

static char message[MESSAGE_BYTES + 1];

/* One state update of a collaborative editor: few repetitions, many numbers. */
static void make_message(void)
{
	size_t len = (size_t)snprintf(message, sizeof message, "{\"type\":\"update\",\"users\":[");
	for (unsigned i = 0; len < MESSAGE_BYTES; i++) {
		len += (size_t)snprintf(message + len, sizeof message - len,
					"{\"id\":%u,\"name\":\"user%u\",\"x\":%u.%u,\"y\":%u},",
					7919 * (i + 3) % 9973, i * 37 % 101, i * 271 % 1920, i % 10,
					i * 577 % 1080);
	}
}

/* zlib alone. */
struct bare {
	z_stream out, in;
	uint8_t packed[2 * MESSAGE_BYTES], whole[2 * MESSAGE_BYTES];
};

static void bare_init(struct bare *bare, int level, int bits, int memory)
{
	if (deflateInit2(&bare->out, level, Z_DEFLATED, -bits, memory, Z_DEFAULT_STRATEGY) !=
		    Z_OK ||
	    inflateInit2(&bare->in, -15) != Z_OK) {
		abort();
	}
}

static size_t bare_turn(struct bare *bare)
{
	deflateReset(&bare->out);
	bare->out.next_in = (Bytef *)message;
	bare->out.avail_in = MESSAGE_BYTES;
	bare->out.next_out = bare->packed;
	bare->out.avail_out = sizeof bare->packed;
	deflate(&bare->out, Z_SYNC_FLUSH);
	size_t len = sizeof bare->packed - bare->out.avail_out;

	inflateReset(&bare->in);
	bare->in.next_in = bare->packed;
	bare->in.avail_in = (uInt)len;
	bare->in.next_out = bare->whole;
	bare->in.avail_out = sizeof bare->whole;
	inflate(&bare->in, Z_SYNC_FLUSH);
	if (sizeof bare->whole - bare->in.avail_out != MESSAGE_BYTES) {
		abort();
	}
	return len - TAIL_BYTES;
}

static size_t module_turn(struct deflate *shared)
{
	const struct deflate_terms terms = {.out_bits = 15, .in_bits = 15};
	struct deflate_bytes packed, whole;
	if (!deflate_pack(shared, terms, NULL, message, MESSAGE_BYTES, &packed) ||
	    deflate_unpack(shared, terms, NULL, packed.at, packed.len, 65536, &whole) !=
		    DEFLATE_OK ||
	    whole.len != MESSAGE_BYTES) {
		abort();
	}
	return packed.len;
}

static double now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void keep_best(double *best, double from)
{
	double ns = (now_ns() - from) / TURNS;
	*best = ns < *best ? ns : *best;
}

static void measure(unsigned level)
{
	static struct bare usual, small;
	const struct deflate_settings settings = {
		.is_enabled = true, .out_bits = 15, .in_bits = 15, .level = (uint8_t)level};
	struct deflate *shared = deflate_create(&settings);
	if (shared == NULL) {
		abort();
	}
	memset(&usual, 0, sizeof usual);
	memset(&small, 0, sizeof small);
	bare_init(&usual, (int)level, 15, 8);
	bare_init(&small, (int)level, 10, 5);
	double best_usual = 1e9, best_small = 1e9, best_module = 1e9;
	size_t usual_len = 0, small_len = 0, module_len = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		double from = now_ns();
		for (unsigned turn = 0; turn < TURNS; turn++) {
			usual_len = bare_turn(&usual);
		}
		keep_best(&best_usual, from);
		from = now_ns();
		for (unsigned turn = 0; turn < TURNS; turn++) {
			small_len = bare_turn(&small);
		}
		keep_best(&best_small, from);
		from = now_ns();
		for (unsigned turn = 0; turn < TURNS; turn++) {
			module_len = module_turn(shared);
		}
		keep_best(&best_module, from);
	}
	printf("level %u: zlib alone %.0f ns (%zu bytes), with the small window %.0f ns (%zu), "
	       "through deflate.c %.0f ns (%zu): ratio %.2f and %.2f\n",
	       level, best_usual, usual_len, best_small, small_len, best_module, module_len,
	       best_module / best_usual, best_module / best_small);
	deflateEnd(&usual.out);
	inflateEnd(&usual.in);
	deflateEnd(&small.out);
	inflateEnd(&small.in);
	deflate_destroy(shared);
}

int main(int argc, char **argv)
{
	make_message();
	if (argc > 1 && strcmp(argv[1], "--message") == 0) {
		fwrite(message, 1, MESSAGE_BYTES, stdout);
		return 0;
	}
	measure(1);
	measure(6);
	return 0;
}
