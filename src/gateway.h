/* SPDX-License-Identifier: MIT */
/* The running gateway: puts all parts together, runs them, takes them apart. */
#ifndef BATON_GATEWAY_H
#define BATON_GATEWAY_H

struct config;

enum { GATEWAY_OK = 0, GATEWAY_FAILED = 1, GATEWAY_USAGE = 2 }; /* exit codes */

/* Before anything else in main: from here on no signal that the gateway handles can kill it; what
 * comes early waits for gateway_serve. */
void gateway_block_signals(void);

/* Serves until it is told to stop. Returns an exit code; everything is logged. */
int gateway_serve(const struct config *);

#endif
