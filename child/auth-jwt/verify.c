/* SPDX-License-Identifier: MIT */
/*
 * Signatures, by libjwt 1.10, which believes the algorithm that a token names, and checks nothing
 * when there is no key. So the header is read first, without a key, and only a key that is meant
 * for the named algorithm gets to see the token: none, and a public key as a secret, cannot
 * happen. What the claims say is not judged here. auth_jwt.c calls it.
 */
#include "auth-jwt/verify.h"

#include "auth-jwt/keys.h"

#include <stdlib.h>
#include <string.h>

/* Takes the text. NULL when it is no JSON object. */
static json_t *load(char *text)
{
	json_t *value = text != NULL ? json_loads(text, 0, NULL) : NULL;
	free(text);
	if (!json_is_object(value)) {
		json_decref(value);
		return NULL;
	}
	return value;
}

static json_t *read_header(const char *token)
{
	jwt_t *jwt;
	if (jwt_decode(&jwt, token, NULL, 0) != 0) {
		return NULL;
	}
	json_t *header = load(jwt_get_headers_json(jwt, NULL));
	jwt_free(jwt);
	return header;
}

/* NULL when this key has not signed it. */
static json_t *verify_by(const struct key *key, const char *token)
{
	jwt_t *jwt;
	if (jwt_decode(&jwt, token, key->text, key->len) != 0) {
		return NULL;
	}
	json_t *claims = jwt_get_alg(jwt) == key->alg ? load(jwt_get_grants_json(jwt, NULL)) : NULL;
	jwt_free(jwt);
	return claims;
}

static const char *verify_with(const struct keys *keys, const char *alg, const char *token,
			       json_t **claims_r)
{
	const char *why = "the token's algorithm is not accepted";
	for (size_t i = 0; i < keys->count; i++) {
		const struct key *key = &keys->at[i];
		if (strcmp(jwt_alg_str(key->alg), alg) == 0) {
			json_t *claims = verify_by(key, token);
			if (claims != NULL) {
				*claims_r = claims;
				return NULL;
			}
			why = "the token's signature is wrong";
		}
	}
	return why;
}

const char *verify_token(const struct keys *keys, const char *token, json_t **claims_r)
{
	json_t *header = read_header(token);
	const char *alg = json_string_value(json_object_get(header, "alg"));
	const char *why;
	if (alg == NULL) {
		why = "the token cannot be read";
	} else if (json_object_get(header, "crit") != NULL) {
		why = "the token needs an extension (crit)"; /* RFC 7515, 4.1.11: refuse */
	} else {
		why = verify_with(keys, alg, token, claims_r);
	}
	json_decref(header);
	return why;
}
