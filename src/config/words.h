/* SPDX-License-Identifier: MIT */
/* Lists of words: NULL-terminated, every word and the list itself from malloc. */
#ifndef BATON_WORDS_H
#define BATON_WORDS_H

#include <stddef.h>

/*
 * Splits a command line at spaces. '...' keeps all, "..." keeps all but \" and \\, a backslash
 * outside quotes keeps the next character; nothing is expanded. NULL for an open quote, a
 * backslash at the end, or no memory (errno: EINVAL, ENOMEM). The list ends with NULL; the
 * caller frees it with words_free.
 */
char **words_split(const char *command);

void words_free(char **words); /* NULL is fine */

size_t words_count(char *const *words);

/* A copy of the first count words. NULL: no memory. */
char **words_copy(char *const *words, size_t count);

#endif
