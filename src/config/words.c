/* SPDX-License-Identifier: MIT */
/*
 * Word lists, and a command line into words, as a shell's quotes do it and without
 * anything else a shell does. wordexp() will not do: it expands variables. words_split is called
 * by config.c for `serve --child`, the rest in src/config and by environment.c.
 */
#include "config/words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void words_free(char **words)
{
	for (size_t i = 0; words != NULL && words[i] != NULL; i++) {
		free(words[i]);
	}
	free(words);
}

char **words_copy(char *const *words, size_t count)
{
	char **copy = calloc(count + 1, sizeof(*copy));
	for (size_t i = 0; copy != NULL && i < count; i++) {
		copy[i] = strdup(words[i]);
		if (copy[i] == NULL) {
			words_free(copy);
			return NULL;
		}
	}
	return copy;
}

/*
 * Copies one word from *at to out (which has room for all that is left) and moves *at behind it.
 * False: a quote stays open, or the text ends at a backslash.
 */
static bool copy_word(const char **at, char *out)
{
	char quote = '\0';
	const char *in = *at;
	for (; *in != '\0' && (quote != '\0' || strchr(" \t\n", *in) == NULL); in++) {
		if (*in == quote) {
			quote = '\0';
		} else if (quote == '\0' && (*in == '\'' || *in == '"')) {
			quote = *in;
		} else if (*in == '\\' && quote == '\0') {
			if (*++in == '\0') {
				return false;
			}
			*out++ = *in;
		} else if (*in == '\\' && quote == '"' && (in[1] == '"' || in[1] == '\\')) {
			*out++ = *++in;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
	*at = in;
	return quote == '\0';
}

char **words_split(const char *command)
{
	size_t len = strlen(command);
	/* Each word takes a character and a separator: len / 2 + 1 words at most, and the NULL. */
	char **words = calloc(len / 2 + 2, sizeof(*words));
	char *buf = malloc(len + 1);
	const char *at = command;
	for (size_t count = 0; words != NULL && buf != NULL; count++) {
		at += strspn(at, " \t\n");
		if (*at == '\0') {
			free(buf);
			return words;
		}
		if (!copy_word(&at, buf)) {
			errno = EINVAL;
			break;
		}
		words[count] = strdup(buf);
		if (words[count] == NULL) {
			break;
		}
	}
	int saved = errno;
	free(buf);
	words_free(words);
	errno = saved;
	return NULL;
}

size_t words_count(char *const *words)
{
	size_t count = 0;
	while (words[count] != NULL) {
		count++;
	}
	return count;
}
