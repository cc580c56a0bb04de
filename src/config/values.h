/* SPDX-License-Identifier: MIT */
/*
 * From the text of one value to the value: numbers, durations, sizes, modes, hash specs. Pure; no
 * value is repaired, outputs are written only on success.
 */
#ifndef BATON_VALUES_H
#define BATON_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum config_hash;

/* Decimal digits, no sign, no leading zero. */
bool values_count(const char *text, uint64_t *number_r);

/* "50ms", "5s", "2m", "1h": a count and its unit, which is never left out. Milliseconds. */
bool values_duration(const char *text, uint64_t *ms_r);

/* "512", "64k", "1M", "2G": a count of bytes, units of 1024. */
bool values_size(const char *text, uint64_t *bytes_r);

/* "20/s", "30/m", "100/h": 1 to 1000000 in each of that time. Microseconds from one to the next. */
bool values_rate(const char *text, uint64_t *interval_us_r);

/* Three or four octal digits, permission bits alone: "0660", "660". */
bool values_mode(const char *text, mode_t *mode_r);

/* "true" or "false", nothing else. */
bool values_flag(const char *text, bool *flag_r);

/* "ip", "path", "header:NAME", "cookie:NAME", "query:NAME"; key_r points into text, or is NULL. */
bool values_hash(const char *text, enum config_hash *hash_r, const char **key_r);

/* "NAME=VALUE", NAME of letters, digits and '_', no digit first. */
bool values_is_assignment(const char *text);

/* Does it hold a %XX that RFC 3986 (2.3) wants plain, as %7E for '~'? Every %XX must be valid. Such
 * a text would never match: a request's is compared with them written plain. */
bool values_has_needless_percent(const char *text);

/* The shortest writing that values_duration and values_size read back: "90s", "1h", "64k". */
enum { VALUES_TEXT_BYTES = 32 };
const char *values_write_duration(uint64_t ms, char text[VALUES_TEXT_BYTES]);
const char *values_write_size(uint64_t bytes, char text[VALUES_TEXT_BYTES]);

#endif
