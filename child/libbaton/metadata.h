/* SPDX-License-Identifier: MIT */
/* What is known of a request: CGI names, and HTTP_<FIELD> for the fields of its head. */
#ifndef BATON_METADATA_H
#define BATON_METADATA_H

#include "handoff/handoff.h"

#include <stddef.h>

/* The value of key in valid pairs, HEAD among them; NULL when absent. It points into payload or,
 * for HTTP_<FIELD>, to value, which the next such call overwrites. */
const char *metadata_find(const char *payload, size_t bytes, const char *key,
			  char value[HANDOFF_MAX_BYTES]);

#endif
