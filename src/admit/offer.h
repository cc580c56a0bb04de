/* SPDX-License-Identifier: MIT */
/* What a child is told of a connection. Pure. */
#ifndef BATON_OFFER_H
#define BATON_OFFER_H

#include "admit/forwarded.h"

#include <stddef.h>

struct config_route;
struct request;

struct offer {
	const struct request *request;
	const struct config_route *route;
	struct forwarded client;
	const struct address *proxy; /* who spoke for the client; NULL: nobody did */
	unsigned server_port;
};

/*
 * Writes the pairs of a CONNECTION message: the metadata in CGI names (RFC 3875), then HEAD, the
 * canonical head. Returns the length, 0 when it does not fit.
 */
size_t offer_write(const struct offer *, char *buf, size_t size);

#endif
