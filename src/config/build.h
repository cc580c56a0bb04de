/* SPDX-License-Identifier: MIT */
/*
 * From the written configuration to the validated one.
 */
#ifndef BATON_BUILD_H
#define BATON_BUILD_H

#include <stdbool.h>

struct config;
struct problem;
struct source;

/* NULL: the problem is set. The caller frees with config_destroy; nothing borrows from source. */
struct config *build_config(const struct source *, struct problem *);

/* The half of it that concerns routes; listeners and pools are there already. In routes.c. */
bool build_routes(struct config *, const struct source *, struct problem *);

#endif
