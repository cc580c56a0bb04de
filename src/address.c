/* SPDX-License-Identifier: MIT */
/*
 * A client's address in 20 bytes, and its text. Used by whoever logs, counts or hashes clients.
 * IPv4 is written by hand: it stands in two log lines and one offer of every connection.
 */
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

void address_from_sockaddr(struct address *address, const struct sockaddr_storage *from)
{
	*address = (struct address){.family = ADDRESS_UNIX};
	if (from->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)from;
		address->family = ADDRESS_IPV4;
		address->port = ntohs(in->sin_port);
		memcpy(address->ip, &in->sin_addr, 4);
	} else if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)from;
		bool mapped = IN6_IS_ADDR_V4MAPPED(&in->sin6_addr);
		address->family = mapped ? ADDRESS_IPV4 : ADDRESS_IPV6;
		address->port = ntohs(in->sin6_port);
		memcpy(address->ip, in->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
	}
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
