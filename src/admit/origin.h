/* SPDX-License-Identifier: MIT */
/*
 * May a page of this origin open a WebSocket here (RFC 6455, 10.2; RFC 6454)? Pure.
 */
#ifndef BATON_ORIGIN_H
#define BATON_ORIGIN_H

#include "slice.h"

/*
 * No Origin (origin.at == NULL): allowed, it is no browser. With an empty list:
 * scheme://host[:port] must be http or https and name the request's Host exactly (default ports 80
 * and 443 by the origin's scheme may be left out on either side, letters of the host compare
 * without case).
 * When the request is known to have come by https, so must the page, or whoever can write into the
 * plain pages of the host would be let in.
 * With a list: one entry equals the origin (same comparison), or is "*". "null", a malformed or
 * a second origin in the value are refused.
 */
bool origin_is_allowed(struct slice origin, struct slice host, bool is_https,
		       const char *const *list, size_t list_count);

/* Is this a well-formed entry for a list ("*" or scheme://host[:port])? For the configuration. */
bool origin_is_valid(struct slice entry);

#endif
