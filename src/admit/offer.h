/* SPDX-License-Identifier: MIT */
/* What a child is told of a connection, and the step after which the socket is past its head. */
#ifndef BATON_OFFER_H
#define BATON_OFFER_H

#include <stdbool.h>
#include <stddef.h>

struct config_route;
struct record;
struct request;

/*
 * Writes the pairs of a CONNECTION message: the metadata in CGI names (RFC 3875), then HEAD, the
 * canonical head. Returns the length, 0 when it does not fit.
 */
size_t offer_write(const struct request *, const struct record *, const struct config_route *,
		   unsigned server_port, char *buf, size_t size);

/* Consumes exactly the head from the socket. False: it is not all there, the client is gone. */
bool offer_consume(int fd, const struct record *, size_t head_bytes);

#endif
