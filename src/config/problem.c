/* SPDX-License-Identifier: MIT */
/*
 * Error sentences for the configuration. Knows nothing of the grammar; keeps the first problem
 * alone, because what follows from a first mistake only confuses. Called by all of src/config.
 */
#include "config/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"

enum { HINT_WORD_MAX = 48, HINT_SLIPS_MAX = 2 };

bool problem_set(struct problem *problem, unsigned line, const char *format, ...)
{
	if (problem->text[0] != '\0') {
		return false;
	}
	int used = line > 0
			   ? snprintf(problem->text, CONFIG_ERROR_BYTES,
				      "%.200s:%u: ", problem->name, line)
			   : snprintf(problem->text, CONFIG_ERROR_BYTES, "%.200s: ", problem->name);
	va_list args;
	va_start(args, format);
	vsnprintf(problem->text + used, CONFIG_ERROR_BYTES - (size_t)used, format, args);
	va_end(args);
	for (char *at = problem->text; *at != '\0'; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f) {
			*at = '?';
		}
	}
	return false;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance, with one row of memory. */
static size_t slips_between(const char *a, const char *b)
{
	size_t row[HINT_WORD_MAX + 1];
	size_t b_len = strlen(b);
	for (size_t j = 0; j <= b_len; j++) {
		row[j] = j;
	}
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < b_len; j++) {
			size_t replaced = diagonal + (a[i] != b[j]);
			diagonal = row[j + 1];
			row[j + 1] = smaller(replaced, smaller(row[j], row[j + 1]) + 1);
		}
	}
	return row[b_len];
}

void problem_hint_init(struct problem_hint *hint, const char *word)
{
	*hint = (struct problem_hint){.word = word, .noun = ""};
	/* "ab" is within two slips of every two letters: short words get fewer. */
	size_t most = smaller(HINT_SLIPS_MAX, strlen(word) / 2);
	hint->best = strlen(word) <= HINT_WORD_MAX ? most + 1 : 0;
}

void problem_hint_try(struct problem_hint *hint, const char *name)
{
	if (hint->best == 0 || strlen(name) > HINT_WORD_MAX) {
		return;
	}
	size_t slips = slips_between(hint->word, name);
	if (slips < hint->best) {
		hint->best = slips;
		snprintf(hint->text, sizeof(hint->text), " (did you mean %s\"%s\"?)", hint->noun,
			 name);
	}
}

bool problem_memory(struct problem *problem)
{
	return problem_set(problem, 0, "out of memory");
}
