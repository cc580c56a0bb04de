/* SPDX-License-Identifier: MIT */
/*
 * A client's address in 20 bytes, and its text. Used by whoever logs, counts or hashes clients.
 * IPv4 is written by hand: it stands in two log lines and one offer of every connection.
 */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

void address_from_bytes(struct address *address, const void *ip, size_t ip_bytes, unsigned port)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* RFC 4291, 2.5.5.2 */
	const uint8_t *bytes = ip;
	if (ip_bytes == 16 && memcmp(bytes, mapped, sizeof mapped) == 0) {
		bytes += sizeof mapped;
		ip_bytes = 4;
	}
	*address = (struct address){.port = (uint16_t)port,
				    .family = ip_bytes == 4 ? ADDRESS_IPV4 : ADDRESS_IPV6};
	memcpy(address->ip, bytes, ip_bytes);
}

void address_from_sockaddr(struct address *address, const struct sockaddr_storage *from)
{
	*address = (struct address){.family = ADDRESS_UNIX};
	if (from->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)from;
		address_from_bytes(address, &in->sin_addr, 4, ntohs(in->sin_port));
	} else if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)from;
		address_from_bytes(address, &in->sin6_addr, 16, ntohs(in->sin6_port));
	}
}

bool address_parse_ip(const char *text, size_t len, struct address *address_r)
{
	char copy[INET6_ADDRSTRLEN];
	uint8_t ip[16];
	if (len >= sizeof copy || memchr(text, '\0', len) != NULL) {
		return false;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	bool is_ipv6 = strchr(copy, ':') != NULL;
	if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, copy, ip) != 1) {
		return false;
	}
	address_from_bytes(address_r, ip, is_ipv6 ? 16 : 4, 0);
	return true;
}

bool address_same(const struct address *a, const struct address *b)
{
	return a->family == b->family && a->port == b->port &&
	       memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static size_t write_number(char *to, unsigned value)
{
	char digits[10];
	size_t len = 0;
	do {
		digits[sizeof digits - ++len] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	memcpy(to, digits + sizeof digits - len, len);
	return len;
}

size_t address_write_ip(const struct address *address, char text[ADDRESS_TEXT_BYTES])
{
	size_t len = 0;
	switch ((enum address_family)address->family) {
	case ADDRESS_UNIX:
		memcpy(text, "unix", 5);
		return 4;
	case ADDRESS_IPV4:
		for (int i = 0; i < 4; i++) {
			len += write_number(text + len, address->ip[i]);
			text[len++] = '.';
		}
		text[--len] = '\0';
		return len;
	case ADDRESS_IPV6:
		inet_ntop(AF_INET6, address->ip, text, INET6_ADDRSTRLEN);
		return strlen(text);
	}
	return 0;
}

size_t address_write(const struct address *address, char text[ADDRESS_TEXT_BYTES])
{
	if (address->family == ADDRESS_UNIX) {
		return address_write_ip(address, text);
	}
	size_t bracket = address->family == ADDRESS_IPV6 ? 1 : 0;
	text[0] = '[';
	size_t len = bracket + address_write_ip(address, text + bracket);
	if (bracket) {
		text[len++] = ']';
	}
	text[len++] = ':';
	len += write_number(text + len, address->port);
	text[len] = '\0';
	return len;
}
