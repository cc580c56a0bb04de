/* SPDX-License-Identifier: MIT */
/* Is a token signed by one of our keys? */
#ifndef AUTH_JWT_VERIFY_H
#define AUTH_JWT_VERIFY_H

#include <jansson.h>

struct keys;

/* NULL, and *claims_r is the token's object, owned by the caller; or a sentence for the client that
 * says what is wrong. token: as token_find gives it. */
const char *verify_token(const struct keys *, const char *token, json_t **claims_r);

#endif
