/* SPDX-License-Identifier: MIT */
/* The commands that ask a running gateway. Each returns an exit code and prints for people. */
#ifndef BATON_COMMANDS_H
#define BATON_COMMANDS_H

#include <stdbool.h>

/* Pools, children with pid and state, connections, counters; json: as the gateway wrote it. */
int commands_status(const char *control_path, bool json);

/* One line for each open connection: id, client, route, child, pid, age. */
int commands_connections(const char *control_path, bool json);

/* Drains and stops; now: SIGTERM to the children at once. Returns when the gateway has heard it. */
int commands_stop(const char *control_path, bool now);

#endif
