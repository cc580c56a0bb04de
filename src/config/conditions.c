/* SPDX-License-Identifier: MIT */
/*
 * A route's conditions as they come from the file: validated, brought to the one spelling that
 * route.c compares, counted and compared with another route's. A condition that no request could
 * meet, or that a client could meet with a field no child sees, is a problem. Called by build.c
 * and routes.c.
 */
#include "config/conditions.h"

#include <ctype.h>
#include <string.h>

#include "admit/grammar.h"
#include "admit/request.h"
#include "config/check.h"
#include "config/config.h"
#include "config/problem.h"
#include "config/values.h"
#include "config/words.h"

static bool fail(const struct check *target, const char *key, const char *word, const char *why)
{
	return check_fail(target, key, "%s: \"%.80s\" %s", key, word, why);
}

static bool check_query(const struct check *target, const char *word)
{
	if (word[0] == '\0' || word[0] == '=' || strchr(word, '&') != NULL ||
	    !grammar_is_query(slice_of(word))) {
		return fail(target, "query", word,
			    "is neither KEY nor KEY=VALUE as in a URL (no '&', no '#', no spaces; "
			    "others as %XX)");
	}
	return !values_has_needless_percent(word) ||
	       fail(target, "query", word,
		    "has a letter, digit, '-', '.', '_' or '~' as %XX: write it plain");
}

/* What a field can have as its value: not empty, no space around it, no control characters. */
static bool is_value(const char *text)
{
	struct slice value = slice_of(text);
	for (size_t i = 0; i < value.len; i++) {
		if (!grammar_is(text[i], GRAMMAR_VALUE)) {
			return false;
		}
	}
	return value.len > 0 && grammar_trim(value).len == value.len;
}

static bool check_header(const struct check *target, char *word)
{
	struct slice name = {word, strcspn(word, ":")};
	const char *rest = word + name.len;
	if (!grammar_is_token(name) || (*rest != '\0' && (rest[1] != ' ' || !is_value(rest + 2)))) {
		return fail(target, "headers", word, "is neither \"Name\" nor \"Name: value\"");
	}
	if (request_withholds(name)) {
		return fail(target, "headers", word,
			    "cannot be relied on: a client's own field of that name never "
			    "reaches a child");
	}
	for (size_t i = 0; i < name.len; i++) {
		word[i] = (char)tolower((unsigned char)word[i]);
	}
	return true;
}

static bool has_repeated(char *const *words, const char **word_r)
{
	for (size_t i = 0; words[i] != NULL; i++) {
		for (size_t j = 0; j < i; j++) {
			if (strcmp(words[i], words[j]) == 0) {
				*word_r = words[i];
				return true;
			}
		}
	}
	return false;
}

bool conditions_check(struct check *target)
{
	const struct config_route *route = target->record;
	const char *repeated;
	if (route->subprotocol != NULL && !grammar_is_token(slice_of(route->subprotocol))) {
		return fail(target, "subprotocol", route->subprotocol,
			    "is not the name of one: letters, digits and !#$%&'*+-.^_`|~");
	}
	for (size_t i = 0; route->query[i] != NULL; i++) {
		if (!check_query(target, route->query[i])) {
			return false;
		}
	}
	for (size_t i = 0; route->headers[i] != NULL; i++) {
		if (!check_header(target, route->headers[i])) {
			return false;
		}
	}
	if (has_repeated(route->query, &repeated)) {
		return fail(target, "query", repeated, "stands there twice");
	}
	return !has_repeated(route->headers, &repeated) ||
	       fail(target, "headers", repeated, "stands there twice");
}

size_t conditions_count(const struct config_route *route)
{
	return (route->subprotocol != NULL) + words_count(route->query) +
	       words_count(route->headers);
}

/* No list has a word twice, so equally long ones are the same set if one is in the other. */
static bool are_same_set(char *const *a, char *const *b)
{
	for (size_t i = 0; a[i] != NULL; i++) {
		size_t j = 0;
		while (b[j] != NULL && strcmp(a[i], b[j]) != 0) {
			j++;
		}
		if (b[j] == NULL) {
			return false;
		}
	}
	return words_count(a) == words_count(b);
}

bool conditions_equal(const struct config_route *a, const struct config_route *b)
{
	bool same_subprotocol = a->subprotocol == NULL || b->subprotocol == NULL
					? a->subprotocol == b->subprotocol
					: strcmp(a->subprotocol, b->subprotocol) == 0;
	return same_subprotocol && are_same_set(a->query, b->query) &&
	       are_same_set(a->headers, b->headers);
}
