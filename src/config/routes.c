/* SPDX-License-Identifier: MIT */
/*
 * build_routes of build.h: names into indices, then the order in which routes are tried. Titles are
 * title.c's, conditions conditions.c's; requests are matched by route/route.c. Called by build.c.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admit/origin.h"
#include "admit/request.h"
#include "config/build.h"
#include "config/check.h"
#include "config/conditions.h"
#include "config/config.h"
#include "config/problem.h"
#include "config/source.h"
#include "config/title.h"
#include "config/values.h"

/* The pool that the key names, of any kind. */
static bool find_pool(const struct check *target, const char *key, unsigned *index_r)
{
	const char *name = source_get(target->section, key)->words[0];
	const struct config *config = target->config;
	struct problem_hint hint;
	problem_hint_init(&hint, name);
	for (unsigned i = 0; i < config->pool_count; i++) {
		if (strcmp(config->pools[i].name, name) == 0) {
			*index_r = i;
			return true;
		}
		problem_hint_try(&hint, config->pools[i].name);
	}
	return check_fail(target, key, "%s = \"%.80s\": there is no such pool%s", key, name,
			  hint.text);
}

static bool find_own_pool(const struct check *target)
{
	struct config_route *route = target->record;
	if (source_get(target->section, "pool")->words == NULL) {
		return check_fail(target, NULL, "pool is missing: which pool serves it?");
	}
	if (!find_pool(target, "pool", &route->pool)) {
		return false;
	}
	const struct config_pool *pool = &target->config->pools[route->pool];
	return pool->kind == CONFIG_KIND_SOCKET ||
	       check_fail(
		       target, "pool",
		       "pool \"%.80s\" is of kind \"auth\" and takes no connections; did you mean "
		       "auth = \"%.80s\"?",
		       pool->name, pool->name);
}

static bool find_auth_pool(const struct check *target)
{
	struct config_route *route = target->record;
	route->has_auth = source_get(target->section, "auth")->words != NULL;
	if (!route->has_auth) {
		return true;
	}
	if (!find_pool(target, "auth", &route->auth)) {
		return false;
	}
	const struct config_pool *pool = &target->config->pools[route->auth];
	return pool->kind == CONFIG_KIND_AUTH ||
	       check_fail(
		       target, "auth",
		       "auth names pool \"%.80s\", which answers no questions; if it is to, give "
		       "it kind = \"auth\"",
		       pool->name);
}

static bool parse_hash(const struct check *target)
{
	struct config_route *route = target->record;
	const struct source_value *value = source_get(target->section, "hash");
	const char *key = NULL;
	if (value->words == NULL) {
		return true;
	}
	if (!values_hash(value->words[0], &route->hash, &key)) {
		return check_fail(target, "hash",
				  "hash = \"%.80s\" is none of \"ip\", \"path\", \"header:NAME\", "
				  "\"cookie:NAME\", \"query:NAME\"",
				  value->words[0]);
	}
	if (route->hash == CONFIG_HASH_HEADER && strcasecmp(key, "Host") != 0 &&
	    request_withholds(slice_of(key))) {
		return check_fail(
			target, "hash",
			"hash = \"%.80s\": a stranger may write that field as he likes; of "
			"the client that a trusted proxy names, \"ip\" is what you want",
			value->words[0]);
	}
	if (key != NULL) {
		route->hash_key = strdup(key);
	}
	return key == NULL || route->hash_key != NULL || problem_memory(target->problem);
}

static bool check_origins(const struct check *target)
{
	struct config_route *route = target->record;
	for (size_t i = 0; route->origins[i] != NULL; i++) {
		/* The grammar of hosts has a '*', but no browser's Origin ever equals it. */
		if (strchr(route->origins[i], '*') != NULL && strcmp(route->origins[i], "*") != 0) {
			return check_fail(target, "origins",
					  "origin \"%.80s\": there are no wildcards in origins; "
					  "name each origin, or \"*\" alone for every page",
					  route->origins[i]);
		}
		if (!origin_is_valid(slice_of(route->origins[i]))) {
			return check_fail(
				target, "origins",
				"origin \"%.80s\" is neither \"*\" nor scheme://host[:port], "
				"as in \"https://example.org\"",
				route->origins[i]);
		}
		route->origin_count = i + 1;
	}
	return true;
}

static bool mark_listener(const struct check *target, const char *name)
{
	const struct config_route *route = target->record;
	struct problem_hint hint;
	problem_hint_init(&hint, name);
	for (size_t i = 0; i < target->config->listener_count; i++) {
		if (strcmp(target->config->listeners[i].name, name) == 0) {
			route->listeners[i] = true;
			return true;
		}
		problem_hint_try(&hint, target->config->listeners[i].name);
	}
	return check_fail(target, "listen", "listen = \"%.80s\": there is no such listener%s", name,
			  hint.text);
}

static bool mark_listeners(const struct check *target)
{
	struct config_route *route = target->record;
	const struct source_value *value = source_get(target->section, "listen");
	const size_t count = target->config->listener_count;
	route->listeners = calloc(count, sizeof(*route->listeners));
	if (route->listeners == NULL) {
		return problem_memory(target->problem);
	}
	if (value->words != NULL && value->count == 0) {
		return check_fail(target, "listen",
				  "listen is empty: nobody could reach the route");
	}
	for (size_t i = 0; value->words == NULL && i < count; i++) {
		route->listeners[i] = true;
	}
	for (size_t i = 0; i < value->count; i++) {
		if (!mark_listener(target, value->words[i])) {
			return false;
		}
	}
	return true;
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

static bool check_unique(const struct check *target)
{
	const struct config_route *route = target->record;
	for (const struct config_route *other = target->config->routes; other < route; other++) {
		if (are_same(target->config, route, other)) {
			return check_fail(
				target, NULL,
				"route \"%.80s\" at line %u fits the same requests: one must "
				"go, or say another host, path or condition",
				other->written->title, other->written->line);
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
	struct config_route *route = config->routes;
	for (size_t i = 0; i < source->count; i++) {
		const struct check target = {.section = &source->sections[i],
					     .record = route,
					     .config = config,
					     .problem = problem};
		if (target.section->kind != KEYS_ROUTE) {
			continue;
		}
		if (!title_parse(&target) || !find_own_pool(&target) || !find_auth_pool(&target) ||
		    !parse_hash(&target) || !check_origins(&target) || !mark_listeners(&target) ||
		    !check_unique(&target)) {
			return false;
		}
		route++;
	}
	sort_routes(config);
	return true;
}
