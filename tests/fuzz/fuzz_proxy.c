/* SPDX-License-Identifier: MIT */
/*
 * proxy.c: any bytes. The verdict on a prefix is final or NEED_MORE, nothing behind the end is
 * read, limits hold, and what was read, written as version 1, is read again as the same. Input: the
 * bytes of a proxy.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admit/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool is_same(const struct proxy_header *a, const struct proxy_header *b)
{
	return a->is_local == b->is_local &&
	       (a->is_local ||
		(address_same(&a->client, &b->client) && address_same(&a->server, &b->server)));
}

static void check_again(const struct proxy_header *header)
{
	char client[ADDRESS_TEXT_BYTES], server[ADDRESS_TEXT_BYTES], line[PROXY_V1_MAX_BYTES + 1];
	struct proxy_header again;
	enum address_family family = (enum address_family)header->client.family;
	if (header->is_local || family == ADDRESS_UNIX || family != header->server.family) {
		return;
	}
	address_write_ip(&header->client, client);
	address_write_ip(&header->server, server);
	int len = snprintf(line, sizeof line, "PROXY TCP%c %s %s %u %u\r\n",
			   family == ADDRESS_IPV4 ? '4' : '6', client, server, header->client.port,
			   header->server.port);
	assert(len > 0 && len <= PROXY_V1_MAX_BYTES);
	assert(proxy_parse(line, (size_t)len, &again) == PROXY_OK);
	assert(again.bytes == (size_t)len && is_same(&again, header));
}

static enum proxy_result parse(const char *at, size_t len, struct proxy_header *header)
{
	enum proxy_result result = proxy_parse(at, len, header);
	switch (result) {
	case PROXY_OK:
		assert(header->bytes <= len);
		assert(header->bytes <= (at[0] == 'P' ? PROXY_V1_MAX_BYTES : PROXY_MAX_BYTES));
		check_again(header);
		break;
	case PROXY_NEED_MORE:
		assert(len == 0 || len < (at[0] == 'P' ? PROXY_V1_MAX_BYTES : PROXY_MAX_BYTES));
		break;
	case PROXY_BAD:
		break;
	}
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct proxy_header whole, part;
	char *memory = malloc(len + 1);
	assert(memory != NULL);
	memcpy(memory + 1, data, len);
	enum proxy_result wanted = parse(memory + 1, len, &whole);
	for (size_t n = 0; n < len; n++) { /* each at the end of its memory */
		char *at = memory + len + 1 - n;
		memcpy(at, data, n);
		enum proxy_result result = parse(at, n, &part);
		if (result == PROXY_NEED_MORE) {
			assert(wanted != PROXY_OK || n < whole.bytes);
			continue;
		}
		assert(result == wanted);
		assert(result != PROXY_OK || (part.bytes == whole.bytes && is_same(&part, &whole)));
	}
	free(memory);
	return 0;
}
