/* SPDX-License-Identifier: MIT */
/*
 * The conditions of a route: subprotocol, query, headers. Whether a request meets them is
 * route/route.c's question; here they are only as they were written.
 */
#ifndef BATON_CONDITIONS_H
#define BATON_CONDITIONS_H

#include <stdbool.h>
#include <stddef.h>

struct check;
struct config_route;

/* Completes the route that is the check's record (names of fields get lower case). False: the
 * problem is set. */
bool conditions_check(struct check *);

size_t conditions_count(const struct config_route *);

/* Do the same requests meet them? The order of their lists does not matter. */
bool conditions_equal(const struct config_route *, const struct config_route *);

#endif
