/* SPDX-License-Identifier: MIT */
/* A client's address, small enough to keep one for every open connection. Pure. */
#ifndef BATON_ADDRESS_H
#define BATON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr_storage;

enum { ADDRESS_TEXT_BYTES = 56 }; /* "[IPv6]:65535" and the NUL */

enum address_family { ADDRESS_UNIX, ADDRESS_IPV4, ADDRESS_IPV6 };

struct address {
	uint8_t ip[16]; /* network order; IPv4 in the first four */
	uint16_t port;  /* host order; 0 for Unix sockets */
	uint8_t family; /* enum address_family */
};

/* IPv4-mapped IPv6 becomes IPv4; what is neither IPv4 nor IPv6 counts as a Unix socket. */
void address_from_sockaddr(struct address *, const struct sockaddr_storage *);

/* From 4 or 16 bytes in network order, mapped as above. */
void address_from_bytes(struct address *, const void *ip, size_t ip_bytes, unsigned port);

/* "192.0.2.1" or "2001:db8::1" and nothing else, mapped as above; port 0. False: neither. */
bool address_parse_ip(const char *text, size_t len, struct address *address_r);

/* The same port, too. */
bool address_same(const struct address *, const struct address *);

/* "192.0.2.1", "2001:db8::1" or "unix", without port. Returns the length. */
size_t address_write_ip(const struct address *, char text[ADDRESS_TEXT_BYTES]);

/* "192.0.2.1:80", "[2001:db8::1]:80" or "unix". Returns the length. */
size_t address_write(const struct address *, char text[ADDRESS_TEXT_BYTES]);

#endif
