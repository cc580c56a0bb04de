/* SPDX-License-Identifier: MIT */
/*
 * From a listener's title to a socket address: "127.0.0.1:8080", "[::1]:443", "*:8080" (every
 * IPv4 address of this machine; "[::]:8080" is every IPv6 one, and listeners keep the two apart),
 * "unix:/path". Pure; names are never looked up.
 */
#ifndef BATON_ENDPOINT_H
#define BATON_ENDPOINT_H

#include <stdbool.h>
#include <sys/socket.h>

/* False: why_r says what is wrong, as the end of a sentence that begins with the address. */
bool endpoint_parse(const char *text, struct sockaddr_storage *address_r, socklen_t *address_len_r,
		    const char **why_r);

/* Can a Unix socket be made there: absolute, a file's name at the end, short enough? As above. */
bool endpoint_is_path(const char *path, const char **why_r);

/* Would binding both clash? Every address of a family clashes with each of them; port 0 never. */
bool endpoint_clashes(const struct sockaddr_storage *a, const struct sockaddr_storage *b);

#endif
