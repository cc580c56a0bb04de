/* SPDX-License-Identifier: MIT */
/*
 * The claims of a token whose signature is good. Pure: the time is an argument. auth_jwt.c calls
 * it.
 */
#include "auth-jwt/claims.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A number, whole or not: doubles hold both, and no sum of them overflows. */
static const char *judge_time(const json_t *claims, const struct claims_rules *rules, time_t now)
{
	const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");
	if (!json_is_number(exp)) {
		return "the token does not say when it expires (exp)";
	}
	if ((double)now >= json_number_value(exp) + rules->leeway_secs) {
		return "the token has expired";
	}
	if (nbf != NULL && !json_is_number(nbf)) {
		return "the token does not say from when it is valid (nbf)";
	}
	if (nbf != NULL && (double)now < json_number_value(nbf) - rules->leeway_secs) {
		return "the token is not valid yet";
	}
	return NULL;
}

static bool is_string(const json_t *value, const char *text)
{
	return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

static bool has_audience(const json_t *aud, const char *audience)
{
	if (audience == NULL || aud == NULL) {
		return audience == NULL && aud == NULL;
	}
	for (size_t i = 0; i < json_array_size(aud); i++) {
		if (is_string(json_array_get(aud, i), audience)) {
			return true;
		}
	}
	return is_string(aud, audience);
}

const char *claims_judge(const json_t *claims, const struct claims_rules *rules, time_t now)
{
	if (rules->issuer != NULL && !is_string(json_object_get(claims, "iss"), rules->issuer)) {
		return "the token is from another issuer (iss)";
	}
	if (!has_audience(json_object_get(claims, "aud"), rules->audience)) {
		return "the token is for another audience (aud)";
	}
	return judge_time(claims, rules, now);
}

char *claims_text(const json_t *claims, const char *name)
{
	const json_t *value = json_object_get(claims, name);
	if (value == NULL || json_is_null(value)) {
		return NULL;
	}
	return json_is_string(value) ? strdup(json_string_value(value))
				     : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

void claims_key(const char *name, char *key_r, size_t size)
{
	snprintf(key_r, size, "AUTH_CLAIM_%s", name);
	for (char *at = key_r; *at != '\0'; at++) {
		*at = isalnum((unsigned char)*at) ? (char)toupper((unsigned char)*at) : '_';
	}
}
