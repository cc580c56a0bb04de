/* SPDX-License-Identifier: MIT */
/*
 * Which route a request takes. The table is in matching order when it comes (config sorts it), so
 * the first that fits is the answer. Compares paths by what they mean, never changes one:
 * request.c has refused dot segments and broken %XX before. judge.c asks.
 */
#include "route/route.h"

#include "admit/field_list.h"
#include "admit/grammar.h"
#include "admit/request.h"
#include "config/config.h"

/*
 * The next byte of a path or query as a number to compare: %41 is 'A' (RFC 3986, 6.2.2.2), %2f and
 * %2F are the same (6.2.2.1) but not '/'. Negative: no such byte.
 */
static int take_unit(struct slice *text)
{
	bool encoded = false;
	int byte = grammar_take_byte(text, GRAMMAR_VISIBLE, &encoded);
	return !encoded || grammar_is((char)byte, GRAMMAR_UNRESERVED) ? byte : 256 + byte;
}

/* Takes what equals prefix off the text; false: it begins otherwise, and is undefined then. */
static bool take_prefix(struct slice *text, const char *prefix)
{
	struct slice wanted = slice_of(prefix);
	size_t most = wanted.len < text->len ? wanted.len : text->len, same = 0;
	/* Nearly always they are spelled alike, or differ soon. */
	while (same < most && prefix[same] == text->at[same] && prefix[same] != '%') {
		same++;
	}
	wanted = (struct slice){wanted.at + same, wanted.len - same};
	*text = (struct slice){text->at + same, text->len - same};
	while (wanted.len > 0) {
		int unit = take_unit(&wanted);
		if (text->len == 0 || unit < 0 || unit != take_unit(text)) {
			return false;
		}
	}
	return true;
}

static bool path_fits(const struct config_route *route, struct slice path)
{
	if (!route->exact &&
	    route->path[1] == '\0') { /* "/", the only one with a slash at its end */
		return true;
	}
	return take_prefix(&path, route->path) &&
	       (path.len == 0 || (!route->exact && *path.at == '/'));
}

/* A path as the laxest of children may read it, see route.h; .at == NULL: as it stands. */
static struct slice read_laxly(struct slice path)
{
	static char text[HEAD_MAX_TARGET];
	size_t len = 0;
	bool encoded;
	if (memchr(path.at, '%', path.len) == NULL && memchr(path.at, ';', path.len) == NULL &&
	    memmem(path.at, path.len, "//", 2) == NULL) {
		return (struct slice){NULL, 0};
	}
	while (path.len > 0) {
		bool is_parameter = *path.at == ';';
		int byte = grammar_take_byte(&path, GRAMMAR_PATH, &encoded);
		while (is_parameter && path.len > 0 && *path.at != '/') {
			path = (struct slice){path.at + 1, path.len - 1};
		}
		byte = byte == '\\' ? '/' : byte;
		if (!is_parameter && !(byte == '/' && len > 0 && text[len - 1] == '/')) {
			text[len++] = (char)byte;
		}
	}
	return (struct slice){text, len};
}

static bool fits_laxly(const struct config_route *route, struct slice lax)
{
	struct slice wanted = slice_of(route->path);
	bool encoded;
	while (wanted.len > 0 && lax.len > 0) {
		int byte = grammar_take_byte(&wanted, GRAMMAR_PATH, &encoded);
		if (byte != (unsigned char)*lax.at) {
			return false;
		}
		lax = (struct slice){lax.at + 1, lax.len - 1};
	}
	return wanted.len == 0 && (lax.len == 0 || (!route->exact && *lax.at == '/'));
}

static bool host_fits(const char *host, struct slice name)
{
	if (host == NULL || host[0] != '*') {
		return host == NULL || slice_equals_nocase(name, host);
	}
	struct slice suffix = slice_of(host + 1);
	return name.len > suffix.len &&
	       slice_same_nocase((struct slice){name.at + name.len - suffix.len, suffix.len},
				 suffix);
}

/* A plain request negotiates none, whatever it says. */
static bool offers(const struct request *request, const char *subprotocol)
{
	struct field_list list = field_list_of(request->head, "Sec-WebSocket-Protocol");
	struct slice offered;
	while (request->is_upgrade && field_list_next(&list, &offered)) {
		if (slice_equals(offered, subprotocol)) {
			return true;
		}
	}
	return false;
}

static bool query_has(struct slice query, const char *wanted)
{
	bool any_value = strchr(wanted, '=') == NULL;
	struct slice pair;
	while (grammar_split(&query, '&', &pair)) {
		if (take_prefix(&pair, wanted) &&
		    (pair.len == 0 || (any_value && *pair.at == '='))) {
			return true;
		}
	}
	return false;
}

static bool head_has(const struct request *request, const char *wanted)
{
	const struct slice name = {wanted, strcspn(wanted, ":")};
	const char *value = wanted[name.len] != '\0' ? wanted + name.len + strlen(": ") : NULL;
	const struct head *head = request->head;
	for (unsigned i = 0; i < head->field_count; i++) {
		if (slice_same_nocase(head->fields[i].name, name) &&
		    (value == NULL || slice_equals(head->fields[i].value, value))) {
			return request_forwards(request, name);
		}
	}
	return false;
}

static bool conditions_hold(const struct config_route *route, const struct request *request)
{
	if (route->subprotocol != NULL && !offers(request, route->subprotocol)) {
		return false;
	}
	for (char **query = route->query; *query != NULL; query++) {
		if (!query_has(request->query, *query)) {
			return false;
		}
	}
	for (char **header = route->headers; *header != NULL; header++) {
		if (!head_has(request, *header)) {
			return false;
		}
	}
	return true;
}

enum refusal route_find(const struct config *config, size_t listener, const struct request *request,
			const struct config_route **route_r)
{
	const struct slice lax = read_laxly(request->path);
	for (size_t i = 0; i < config->route_count; i++) {
		const struct config_route *route = &config->routes[i];
		if (!route->listeners[listener] || !host_fits(route->host, request->host_name)) {
			continue;
		}
		bool fits = path_fits(route, request->path);
		if ((fits || (lax.at != NULL && fits_laxly(route, lax))) &&
		    conditions_hold(route, request)) {
			*route_r = route;
			return fits ? REFUSAL_NONE : REFUSAL_PATH;
		}
	}
	return REFUSAL_NO_ROUTE;
}

bool route_fits_but_conditions(const struct config_route *route, size_t listener,
			       const struct request *request)
{
	return route->listeners[listener] && host_fits(route->host, request->host_name) &&
	       path_fits(route, request->path) && !conditions_hold(route, request);
}
