/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a request: see judge.h. Looks at nothing but the request and the configuration;
 * what depends on the moment (limits, a gateway that drains, room) is conn.c's.
 */
#include "admit/judge.h"

#include "address.h"
#include "admit/origin.h"
#include "config/config.h"
#include "route/route.h"

static bool reads_only(const struct request *request)
{
	return slice_equals(request->head->method, "GET") ||
	       slice_equals(request->head->method, "HEAD");
}

static bool is_health_check(const struct config_listener *listener, const struct request *request)
{
	return listener->health != NULL && !request->is_upgrade &&
	       slice_equals(request->path, listener->health) && reads_only(request);
}

static enum refusal refusal_of(const struct config_route *route, const struct request *request,
			       bool is_https)
{
	if (!request->is_upgrade && !route->http) {
		return reads_only(request) ? REFUSAL_NOT_UPGRADE : REFUSAL_METHOD;
	}
	if (request->is_upgrade &&
	    !origin_is_allowed(request->origin, request->host, is_https,
			       (const char *const *)route->origins, route->origin_count)) {
		return REFUSAL_ORIGIN;
	}
	return REFUSAL_NONE;
}

struct verdict judge_request(const struct config *config, size_t listener,
			     const struct request *request, enum forwarded_scheme scheme)
{
	struct verdict verdict = {.kind = VERDICT_HEALTH};
	if (is_health_check(&config->listeners[listener], request)) {
		return verdict;
	}
	verdict.refusal = route_find(config, listener, request, &verdict.route);
	if (verdict.refusal == REFUSAL_NONE) {
		verdict.refusal = refusal_of(verdict.route, request, scheme == FORWARDED_HTTPS);
	}
	verdict.kind = verdict.refusal == REFUSAL_NONE ? VERDICT_HAND_OVER : VERDICT_REFUSE;
	return verdict;
}

struct slice judge_affinity_key(const struct config_route *route, const struct request *request,
				const struct address *client)
{
	static char ip[ADDRESS_TEXT_BYTES];
	switch (route->hash) {
	case CONFIG_HASH_NONE:
		break;
	case CONFIG_HASH_IP:
		return (struct slice){ip, address_write_ip(client, ip)};
	case CONFIG_HASH_PATH:
		return request->path;
	case CONFIG_HASH_HEADER:
		return head_find(request->head, route->hash_key, NULL);
	case CONFIG_HASH_COOKIE:
		return request_cookie(request, slice_of(route->hash_key));
	case CONFIG_HASH_QUERY:
		return request_query(request, slice_of(route->hash_key));
	}
	return (struct slice){NULL, 0};
}
