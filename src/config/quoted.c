/* SPDX-License-Identifier: MIT */
/*
 * Refuses what libconfuse would take between quotes and should not: an unset ${VARIABLE} (it
 * vanishes), octal and hexadecimal escapes (they can make a NUL, which cuts the text), a text
 * that runs over lines. Does not decode anything: libconfuse does. Called by scan.c.
 */
#include "config/quoted.h"

#include <stdlib.h>
#include <string.h>

#include "config/problem.h"

enum { VARIABLE_MAX = 128 };

static bool is_set(const char *name, size_t len)
{
	char copy[VARIABLE_MAX + 1];
	if (len > VARIABLE_MAX) {
		return false;
	}
	memcpy(copy, name, len);
	copy[len] = '\0';
	return getenv(copy) != NULL;
}

/* ${NAME} or ${NAME:-default}; *at stands on the '$'. */
static bool skip_variable(char **at, unsigned line, struct problem *problem)
{
	const char *name = *at + 2;
	size_t len = strcspn(name, "}\"\n");
	if (name[len] != '}') {
		return problem_set(problem, line,
				   "\"${\" without its '}' (write \\${ for the characters alone)");
	}
	*at += 2 + len + 1;
	/* The first colon decides for libconfuse, so it does here. */
	const char *colon = memchr(name, ':', len);
	if ((colon != NULL && colon[1] == '-') || is_set(name, len)) {
		return true;
	}
	int shown = len > VARIABLE_MAX ? VARIABLE_MAX : (int)len;
	return problem_set(
		problem, line,
		"the environment has no variable \"%.*s\" (write ${%.*s:-} where it may be "
		"missing)",
		shown, name, shown, name);
}

/* *at stands on the backslash. */
static bool skip_escape(char **at, unsigned line, struct problem *problem)
{
	char escaped = (*at)[1];
	if (escaped == '\0' || strchr("\\\"$nt", escaped) == NULL) {
		return problem_set(
			problem, line,
			"\\%c is not known between double quotes (\\\\, \\\", \\$, \\n and \\t "
			"are)",
			escaped == '\0' ? ' ' : escaped);
	}
	*at += 2;
	return true;
}

static bool skip_one(char **at, char quote, unsigned line, struct problem *problem)
{
	const char *in = *at;
	if (quote == '"' && in[0] == '\\') {
		return skip_escape(at, line, problem);
	}
	if (quote == '"' && in[0] == '$' && in[1] == '{') {
		return skip_variable(at, line, problem);
	}
	/* Between single quotes a backslash keeps a quote from closing, and nothing else. */
	*at += in[0] == '\\' && (in[1] == '\\' || in[1] == '\'') ? 2 : 1;
	return true;
}

bool quoted_skip(char **at, unsigned line, struct problem *problem)
{
	char quote = *(*at)++;
	while (**at != quote) {
		if (**at == '\0' || **at == '\n') {
			return problem_set(problem, line,
					   "the text that begins with %c is not closed on its line",
					   quote);
		}
		if (!skip_one(at, quote, line, problem)) {
			return false;
		}
	}
	(*at)++;
	return true;
}
