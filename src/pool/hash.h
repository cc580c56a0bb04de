/* SPDX-License-Identifier: MIT */
/* Hashes for affinity: the same key finds the same seat while the pool stays as it is. Pure. */
#ifndef BATON_HASH_H
#define BATON_HASH_H

#include <stddef.h>
#include <stdint.h>

/* 64 bits of a key's bytes. Stable over processes and versions; no defence against chosen keys. */
uint64_t hash_bytes(const void *bytes, size_t len);

/*
 * Rendezvous (highest random weight): a key belongs to the seat whose weight is highest, so a
 * seat that comes or goes moves only its own keys.
 */
uint64_t hash_weight(uint64_t key_hash, unsigned seat);

/* For tables whose keys strangers choose: who does not know the seed finds no two that collide. */
uint64_t hash_keyed(uint64_t key, const uint64_t seed[2]);

#endif
