/* SPDX-License-Identifier: MIT */
/*
 * build_routes of build.h: titles into host and path, names into indices, then the order in
 * which routes are tried. Does not match requests: that is route/route.c. Called by build.c.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admit/origin.h"
#include "config/build.h"
#include "config/config.h"
#include "config/problem.h"
#include "config/source.h"
#include "config/values.h"

struct work {
	struct config *config;
	struct problem *problem;
	const struct source_section *section;
	struct config_route *route;
};

static bool fail_memory(struct work *work)
{
	return problem_set(work->problem, 0, "out of memory");
}

static unsigned line_of(const struct work *work, const char *key)
{
	unsigned line = source_get(work->section, key)->line;
	return line > 0 ? line : work->section->line;
}

static bool is_host(const char *host)
{
	size_t len = strlen(host);
	if (host[0] == '[' && host[len - 1] == ']') {
		char literal[INET6_ADDRSTRLEN];
		struct in6_addr ignored;
		if (len - 2 >= sizeof(literal)) {
			return false;
		}
		memcpy(literal, host + 1, len - 2);
		literal[len - 2] = '\0';
		return inet_pton(AF_INET6, literal, &ignored) == 1;
	}
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)host[i]) && strchr("-._", host[i]) == NULL) {
			return false;
		}
	}
	return true;
}

/* %7E in a route would never match: requests are compared with it written '~'. */
static bool has_needless_percent(const char *path)
{
	for (const char *at = strchr(path, '%'); at != NULL; at = strchr(at + 1, '%')) {
		char hex[] = {at[1], at[2], '\0'};
		int c = (int)strtol(hex, NULL, 16);
		if ((c < 0x80 && isalnum(c)) || (c != '\0' && strchr("-._~", c) != NULL)) {
			return true;
		}
	}
	return false;
}

static bool check_path(struct work *work, const char *path)
{
	const char *title = work->section->title;
	unsigned line = work->section->line;
	if (!values_is_url_path(path)) {
		return problem_set(work->problem, line,
				   "route \"%.80s\": the path holds a character that a URL's path "
				   "does not (no query, no spaces; others as %%XX)",
				   title);
	}
	if (has_needless_percent(path)) {
		return problem_set(work->problem, line,
				   "route \"%.80s\": letters, digits, '-', '.', '_' and '~' are "
				   "written plain, not as %%XX",
				   title);
	}
	size_t len = strlen(path);
	if (len > 1 && path[len - 1] == '/') {
		return problem_set(work->problem, line,
				   "route \"%.80s\" ends with '/': leave it out; \"%.*s\" covers "
				   "itself and all that is below it",
				   title, len > 80 ? 80 : (int)len - 1, path);
	}
	return true;
}

static bool parse_title(struct work *work)
{
	const char *title = work->section->title;
	const char *slash = strchr(title, '/');
	if (slash == NULL) {
		return problem_set(
			work->problem, work->section->line,
			"route \"%.80s\" has no path: write \"/path\" or \"host/path\" (\"/\" "
			"is all paths)",
			title);
	}
	work->route->name = strdup(title);
	work->route->path = strdup(slash);
	work->route->host = slash > title ? strndup(title, (size_t)(slash - title)) : NULL;
	if (work->route->name == NULL || work->route->path == NULL ||
	    (slash > title && work->route->host == NULL)) {
		return fail_memory(work);
	}
	for (char *at = work->route->host; at != NULL && *at != '\0'; at++) {
		*at = (char)tolower((unsigned char)*at);
	}
	if (work->route->host != NULL && !is_host(work->route->host)) {
		return problem_set(
			work->problem, work->section->line,
			"route \"%.80s\": \"%.80s\" is not a host (a name or an address, no "
			"scheme, no port, no '*'); a path alone begins with '/'",
			title, work->route->host);
	}
	return check_path(work, slash);
}

static bool fail_name(struct work *work, const char *kind, const char *name,
		      const char *const *names, size_t count, unsigned line)
{
	char hint[PROBLEM_HINT_BYTES];
	return problem_set(
		work->problem, line, "route \"%.80s\" names %s \"%.80s\"; there is no such %s%s",
		work->section->title, kind, name, kind, problem_hint(name, names, count, hint));
}

static bool find_pool(struct work *work)
{
	const struct source_value *value = source_get(work->section, "pool");
	if (value->words == NULL) {
		return problem_set(work->problem, work->section->line,
				   "route \"%.80s\": pool is missing: which pool serves it?",
				   work->section->title);
	}
	const struct config *config = work->config;
	const char **names = calloc(config->pool_count, sizeof(*names));
	if (names == NULL) {
		return fail_memory(work);
	}
	bool found = false;
	for (size_t i = 0; !found && i < config->pool_count; i++) {
		names[i] = config->pools[i].name;
		found = strcmp(names[i], value->words[0]) == 0;
		work->route->pool = (unsigned)i;
	}
	found = found ||
		fail_name(work, "pool", value->words[0], names, config->pool_count, value->line);
	free(names);
	return found;
}

static bool parse_hash(struct work *work)
{
	const struct source_value *value = source_get(work->section, "hash");
	const char *key = NULL;
	if (value->words == NULL) {
		return true;
	}
	if (!values_hash(value->words[0], &work->route->hash, &key)) {
		return problem_set(work->problem, value->line,
				   "route \"%.80s\": hash = \"%.80s\" is none of \"ip\", \"path\", "
				   "\"header:NAME\", \"cookie:NAME\", \"query:NAME\"",
				   work->section->title, value->words[0]);
	}
	if (key != NULL) {
		work->route->hash_key = strdup(key);
	}
	return key == NULL || work->route->hash_key != NULL || fail_memory(work);
}

static bool check_origins(struct work *work)
{
	struct config_route *route = work->route;
	for (size_t i = 0; route->origins[i] != NULL; i++) {
		if (!origin_is_valid(slice_of(route->origins[i]))) {
			return problem_set(work->problem, line_of(work, "origins"),
					   "route \"%.80s\": origin \"%.80s\" is neither \"*\" nor "
					   "scheme://host[:port], as in \"https://example.org\"",
					   work->section->title, route->origins[i]);
		}
		route->origin_count = i + 1;
	}
	return true;
}

static bool mark_listener(struct work *work, const char *name, const char *const *names)
{
	for (size_t i = 0; i < work->config->listener_count; i++) {
		if (strcmp(names[i], name) == 0) {
			work->route->listeners[i] = true;
			return true;
		}
	}
	return fail_name(work, "listen", name, names, work->config->listener_count,
			 line_of(work, "listen"));
}

static bool mark_listeners(struct work *work)
{
	const struct source_value *value = source_get(work->section, "listen");
	size_t count = work->config->listener_count;
	const char **names = calloc(count, sizeof(*names));
	work->route->listeners = calloc(count, sizeof(*work->route->listeners));
	bool ok = names != NULL && work->route->listeners != NULL;
	if (!ok) {
		fail_memory(work);
	}
	for (size_t i = 0; ok && i < count; i++) {
		names[i] = work->config->listeners[i].name;
		work->route->listeners[i] = value->words == NULL;
	}
	if (ok && value->words != NULL && value->count == 0) {
		ok = problem_set(work->problem, value->line,
				 "route \"%.80s\": listen is empty: nobody could reach the route",
				 work->section->title);
	}
	for (size_t i = 0; ok && i < value->count; i++) {
		ok = mark_listener(work, value->words[i], names);
	}
	free(names);
	return ok;
}

static bool check_unique(struct work *work)
{
	const struct config_route *route = work->route;
	for (const struct config_route *other = work->config->routes; other < route; other++) {
		bool same_host = route->host == NULL || other->host == NULL
					 ? route->host == other->host
					 : strcmp(route->host, other->host) == 0;
		if (same_host && strcmp(route->path, other->path) == 0) {
			return problem_set(work->problem, work->section->line,
					   "route \"%.80s\" is the same as route \"%.80s\"",
					   work->section->title, other->name);
		}
	}
	return true;
}

static bool goes_before(const struct config_route *a, const struct config_route *b)
{
	if ((a->host != NULL) != (b->host != NULL)) {
		return a->host != NULL;
	}
	return strlen(a->path) > strlen(b->path);
}

/* By insertion: few, and equals keep the order of the file. */
static void sort_routes(struct config *config)
{
	for (size_t i = 1; i < config->route_count; i++) {
		struct config_route route = config->routes[i];
		size_t to = i;
		for (; to > 0 && goes_before(&route, &config->routes[to - 1]); to--) {
			config->routes[to] = config->routes[to - 1];
		}
		config->routes[to] = route;
	}
}

bool build_routes(struct config *config, const struct source *source, struct problem *problem)
{
	struct work work = {.config = config, .problem = problem, .route = config->routes};
	for (size_t i = 0; i < source->count; i++) {
		work.section = &source->sections[i];
		if (work.section->kind != KEYS_ROUTE) {
			continue;
		}
		if (!parse_title(&work) || !find_pool(&work) || !parse_hash(&work) ||
		    !check_origins(&work) || !mark_listeners(&work) || !check_unique(&work)) {
			return false;
		}
		work.route++;
	}
	sort_routes(config);
	return true;
}
