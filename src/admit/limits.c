/* SPDX-License-Identifier: MIT */
/*
 * The limits: see limits.h. The table is set-associative: an address has its place among the WAYS
 * of one set, so a look costs the same however many addresses a flood brings. Does not refuse
 * anybody itself: conn.c and arrive.c ask, and conn.c and child.c count it off.
 */
#include "admit/limits.h"

#include "config/config.h"
#include "pages.h"
#include "pool/hash.h"
#include "pool/ledger.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	WAYS = 16,
	SETS = LIMITS_ADDRESSES / WAYS,
	TABLE_BYTES = LIMITS_ADDRESSES * 24,
	PREFIX_BYTES = 8, /* of an IPv6 address: a /64 */
};

enum { COUNTED = 1, COUNTED_ADDRESS = 2, COUNTED_ROUTE = 4 }; /* record->counted */

struct limits_entry {
	uint64_t key;     /* the IPv4 address or the /64 */
	uint64_t full_us; /* when its bucket is full of tokens again */
	uint32_t connections;
	uint8_t family; /* ADDRESS_UNIX: nobody has had the entry yet */
};

_Static_assert(sizeof(struct limits_entry) * LIMITS_ADDRESSES == TABLE_BYTES, "24 bytes each");

/* ---- life ---- */

int limits_init(struct limits *self, const struct config *config, const uint64_t seed[2])
{
	*self = (struct limits){.config = config, .seed = {seed[0], seed[1]}};
	self->routes = calloc(config->route_count, sizeof *self->routes);
	if (self->routes == NULL) {
		return -1;
	}
	if (config->address_connections == 0 && config->address_interval_us == 0) {
		return 0;
	}
	self->entries = pages_create(TABLE_BYTES);
	return self->entries != NULL ? 0 : -1;
}

void limits_finish(struct limits *self)
{
	free(self->routes);
	self->routes = NULL;
	pages_free(self->entries, TABLE_BYTES);
	self->entries = NULL;
}

/* ---- the table ---- */

static uint64_t key_of(const struct address *address)
{
	uint64_t key = 0;
	memcpy(&key, address->ip, address->family == ADDRESS_IPV4 ? 4 : PREFIX_BYTES);
	return key;
}

/*
 * The address's entry, or one for it: an unused one, else the one whose bucket has been full for
 * longest, as it tells least about its address; never one with connections. NULL: all have some.
 */
static struct limits_entry *find(struct limits *self, const struct address *address)
{
	uint64_t key = key_of(address);
	struct limits_entry *set = &self->entries[hash_keyed(key, self->seed) % SETS * WAYS],
			    *oldest = NULL;
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].key == key && set[i].family == address->family) {
			return &set[i];
		}
		if (set[i].connections == 0 &&
		    (oldest == NULL || set[i].full_us < oldest->full_us)) {
			oldest = &set[i];
		}
	}
	if (oldest != NULL) {
		*oldest = (struct limits_entry){.key = key, .family = address->family};
	}
	return oldest;
}

/*
 * The bucket as one number: a token moves the time at which it is full by one interval, and there
 * is one as long as that time is less than a whole bucket away.
 */
static bool take_token(const struct config *config, struct limits_entry *entry, uint64_t now_ms,
		       unsigned *retry_secs_r)
{
	uint64_t now_us = now_ms * 1000, interval_us = config->address_interval_us;
	uint64_t full_us = entry->full_us > now_us ? entry->full_us : now_us;
	uint64_t latest_us = now_us + (config->address_burst - 1) * interval_us;
	if (full_us > latest_us) {
		*retry_secs_r = (unsigned)((full_us - latest_us + 999999) / 1000000);
		return false;
	}
	entry->full_us = full_us + interval_us;
	return true;
}

/* ---- counting ---- */

enum refusal limits_enter(struct limits *self, struct record *record)
{
	if (self->all >= self->config->max_connections) {
		return REFUSAL_CONNECTIONS;
	}
	self->all++;
	record->counted |= COUNTED;
	return REFUSAL_NONE;
}

enum refusal limits_enter_address(struct limits *self, struct record *record, uint64_t now_ms,
				  unsigned *retry_secs_r)
{
	const struct config *config = self->config;
	if (self->entries == NULL || record->client.family == ADDRESS_UNIX) {
		return REFUSAL_NONE;
	}
	struct limits_entry *entry = find(self, &record->client);
	if (entry == NULL) {
		/* To be here unseen costs an attacker a connection from each of WAYS other
		 * addresses, and refusing would let those lock the rest of the world out. */
		self->untracked++;
		return REFUSAL_NONE;
	}
	if (config->address_connections > 0 && entry->connections >= config->address_connections) {
		return REFUSAL_ADDRESS_CONNECTIONS;
	}
	if (config->address_interval_us > 0 && !take_token(config, entry, now_ms, retry_secs_r)) {
		return REFUSAL_ADDRESS_RATE;
	}
	if (config->address_connections > 0) { /* else nothing need keep the entry */
		self->addresses += entry->connections == 0 ? 1 : 0;
		entry->connections++;
		record->counted |= COUNTED_ADDRESS;
	}
	return REFUSAL_NONE;
}

enum refusal limits_enter_route(struct limits *self, struct record *record)
{
	unsigned most = self->config->routes[record->route].connections;
	if (most > 0 && self->routes[record->route] >= most) {
		return REFUSAL_ROUTE_CONNECTIONS;
	}
	self->routes[record->route]++;
	record->counted |= COUNTED_ROUTE;
	return REFUSAL_NONE;
}

static void leave_address(struct limits *self, const struct address *address)
{
	struct limits_entry *entry = find(self, address);
	assert(entry != NULL && entry->connections > 0); /* such an entry is never given away */
	entry->connections--;
	self->addresses -= entry->connections == 0 ? 1 : 0;
}

void limits_leave(struct limits *self, struct record *record)
{
	if (record->counted & COUNTED) {
		self->all--;
	}
	if (record->counted & COUNTED_ADDRESS) {
		leave_address(self, &record->client);
	}
	if (record->counted & COUNTED_ROUTE) {
		self->routes[record->route]--;
	}
	record->counted = 0;
}
