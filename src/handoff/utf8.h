/* SPDX-License-Identifier: MIT */
/* Incremental UTF-8 validation (RFC 3629; no overlong forms, no surrogates, at most U+10FFFF), and
 * texts that must be cut. */
#ifndef BATON_UTF8_H
#define BATON_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UTF8_BETWEEN = 0 }; /* the state at the start, and wherever a text may end */

/* Feeds bytes into *state. False as soon as they can no longer begin valid text. */
bool utf8_feed(uint32_t *state, const uint8_t *at, size_t len);

/* The length of text, or what of it fits into max bytes without half a character. */
size_t utf8_fit(const char *text, size_t max);

#endif
