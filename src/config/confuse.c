/* SPDX-License-Identifier: MIT */
/*
 * source_read: text to sections by way of libconfuse, which sees only what scan.c let through.
 * Every key is a text for libconfuse, because its numbers are too lenient; every sentence of its
 * own is put into ours. Does not judge any value. Called by config.c.
 */
#include <confuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/problem.h"
#include "config/scan.h"
#include "config/source.h"

/* Appended to every text and then required: a parser that stopped early has not seen it. */
#define END_KEY "__end"

struct reading {
	struct problem *problem;
	const struct scan *scan;
	struct source *source;
	size_t closed; /* sections read so far; scan knows them by this number */
};

/* libconfuse's callbacks carry no pointer of ours. Its lexer is one for the process anyway. */
static struct reading *reading;

static unsigned line_of(const cfg_t *cfg)
{
	unsigned line = (unsigned)cfg->line;
	return line < reading->scan->lines ? line : reading->scan->lines;
}

/* A key of another section is no slip of the pen. */
static void hint_at_home(enum keys_section kind, struct problem_hint *hint)
{
	for (unsigned i = KEYS_TOP; i < KEYS_SECTIONS; i++) {
		const char *home =
			i == KEYS_TOP ? "the top level" : keys_section_name((enum keys_section)i);
		if (i != kind && keys_find((enum keys_section)i, hint->word) != NULL) {
			snprintf(hint->text, sizeof(hint->text), " (it is a key of %s)", home);
			return;
		}
	}
}

static void fail_unknown(cfg_t *cfg, const char *word)
{
	enum keys_section kind = keys_section_find(cfg_name(cfg));
	struct problem_hint hint;
	size_t count = 0;
	const struct keys_entry *entries = keys_of(kind, &count);
	problem_hint_init(&hint, word);
	for (size_t i = 0; i < count; i++) {
		problem_hint_try(&hint, entries[i].name);
	}
	hint.noun = "the section ";
	for (unsigned i = KEYS_TOP + 1; kind == KEYS_TOP && i < KEYS_SECTIONS; i++) {
		problem_hint_try(&hint, keys_section_name((enum keys_section)i));
	}
	hint_at_home(kind, &hint);
	/* Within a section scan.c lets nothing through that may be one. */
	bool is_key = kind != KEYS_TOP || scan_line_of(reading->scan, 0, word) != 0;
	char label[SOURCE_LABEL_BYTES];
	problem_set(reading->problem, line_of(cfg), "%sunknown %s \"%.80s\"%s",
		    source_write_label(kind, cfg_title(cfg), label), is_key ? "key" : "section",
		    word, hint.text);
}

/* libconfuse says so of a word only inside a list. */
static void fail_unexpected(cfg_t *cfg, const char *token)
{
	bool is_mark = *token != '\0' && strchr("{}()=+,", *token) != NULL;
	problem_set(reading->problem, line_of(cfg), "unexpected '%.80s'%s", token,
		    is_mark ? "" : ": a ',' stands between the words of a list");
}

__attribute__((format(printf, 2, 0))) static void handle_error(cfg_t *cfg, const char *format,
							       va_list args)
{
	static const struct {
		const char *theirs, *ours; /* the word between two halves of ours */
		const char *ours_end;
	} sentences[] = {
		{"missing equal sign after option '%s'", "", " needs '=' and a value"},
		{"missing title for section '%s'", "", " needs a title before its '{'"},
		{"missing opening brace for section '%s'", "", " needs a '{' here"},
	};
	if (strcmp(format, "no such option '%s'") == 0) {
		fail_unknown(cfg, va_arg(args, const char *));
		return;
	}
	if (strcmp(format, "unexpected token '%s'") == 0) {
		fail_unexpected(cfg, va_arg(args, const char *));
		return;
	}
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
		if (strcmp(format, sentences[i].theirs) == 0) {
			problem_set(reading->problem, line_of(cfg), "%s%.80s%s", sentences[i].ours,
				    va_arg(args, const char *), sentences[i].ours_end);
			return;
		}
	}
	char text[CONFIG_ERROR_BYTES];
	vsnprintf(text, sizeof(text), format, args);
	problem_set(reading->problem, line_of(cfg), "%s", text);
}

static bool copy_value(cfg_opt_t *option, struct source_section *section, size_t number)
{
	unsigned line = scan_line_of(reading->scan, number, cfg_opt_name(option));
	if (line == 0) {
		return true;
	}
	size_t count = cfg_opt_size(option);
	char **words = calloc(count + 1, sizeof(*words));
	bool ok = words != NULL;
	for (size_t i = 0; ok && i < count; i++) {
		words[i] = cfg_opt_getnstr(option, (unsigned)i); /* stays libconfuse's */
	}
	ok = ok && source_set(section, cfg_opt_name(option), words, count, line);
	free(words);
	return ok;
}

static bool copy_values(cfg_t *cfg, struct source_section *section, size_t number)
{
	size_t count = 0;
	const struct keys_entry *entries = keys_of(section->kind, &count);
	for (size_t i = 0; i < count; i++) {
		if (!copy_value(cfg_getopt(cfg, entries[i].name), section, number)) {
			return problem_memory(reading->problem);
		}
	}
	return true;
}

/* Routes may share a title: their conditions tell them apart. */
static bool is_repeated(enum keys_section kind, const char *title, unsigned line)
{
	for (size_t i = 0; kind != KEYS_ROUTE && i < reading->source->count; i++) {
		const struct source_section *section = &reading->source->sections[i];
		if (section->kind == kind && strcmp(section->title, title) == 0) {
			problem_set(reading->problem, line,
				    "%s \"%.80s\" stands here a second time (first at line %u)",
				    keys_section_name(kind), title, section->line);
			return true;
		}
	}
	return false;
}

static bool take_limits(cfg_t *cfg, size_t number)
{
	struct source_section *section = &reading->source->sections[1];
	unsigned line = reading->scan->sections[number - 1].line;
	if (section->line != 0) {
		return problem_set(reading->problem, line,
				   "limits stands here a second time (first at line %u)",
				   section->line);
	}
	section->line = line;
	return copy_values(cfg, section, number);
}

static bool take_titled(cfg_t *cfg, enum keys_section kind, size_t number)
{
	unsigned line = reading->scan->sections[number - 1].line;
	if (is_repeated(kind, cfg_title(cfg), line)) {
		return false;
	}
	struct source_section *section = source_add(reading->source, kind, cfg_title(cfg), line);
	return section != NULL ? copy_values(cfg, section, number)
			       : problem_memory(reading->problem);
}

/* A section has been closed. They come in the order of the file: they cannot nest. */
static int handle_section(cfg_t *cfg, cfg_opt_t *option)
{
	(void)cfg;
	size_t number = ++reading->closed;
	unsigned last = cfg_opt_size(option) - 1;
	cfg_t *inner = cfg_opt_getnsec(option, last);
	enum keys_section kind = keys_section_find(cfg_opt_name(option));
	if (kind == KEYS_LIMITS) {
		return take_limits(inner, number) ? 0 : -1;
	}
	/* A title that it has seen it would put in the place of the first one. */
	bool ok = take_titled(inner, kind, number);
	return cfg_opt_rmnsec(option, last) == CFG_SUCCESS && ok ? 0 : -1;
}

static void list_keys(enum keys_section kind, cfg_opt_t options[KEYS_PER_SECTION + 1])
{
	size_t count = 0;
	const struct keys_entry *entries = keys_of(kind, &count);
	for (size_t i = 0; i < count; i++) {
		bool is_list = entries[i].kind == KEYS_WORDS || entries[i].kind == KEYS_CHOICES;
		cfg_opt_t scalar = CFG_STR(entries[i].name, NULL, CFGF_NODEFAULT);
		cfg_opt_t list = CFG_STR_LIST(entries[i].name, NULL, CFGF_NODEFAULT);
		options[i] = is_list ? list : scalar;
	}
	options[count] = (cfg_opt_t)CFG_END();
}

static cfg_t *create_parser(void)
{
	/* cfg_init copies all of it. */
	cfg_opt_t sections[KEYS_SECTIONS][KEYS_PER_SECTION + 1];
	cfg_opt_t options[KEYS_PER_SECTION + KEYS_SECTIONS + 2];
	size_t count = 0;
	keys_of(KEYS_TOP, &count);
	list_keys(KEYS_TOP, options);
	for (unsigned kind = KEYS_TOP + 1; kind < KEYS_SECTIONS; kind++) {
		list_keys((enum keys_section)kind, sections[kind]);
		cfg_flag_t flags = kind == KEYS_LIMITS ? CFGF_NONE : CFGF_TITLE | CFGF_MULTI;
		options[count++] = (cfg_opt_t)CFG_SEC(keys_section_name((enum keys_section)kind),
						      sections[kind], flags);
	}
	options[count++] = (cfg_opt_t)CFG_STR(END_KEY, NULL, CFGF_NODEFAULT);
	options[count] = (cfg_opt_t)CFG_END();
	cfg_t *cfg = cfg_init(options, CFGF_NONE);
	for (unsigned kind = KEYS_TOP + 1; cfg != NULL && kind < KEYS_SECTIONS; kind++) {
		cfg_set_validate_func(cfg, keys_section_name((enum keys_section)kind),
				      handle_section);
	}
	return cfg;
}

static bool parse(cfg_t *cfg, const char *text)
{
	cfg_set_error_function(cfg, handle_error);
	if (scan_line_of(reading->scan, 0, END_KEY) != 0) {
		return problem_set(reading->problem, scan_line_of(reading->scan, 0, END_KEY),
				   "unknown key \"" END_KEY "\"");
	}
	if (cfg_parse_buf(cfg, text) != CFG_SUCCESS || cfg_size(cfg, END_KEY) == 0) {
		/* A sentence from further down wins. */
		return problem_set(reading->problem, reading->scan->lines,
				   "cannot be parsed to its end");
	}
	return copy_values(cfg, &reading->source->sections[0], 0);
}

static bool parse_scanned(const struct scan *scan, struct problem *problem, struct source *source)
{
	char *text = NULL;
	if (asprintf(&text, "%s\n" END_KEY " = true\n", scan->text) < 0) {
		return problem_memory(problem);
	}
	cfg_t *cfg = create_parser();
	bool ok = cfg != NULL;
	if (ok) {
		reading = &(struct reading){.problem = problem, .scan = scan, .source = source};
		ok = parse(cfg, text);
		reading = NULL;
		cfg_free(cfg);
	} else {
		problem_memory(problem);
	}
	free(text);
	return ok;
}

bool source_read(const char *text, size_t len, struct problem *problem, struct source *source_r)
{
	struct scan scan;
	if (!scan_text(text, len, problem, &scan)) {
		return false;
	}
	struct source source;
	bool ok = source_init(&source);
	if (!ok) {
		problem_memory(problem);
	} else if (!parse_scanned(&scan, problem, &source)) {
		source_finish(&source);
		ok = false;
	}
	scan_finish(&scan);
	if (ok) {
		*source_r = source;
	}
	return ok;
}
