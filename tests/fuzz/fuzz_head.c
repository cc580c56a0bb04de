/* SPDX-License-Identifier: MIT */
/*
 * head.c and request.c: any bytes. The verdict on a prefix is final or NEED_MORE, slices stay
 * inside the head, and the canonical head of a good request is a good request for the same place.
 * Input: the bytes of a client.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "admit/request.h"

enum {
	LIMIT_BYTES = 1500,
	EVERY_PREFIX = 300, /* of more only some are tried */
	CANONICAL_BYTES = 4096,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct verdict {
	enum head_result result;
	enum refusal refusal;
	struct head head;
};

static void check_inside(struct slice slice, const char *at, size_t len)
{
	assert(slice.at == NULL || (slice.at >= at && slice.at + slice.len <= at + len));
}

static void check_slices(const struct head *head, const char *at, size_t len)
{
	assert(head->bytes >= 16 && head->bytes <= len); /* "A / HTTP/1.1" and two line ends */
	assert(head->field_count <= HEAD_MAX_FIELDS);
	check_inside(head->method, at, head->bytes);
	check_inside(head->target, at, head->bytes);
	for (unsigned i = 0; i < head->field_count; i++) {
		check_inside(head->fields[i].name, at, head->bytes);
		check_inside(head->fields[i].value, at, head->bytes);
	}
}

static bool is_same(struct slice a, struct slice b)
{
	return (a.at == NULL) == (b.at == NULL) && a.len == b.len &&
	       (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static void judge_prefix(struct verdict *verdict, const char *at, size_t len, size_t limit)
{
	verdict->refusal = REFUSAL_NONE;
	verdict->result = head_parse(at, len, limit, &verdict->head, &verdict->refusal);
	assert((verdict->result == HEAD_BAD) == (verdict->refusal != REFUSAL_NONE));
	if (verdict->result == HEAD_OK) {
		check_slices(&verdict->head, at, len);
		assert(verdict->head.bytes <= limit);
	} else if (verdict->result == HEAD_NEED_MORE) {
		assert(len < limit);
	}
}

/* Each prefix stands at the end of its memory, so that a look beyond it is seen. */
static void check_prefixes(const uint8_t *data, size_t len, const struct verdict *whole,
			   size_t limit)
{
	static struct verdict part;
	char *memory = malloc(len + 1);
	assert(memory != NULL);
	for (size_t n = 0; n < len; n += 1 + (len > EVERY_PREFIX ? len / EVERY_PREFIX : 0)) {
		char *at = memory + len + 1 - n;
		memcpy(at, data, n);
		judge_prefix(&part, at, n, limit);
		if (part.result == HEAD_NEED_MORE) {
			assert(whole->result != HEAD_OK || n < whole->head.bytes);
			continue;
		}
		assert(part.result == whole->result && part.refusal == whole->refusal);
		if (part.result == HEAD_OK) {
			assert(part.head.bytes == whole->head.bytes);
			assert(part.head.field_count == whole->head.field_count);
			assert(is_same(part.head.target, whole->head.target));
		}
	}
	free(memory);
}

static void check_request(const struct request *request, const char *at, size_t len)
{
	check_inside(request->host, at, len);
	check_inside(request->host_name, at, len);
	check_inside(request->host_port, at, len);
	if (!slice_equals(request->path, "/")) { /* "http://a?b" has none of its own */
		check_inside(request->path, at, len);
	}
	check_inside(request->query, at, len);
	check_inside(request->origin, at, len);
	check_inside(request->key, at, len);
	check_inside(request->length, at, len);
	assert(request->path.at != NULL && request->path.len > 0 && request->path.at[0] == '/');
	assert((request->key.at != NULL) == request->is_upgrade);
	assert(!request->is_chunked || request->length.at == NULL);
	request_query(request, slice_of("token"));
	request_cookie(request, slice_of("sid"));
}

static void check_canonical(const struct request *request)
{
	static char canonical[CANONICAL_BYTES];
	static struct head head;
	struct request again;
	enum refusal refusal = REFUSAL_NONE;
	size_t len = request_write_head(request, canonical, sizeof canonical);
	assert(len > 0);
	char *exact = malloc(len);
	assert(exact != NULL);
	assert(request_write_head(request, exact, len - 1) == 0);
	assert(request_write_head(request, exact, len) == len);
	assert(memcmp(exact, canonical, len) == 0);
	enum head_result result = head_parse(exact, len, len, &head, &refusal);
	if (result != HEAD_BAD || refusal != REFUSAL_TOO_MANY_FIELDS) { /* it adds some */
		assert(result == HEAD_OK && head.bytes == len);
		assert(request_judge(&head, &again) == REFUSAL_NONE);
		assert(again.is_upgrade == request->is_upgrade);
		assert(again.is_chunked == request->is_chunked);
		assert(is_same(again.path, request->path) && is_same(again.query, request->query));
		assert(is_same(again.host, request->host) && is_same(again.key, request->key));
		assert(is_same(again.length, request->length));
		assert(is_same(again.origin, request->origin));
	}
	free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct verdict whole;
	if (len == 0) {
		return 0;
	}
	char *at = malloc(len);
	assert(at != NULL);
	memcpy(at, data, len);
	judge_prefix(&whole, at, len, LIMIT_BYTES);
	check_prefixes(data, len, &whole, LIMIT_BYTES);
	struct request request;
	if (whole.result == HEAD_OK && request_judge(&whole.head, &request) == REFUSAL_NONE) {
		check_request(&request, at, len);
		check_canonical(&request);
	}
	free(at);
	return 0;
}
