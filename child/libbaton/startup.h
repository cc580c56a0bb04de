/* SPDX-License-Identifier: MIT */
/* What a child finds at its start: the channel's descriptor and its limits. */
#ifndef BATON_STARTUP_H
#define BATON_STARTUP_H

#include <stdint.h>

enum startup_result {
	STARTUP_OK,
	STARTUP_NOT_A_CHILD,    /* no BATON_FD in the environment */
	STARTUP_WRONG_PROTOCOL, /* BATON_PROTOCOL is not ours */
	STARTUP_BAD_FD,         /* BATON_FD names no SOCK_SEQPACKET socket */
};

/*
 * Finds the channel, sets close-on-exec on it and takes it out of the environment: what this
 * process starts is no child of the gateway. Ignores SIGPIPE, if it has its default action.
 * Otherwise *fd_r is -1 and nothing has changed.
 */
enum startup_result startup_find_channel(int *fd_r);

/* The connections this process can hold: most, or what its descriptor limit allows. */
uint64_t startup_capacity(uint64_t most);

#endif
