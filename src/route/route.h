/* SPDX-License-Identifier: MIT */
/*
 * (listener, request) -> route. Pure; the order of the configuration's table decides.
 */
#ifndef BATON_ROUTE_H
#define BATON_ROUTE_H

#include "admit/refusal.h"

#include <stdbool.h>
#include <stddef.h>

struct config;
struct config_route;
struct request;

/*
 * The first route of the table that is on this listener and whose host, path and conditions all
 * fit. REFUSAL_NO_ROUTE: there is none.
 * REFUSAL_PATH: a route before that one, or any if there is none, fits if the path is read as some
 * children read paths: every %XX decoded, '\' as '/', several '/' as one, ";..." left out of a
 * segment. A client must not get past what a route demands by another spelling of its path.
 *
 * Host: none fits every request; "example.org" that name without case; "*.example.org" every name
 * with something before ".example.org".
 * Path: itself, or (not if exact) a prefix that ends at a slash: "/chat" fits "/chat" and
 * "/chat/x", never "/chatter".
 * Subprotocol: the client offers it, in an upgrade; case counts (RFC 6455, 4.1).
 * Query: a pair "KEY=VALUE" stands there, or a KEY, with any value or none.
 * Headers: a line of that name (without case) has just this value (case counts), or any. A field
 * that a child would not see (request_forwards) counts as absent.
 *
 * Percent-encoded unreserved characters in path and query equal the plain ones (RFC 3986, 6.2.2.2);
 * nothing else is decoded.
 */
enum refusal route_find(const struct config *, size_t listener, const struct request *,
			const struct config_route **route_r);

/* For people who ask why there is none: does all of the route fit but its conditions? */
bool route_fits_but_conditions(const struct config_route *, size_t listener,
			       const struct request *);

#endif
