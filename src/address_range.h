/* SPDX-License-Identifier: MIT */
/* A range of addresses, as a list of trusted proxies names them. Pure. */
#ifndef BATON_ADDRESS_RANGE_H
#define BATON_ADDRESS_RANGE_H

#include "address.h"

struct address_range {
	struct address first; /* the bits beyond the prefix are zero, the port too */
	uint8_t bits;         /* of the prefix */
};

enum address_range_result {
	ADDRESS_RANGE_OK,
	ADDRESS_RANGE_BAD,       /* no range; nothing is written */
	ADDRESS_RANGE_HOST_BITS, /* as 10.0.0.1/8; *range_r is what may be meant, 10.0.0.0/8 */
};

/*
 * "10.0.0.0/8", "2001:db8::/32" (RFC 4632, 3.1; RFC 4291, 2.3), an address alone, or "unix" for
 * every peer on a Unix socket. A range of IPv4-mapped addresses is the IPv4 one.
 */
enum address_range_result address_range_parse(const char *text, struct address_range *range_r);

/* Is it in one of them? Ports do not count; IPv4 is in no IPv6 range, ::/0 included. */
bool address_range_has(const struct address_range *ranges, size_t count, const struct address *);

#endif
