/* SPDX-License-Identifier: MIT */
/*
 * Ranges of addresses: see address_range.h. Strict: 10.0.0.1/8 may mean the host or the network,
 * and a list of those who are believed is no place to guess. Looks up no names. Called by config's
 * check.c and admit's forwarded.c.
 */
#include "address_range.h"

#include <string.h>

enum { IPV4_BITS = 32, IPV6_BITS = 128 };

/* Decimal, without sign and leading zeros; -1: it is none, or more than max. */
static int parse_bits(const char *text, int max)
{
	size_t len = strspn(text, "0123456789");
	if (len == 0 || len > 3 || text[len] != '\0' || (text[0] == '0' && len > 1)) {
		return -1;
	}
	int bits = 0;
	for (size_t i = 0; i < len; i++) {
		bits = bits * 10 + (text[i] - '0');
	}
	return bits <= max ? bits : -1;
}

/* Clears what is beyond the prefix; true: there was something. */
static bool clear_host(struct address_range *range)
{
	bool cleared = false;
	for (unsigned bit = range->bits; bit < IPV6_BITS; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);
		cleared = cleared || (range->first.ip[bit / 8] & mask) != 0;
		range->first.ip[bit / 8] &= (uint8_t)~mask;
	}
	return cleared;
}

enum address_range_result address_range_parse(const char *text, struct address_range *range_r)
{
	struct address_range range = {.first = {.family = ADDRESS_UNIX}};
	if (strcmp(text, "unix") == 0) {
		*range_r = range;
		return ADDRESS_RANGE_OK;
	}
	size_t len = strcspn(text, "/");
	if (!address_parse_ip(text, len, &range.first)) {
		return ADDRESS_RANGE_BAD;
	}
	/* What is written as IPv6 has an IPv6 prefix, also when it is a mapped IPv4 address. */
	bool is_ipv4 = range.first.family == ADDRESS_IPV4;
	int written = memchr(text, ':', len) != NULL ? IPV6_BITS : IPV4_BITS;
	int bits = text[len] == '/' ? parse_bits(text + len + 1, written) : written;
	bits -= is_ipv4 ? written - IPV4_BITS : 0;
	if (bits < 0) {
		return ADDRESS_RANGE_BAD;
	}
	range.bits = (uint8_t)bits;
	bool had_host = clear_host(&range);
	*range_r = range;
	return had_host ? ADDRESS_RANGE_HOST_BITS : ADDRESS_RANGE_OK;
}

static bool has(const struct address_range *range, const struct address *address)
{
	unsigned whole = range->bits / 8, rest = range->bits % 8;
	return range->first.family == address->family &&
	       memcmp(range->first.ip, address->ip, whole) == 0 &&
	       (rest == 0 ||
		range->first.ip[whole] >> (8 - rest) == address->ip[whole] >> (8 - rest));
}

bool address_range_has(const struct address_range *ranges, size_t count,
		       const struct address *address)
{
	for (size_t i = 0; i < count; i++) {
		if (has(&ranges[i], address)) {
			return true;
		}
	}
	return false;
}
