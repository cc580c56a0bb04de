/* SPDX-License-Identifier: MIT */
/* Where in a request a token stands. */
#ifndef AUTH_JWT_TOKEN_H
#define AUTH_JWT_TOKEN_H

#include <stddef.h>

struct baton_question;

enum { TOKEN_BYTES = 8 * 1024 }; /* of the longest token, with its NUL */

/* Besides "Authorization: Bearer TOKEN"; NULL: not there. */
struct token_places {
	const char *cookie;      /* NAME=TOKEN */
	const char *query;       /* NAME=TOKEN */
	const char *subprotocol; /* an offered one: PREFIX and the token */
};

enum token_result {
	TOKEN_FOUND,
	TOKEN_ABSENT,
	TOKEN_TWO, /* or more, also the same one twice: RFC 6750, 2 */
	TOKEN_BAD, /* longer than TOKEN_BYTES, or not three parts of base64url */
};

enum token_result token_find(struct baton_question *, const struct token_places *,
			     char token_r[TOKEN_BYTES]);

#endif
