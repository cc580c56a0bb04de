/* SPDX-License-Identifier: MIT */
/*
 * Answers for people who wonder which route a request takes: writes the head that a client would
 * send and asks the very functions that the gateway asks. Decides nothing itself, knows no running
 * gateway: room, limits and drain are not told. Prints keys as the file has them, by the table in
 * keys.c, so that new ones show up by themselves. Names the pools that no route leads to. Called
 * by main.c.
 */
#include "explain.h"

#include "admit/judge.h"
#include "config/config.h"
#include "config/source.h"
#include "gateway.h"
#include "route/route.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage_error(const char *what, const char *detail)
{
	fprintf(stderr, "baton: %s%s\nTry 'baton --help'.\n", what, detail);
	return GATEWAY_USAGE;
}

/* ---- the request ---- */

struct url {
	bool is_upgrade;
	struct slice authority;
	const char *target; /* may lack its '/' */
};

static bool parse_url(const char *text, struct url *url_r)
{
	static const char *const schemes[] = {"ws://", "wss://", "http://", "https://"};
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		size_t len = strlen(schemes[i]);
		if (strncasecmp(text, schemes[i], len) == 0) {
			const char *authority = text + len;
			size_t authority_len = strcspn(authority, "/?#");
			*url_r = (struct url){
				i < 2, {authority, authority_len}, authority + authority_len};
			return true;
		}
	}
	return false;
}

static bool gives(const struct explain_request *asked, struct slice name)
{
	for (size_t i = 0; i < asked->header_count; i++) {
		struct slice given = {asked->headers[i], strcspn(asked->headers[i], ":")};
		if (slice_same_nocase(given, name)) {
			return true;
		}
	}
	return false;
}

static void write_field(FILE *out, const struct explain_request *asked, const char *name,
			struct slice value)
{
	if (!gives(asked, slice_of(name))) {
		fprintf(out, "%s: %.*s\r\n", name, (int)value.len, value.at);
	}
}

/* From malloc; NULL without memory. */
static char *create_head(const struct explain_request *asked, const struct url *url, size_t *len_r)
{
	static const char *const upgrade[][2] = {
		{"Upgrade", "websocket"},
		{"Connection", "Upgrade"},
		{"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, /* RFC 6455, 1.3 */
		{"Sec-WebSocket-Version", "13"},
	};
	char *text = NULL;
	FILE *out = open_memstream(&text, len_r);
	if (out == NULL) {
		return NULL;
	}
	fprintf(out, "GET %s%s HTTP/1.1\r\n", url->target[0] == '/' ? "" : "/", url->target);
	write_field(out, asked, "Host", url->authority);
	for (size_t i = 0; url->is_upgrade && i < sizeof upgrade / sizeof upgrade[0]; i++) {
		write_field(out, asked, upgrade[i][0], slice_of(upgrade[i][1]));
	}
	for (size_t i = 0; i < asked->header_count; i++) {
		fprintf(out, "%s\r\n", asked->headers[i]);
	}
	fputs("\r\n", out);
	return fclose(out) == 0 ? text : NULL;
}

/* ---- the answer ---- */

static void print_value(const struct keys_entry *entry, const struct source_value *value)
{
	bool is_list = entry->kind == KEYS_WORDS || entry->kind == KEYS_CHOICES;
	if (value->words == NULL) {
		printf("%s (default)\n", entry->fallback);
		return;
	}
	fputs(is_list ? "{" : value->words[0], stdout);
	for (size_t i = 0; is_list && i < value->count; i++) {
		printf("%s\"%s\"", i > 0 ? ", " : "", value->words[i]);
	}
	puts(is_list ? "}" : "");
}

/* Nothing when the file does not set it and it has no default. */
static void print_key(const struct source_section *section, const struct keys_entry *entry)
{
	const struct source_value *value = source_get(section, entry->name);
	if (value->words != NULL || entry->fallback != NULL) {
		printf("  %-16s", entry->name);
		print_value(entry, value);
	}
}

static void print_keys(const struct source_section *section, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		print_key(section, keys_find(section->kind, names[i]));
	}
}

static void print_pool(const char *file, const struct config_pool *pool)
{
	static const char *const keys[] = {"command", "children", "capacity"};
	size_t count = sizeof keys / sizeof keys[0];
	if (pool->kind == CONFIG_KIND_AUTH) {
		count--; /* without the last: its children hold no connections */
	}
	printf("%-10s\"%s\" at %s:%u\n", "pool", pool->name, file, pool->written->line);
	print_keys(pool->written, keys, count);
}

static void print_route(const struct config *config, const char *file,
			const struct config_route *route)
{
	if (route == NULL) {
		printf("%-10s%s\n", "route", "none");
		return;
	}
	printf("%-10s\"%s\" at %s:%u\n", "route", route->name, file, route->written->line);
	size_t count;
	const struct keys_entry *entries = keys_of(KEYS_ROUTE, &count);
	for (size_t i = 0; i < count; i++) {
		print_key(route->written, &entries[i]);
	}
	print_pool(file, &config->pools[route->pool]);
	if (route->has_auth) {
		print_pool(file, &config->pools[route->auth]);
	}
}

/* No route: those that would have taken the request but for their conditions. */
static void print_near(const struct config *config, const char *file, size_t listener,
		       const struct request *request)
{
	static const char *const keys[] = {"subprotocol", "query", "headers"};
	for (size_t i = 0; i < config->route_count; i++) {
		const struct config_route *route = &config->routes[i];
		if (!route_fits_but_conditions(route, listener, request)) {
			continue;
		}
		printf("%-10s\"%s\" at %s:%u, whose conditions do not all hold\n", "but not",
		       route->name, file, route->written->line);
		print_keys(route->written, keys, sizeof keys / sizeof keys[0]);
	}
}

static void print_origin(const struct config_route *route, const struct request *request)
{
	if (route == NULL || !request->is_upgrade) {
		return;
	}
	if (request->origin.at == NULL) {
		printf("%-10snone: not a web page, always allowed\n", "origin");
		return;
	}
	printf("%-10s%.*s, compared with %s\n", "origin", (int)request->origin.len,
	       request->origin.at,
	       route->origin_count > 0 ? "the route's origins" : "the request's host");
}

static int print_refusal(enum refusal refusal)
{
	printf("%-10srefused: %d %s\n%-10s%s\n", "answer", refusal_status(refusal),
	       refusal_name(refusal), "", refusal_text(refusal));
	return GATEWAY_FAILED;
}

static void print_hand_over(const struct config *config, const struct config_route *route)
{
	printf("%-10shanded over to a child of pool \"%s\"", "answer",
	       config->pools[route->pool].name);
	if (route->has_auth) {
		printf(", if pool \"%s\" says yes", config->pools[route->auth].name);
	}
	puts("");
}

static int print_verdict(const struct verdict *verdict, const struct config *config)
{
	switch (verdict->kind) {
	case VERDICT_REFUSE:
		return print_refusal(verdict->refusal);
	case VERDICT_HEALTH:
		printf("%-10s200: this is the listener's health check\n", "answer");
		break;
	case VERDICT_HAND_OVER:
		print_hand_over(config, verdict->route);
		break;
	}
	return GATEWAY_OK;
}

static int explain_head(const struct config *config, const char *file, size_t listener,
			const char *text, size_t len)
{
	static struct head head;
	struct request request;
	enum refusal refusal = REFUSAL_NONE;
	enum head_result result = head_parse(text, len, config->head_limit_bytes, &head, &refusal);
	assert(result != HEAD_NEED_MORE); /* an empty line ends it */
	if (result == HEAD_OK) {
		refusal = request_judge(&head, &request);
	}
	if (refusal != REFUSAL_NONE) {
		return print_refusal(refusal);
	}
	/* No proxy speaks for this client. */
	struct verdict verdict = judge_request(config, listener, &request, FORWARDED_UNKNOWN);
	if (verdict.kind != VERDICT_HEALTH) {
		print_route(config, file, verdict.route);
		if (verdict.kind == VERDICT_REFUSE && verdict.refusal == REFUSAL_NO_ROUTE) {
			print_near(config, file, listener, &request);
		}
		print_origin(verdict.route, &request);
	}
	return print_verdict(&verdict, config);
}

static bool find_listener(const struct config *config, const char *name, size_t *listener_r)
{
	for (size_t i = 0; i < config->listener_count; i++) {
		if (name == NULL || strcmp(config->listeners[i].name, name) == 0) {
			*listener_r = i;
			return true;
		}
	}
	return false;
}

int explain_route(const struct config *config, const char *file,
		  const struct explain_request *asked)
{
	struct url url;
	size_t listener, len;
	if (!parse_url(asked->url, &url)) {
		return usage_error("--route needs a ws://, wss://, http:// or https:// URL, not ",
				   asked->url);
	}
	if (!find_listener(config, asked->listener, &listener)) {
		return usage_error("the file has no listen section with the title ",
				   asked->listener);
	}
	char *text = create_head(asked, &url, &len);
	if (text == NULL) {
		fputs("baton: out of memory\n", stderr);
		return GATEWAY_FAILED;
	}
	printf("%-10s%.*s (%s)\n", "request", (int)strcspn(text, "\r\n"), text,
	       url.is_upgrade ? "a WebSocket upgrade" : "plain HTTP");
	printf("%-10s\"%s\"%s\n", "listen", config->listeners[listener].name,
	       asked->listener == NULL && config->listener_count > 1
		       ? ", the first one (--listen takes another)"
		       : "");
	int code = explain_head(config, file, listener, text, len);
	free(text);
	return code;
}

static bool is_used(const struct config *config, size_t pool)
{
	for (size_t i = 0; i < config->route_count; i++) {
		const struct config_route *route = &config->routes[i];
		if (route->pool == pool || (route->has_auth && route->auth == pool)) {
			return true;
		}
	}
	return false;
}

void explain_unused_pools(const struct config *config, const char *file)
{
	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];
		if (!is_used(config, i)) {
			fprintf(stderr,
				"baton: warning: %s:%u: pool \"%s\": no route uses it, and serve "
				"starts its children all the same\n",
				file, pool->written->line, pool->name);
		}
	}
}
