/* SPDX-License-Identifier: MIT */
/*
 * What a child inherits: an allow-list, so that secrets of the gateway's own environment do not
 * reach every child. Called by launch.c for each start; docs/configuration.md names the list.
 */
#include "supervise/environment.h"

#include "config/words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static const char *const inherited[] = {
	"PATH", "HOME",   "USER",   "LOGNAME",  "LANG",         "LANGUAGE",
	"TZ",   "TMPDIR", "LC_ALL", "LC_CTYPE", "ASAN_OPTIONS", "UBSAN_OPTIONS",
};
static const char *const fixed[] = {"BATON_FD=3", "BATON_PROTOCOL=1"};

enum {
	INHERITED = sizeof inherited / sizeof inherited[0],
	FIXED = sizeof fixed / sizeof fixed[0],
};

static bool is_inherited(const char *entry)
{
	size_t len = strcspn(entry, "=");
	for (size_t i = 0; i < INHERITED; i++) {
		if (strlen(inherited[i]) == len && memcmp(inherited[i], entry, len) == 0) {
			return true;
		}
	}
	return false;
}

/* Adds or replaces; the list has room. */
static bool set(char **list, const char *entry)
{
	size_t len = strcspn(entry, "=") + 1;
	char *copy = strdup(entry);
	size_t at = 0;
	if (copy == NULL) {
		return false;
	}
	while (list[at] != NULL && strncmp(list[at], entry, len) != 0) {
		at++;
	}
	free(list[at]);
	list[at] = copy;
	return true;
}

char **environment_create(char *const *extra)
{
	char **list = calloc(INHERITED + FIXED + words_count(extra) + 1, sizeof *list);
	bool fine = list != NULL;
	for (size_t i = 0; fine && environ[i] != NULL; i++) {
		fine = !is_inherited(environ[i]) || set(list, environ[i]);
	}
	for (size_t i = 0; fine && extra[i] != NULL; i++) {
		fine = set(list, extra[i]);
	}
	for (size_t i = 0; fine && i < FIXED; i++) {
		fine = set(list, fixed[i]);
	}
	if (!fine) {
		words_free(list);
		return NULL;
	}
	return list;
}
