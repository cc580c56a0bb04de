/* SPDX-License-Identifier: MIT */
/*
 * (listener, host, path) -> route. Pure; the order of the configuration's table decides.
 */
#ifndef BATON_ROUTE_H
#define BATON_ROUTE_H

#include "slice.h"

struct config;
struct config_route;

/*
 * The first route of the table that is on this listener, whose host (if it has one) equals
 * host_name without case, and whose path is path itself or a prefix of it that ends at a
 * slash: "/chat" matches "/chat" and "/chat/x", never "/chatter". Percent-encoded unreserved
 * characters in path equal the plain ones (RFC 3986, 6.2.2.2). NULL: no route, 404.
 */
const struct config_route *route_find(const struct config *, size_t listener,
				      struct slice host_name, struct slice path);

#endif
