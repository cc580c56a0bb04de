/* SPDX-License-Identifier: MIT */
/*
 * What `baton check` says of a file without mistakes: with --route URL what would become of this
 * request, and by which route; else which pools nothing leads to.
 */
#ifndef BATON_EXPLAIN_H
#define BATON_EXPLAIN_H

#include <stddef.h>

struct config;

struct explain_request {
	const char *url;      /* ws:// and wss:// ask for an upgrade, http:// and https:// not */
	const char *listener; /* title; NULL: the first one */
	const char *const *headers; /* "Name: value"; one of ours of the same name is left out */
	size_t header_count;
};

/*
 * Prints it on stdout; file stands before line numbers. An exit code: 0 a child would get the
 * request, or the health check answers it; 1 it would be refused; 2 the question makes no sense
 * (said why on stderr).
 */
int explain_route(const struct config *, const char *file, const struct explain_request *);

/* A warning on stderr for each pool that no route names. That is no mistake: somebody may be about
 * to write the route. */
void explain_unused_pools(const struct config *, const char *file);

#endif
