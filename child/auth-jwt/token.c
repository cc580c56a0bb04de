/* SPDX-License-Identifier: MIT */
/*
 * Finds the token of a request, wherever the options say that one may stand, and looks at its
 * letters only: what it says is for verify.c. A second one is an error, not a spare: which of the
 * two counts would be a guess. auth_jwt.c calls it.
 */
#include "auth-jwt/token.h"

#include "libbaton/baton.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct found {
	char *token; /* TOKEN_BYTES */
	unsigned count;
	bool is_bad;
};

/* Three parts, none of them empty. libjwt skips letters that do not belong there. */
static bool is_token(const char *at, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789-_";
	size_t parts = 0, part_len = 0;
	for (size_t i = 0; i < len; i++) {
		if (at[i] == '.' && part_len > 0) {
			parts++;
			part_len = 0;
		} else if (at[i] != '\0' && strchr(letters, at[i]) != NULL) {
			part_len++;
		} else {
			return false;
		}
	}
	return parts == 2 && part_len > 0;
}

static void take(struct found *found, const char *at, size_t len)
{
	found->count++;
	if (len >= TOKEN_BYTES || !is_token(at, len)) {
		found->is_bad = true;
		return;
	}
	memcpy(found->token, at, len);
	found->token[len] = '\0';
}

/* Every item of a list that begins with name and behind. */
static void take_items(struct found *found, const char *list, char separator, const char *name,
		       const char *behind)
{
	size_t name_len = strlen(name), behind_len = strlen(behind);
	while (list != NULL) {
		list += strspn(list, " \t");
		const char *end = strchr(list, separator);
		size_t len = end != NULL ? (size_t)(end - list) : strlen(list);
		while (len > 0 && (list[len - 1] == ' ' || list[len - 1] == '\t')) {
			len--;
		}
		if (len >= name_len + behind_len && strncmp(list, name, name_len) == 0 &&
		    strncmp(list + name_len, behind, behind_len) == 0) {
			take(found, list + name_len + behind_len, len - name_len - behind_len);
		}
		list = end != NULL ? end + 1 : NULL;
	}
}

/* Other schemes are no business of ours. */
static void take_authorization(struct found *found, const char *value)
{
	static const char scheme[] = "Bearer ";
	if (value != NULL && strncasecmp(value, scheme, strlen(scheme)) == 0) {
		value += strspn(value + strlen(scheme), " ") + strlen(scheme);
		take(found, value, strlen(value));
	}
}

enum token_result token_find(struct baton_question *question, const struct token_places *places,
			     char token_r[TOKEN_BYTES])
{
	struct found found = {.token = token_r};
	take_authorization(&found, baton_question_get(question, "HTTP_AUTHORIZATION"));
	if (places->cookie != NULL) {
		take_items(&found, baton_question_get(question, "HTTP_COOKIE"), ';', places->cookie,
			   "=");
	}
	if (places->query != NULL) {
		take_items(&found, baton_question_get(question, "QUERY_STRING"), '&', places->query,
			   "=");
	}
	if (places->subprotocol != NULL) {
		take_items(&found, baton_question_get(question, "HTTP_SEC_WEBSOCKET_PROTOCOL"), ',',
			   places->subprotocol, "");
	}
	if (found.count == 0) {
		return TOKEN_ABSENT;
	}
	if (found.count > 1) {
		return TOKEN_TWO;
	}
	return found.is_bad ? TOKEN_BAD : TOKEN_FOUND;
}
