/* SPDX-License-Identifier: MIT */
/*
 * The CONNECTION message: see offer.h and docs/protocol.md. Called by conn.c when a child may
 * take the connection, or is to be asked about it.
 */
#include "admit/offer.h"

#include "admit/request.h"
#include "config/config.h"
#include "handoff/handoff.h"
#include "handoff/pairs.h"

enum { MAX_HEAD_BYTES = 16 * 1024 };

static char scratch[MAX_HEAD_BYTES + 1024];

static void add(struct handoff_pairs *pairs, const char *key, struct slice value)
{
	handoff_pairs_add(pairs, key, value.at, value.len);
}

/* Origin-form. Path and query need not be neighbours: "ws://host?x" has no path of its own. */
static void add_uri(struct handoff_pairs *pairs, const struct request *request)
{
	size_t len = request->path.len;
	memcpy(scratch, request->path.at, len);
	if (request->query.at != NULL) {
		scratch[len++] = '?';
		memcpy(scratch + len, request->query.at, request->query.len);
		len += request->query.len;
	}
	handoff_pairs_add(pairs, "REQUEST_URI", scratch, len);
}

/* SCRIPT_NAME is the route's path, PATH_INFO what follows it; percent-encoding stays as it is. */
static void add_path(struct handoff_pairs *pairs, const struct request *request,
		     const struct config_route *route)
{
	size_t script = strlen(route->path);
	if (script == 1 || script > request->path.len ||
	    memcmp(request->path.at, route->path, script) != 0) {
		script = 0; /* the root, or a path that is spelled otherwise */
	}
	handoff_pairs_add(pairs, "SCRIPT_NAME", request->path.at, script);
	handoff_pairs_add(pairs, "PATH_INFO", request->path.at + script,
			  request->path.len - script);
}

static void add_address(struct handoff_pairs *pairs, const char *key, const struct address *address)
{
	char ip[ADDRESS_TEXT_BYTES];
	handoff_pairs_add(pairs, key, ip, address_write_ip(address, ip));
}

/* Who asks, and how it came: only what baton knows, never a field of the head. */
static void add_client(struct handoff_pairs *pairs, const struct offer *offer)
{
	bool is_https = offer->client.scheme == FORWARDED_HTTPS;
	add_address(pairs, "REMOTE_ADDR", &offer->client.client);
	handoff_pairs_add_number(pairs, "REMOTE_PORT", offer->client.client.port);
	if (offer->proxy != NULL) {
		add_address(pairs, "PROXY_ADDR", offer->proxy);
	}
	add(pairs, "REQUEST_SCHEME", slice_of(is_https ? "https" : "http"));
	if (is_https) {
		add(pairs, "HTTPS", slice_of("on"));
	}
}

size_t offer_write(const struct offer *offer, char *buf, size_t size)
{
	const struct request *request = offer->request;
	struct handoff_pairs pairs;
	handoff_pairs_init(&pairs, buf, size);
	add_client(&pairs, offer);
	add(&pairs, "SERVER_NAME", request->host_name);
	handoff_pairs_add_number(&pairs, "SERVER_PORT", offer->server_port);
	add(&pairs, "SERVER_PROTOCOL", slice_of("HTTP/1.1"));
	add(&pairs, "REQUEST_METHOD", request->head->method);
	add_uri(&pairs, request);
	add_path(&pairs, request, offer->route);
	add(&pairs, "QUERY_STRING", request->query);
	add(&pairs, "ROUTE", slice_of(offer->route->name));
	size_t head = request_write_head(request, scratch, sizeof scratch);
	handoff_pairs_add(&pairs, "HEAD", scratch, head);
	return pairs.overflow || head == 0 ? 0 : pairs.length;
}
