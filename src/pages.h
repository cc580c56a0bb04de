/* SPDX-License-Identifier: MIT */
/*
 * Memory for large tables: mapped, zero, and untouched pages cost nothing. Not calloc, which the
 * sanitizers fill to the last byte.
 */
#ifndef BATON_PAGES_H
#define BATON_PAGES_H

#include <stddef.h>

/* NULL with errno, mmap(2). The caller gives it back with pages_free and the same size. */
void *pages_create(size_t bytes);
void pages_free(void *pages, size_t bytes); /* NULL is fine */

#endif
