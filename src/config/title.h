/* SPDX-License-Identifier: MIT */
/*
 * The title of a route, "[HOST]/PATH": taken apart and judged.
 */
#ifndef BATON_TITLE_H
#define BATON_TITLE_H

#include <stdbool.h>

struct check;

/* Gives the route that is the check's record its name (unique among those before it), path and
 * host, NULL for every host. Its other keys are read already. False: the problem is set. */
bool title_parse(const struct check *);

#endif
