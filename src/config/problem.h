/* SPDX-License-Identifier: MIT */
/*
 * What is wrong with a configuration: the first problem wins and becomes "FILE:LINE: sentence".
 */
#ifndef BATON_PROBLEM_H
#define BATON_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

struct problem {
	const char *name; /* of the file, for the message; borrowed */
	char *text;       /* CONFIG_ERROR_BYTES of the caller's; "" as long as all is well */
};

/*
 * Writes the sentence, unless there is one already; line 0 means that no line applies. Control
 * characters become '?', so that the message stays one line. Always returns false, for
 * `return problem_set(...)`.
 */
bool problem_set(struct problem *, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The problem of every failed allocation. False, as problem_set. */
bool problem_memory(struct problem *);

/*
 * What a word that is nobody's name may mean: after each name that there is was tried, text is
 * ` (did you mean "chat"?)` for the nearest one within two slips of the word, or "".
 */
struct problem_hint {
	const char *word; /* borrowed */
	const char *noun; /* what stands before a name that is tried: "the section ", or "" */
	size_t best;      /* slips; the next one must have fewer */
	char text[96];
};

void problem_hint_init(struct problem_hint *, const char *word);
void problem_hint_try(struct problem_hint *, const char *name);

#endif
