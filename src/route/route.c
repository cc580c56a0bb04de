/* SPDX-License-Identifier: MIT */
/*
 * Which route a request takes. The table is in matching order when it comes (config sorts it), so
 * the first that fits is the answer. Compares paths by what they mean, never changes one: the
 * judge has refused dot segments and broken %XX before. conn.c asks; pools are its next question.
 */
#include "route/route.h"

#include "admit/grammar.h"
#include "config/config.h"

/*
 * The next byte of a path as a number to compare: %41 is 'A' (RFC 3986, 6.2.2.2), %2f and %2F are
 * the same (6.2.2.1) but not '/'. Negative: not a byte of a path.
 */
static int take_unit(struct slice *path)
{
	bool encoded = false;
	int byte = grammar_take_byte(path, GRAMMAR_VISIBLE, &encoded);
	return !encoded || grammar_is((char)byte, GRAMMAR_UNRESERVED) ? byte : 256 + byte;
}

static bool path_matches(const struct config_route *route, struct slice path)
{
	struct slice wanted = slice_of(route->path);
	if (wanted.len == 1) { /* "/", the only one with a slash at its end */
		return true;
	}
	while (wanted.len > 0) {
		int unit = take_unit(&wanted);
		if (path.len == 0 || unit < 0 || unit != take_unit(&path)) {
			return false;
		}
	}
	return path.len == 0 || *path.at == '/';
}

const struct config_route *route_find(const struct config *config, size_t listener,
				      struct slice host_name, struct slice path)
{
	for (size_t i = 0; i < config->route_count; i++) {
		const struct config_route *route = &config->routes[i];
		if (route->listeners[listener] &&
		    (route->host == NULL || slice_equals_nocase(host_name, route->host)) &&
		    path_matches(route, path)) {
			return route;
		}
	}
	return NULL;
}
