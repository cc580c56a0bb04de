/* SPDX-License-Identifier: MIT */
/*
 * How many connections there may be: in all, to a route, of one address, and how fast one address
 * may open them. Pure: counts and a bounded table of addresses; no clock, no sockets. What one
 * connection is counted for stands in its ledger record, so it is counted off exactly once.
 *
 * An address is an IPv4 address or an IPv6 /64, which is what one customer gets; Unix sockets have
 * none and are not limited by it.
 */
#ifndef BATON_LIMITS_H
#define BATON_LIMITS_H

#include "admit/refusal.h"

#include <stddef.h>
#include <stdint.h>

struct config;
struct record;

enum {
	LIMITS_ADDRESSES = 65536, /* remembered at most */

	/*
	 * Slots beyond limits.connections: who comes when all places are taken gets an answer
	 * there, and who is refused reads his. Half of them are for each.
	 */
	LIMITS_SPARE_SLOTS = 1024,
};

struct limits {
	const struct config *config;
	uint64_t seed[2];
	size_t all;                   /* connections that are counted */
	unsigned *routes;             /* the same of each route */
	struct limits_entry *entries; /* NULL where the configuration limits no address */
	size_t addresses;             /* that have connections which are counted */
	uint64_t untracked; /* connections that the table had no room for, since the start */
};

/* In caller memory. seed: random, so that nobody can choose addresses that share a place in the
 * table. 0, or -1 with errno. */
int limits_init(struct limits *, const struct config *, const uint64_t seed[2]);
void limits_finish(struct limits *); /* safe on a zeroed one */

/*
 * Each counts the record, or says why not: REFUSAL_NONE, or the limit that is reached.
 * *retry_secs_r gets how long until there is a token again, at least 1, with REFUSAL_ADDRESS_RATE
 * only. limits_enter_address counts record->client, limits_enter_route record->route; neither may
 * change from then on.
 */
enum refusal limits_enter(struct limits *, struct record *);
enum refusal limits_enter_address(struct limits *, struct record *, uint64_t now_ms,
				  unsigned *retry_secs_r);
enum refusal limits_enter_route(struct limits *, struct record *);

/* Counts the record off everywhere it was counted. Safe on one that is counted nowhere. */
void limits_leave(struct limits *, struct record *);

#endif
