/* SPDX-License-Identifier: MIT */
/*
 * forwarded.c: whatever a client sends, what the trusted proxy writes behind it names the client,
 * in the same line or in the next; and a stranger's word counts for nothing. Input: a byte that
 * chooses the header, then its value, or further fields after a line end.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admit/forwarded.h"
#include "admit/head.h"

enum { LIMIT_BYTES = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct {
	const char *name, *own; /* what the proxy writes */
} headers[] = {
	[FORWARDED_X_FORWARDED_FOR] = {"X-Forwarded-For", "198.51.100.7:80"},
	[FORWARDED_FORWARDED] = {"Forwarded", "host=\"a,b\";for=\"198.51.100.7:80\";proto=http"},
	[FORWARDED_X_REAL_IP] = {"X-Real-IP", "198.51.100.7:80"},
};

static const struct address client = {.ip = {198, 51, 100, 7}, .port = 80, .family = ADDRESS_IPV4};
static const struct address proxy = {.ip = {10, 0, 0, 1}, .port = 4711, .family = ADDRESS_IPV4};
static const struct address stranger = {.ip = {192, 0, 2, 6}, .port = 9, .family = ADDRESS_IPV4};

/* What is found when the proxy adds its own after "glue"; false: that is no head. */
static bool find(struct slice sent, const char *glue, enum forwarded_header header,
		 const struct address *peer, struct forwarded *found_r)
{
	static struct address_range trusted = {.first = {.ip = {10}, .family = ADDRESS_IPV4},
					       .bits = 8};
	const struct forwarded_rule rule = {&trusted, 1, header};
	static struct head head;
	enum refusal refusal;
	const char *name = headers[header].name;
	bool adds_line = glue[0] == '\r';
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	assert(out != NULL);
	fprintf(out, "GET / HTTP/1.1\r\n%s: ", name);
	fwrite(sent.at, 1, sent.len, out);
	fprintf(out, "%s%s%s%s\r\n\r\n", glue, adds_line ? name : "", adds_line ? ": " : "",
		headers[header].own);
	assert(fclose(out) == 0);
	char *exact = malloc(bytes); /* without the NUL */
	assert(exact != NULL);
	memcpy(exact, text, bytes);
	free(text);
	bool is_head = head_parse(exact, bytes, LIMIT_BYTES, &head, &refusal) == HEAD_OK &&
		       head.bytes == bytes;
	if (is_head) {
		forwarded_find(&head, peer, &rule, found_r);
	}
	free(exact);
	return is_head;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const glues[] = {",", ", ", "\r\n", " \t,\t"};
	struct forwarded found;
	if (len == 0) {
		return 0;
	}
	enum forwarded_header header = (enum forwarded_header)(data[0] % 3);
	const struct slice sent = {(const char *)data + 1, len - 1};
	const char *glue = glues[data[0] / 3 % 4];
	if (find(sent, glue, header, &stranger, &found)) {
		assert(address_same(&found.client, &stranger));
		assert(found.scheme == FORWARDED_UNKNOWN);
	}
	/* The value may hold line ends, and fields of its own behind them: then the glue is
	 * theirs. */
	bool one_line = memchr(sent.at, '\n', sent.len) == NULL;
	if ((one_line || glue[0] == '\r') && find(sent, glue, header, &proxy, &found)) {
		bool is_list = header != FORWARDED_X_REAL_IP;
		assert(address_same(&found.client, is_list ? &client : &proxy));
		assert(header != FORWARDED_FORWARDED || found.scheme == FORWARDED_HTTP);
	}
	/* The proxy itself wrote it, as far as anybody can tell: just look. */
	find(sent, "; ", header, &proxy, &found);
	return 0;
}
