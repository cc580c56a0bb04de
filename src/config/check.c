/* SPDX-License-Identifier: MIT */
/*
 * What the table of keys cannot say about the top level, listeners and pools. Asks the system for
 * users and groups and for nothing else: whether a program, a directory or an address is there
 * shows when it is used. Called by build.c, which has filled the record from the table.
 */
#include "config/check.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "admit/grammar.h"
#include "config/config.h"
#include "config/endpoint.h"
#include "config/problem.h"
#include "config/values.h"
#include "config/words.h"

#define BLANKS " \t\n"

enum { POOL_NAME_MAX = 64 };

bool check_fail(const struct check *target, const char *key, const char *format, ...)
{
	const struct source_section *section = target->section;
	char label[SOURCE_LABEL_BYTES], sentence[CONFIG_ERROR_BYTES];
	va_list args;
	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	return problem_set(target->problem, key != NULL ? source_line(section, key) : section->line,
			   "%s%s", source_write_label(section->kind, section->title, label),
			   sentence);
}

bool check_top(struct check *target)
{
	struct config *config = target->config;
	const char *why = NULL;
	if (config->control == NULL) {
		config->control = strdup(config_default_control());
		return config->control != NULL || problem_memory(target->problem);
	}
	return endpoint_is_path(config->control, &why) ||
	       check_fail(target, "control", "control = \"%.80s\" %s", config->control, why);
}

bool check_limits(struct check *target)
{
	return target->config->address_interval_us > 0 ||
	       source_get(target->section, "address_burst")->words == NULL ||
	       check_fail(target, "address_burst",
			  "address_burst needs address_rate: how fast may one address connect?");
}

static bool check_unused(struct check *target, const struct config_listener *listener)
{
	const struct config *config = target->config;
	const char *path = listener->address.ss_family != AF_UNIX
				   ? ""
				   : ((const struct sockaddr_un *)&listener->address)->sun_path;
	if (strcmp(path, config->control) == 0) {
		return check_fail(target, NULL, "this is the path of the control socket");
	}
	for (const struct config_listener *other = config->listeners; other < listener; other++) {
		if (endpoint_clashes(&other->address, &listener->address)) {
			return check_fail(target, NULL,
					  "listen \"%.80s\" at line %u has that address too "
					  "(\"*\" and \"0.0.0.0\" are every IPv4 address, \"[::]\" "
					  "every IPv6 one)",
					  other->name, other->written->line);
		}
	}
	return true;
}

static bool fail_range(struct check *target, const char *text, enum address_range_result result,
		       const struct address_range *meant)
{
	char first[ADDRESS_TEXT_BYTES];
	if (result == ADDRESS_RANGE_BAD) {
		return check_fail(target, "trusted_proxies",
				  "trusted_proxies has \"%.80s\": write an address as in "
				  "\"192.0.2.1\" or \"::1\", a range as in \"10.0.0.0/8\", or "
				  "\"unix\"",
				  text);
	}
	address_write_ip(&meant->first, first);
	return check_fail(target, "trusted_proxies",
			  "trusted_proxies has \"%.80s\", with bits beyond its prefix: write "
			  "\"%s/%u\", or \"%.*s\" for that one address",
			  text, first, meant->bits, (int)strcspn(text, "/"), text);
}

static bool check_trusted(struct check *target, struct forwarded_rule *rule)
{
	const struct source_value *value = source_get(target->section, "trusted_proxies");
	rule->trusted = calloc(value->count + 1, sizeof(*rule->trusted));
	if (rule->trusted == NULL) {
		return problem_memory(target->problem);
	}
	for (size_t i = 0; i < value->count; i++) {
		struct address_range *range = &rule->trusted[rule->trusted_count++];
		enum address_range_result result = address_range_parse(value->words[i], range);
		if (result != ADDRESS_RANGE_OK) {
			return fail_range(target, value->words[i], result, range);
		}
	}
	return true;
}

static bool check_client_header(const struct check *target, const struct forwarded_rule *rule)
{
	return rule->trusted_count > 0 ||
	       source_get(target->section, "client_header")->words == NULL ||
	       check_fail(
		       target, "client_header",
		       "client_header is believed from trusted_proxies alone, and there are none");
}

bool check_listener(struct check *target)
{
	struct config_listener *listener = target->record;
	const struct source_section *section = target->section;
	const char *why = NULL;
	listener->written = section;
	listener->name = strdup(section->title);
	if (listener->name == NULL) {
		return problem_memory(target->problem);
	}
	if (!endpoint_parse(section->title, &listener->address, &listener->address_len, &why)) {
		return problem_set(target->problem, section->line, "listen \"%.80s\" %s",
				   section->title, why);
	}
	if (source_get(section, "mode")->words != NULL && listener->address.ss_family != AF_UNIX) {
		return check_fail(target, "mode", "mode is for Unix sockets; this is none");
	}
	if (listener->health != NULL &&
	    (listener->health[0] != '/' || !grammar_is_path(slice_of(listener->health)))) {
		return check_fail(target, "health",
				  "health = \"%.80s\" is not a path as in \"/healthz\"",
				  listener->health);
	}
	return check_unused(target, listener) && check_trusted(target, &listener->forwarded) &&
	       check_client_header(target, &listener->forwarded);
}

/* Names stand in log lines and on command lines: nothing there should need quotes. */
static bool is_pool_name(const char *name)
{
	size_t len = 0;
	while (isalnum((unsigned char)name[len]) ||
	       (name[len] != '\0' && strchr("_.-", name[len]))) {
		len++;
	}
	return len > 0 && len <= POOL_NAME_MAX && name[len] == '\0' && name[0] != '-';
}

static bool check_environment(struct check *target, char *const *environment)
{
	for (size_t i = 0; environment[i] != NULL; i++) {
		if (!values_is_assignment(environment[i])) {
			return check_fail(target, "environment",
					  "environment has \"%.80s\": it must be NAME=VALUE",
					  environment[i]);
		}
		size_t len = strcspn(environment[i], "=") + 1;
		for (size_t j = 0; j < i; j++) {
			if (strncmp(environment[i], environment[j], len) == 0) {
				return check_fail(target, "environment",
						  "environment sets %.*s twice", (int)len - 1,
						  environment[i]);
			}
		}
	}
	return true;
}

static bool check_account(struct check *target, const char *key, const char *name, bool is_there)
{
	return name == NULL || is_there ||
	       check_fail(target, key, "there is no %s \"%.80s\"%s%s", key, name,
			  errno == 0 ? "" : ": ", errno == 0 ? "" : strerror(errno));
}

static bool check_accounts(struct check *target, const struct config_pool *pool)
{
	/* Where it knows no such name the library leaves errno as it was, or says ENOENT. */
	errno = 0;
	bool has_user = pool->user == NULL || getpwnam(pool->user) != NULL;
	errno = errno == ENOENT ? 0 : errno;
	if (!check_account(target, "user", pool->user, has_user)) {
		return false;
	}
	errno = 0;
	bool has_group = pool->group == NULL || getgrnam(pool->group) != NULL;
	errno = errno == ENOENT ? 0 : errno;
	return check_account(target, "group", pool->group, has_group);
}

/* Is the first word a whole command line? A path is left alone: its names may have blanks. */
static bool check_program(struct check *target, char *const *command)
{
	char list[256] = "\"program\", \"argument\"";
	char first = command[0][strcspn(command[0], "/" BLANKS)];
	if (first == '\0' || first == '/') {
		return true;
	}
	char **words = words_split(command[0]); /* NULL where a quote is open */
	size_t used = 0;
	for (size_t i = 0; words != NULL && words[i] != NULL && used < sizeof(list); i++) {
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s\"%s\"",
					 i > 0 ? ", " : "", words[i]);
	}
	words_free(words);
	return check_fail(target, "command",
			  "command: \"%.80s\" has blanks in the program's name; a list has one "
			  "word each: {%s%s}",
			  command[0], list, command[1] != NULL ? ", ..." : "");
}

bool check_pool(struct check *target)
{
	struct config_pool *pool = target->record;
	const struct source_section *section = target->section;
	pool->written = section;
	pool->name = strdup(section->title);
	if (pool->name == NULL) {
		return problem_memory(target->problem);
	}
	if (!is_pool_name(section->title)) {
		return check_fail(
			target, NULL,
			"a name is 1 to %d letters, digits, '_', '.', '-', without '-' in "
			"front",
			POOL_NAME_MAX);
	}
	if (pool->command[0] == NULL ||
	    pool->command[0][strspn(pool->command[0], BLANKS)] == '\0') {
		return check_fail(target, "command",
				  "command is missing: which program are its children? As in "
				  "command = {\"program\", \"argument\"}");
	}
	return check_program(target, pool->command) &&
	       check_environment(target, pool->environment) && check_accounts(target, pool);
}
