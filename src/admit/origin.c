/* SPDX-License-Identifier: MIT */
/*
 * Origin against Host or a list (RFC 6455, 10.2; RFC 6454, 4 and 5). The browser adds cookies to a
 * cross-site upgrade and nothing but Origin tells, so the comparison is exact in scheme, host and
 * port, and what is not understood is refused. No wildcards inside names. judge.c asks about
 * requests, config about entries.
 */
#include "admit/origin.h"

#include "admit/grammar.h"

struct origin {
	struct slice scheme, host;
	unsigned port;
};

enum { NO_DEFAULT_PORT = 65536 }; /* equals only itself: schemes such as chrome-extension */

static unsigned default_port(struct slice scheme)
{
	if (slice_equals_nocase(scheme, "http")) {
		return 80;
	}
	return slice_equals_nocase(scheme, "https") ? 443 : NO_DEFAULT_PORT;
}

/* RFC 3986, 3.1. */
static bool is_scheme(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		char byte = text.at[i], lower = (char)(byte | 0x20);
		bool letter = lower >= 'a' && lower <= 'z';
		bool other =
			(byte >= '0' && byte <= '9') || byte == '+' || byte == '-' || byte == '.';
		if (!letter && (i == 0 || !other)) {
			return false;
		}
	}
	return text.len > 0;
}

/* scheme "://" host [ ":" port ], nothing behind it. */
static bool parse_origin(struct slice text, struct origin *origin_r)
{
	const char *colon = text.len > 0 ? memchr(text.at, ':', text.len) : NULL;
	if (colon == NULL) {
		return false;
	}
	struct slice scheme = {text.at, (size_t)(colon - text.at)};
	struct slice rest = {colon, text.len - scheme.len};
	if (!is_scheme(scheme) || rest.len < 4 || memcmp(rest.at, "://", 3) != 0) {
		return false;
	}
	struct slice host, port;
	if (!grammar_split_host((struct slice){rest.at + 3, rest.len - 3}, &host, &port)) {
		return false;
	}
	*origin_r = (struct origin){scheme, host, grammar_port_number(port, default_port(scheme))};
	return true;
}

/* Unless our side is known to be https (TLS may end in front of baton) the origin's scheme stands
 * for both, and the port tells them apart. */
static bool names_host(const struct origin *origin, struct slice host, bool is_https)
{
	struct slice name, port;
	unsigned otherwise = default_port(origin->scheme);
	return otherwise != NO_DEFAULT_PORT &&
	       (!is_https || slice_equals_nocase(origin->scheme, "https")) && host.len > 0 &&
	       grammar_split_host(host, &name, &port) && slice_same_nocase(origin->host, name) &&
	       origin->port == grammar_port_number(port, otherwise);
}

static bool matches_entry(const struct origin *origin, const char *entry)
{
	struct origin listed;
	if (strcmp(entry, "*") == 0) {
		return true;
	}
	return parse_origin(slice_of(entry), &listed) &&
	       slice_same_nocase(origin->scheme, listed.scheme) &&
	       slice_same_nocase(origin->host, listed.host) && origin->port == listed.port;
}

bool origin_is_allowed(struct slice origin, struct slice host, bool is_https,
		       const char *const *list, size_t list_count)
{
	struct origin asking;
	if (origin.at == NULL) {
		return true;
	}
	if (!parse_origin(origin, &asking)) { /* "null" too: any sandboxed page can be that */
		return false;
	}
	if (list_count == 0) {
		return names_host(&asking, host, is_https);
	}
	for (size_t i = 0; i < list_count; i++) {
		if (matches_entry(&asking, list[i])) {
			return true;
		}
	}
	return false;
}

bool origin_is_valid(struct slice entry)
{
	struct origin parsed;
	return slice_equals(entry, "*") || parse_origin(entry, &parsed);
}
