/* SPDX-License-Identifier: MIT */
/*
 * Addresses that listeners are given in the configuration. Resolves nothing: what a name means
 * can change between two reloads, and a gateway must not wait for a resolver. Does not touch the
 * file system either. Called by check.c.
 */
#include "config/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include "config/values.h"

#define UNIX_PREFIX "unix:"

static const char not_an_address[] =
	"is not an address: write it like \"127.0.0.1:8080\", \"[::1]:8080\", \"*:8080\" or "
	"\"unix:/run/baton.sock\" (names are not looked up)";

bool endpoint_is_path(const char *path, const char **why_r)
{
	size_t len = strlen(path);
	if (path[0] != '/') {
		*why_r = "needs an absolute path (one that begins with '/')";
		return false;
	}
	if (path[len - 1] == '/') {
		*why_r = "ends with '/', but must name a file";
		return false;
	}
	if (len >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		*why_r = "is longer than the 107 bytes that the path of a Unix socket may have";
		return false;
	}
	return true;
}

static bool set(const void *address, size_t len, struct sockaddr_storage *address_r,
		socklen_t *len_r)
{
	*address_r = (struct sockaddr_storage){0};
	memcpy(address_r, address, len);
	*len_r = (socklen_t)len;
	return true;
}

static bool parse_unix(const char *path, struct sockaddr_storage *address_r, socklen_t *len_r,
		       const char **why_r)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (!endpoint_is_path(path, why_r)) {
		return false;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	return set(&address, offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1, address_r,
		   len_r);
}

static bool parse_ipv6(const char *host, uint16_t port, struct sockaddr_storage *address_r,
		       socklen_t *len_r)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	return inet_pton(AF_INET6, host, &address.sin6_addr) == 1 &&
	       set(&address, sizeof(address), address_r, len_r);
}

static bool parse_ipv4(const char *host, uint16_t port, struct sockaddr_storage *address_r,
		       socklen_t *len_r)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	return inet_pton(AF_INET, host, &address.sin_addr) == 1 &&
	       set(&address, sizeof(address), address_r, len_r);
}

bool endpoint_parse(const char *text, struct sockaddr_storage *address_r, socklen_t *address_len_r,
		    const char **why_r)
{
	if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) {
		return parse_unix(text + strlen(UNIX_PREFIX), address_r, address_len_r, why_r);
	}
	*why_r = not_an_address;
	char host[INET6_ADDRSTRLEN + 2]; /* and the brackets */
	const char *colon = strrchr(text, ':');
	if (colon == NULL || (size_t)(colon - text) >= sizeof(host)) {
		return false;
	}
	size_t len = (size_t)(colon - text);
	memcpy(host, text, len);
	host[len] = '\0';
	uint64_t port = 0;
	if (!values_count(colon + 1, &port) || port > UINT16_MAX) {
		*why_r = "needs a port from 0 to 65535 at the end (0: any free one)";
		return false;
	}
	if (strcmp(host, "*") == 0) {
		return parse_ipv4("0.0.0.0", (uint16_t)port, address_r, address_len_r);
	}
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		return parse_ipv6(host + 1, (uint16_t)port, address_r, address_len_r);
	}
	return parse_ipv4(host, (uint16_t)port, address_r, address_len_r);
}

/* a or b may be every address of the family; any is that one. */
static bool overlap(const void *a, const void *b, const void *any, size_t len)
{
	return memcmp(a, b, len) == 0 || memcmp(a, any, len) == 0 || memcmp(b, any, len) == 0;
}

bool endpoint_clashes(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family) {
		return false; /* IPv6 sockets are told to leave IPv4 alone */
	}
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
		const struct in_addr any = {.s_addr = htonl(INADDR_ANY)};
		return a4->sin_port != 0 && a4->sin_port == b4->sin_port &&
		       overlap(&a4->sin_addr, &b4->sin_addr, &any, sizeof(any));
	}
	if (a->ss_family == AF_INET6) {
		const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;
		return a6->sin6_port != 0 && a6->sin6_port == b6->sin6_port &&
		       overlap(&a6->sin6_addr, &b6->sin6_addr, &in6addr_any, sizeof(in6addr_any));
	}
	/* Both are zero where the address does not reach. */
	return memcmp(a, b, sizeof(*a)) == 0;
}
