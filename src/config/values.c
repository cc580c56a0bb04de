/* SPDX-License-Identifier: MIT */
/*
 * Values of the configuration as text. Strict on purpose: libconfuse would read 010 as 8 and let
 * negative numbers pass, so all of them come here as text. Does not know which value belongs to
 * which key, nor the ranges. Called by build.c, check.c and routes.c.
 */
#include "config/values.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admit/grammar.h"
#include "config/config.h"

enum { RATE_MAX = 1000000 }; /* one microsecond from one to the next */
enum { DIGITS_MAX = 15 };    /* far beyond every range; overflows only with its unit */

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit sizes[] = {{"G", 1 << 30}, {"M", 1 << 20}, {"k", 1 << 10}, {"", 1}};

enum { UNITS = 4 };

/* Reads digits up to what is none. NULL: no number. */
static const char *read_digits(const char *text, uint64_t *number_r)
{
	size_t len = strspn(text, "0123456789");
	if (len == 0 || len > DIGITS_MAX || (text[0] == '0' && len > 1)) {
		return NULL;
	}
	uint64_t number = 0;
	for (size_t i = 0; i < len; i++) {
		number = number * 10 + (uint64_t)(text[i] - '0');
	}
	*number_r = number;
	return text + len;
}

bool values_count(const char *text, uint64_t *number_r)
{
	uint64_t number = 0;
	const char *rest = read_digits(text, &number);
	if (rest == NULL || *rest != '\0') {
		return false;
	}
	*number_r = number;
	return true;
}

static bool read_with_unit(const char *text, const struct unit units[UNITS], uint64_t *value_r)
{
	uint64_t number = 0;
	const char *rest = read_digits(text, &number);
	for (size_t i = 0; rest != NULL && i < UNITS; i++) {
		if (strcmp(rest, units[i].name) == 0) {
			uint64_t value = 0;
			if (__builtin_mul_overflow(number, units[i].factor, &value)) {
				return false;
			}
			*value_r = value;
			return true;
		}
	}
	return false;
}

bool values_duration(const char *text, uint64_t *ms_r)
{
	return read_with_unit(text, durations, ms_r);
}

bool values_size(const char *text, uint64_t *bytes_r)
{
	return read_with_unit(text, sizes, bytes_r);
}

bool values_rate(const char *text, uint64_t *interval_us_r)
{
	uint64_t number = 0;
	const char *rest = read_digits(text, &number);
	if (rest == NULL || number == 0 || number > RATE_MAX || *rest != '/') {
		return false;
	}
	for (size_t i = 0; i < UNITS - 1; i++) { /* not a millisecond: it would read as a minute */
		if (strcmp(rest + 1, durations[i].name) == 0) {
			*interval_us_r = durations[i].factor * 1000 / number;
			return true;
		}
	}
	return false;
}

/* In the largest unit that divides it; 0 in the smallest. */
static const char *write_with_unit(uint64_t value, const struct unit units[UNITS], char *text)
{
	size_t i = 0;
	while (i < UNITS - 1 && (value == 0 || value % units[i].factor != 0)) {
		i++;
	}
	snprintf(text, VALUES_TEXT_BYTES, "%llu%s", (unsigned long long)(value / units[i].factor),
		 units[i].name);
	return text;
}

const char *values_write_duration(uint64_t ms, char text[VALUES_TEXT_BYTES])
{
	return write_with_unit(ms, durations, text);
}

const char *values_write_size(uint64_t bytes, char text[VALUES_TEXT_BYTES])
{
	return write_with_unit(bytes, sizes, text);
}

bool values_mode(const char *text, mode_t *mode_r)
{
	size_t len = strspn(text, "01234567");
	if (text[len] != '\0' || len < 3 || len > 4 || (len == 4 && text[0] != '0')) {
		return false;
	}
	mode_t mode = 0;
	for (size_t i = 0; i < len; i++) {
		mode = mode * 8 + (mode_t)(text[i] - '0');
	}
	*mode_r = mode;
	return true;
}

bool values_flag(const char *text, bool *flag_r)
{
	bool flag = strcmp(text, "true") == 0;
	if (!flag && strcmp(text, "false") != 0) {
		return false;
	}
	*flag_r = flag;
	return true;
}

static bool is_token(const char *text)
{
	return grammar_is_token(slice_of(text));
}

/* A query key is compared raw, so it stands here as a URL would carry it. */
static bool is_query_key(const char *text)
{
	return text[0] != '\0' && strpbrk(text, "&=") == NULL && grammar_is_query(slice_of(text));
}

bool values_hash(const char *text, enum config_hash *hash_r, const char **key_r)
{
	static const struct {
		const char *prefix;
		enum config_hash hash;
		bool (*is_key)(const char *);
	} kinds[] = {
		{"ip", CONFIG_HASH_IP, NULL},
		{"path", CONFIG_HASH_PATH, NULL},
		{"header:", CONFIG_HASH_HEADER, is_token},
		{"cookie:", CONFIG_HASH_COOKIE, is_token},
		{"query:", CONFIG_HASH_QUERY, is_query_key},
	};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len = strlen(kinds[i].prefix);
		if (strncmp(text, kinds[i].prefix, len) != 0) {
			continue;
		}
		if (kinds[i].is_key == NULL ? text[len] == '\0' : kinds[i].is_key(text + len)) {
			*hash_r = kinds[i].hash;
			*key_r = kinds[i].is_key == NULL ? NULL : text + len;
			return true;
		}
	}
	return false;
}

bool values_is_assignment(const char *text)
{
	size_t len = 0;
	while (isalnum((unsigned char)text[len]) || text[len] == '_') {
		len++;
	}
	return len > 0 && text[len] == '=' && !isdigit((unsigned char)text[0]);
}

bool values_has_needless_percent(const char *text)
{
	for (const char *at = strchr(text, '%'); at != NULL; at = strchr(at + 1, '%')) {
		char hex[] = {at[1], at[2], '\0'};
		int c = (int)strtol(hex, NULL, 16);
		if ((c < 0x80 && isalnum(c)) || (c != '\0' && strchr("-._~", c) != NULL)) {
			return true;
		}
	}
	return false;
}
