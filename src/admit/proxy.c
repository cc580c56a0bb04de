/* SPDX-License-Identifier: MIT */
/*
 * The PROXY protocol: see proxy.h. Exact where other servers were seen to be lax: octets and ports
 * have their ranges and no leading zeros, version 1 its 107 bytes, version 2 its commands, families
 * and lengths. Does not look into TLVs, and does not ask who may send the header: that is the
 * listener's. Called by peek.c.
 */
#include "admit/proxy.h"

#include <netinet/in.h>
#include <string.h>

/* ---- version 1: a line of text ---- */

/* The first failure stays: what is taken after it is nothing. */
struct cursor {
	const char *at, *end;
	enum proxy_result result;
};

static void take_text(struct cursor *cursor, const char *text)
{
	for (; *text != '\0' && cursor->result == PROXY_OK; text++) {
		if (cursor->at == cursor->end) {
			cursor->result = PROXY_NEED_MORE;
		} else if (*cursor->at++ != *text) {
			cursor->result = PROXY_BAD;
		}
	}
}

/* Decimal digits without leading zeros; ends before the first byte that is no digit. */
static unsigned take_number(struct cursor *cursor, unsigned max)
{
	const char *first = cursor->at;
	unsigned value = 0;
	while (cursor->result == PROXY_OK) {
		if (cursor->at == cursor->end) {
			cursor->result = PROXY_NEED_MORE;
		} else if (*cursor->at < '0' || *cursor->at > '9') {
			cursor->result = cursor->at > first ? PROXY_OK : PROXY_BAD;
			break;
		} else {
			bool leads = value == 0 && cursor->at > first;
			value = value * 10 + (unsigned)(*cursor->at++ - '0');
			cursor->result = leads || value > max ? PROXY_BAD : PROXY_OK;
		}
	}
	return value;
}

static void take_ipv4(struct cursor *cursor, struct address *address)
{
	uint8_t ip[4];
	for (int i = 0; i < 4; i++) {
		take_text(cursor, i > 0 ? "." : "");
		ip[i] = (uint8_t)take_number(cursor, UINT8_MAX);
	}
	address_from_bytes(address, ip, sizeof ip, 0);
}

/* The dotted tail, too: senders write mapped addresses with it. */
static void take_ipv6(struct cursor *cursor, struct address *address)
{
	const char *first = cursor->at;
	if (cursor->result != PROXY_OK) {
		return;
	}
	while (cursor->at < cursor->end && *cursor->at != '\0' &&
	       strchr("0123456789abcdefABCDEF:.", *cursor->at) != NULL) {
		cursor->at++;
	}
	size_t len = (size_t)(cursor->at - first);
	if (len >= INET6_ADDRSTRLEN) {
		cursor->result = PROXY_BAD;
	} else if (cursor->at == cursor->end) {
		cursor->result = PROXY_NEED_MORE;
	} else if (memchr(first, ':', len) == NULL || !address_parse_ip(first, len, address)) {
		cursor->result = PROXY_BAD;
	}
}

/* "UNKNOWN" and what follows, to be ignored up to the line's end (proxy-protocol.txt, 2.1). */
static void take_unknown(struct cursor *cursor, const char *line)
{
	take_text(cursor, "UNKNOWN");
	if (cursor->result != PROXY_OK || cursor->at == cursor->end) {
		cursor->result = cursor->result == PROXY_OK ? PROXY_NEED_MORE : cursor->result;
		return;
	}
	if (*cursor->at != ' ') {
		take_text(cursor, "\r\n");
		return;
	}
	size_t seen = (size_t)(cursor->end - line);
	size_t len = (seen < PROXY_V1_MAX_BYTES ? seen : PROXY_V1_MAX_BYTES) -
		     (size_t)(cursor->at - line);
	const char *end = memmem(cursor->at, len, "\r\n", 2);
	if (end != NULL) {
		cursor->at = end + 2;
	} else {
		cursor->result = seen < PROXY_V1_MAX_BYTES ? PROXY_NEED_MORE : PROXY_BAD;
	}
}

static void take_addresses(struct cursor *cursor, struct proxy_header *header)
{
	take_text(cursor, "TCP");
	bool is_ipv6 = cursor->at < cursor->end && *cursor->at == '6';
	void (*take_ip)(struct cursor *, struct address *) = is_ipv6 ? take_ipv6 : take_ipv4;
	take_text(cursor, is_ipv6 ? "6 " : "4 ");
	take_ip(cursor, &header->client);
	take_text(cursor, " ");
	take_ip(cursor, &header->server);
	take_text(cursor, " ");
	header->client.port = (uint16_t)take_number(cursor, UINT16_MAX);
	take_text(cursor, " ");
	header->server.port = (uint16_t)take_number(cursor, UINT16_MAX);
	take_text(cursor, "\r\n");
}

static enum proxy_result parse_v1(const char *data, size_t len, struct proxy_header *header_r)
{
	struct cursor cursor = {data, data + len, PROXY_OK};
	struct proxy_header header = {0};
	take_text(&cursor, "PROXY ");
	header.is_local = cursor.at < cursor.end && *cursor.at == 'U';
	if (header.is_local) {
		take_unknown(&cursor, data);
	} else {
		take_addresses(&cursor, &header);
	}
	if (cursor.result == PROXY_OK) {
		header.bytes = (size_t)(cursor.at - data);
		*header_r = header;
	}
	return cursor.result;
}

/* ---- version 2: binary ---- */

static const char signature[12] = {'\r', '\n', '\r', '\n', '\0', '\r',
				   '\n', 'Q',  'U',  'I',  'T',  '\n'};

enum {
	FIXED_BYTES = 16, /* signature, version and command, family, length */
	VERSION_LOCAL = 0x20,
	VERSION_PROXY = 0x21,
	FAMILY_UNSPEC = 0x00,
	FAMILY_TCP4 = 0x11,
	FAMILY_TCP6 = 0x21,
	FAMILY_UNIX_STREAM = 0x31, /* 0x12, 0x22, 0x32 are datagrams: no HTTP comes in those */
	TLV_BYTES = 3,             /* type and length */
};

static unsigned number_at(const char *at)
{
	const uint8_t *bytes = (const uint8_t *)at;
	return (unsigned)bytes[0] << 8 | bytes[1];
}

/* What the addresses of a family take; -1: no family of ours. */
static int address_bytes(uint8_t family)
{
	switch (family) {
	case FAMILY_UNSPEC:
		return 0;
	case FAMILY_TCP4:
		return 2 * (4 + 2);
	case FAMILY_TCP6:
		return 2 * (16 + 2);
	case FAMILY_UNIX_STREAM:
		return 2 * 108;
	default:
		return -1;
	}
}

static void read_addresses(uint8_t family, const char *at, struct proxy_header *header)
{
	size_t ip = family == FAMILY_TCP4 ? 4 : 16;
	if (family == FAMILY_UNIX_STREAM) {
		header->client = header->server = (struct address){.family = ADDRESS_UNIX};
		return;
	}
	address_from_bytes(&header->client, at, ip, number_at(at + 2 * ip));
	address_from_bytes(&header->server, at + ip, ip, number_at(at + 2 * ip + 2));
}

/* Each must end where the header does, or before; only what is there can be checked. */
static bool has_bad_tlv(const char *data, size_t len, size_t at, size_t end)
{
	while (at < end) {
		if (end - at < TLV_BYTES) {
			return true;
		}
		if (at + TLV_BYTES > len) {
			return false;
		}
		at += TLV_BYTES + number_at(data + at + 1);
	}
	return at > end;
}

static enum proxy_result parse_v2(const char *data, size_t len, struct proxy_header *header_r)
{
	if (memcmp(data, signature, len < sizeof signature ? len : sizeof signature) != 0) {
		return PROXY_BAD;
	}
	const uint8_t *fixed = (const uint8_t *)data;
	bool is_local = len > 12 && fixed[12] == VERSION_LOCAL;
	if (len > 12 && !is_local && fixed[12] != VERSION_PROXY) {
		return PROXY_BAD;
	}
	/* With LOCAL the family is to be ignored with the rest (proxy-protocol.txt, 2.2). */
	int addresses = len > 13 && !is_local ? address_bytes(fixed[13]) : 0;
	if (addresses < 0) {
		return PROXY_BAD;
	}
	if (len < FIXED_BYTES) {
		return PROXY_NEED_MORE;
	}
	struct proxy_header header = {.bytes = FIXED_BYTES + number_at(data + 14)};
	header.is_local = is_local || fixed[13] == FAMILY_UNSPEC;
	if (header.bytes > PROXY_MAX_BYTES || header.bytes < FIXED_BYTES + (size_t)addresses) {
		return PROXY_BAD;
	}
	if (!header.is_local &&
	    has_bad_tlv(data, len, FIXED_BYTES + (size_t)addresses, header.bytes)) {
		return PROXY_BAD;
	}
	if (len < header.bytes) {
		return PROXY_NEED_MORE;
	}
	if (!header.is_local) {
		read_addresses(fixed[13], data + FIXED_BYTES, &header);
	}
	*header_r = header;
	return PROXY_OK;
}

enum proxy_result proxy_parse(const char *data, size_t len, struct proxy_header *header_r)
{
	if (len == 0) {
		return PROXY_NEED_MORE;
	}
	return data[0] == signature[0] ? parse_v2(data, len, header_r)
				       : parse_v1(data, len, header_r);
}
