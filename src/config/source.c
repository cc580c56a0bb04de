/* SPDX-License-Identifier: MIT */
/*
 * The written configuration as data: the container that libconfuse fills (confuse.c) or the
 * command line (config.c), and that build.c reads. Judges nothing.
 */
#include "config/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/words.h"

bool source_init(struct source *source)
{
	*source = (struct source){0};
	if (source_add(source, KEYS_TOP, NULL, 0) == NULL ||
	    source_add(source, KEYS_LIMITS, NULL, 0) == NULL) {
		source_finish(source);
		return false;
	}
	return true;
}

struct source_section *source_add(struct source *source, enum keys_section kind, const char *title,
				  unsigned line)
{
	size_t size = (source->count + 1) * sizeof(*source->sections);
	struct source_section *sections = realloc(source->sections, size);
	if (sections == NULL) {
		return NULL;
	}
	source->sections = sections;
	struct source_section *section = &sections[source->count];
	*section = (struct source_section){.kind = kind, .line = line};
	if (title != NULL) {
		section->title = strdup(title);
		if (section->title == NULL) {
			return NULL;
		}
	}
	source->count++;
	return section;
}

static size_t index_of(const struct source_section *section, const char *key)
{
	size_t count = 0;
	return (size_t)(keys_find(section->kind, key) - keys_of(section->kind, &count));
}

bool source_set(struct source_section *section, const char *key, char *const *words, size_t count,
		unsigned line)
{
	char **copy = words_copy(words, count);
	if (copy == NULL) {
		return false;
	}
	struct source_value *value = &section->values[index_of(section, key)];
	words_free(value->words);
	*value = (struct source_value){copy, count, line};
	return true;
}

const struct source_value *source_get(const struct source_section *section, const char *key)
{
	return &section->values[index_of(section, key)];
}

void source_finish(struct source *source)
{
	for (size_t i = 0; i < source->count; i++) {
		struct source_section *section = &source->sections[i];
		for (size_t j = 0; j < KEYS_PER_SECTION; j++) {
			words_free(section->values[j].words);
		}
		free(section->title);
	}
	free(source->sections);
	*source = (struct source){0};
}

const char *source_write_label(enum keys_section kind, const char *title,
			       char label[SOURCE_LABEL_BYTES])
{
	if (kind == KEYS_TOP) {
		label[0] = '\0';
	} else if (title == NULL) {
		snprintf(label, SOURCE_LABEL_BYTES, "%s: ", keys_section_name(kind));
	} else {
		snprintf(label, SOURCE_LABEL_BYTES, "%s \"%.80s\": ", keys_section_name(kind),
			 title);
	}
	return label;
}

unsigned source_line(const struct source_section *section, const char *key)
{
	unsigned line = source_get(section, key)->line;
	return line > 0 ? line : section->line;
}
