/* SPDX-License-Identifier: MIT */
/*
 * Judges what clients write before anybody else is shown it. Neither repairs nor escapes: a page
 * that shows a text must treat it as text. Called by chat.c for names and rooms (from the
 * query) and by command.c for lines.
 */
#include "chat/text.h"

#include <stdint.h>
#include <string.h>

enum { UTF8_BAD = 0x110000 };

/* The character at *at, which moves behind it; UTF8_BAD for what RFC 3629 forbids. */
static uint32_t next_char(const unsigned char **at, const unsigned char *end)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	uint32_t c = *(*at)++;
	if (c < 0x80) {
		return c;
	}
	unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
	if (c < 0xc2 || c > 0xf4 || (size_t)(end - *at) < more) {
		return UTF8_BAD;
	}
	c &= 0x3fu >> more;
	for (unsigned i = 0; i < more; i++) {
		if ((**at & 0xc0) != 0x80) {
			return UTF8_BAD;
		}
		c = c << 6 | (*(*at)++ & 0x3f);
	}
	bool is_surrogate = c >= 0xd800 && c <= 0xdfff;
	return c < least[more] || c >= UTF8_BAD || is_surrogate ? UTF8_BAD : c;
}

static bool is_control(uint32_t c, enum text_kind kind)
{
	if (kind == TEXT_LINE && (c == '\n' || c == '\t')) {
		return false;
	}
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static bool is_blank(uint32_t c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == 0xa0 || c == 0x3000 ||
	       (c >= 0x2000 && c <= 0x200b);
}

enum text_fault text_check(enum text_kind kind, const char *text, size_t len, size_t max_chars)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + len;
	size_t chars = 0;
	bool is_empty = true, has_control = false, begins_blank = false, was_blank = false;
	while (at < end) {
		uint32_t c = next_char(&at, end);
		if (c == UTF8_BAD) {
			return TEXT_NOT_UTF8;
		}
		was_blank = is_blank(c);
		begins_blank = begins_blank || (chars == 0 && was_blank);
		is_empty = is_empty && was_blank;
		has_control = has_control || is_control(c, kind);
		chars++;
	}
	bool has_edge = kind == TEXT_NAME && (begins_blank || was_blank);
	return has_control         ? TEXT_CONTROL
	       : is_empty          ? TEXT_EMPTY
	       : has_edge          ? TEXT_SPACE
	       : chars > max_chars ? TEXT_LONG
				   : TEXT_GOOD;
}

struct text_slice text_find(const char *query, const char *key)
{
	size_t key_len = strlen(key);
	while (query != NULL && *query != '\0') {
		size_t len = strcspn(query, "&");
		if (len > key_len && memcmp(query, key, key_len) == 0 && query[key_len] == '=') {
			return (struct text_slice){query + key_len + 1, len - key_len - 1};
		}
		query += len + (query[len] == '&' ? 1 : 0);
	}
	return (struct text_slice){NULL, 0};
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

/* The byte that "%XX" at raw.at[i] stands for, or -1. */
static int escaped(struct text_slice raw, size_t i)
{
	if (raw.len - i < 3) {
		return -1;
	}
	int high = hex_digit(raw.at[i + 1]), low = hex_digit(raw.at[i + 2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

long text_decode(struct text_slice raw, char *buf, size_t size)
{
	size_t len = 0;
	for (size_t i = 0; i < raw.len; i++) {
		int byte = (unsigned char)raw.at[i];
		if (byte == '%') {
			byte = escaped(raw, i);
			i += 2;
		}
		if (byte < 0 || len == size) {
			return -1;
		}
		buf[len++] = (char)byte;
	}
	return (long)len;
}

/* What encodeURIComponent leaves as it is. */
static bool is_plain(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("-_.!~*'()", c) != NULL);
}

bool text_is_canonical(struct text_slice raw)
{
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.at[i] != '%') {
			if (!is_plain(raw.at[i])) {
				return false;
			}
			continue;
		}
		int byte = escaped(raw, i);
		bool is_lower = byte >= 0 && (raw.at[i + 1] >= 'a' || raw.at[i + 2] >= 'a');
		if (byte < 0 || is_lower || is_plain(byte)) {
			return false;
		}
		i += 2;
	}
	return true;
}
