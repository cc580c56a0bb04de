/* SPDX-License-Identifier: MIT */
/* What strangers write: is it text that others may be shown, and what does a query say. Pure. */
#ifndef CHAT_TEXT_H
#define CHAT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum text_fault {
	TEXT_GOOD,
	TEXT_EMPTY, /* nothing, or spaces alone */
	TEXT_SPACE, /* a name that begins or ends with a space: two that look alike */
	TEXT_LONG,
	TEXT_CONTROL, /* a control character, or one that turns the direction of what follows */
	TEXT_NOT_UTF8,
};

enum text_kind {
	TEXT_NAME, /* one line */
	TEXT_LINE, /* line breaks and tabs may stand in it */
};

enum text_fault text_check(enum text_kind, const char *text, size_t len, size_t max_chars);

struct text_slice {
	const char *at; /* NULL: it is not there */
	size_t len;
};

/* The value of the first pair "key=value" of a query, as it was sent. */
struct text_slice text_find(const char *query, const char *key);

/* Percent-decoding. The length that was written to buf, without a NUL, or -1: a percent sign
 * without two hexadecimal digits, or more than size bytes. */
long text_decode(struct text_slice raw, char *buf, size_t size);

/* Is it written as encodeURIComponent writes it? Then equal texts have equal bytes. */
bool text_is_canonical(struct text_slice raw);

#endif
