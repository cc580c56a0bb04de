/* SPDX-License-Identifier: MIT */
/*
 * A route's title: see title.h. Which request it fits is route/route.c's question. Called by
 * routes.c.
 */
#include "config/title.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "admit/grammar.h"
#include "config/check.h"
#include "config/config.h"
#include "config/problem.h"
#include "config/source.h"
#include "config/values.h"

static bool is_host(const char *host)
{
	struct slice name, port;
	const bool is_wildcard = strncmp(host, "*.", 2) == 0;
	host += is_wildcard ? 2 : 0;
	return strpbrk(host, "!$%&'()*+,;=~") == NULL && !(is_wildcard && host[0] == '[') &&
	       grammar_split_host(slice_of(host), &name, &port) && port.at == NULL;
}

/* A literal '*' would let what is below pass by, and so past the route's auth. */
static bool fail_wildcard(const struct check *target, const struct config_route *route)
{
	size_t len = strcspn(route->path, "*");
	len -= len > 1 && route->path[len - 1] == '/';
	return check_fail(target, NULL,
			  "no path has wildcards: \"%.80s%.*s\" covers all that is below it, "
			  "write it without '*'%s",
			  route->host != NULL ? route->host : "", len > 80 ? 80 : (int)len,
			  route->path, route->exact ? " and without exact" : "");
}

static bool check_path(const struct check *target, const struct config_route *route)
{
	const char *path = route->path;
	if (strchr(path, '*') != NULL) {
		return fail_wildcard(target, route);
	}
	if (!grammar_is_path(slice_of(path))) {
		return check_fail(
			target, NULL,
			"the path holds what a request's path cannot (no query, no spaces, no '.' "
			"or '..' segment; other characters as %%XX)");
	}
	if (values_has_needless_percent(path)) {
		return check_fail(
			target, NULL,
			"letters, digits, '-', '.', '_' and '~' are written plain, not as "
			"%%XX");
	}
	size_t len = strlen(path);
	if (len > 1 && path[len - 1] == '/' && !route->exact) {
		return check_fail(
			target, NULL,
			"leave out the '/' at the end; \"%.*s\" covers itself and all that is "
			"below it",
			len > 80 ? 80 : (int)len - 1, path);
	}
	return true;
}

/* The title; where it stands again with a number, so that logs can tell the routes apart. */
static char *create_name(const struct check *target)
{
	const char *title = target->section->title;
	char *name = NULL;
	unsigned count = 1;
	for (const struct config_route *other = target->config->routes;
	     other < (const struct config_route *)target->record; other++) {
		count += strcmp(other->written->title, title) == 0;
	}
	if (count == 1) {
		return strdup(title);
	}
	return asprintf(&name, "%s#%u", title, count) < 0 ? NULL : name; /* no title has a '#' */
}

bool title_parse(const struct check *target)
{
	struct config_route *route = target->record;
	const char *title = target->section->title;
	const char *slash = strchr(title, '/');
	if (slash == NULL) {
		return check_fail(
			target, NULL,
			"there is no path: write \"/path\" or \"host/path\" (\"/\" is all "
			"paths)");
	}
	route->written = target->section;
	route->name = create_name(target);
	route->path = strdup(slash);
	route->host = slash > title ? strndup(title, (size_t)(slash - title)) : NULL;
	if (route->name == NULL || route->path == NULL || (slash > title && route->host == NULL)) {
		return problem_memory(target->problem);
	}
	for (char *at = route->host; at != NULL && *at != '\0'; at++) {
		*at = (char)tolower((unsigned char)*at);
	}
	if (route->host != NULL && !is_host(route->host)) {
		return check_fail(target, NULL,
				  "\"%.80s\" is not a host (a name, an address or \"*.name\", no "
				  "scheme, no port); a path alone begins with '/'",
				  route->host);
	}
	return check_path(target, route);
}
