/* SPDX-License-Identifier: MIT */
/*
 * build_routes of build.h: titles into host and path, names into indices, then the order in
 * which routes are tried. Conditions are conditions.c's; requests are matched by route/route.c.
 * Called by build.c.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admit/grammar.h"
#include "admit/origin.h"
#include "admit/request.h"
#include "config/build.h"
#include "config/check.h"
#include "config/conditions.h"
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

static bool is_host(const char *host)
{
	struct slice name, port;
	const bool is_wildcard = strncmp(host, "*.", 2) == 0;
	host += is_wildcard ? 2 : 0;
	return strpbrk(host, "!$%&'()*+,;=~") == NULL && !(is_wildcard && host[0] == '[') &&
	       grammar_split_host(slice_of(host), &name, &port) && port.at == NULL;
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
	if (values_has_needless_percent(path)) {
		return problem_set(work->problem, line,
				   "route \"%.80s\": letters, digits, '-', '.', '_' and '~' are "
				   "written plain, not as %%XX",
				   title);
	}
	size_t len = strlen(path);
	if (len > 1 && path[len - 1] == '/' && !work->route->exact) {
		return problem_set(work->problem, line,
				   "route \"%.80s\" ends with '/': leave it out; \"%.*s\" covers "
				   "itself and all that is below it",
				   title, len > 80 ? 80 : (int)len - 1, path);
	}
	return true;
}

/* The title; where it stands again with a number, so that logs can tell the routes apart. */
static char *create_name(const struct work *work)
{
	const char *title = work->section->title;
	char *name = NULL;
	unsigned count = 1;
	for (const struct config_route *route = work->config->routes; route < work->route;
	     route++) {
		count += strcmp(route->written->title, title) == 0;
	}
	if (count == 1) {
		return strdup(title);
	}
	return asprintf(&name, "%s#%u", title, count) < 0 ? NULL : name; /* no title has a '#' */
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
	work->route->written = work->section;
	work->route->name = create_name(work);
	work->route->path = strdup(slash);
	work->route->host = slash > title ? strndup(title, (size_t)(slash - title)) : NULL;
	if (work->route->name == NULL || work->route->path == NULL ||
	    (slash > title && work->route->host == NULL)) {
		return problem_memory(work->problem);
	}
	for (char *at = work->route->host; at != NULL && *at != '\0'; at++) {
		*at = (char)tolower((unsigned char)*at);
	}
	if (work->route->host != NULL && !is_host(work->route->host)) {
		return problem_set(
			work->problem, work->section->line,
			"route \"%.80s\": \"%.80s\" is not a host (a name, an address or "
			"\"*.name\", no scheme, no port); a path alone begins with '/'",
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

/* The pool that the key names, of any kind. */
static bool find_pool(struct work *work, const char *key, unsigned *index_r)
{
	const struct source_value *value = source_get(work->section, key);
	const struct config *config = work->config;
	const char **names = calloc(config->pool_count, sizeof(*names));
	if (names == NULL) {
		return problem_memory(work->problem);
	}
	bool found = false;
	for (size_t i = 0; !found && i < config->pool_count; i++) {
		names[i] = config->pools[i].name;
		found = strcmp(names[i], value->words[0]) == 0;
		*index_r = (unsigned)i;
	}
	found = found ||
		fail_name(work, "pool", value->words[0], names, config->pool_count, value->line);
	free(names);
	return found;
}

static bool find_own_pool(struct work *work)
{
	if (source_get(work->section, "pool")->words == NULL) {
		return problem_set(work->problem, work->section->line,
				   "route \"%.80s\": pool is missing: which pool serves it?",
				   work->section->title);
	}
	if (!find_pool(work, "pool", &work->route->pool)) {
		return false;
	}
	const struct config_pool *pool = &work->config->pools[work->route->pool];
	return pool->kind == CONFIG_KIND_SOCKET ||
	       problem_set(work->problem, source_line(work->section, "pool"),
			   "route \"%.80s\": pool \"%.80s\" is of kind \"auth\" and takes no "
			   "connections; did you mean auth = \"%.80s\"?",
			   work->section->title, pool->name, pool->name);
}

static bool find_auth_pool(struct work *work)
{
	work->route->has_auth = source_get(work->section, "auth")->words != NULL;
	if (!work->route->has_auth) {
		return true;
	}
	if (!find_pool(work, "auth", &work->route->auth)) {
		return false;
	}
	const struct config_pool *pool = &work->config->pools[work->route->auth];
	return pool->kind == CONFIG_KIND_AUTH ||
	       problem_set(work->problem, source_line(work->section, "auth"),
			   "route \"%.80s\": auth names pool \"%.80s\", which answers no "
			   "questions; if it is to, give it kind = \"auth\"",
			   work->section->title, pool->name);
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
	if (work->route->hash == CONFIG_HASH_HEADER && strcasecmp(key, "Host") != 0 &&
	    request_withholds(slice_of(key))) {
		return problem_set(work->problem, value->line,
				   "route \"%.80s\": hash = \"%.80s\": a stranger may write that "
				   "field as he likes; of the client that a trusted proxy names, "
				   "\"ip\" is what you want",
				   work->section->title, value->words[0]);
	}
	if (key != NULL) {
		work->route->hash_key = strdup(key);
	}
	return key == NULL || work->route->hash_key != NULL || problem_memory(work->problem);
}

static bool parse_refuse_as(struct work *work)
{
	struct check target = {.section = work->section, .problem = work->problem};
	source_write_label(work->section->kind, work->section->title, target.label);
	return check_choice(&target, "refuse_as", "status", "close",
			    &work->route->refuses_by_close);
}

static bool check_origins(struct work *work)
{
	struct config_route *route = work->route;
	for (size_t i = 0; route->origins[i] != NULL; i++) {
		if (!origin_is_valid(slice_of(route->origins[i]))) {
			return problem_set(work->problem, source_line(work->section, "origins"),
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
			 source_line(work->section, "listen"));
}

static bool mark_listeners(struct work *work)
{
	const struct source_value *value = source_get(work->section, "listen");
	size_t count = work->config->listener_count;
	const char **names = calloc(count, sizeof(*names));
	work->route->listeners = calloc(count, sizeof(*work->route->listeners));
	bool ok = names != NULL && work->route->listeners != NULL;
	if (!ok) {
		problem_memory(work->problem);
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

static bool are_same(const struct config *config, const struct config_route *a,
		     const struct config_route *b)
{
	bool same_host = a->host == NULL || b->host == NULL ? a->host == b->host
							    : strcmp(a->host, b->host) == 0;
	bool meet = false;
	for (size_t i = 0; i < config->listener_count; i++) {
		meet = meet || (a->listeners[i] && b->listeners[i]);
	}
	return same_host && strcmp(a->path, b->path) == 0 && a->exact == b->exact && meet &&
	       conditions_equal(a, b);
}

static bool check_unique(struct work *work)
{
	const struct config_route *route = work->route;
	for (const struct config_route *other = work->config->routes; other < route; other++) {
		if (are_same(work->config, route, other)) {
			return problem_set(work->problem, work->section->line,
					   "route \"%.80s\" fits the same requests as route "
					   "\"%.80s\" at line %u: one must go, or say another "
					   "host, path or condition",
					   work->section->title, other->written->title,
					   other->written->line);
		}
	}
	return true;
}

/* Exact names, then wildcards, then any. */
static unsigned host_rank(const struct config_route *route)
{
	return route->host == NULL ? 2 : route->host[0] == '*';
}

static bool goes_before(const struct config_route *a, const struct config_route *b)
{
	unsigned rank = host_rank(a);
	if (rank != host_rank(b)) {
		return rank < host_rank(b);
	}
	if (rank == 1 && strlen(a->host) != strlen(b->host)) {
		return strlen(a->host) > strlen(b->host);
	}
	if (a->exact != b->exact) {
		return a->exact;
	}
	if (strlen(a->path) != strlen(b->path)) {
		return strlen(a->path) > strlen(b->path);
	}
	return conditions_count(a) > conditions_count(b);
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
		if (!parse_title(&work) || !find_own_pool(&work) || !find_auth_pool(&work) ||
		    !parse_hash(&work) || !parse_refuse_as(&work) || !check_origins(&work) ||
		    !mark_listeners(&work) || !check_unique(&work)) {
			return false;
		}
		work.route++;
	}
	sort_routes(config);
	return true;
}
