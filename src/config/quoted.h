/* SPDX-License-Identifier: MIT */
/* Texts in quotes, as far as the look at the file before libconfuse (scan.h) is concerned. */
#ifndef BATON_QUOTED_H
#define BATON_QUOTED_H

#include <stdbool.h>

struct problem;

/*
 * *at stands on a quote, single or double, of a NUL-terminated text; moves it behind the closing
 * one. False: the problem is set: no closing quote on this line, an escape that is not known, a
 * variable that the environment does not have.
 */
bool quoted_skip(char **at, unsigned line, struct problem *);

#endif
