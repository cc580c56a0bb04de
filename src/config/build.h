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

/* NULL: the problem is set. The caller frees with config_destroy. On success the source's content
 * is the configuration's, and the source is empty; source_finish is fine either way. */
struct config *build_config(struct source *, struct problem *);

/* The half of it that concerns routes; listeners and pools are there already. In routes.c. */
bool build_routes(struct config *, const struct source *, struct problem *);

#endif
