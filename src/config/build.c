/* SPDX-License-Identifier: MIT */
/*
 * Turns sections of texts into struct config: defaults and ranges from the table in keys.c. What
 * the table cannot say is in check.c (top level, listeners, pools) and routes.c. Repairs nothing:
 * what is doubtful is a problem. Called by config.c.
 */
#include "config/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/check.h"
#include "config/conditions.h"
#include "config/config.h"
#include "config/problem.h"
#include "config/source.h"
#include "config/values.h"
#include "config/words.h"

/* is: what the text is, and should not be. */
static bool fail(const struct check *target, const struct keys_entry *entry, const char *text,
		 const char *is)
{
	const char *quote = entry->kind == KEYS_COUNT ? "" : "\"";
	return check_fail(target, entry->name, "%s = %s%.80s%s is %s", entry->name, quote, text,
			  quote, is);
}

static void write_number(const struct keys_entry *entry, uint64_t number,
			 char text[VALUES_TEXT_BYTES])
{
	if (entry->kind == KEYS_COUNT) {
		snprintf(text, VALUES_TEXT_BYTES, "%llu", (unsigned long long)number);
	} else if (entry->kind == KEYS_SIZE) {
		values_write_size(number, text);
	} else {
		values_write_duration(number, text);
	}
}

static bool fail_number(const struct check *target, const struct keys_entry *entry,
			const char *text, bool is_number)
{
	char min[VALUES_TEXT_BYTES], max[VALUES_TEXT_BYTES], is[160];
	write_number(entry, entry->min, min);
	write_number(entry, entry->max, max);
	if (is_number) {
		snprintf(is, sizeof(is), "out of range (%s to %s)", min, max);
	} else if (entry->kind == KEYS_COUNT) {
		snprintf(is, sizeof(is),
			 "not a whole number (%s to %s, digits alone, no zero in front)", min, max);
	} else {
		snprintf(is, sizeof(is), "not a %s",
			 entry->kind == KEYS_SIZE
				 ? "size: a whole number of bytes, or with k, M or G behind it, as "
				   "in \"64k\""
				 : "duration: a whole number and its unit, as in \"50ms\", \"5s\", "
				   "\"2m\" or \"1h\"");
	}
	return fail(target, entry, text, is);
}

static bool apply_number(const struct check *target, const struct keys_entry *entry,
			 const char *text, void *field)
{
	static bool (*const parse[])(const char *, uint64_t *) = {
		[KEYS_COUNT] = values_count,
		[KEYS_DURATION] = values_duration,
		[KEYS_SIZE] = values_size,
	};
	uint64_t number = 0;
	bool is_number = parse[entry->kind](text, &number);
	if (!is_number || number < entry->min || number > entry->max) {
		return fail_number(target, entry, text, is_number);
	}
	if (entry->kind == KEYS_SIZE) {
		*(size_t *)field = (size_t)number;
	} else {
		*(unsigned *)field = (unsigned)number;
	}
	return true;
}

static bool apply_text(const struct check *target, const struct keys_entry *entry, const char *text,
		       char **field)
{
	if (text == NULL) {
		return true;
	}
	if (text[0] == '\0') {
		return check_fail(target, entry->name, "%s is empty: leave it out or fill it in",
				  entry->name);
	}
	*field = strdup(text);
	return *field != NULL || problem_memory(target->problem);
}

static bool apply_words(const struct check *target, const struct source_value *value, char ***field)
{
	*field = words_copy(value->words, value->count);
	return *field != NULL || problem_memory(target->problem);
}

static bool apply_one_of(const struct check *target, const struct keys_entry *entry,
			 const char *text, unsigned *field)
{
	char is[160] = "none of ";
	for (unsigned i = 0; entry->words[i] != NULL; i++) {
		if (strcasecmp(entry->words[i], text) == 0) {
			*field = i;
			return true;
		}
		size_t used = strlen(is);
		snprintf(is + used, sizeof(is) - used, "%s\"%s\"", i > 0 ? ", " : "",
			 entry->words[i]);
	}
	return fail(target, entry, text, is);
}

static bool apply(const struct check *target, const struct keys_entry *entry,
		  const struct source_value *value)
{
	const char *text = value->words != NULL ? value->words[0] : entry->fallback;
	void *field = (char *)target->record + entry->offset;
	switch (entry->kind) {
	case KEYS_COUNT:
	case KEYS_DURATION:
	case KEYS_SIZE:
		return apply_number(target, entry, text, field);
	case KEYS_TEXT:
		return apply_text(target, entry, text, field);
	case KEYS_WORDS:
		return apply_words(target, value, field);
	case KEYS_RATE:
		return text == NULL || values_rate(text, field) ||
		       fail(target, entry, text,
			    "not a rate: 1 to 1000000 and the time, as in \"20/s\", \"30/m\" or "
			    "\"100/h\"");
	case KEYS_MODE:
		return values_mode(text, field) ||
		       fail(target, entry, text, "not a mode: three octal digits, as in \"0660\"");
	case KEYS_FLAG:
		return values_flag(text, field) ||
		       fail(target, entry, text, "neither true nor false");
	case KEYS_ONE_OF:
		return apply_one_of(target, entry, text, field);
	case KEYS_CHOICE:
	case KEYS_CHOICES:
		return true; /* check_listener, build_routes */
	}
	return false;
}

static bool apply_section(struct check *target)
{
	size_t count = 0;
	const struct keys_entry *entries = keys_of(target->section->kind, &count);
	for (size_t i = 0; i < count; i++) {
		if (!apply(target, &entries[i], &target->section->values[i])) {
			return false;
		}
	}
	return true;
}

static bool build_section(struct config *config, const struct source_section *section,
			  struct problem *problem)
{
	struct check target = {
		.section = section, .record = config, .config = config, .problem = problem};
	switch (section->kind) {
	case KEYS_TOP:
		return apply_section(&target) && check_top(&target);
	case KEYS_LIMITS:
		return apply_section(&target) && check_limits(&target);
	case KEYS_LISTEN:
		target.record = &config->listeners[config->listener_count++];
		return apply_section(&target) && check_listener(&target);
	case KEYS_POOL:
		target.record = &config->pools[config->pool_count++];
		return apply_section(&target) && check_pool(&target);
	case KEYS_ROUTE:
		target.record = &config->routes[config->route_count++];
		return apply_section(&target) && conditions_check(&target);
	case KEYS_SECTIONS:
		break;
	}
	return false;
}

/* The hint names a pool that a route may have; an auth pool would be the next mistake. */
static bool fail_routeless(const struct config *config, struct problem *problem)
{
	for (size_t i = 0; i < config->pool_count; i++) {
		if (config->pools[i].kind == CONFIG_KIND_SOCKET) {
			return problem_set(
				problem, 0,
				"there is no route; add one, as in: route \"/\" { pool = "
				"\"%s\" }",
				config->pools[i].name);
		}
	}
	return problem_set(problem, 0, "there is no route");
}

static bool check_complete(const struct config *config, struct problem *problem)
{
	if (config->listener_count == 0) {
		return problem_set(
			problem, 0,
			"there is no listener; add one, as in: listen \"127.0.0.1:8080\" {}");
	}
	if (config->pool_count == 0) {
		return problem_set(problem, 0,
				   "there is no pool; add one, as in: pool \"chat\" { command = "
				   "{\"baton-chat\"} }");
	}
	return config->route_count > 0 || fail_routeless(config, problem);
}

static struct config *create(const struct source *source)
{
	struct config *config = calloc(1, sizeof(*config));
	if (config == NULL) {
		return NULL;
	}
	/* Room for more than there will be; the counts grow as they are filled. */
	config->listeners = calloc(source->count, sizeof(*config->listeners));
	config->pools = calloc(source->count, sizeof(*config->pools));
	config->routes = calloc(source->count, sizeof(*config->routes));
	config->written = calloc(1, sizeof(*config->written));
	if (config->listeners == NULL || config->pools == NULL || config->routes == NULL ||
	    config->written == NULL) {
		config_destroy(config);
		return NULL;
	}
	return config;
}

struct config *build_config(struct source *source, struct problem *problem)
{
	struct config *config = create(source);
	if (config == NULL) {
		problem_memory(problem);
		return NULL;
	}
	bool ok = true;
	for (size_t i = 0; ok && i < source->count; i++) {
		ok = build_section(config, &source->sections[i], problem);
	}
	if (ok && check_complete(config, problem) && build_routes(config, source, problem)) {
		*config->written = *source;
		*source = (struct source){0};
		return config;
	}
	config_destroy(config);
	return NULL;
}
