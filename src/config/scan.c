/* SPDX-License-Identifier: MIT */
/*
 * The strict half of the grammar. libconfuse 3.3 takes an unclosed comment or section for a
 * complete file, lets the last of two equal keys win, drops bytes it does not know and unset
 * ${VARIABLES} without a word, and counts a line too many after each block comment. None of that
 * reaches it: this module (with quoted.c) refuses such text, and blanks the comments. It does not
 * know any key or section, and leaves the order of tokens to libconfuse. Called by confuse.c.
 */
#include "config/scan.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config/problem.h"
#include "config/quoted.h"

enum {
	DEPTH_MAX = 2,    /* a list in a section */
	KEYS_MAX = 20000, /* in a file; repeats are searched one by one */
};

enum token {
	TOKEN_NONE = 0,
	TOKEN_WORD = 'w',
	TOKEN_STRING = '"',
	TOKEN_EQUALS = '=',
	TOKEN_OPEN = '{',
	TOKEN_CLOSE = '}',
	TOKEN_COMMA = ',',
};

struct scanner {
	struct problem *problem;
	struct scan *scan;
	char *at; /* ends with NUL; there is no other NUL */
	unsigned line;
	enum token last;
	const char *word; /* the last token, when it was a word */
	size_t word_len;
	unsigned depth;
	unsigned opened[DEPTH_MAX]; /* lines of the braces that are open */
	bool in_list;               /* the innermost of them */
};

static void blank(struct scanner *scanner, size_t len)
{
	memset(scanner->at, ' ', len);
	scanner->at += len;
}

static bool skip_block_comment(struct scanner *scanner)
{
	unsigned began = scanner->line;
	blank(scanner, 2);
	while (scanner->at[0] != '*' || scanner->at[1] != '/') {
		if (scanner->at[0] == '\0') {
			return problem_set(scanner->problem, began,
					   "the comment that begins here is never closed");
		}
		if (scanner->at[0] == '\n') {
			scanner->line++;
			scanner->at++;
		} else {
			blank(scanner, 1);
		}
	}
	blank(scanner, 2);
	return true;
}

static bool note_section(struct scanner *scanner)
{
	struct scan *scan = scanner->scan;
	size_t size = (scan->section_count + 1) * sizeof(*scan->sections);
	struct scan_section *sections = realloc(scan->sections, size);
	if (sections == NULL) {
		return problem_memory(scanner->problem);
	}
	scan->sections = sections;
	scan->sections[scan->section_count++] =
		(struct scan_section){scanner->line, scan->key_count};
	return true;
}

/* NULL when the section has no such key. The top level's keys may stand anywhere. */
static const struct scan_key *find_key(const struct scan *scan, size_t section, const char *name,
				       size_t len)
{
	size_t i = section > 0 ? scan->sections[section - 1].first_key : 0;
	for (; i < scan->key_count; i++) {
		const struct scan_key *key = &scan->keys[i];
		if (key->section == section && key->len == len &&
		    memcmp(key->name, name, len) == 0) {
			return key;
		}
		if (section > 0 && key->section != section) {
			return NULL;
		}
	}
	return NULL;
}

static bool handle_open(struct scanner *scanner)
{
	bool is_list = scanner->last == TOKEN_EQUALS;
	if (scanner->depth == DEPTH_MAX || scanner->in_list || (scanner->depth > 0 && !is_list)) {
		return problem_set(
			scanner->problem, scanner->line, "'{' within a %s that line %u opened",
			scanner->in_list ? "list" : "section", scanner->opened[scanner->depth - 1]);
	}
	scanner->opened[scanner->depth++] = scanner->line;
	scanner->in_list = is_list;
	return is_list || note_section(scanner);
}

static bool handle_close(struct scanner *scanner)
{
	if (scanner->depth == 0) {
		return problem_set(scanner->problem, scanner->line, "'}' closes nothing");
	}
	scanner->depth--;
	scanner->in_list = false;
	return true;
}

static bool handle_equals(struct scanner *scanner)
{
	if (scanner->last != TOKEN_WORD) {
		return problem_set(scanner->problem, scanner->line,
				   "'=' needs a key before it, without quotes");
	}
	struct scan *scan = scanner->scan;
	size_t section = scanner->depth > 0 ? scan->section_count : 0;
	const struct scan_key *first = find_key(scan, section, scanner->word, scanner->word_len);
	if (first != NULL) {
		return problem_set(scanner->problem, scanner->line,
				   "%.*s is set a second time (first at line %u)", (int)first->len,
				   first->name, first->line);
	}
	if (scan->key_count == KEYS_MAX) {
		return problem_set(scanner->problem, scanner->line, "more than %d keys in one file",
				   KEYS_MAX);
	}
	struct scan_key *keys = realloc(scan->keys, (scan->key_count + 1) * sizeof(*keys));
	if (keys == NULL) {
		return problem_memory(scanner->problem);
	}
	scan->keys = keys;
	scan->keys[scan->key_count++] =
		(struct scan_key){scanner->word, scanner->word_len, scanner->line, section};
	return true;
}

/* Letters that a word may have; libconfuse takes more, and drops some of those in silence. */
static size_t word_length(const char *at)
{
	size_t len = 0;
	while (isalnum((unsigned char)at[len]) || (at[len] != '\0' && strchr("_.-", at[len]))) {
		len++;
	}
	return len;
}

static bool fail_character(struct scanner *scanner)
{
	unsigned char c = (unsigned char)*scanner->at;
	if (c < 0x20 || c >= 0x7f) {
		return problem_set(scanner->problem, scanner->line,
				   "unexpected byte 0x%02x outside quotes", c);
	}
	return problem_set(scanner->problem, scanner->line,
			   "unexpected '%c': what holds more than letters, digits, '_', '.' and "
			   "'-' needs quotes, and nothing ends with ';'",
			   c);
}

/* At scanner->at is neither space nor comment. TOKEN_NONE: the problem is set. */
static enum token take_token(struct scanner *scanner)
{
	size_t len = word_length(scanner->at);
	if (len > 0) {
		scanner->word = scanner->at;
		scanner->word_len = len;
		scanner->at += len;
		return TOKEN_WORD;
	}
	char c = *scanner->at;
	if (c == '"' || c == '\'') {
		return quoted_skip(&scanner->at, scanner->line, scanner->problem) ? TOKEN_STRING
										  : TOKEN_NONE;
	}
	bool ok = false;
	if (c == '{') {
		ok = handle_open(scanner);
	} else if (c == '}') {
		ok = handle_close(scanner);
	} else if (c == '=') {
		ok = handle_equals(scanner);
	} else if (c == ',') {
		ok = true;
	} else {
		fail_character(scanner);
	}
	scanner->at++;
	return ok ? (enum token)c : TOKEN_NONE;
}

static bool check_value(struct scanner *scanner, enum token token)
{
	bool missing = scanner->last == TOKEN_EQUALS && token != TOKEN_WORD &&
		       token != TOKEN_STRING && token != TOKEN_OPEN;
	return !missing || problem_set(scanner->problem, scanner->line, "%.*s = needs a value",
				       (int)scanner->word_len, scanner->word);
}

static bool scan_all(struct scanner *scanner)
{
	while (*scanner->at != '\0') {
		if (*scanner->at == '\n') {
			scanner->line++;
			scanner->at++;
		} else if (strchr(" \t\r", *scanner->at) != NULL) {
			scanner->at++;
		} else if (*scanner->at == '#' ||
			   (scanner->at[0] == '/' && scanner->at[1] == '/')) {
			blank(scanner, strcspn(scanner->at, "\n"));
		} else if (scanner->at[0] == '/' && scanner->at[1] == '*') {
			if (!skip_block_comment(scanner)) {
				return false;
			}
		} else {
			enum token token = take_token(scanner);
			if (token == TOKEN_NONE || !check_value(scanner, token)) {
				return false;
			}
			scanner->last = token;
		}
	}
	if (scanner->depth > 0) {
		return problem_set(scanner->problem, scanner->opened[scanner->depth - 1],
				   "the '{' that stands here is never closed");
	}
	return check_value(scanner, TOKEN_NONE);
}

bool scan_text(const char *text, size_t len, struct problem *problem, struct scan *scan_r)
{
	const char *nul = memchr(text, '\0', len);
	if (nul != NULL) {
		unsigned line = 1;
		for (const char *at = text; at < nul; at++) {
			line += *at == '\n';
		}
		return problem_set(problem, line, "a NUL byte: this is not a text file");
	}
	struct scan scan = {.text = strndup(text, len)};
	struct scanner scanner = {.problem = problem, .scan = &scan, .at = scan.text, .line = 1};
	if (scan.text == NULL) {
		return problem_memory(problem);
	}
	if (!scan_all(&scanner)) {
		scan_finish(&scan);
		return false;
	}
	scan.lines = scanner.line;
	*scan_r = scan;
	return true;
}

void scan_finish(struct scan *scan)
{
	free(scan->text);
	free(scan->keys);
	free(scan->sections);
	*scan = (struct scan){0};
}

unsigned scan_line_of(const struct scan *scan, size_t section, const char *key)
{
	const struct scan_key *found = find_key(scan, section, key, strlen(key));
	return found != NULL ? found->line : 0;
}
