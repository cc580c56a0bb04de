/* SPDX-License-Identifier: MIT */
/*
 * Hashes for affinity. FNV-1a over the key, and the finalizer of SplitMix64 to mix the seat in:
 * both are public, short and good enough to spread rooms over children. Called by conn (keys),
 * pool (weights) and limits (its table).
 */
#include "pool/hash.h"

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

uint64_t hash_bytes(const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < len; i++) {
		hash = (hash ^ at[i]) * 0x100000001b3u;
	}
	return mix(hash);
}

uint64_t hash_weight(uint64_t key_hash, unsigned seat)
{
	return mix(key_hash + 0x9e3779b97f4a7c15u * (seat + 1));
}

uint64_t hash_keyed(uint64_t key, const uint64_t seed[2])
{
	return mix(mix(key ^ seed[0]) ^ seed[1]);
}
