/* SPDX-License-Identifier: MIT */
/* A slice: bytes that somebody else owns. Never NUL-terminated, never freed. */
#ifndef BATON_SLICE_H
#define BATON_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct slice {
	const char
		*at; /* NULL only when the thing is absent; a present empty one points somewhere */
	size_t len;
};

static inline struct slice slice_of(const char *text)
{
	return (struct slice){text, strlen(text)};
}

static inline bool slice_equals(struct slice a, const char *text)
{
	return a.len == strlen(text) && memcmp(a.at, text, a.len) == 0;
}

/* ASCII only, as field names, hosts and schemes want it; the locale is always C. */
static inline bool slice_same_nocase(struct slice a, struct slice b)
{
	return a.len == b.len && strncasecmp(a.at, b.at, a.len) == 0;
}

static inline bool slice_equals_nocase(struct slice a, const char *text)
{
	return slice_same_nocase(a, slice_of(text));
}

#endif
