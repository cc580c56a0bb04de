/* SPDX-License-Identifier: MIT */
/*
 * The PROXY protocol's header, versions 1 and 2 (HAProxy's proxy-protocol.txt): bytes in, who the
 * client is out. Pure: the caller gives all that is known so far, again and again, until the
 * verdict is final. Never guesses whether there is a header: where it is asked there must be one.
 */
#ifndef BATON_PROXY_H
#define BATON_PROXY_H

#include "address.h"

enum {
	PROXY_V1_MAX_BYTES = 107, /* proxy-protocol.txt, 2.1 */
	PROXY_MAX_BYTES = 4096,   /* a limit of ours for version 2: addresses and TLVs */
};

struct proxy_header {
	size_t bytes;  /* length of the header; what follows belongs to the client */
	bool is_local; /* it names nobody (LOCAL, UNKNOWN): the connection's own addresses hold */
	struct address client, server; /* else: who connected, and to where */
};

enum proxy_result {
	PROXY_OK,        /* *header_r is filled */
	PROXY_NEED_MORE, /* nothing wrong so far, no end either */
	PROXY_BAD,       /* no further byte can change it */
};

/*
 * Reads the header at the start of data. A fault is reported as soon as its byte is there, in an
 * IPv6 address of version 1 as soon as that ends. *header_r is written on PROXY_OK only.
 */
enum proxy_result proxy_parse(const char *data, size_t len, struct proxy_header *header_r);

#endif
