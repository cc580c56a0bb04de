/* SPDX-License-Identifier: MIT */
/*
 * Looks up CGI names in the payload of a CONNECTION or an AUTH: pairs, and the fields of the head
 * that is one of them. The gateway has judged that head and wrote it anew, so nothing is judged
 * here. offer.c and question.c call it.
 */
#include "libbaton/metadata.h"

#include "handoff/pairs.h"

#include <stdbool.h>
#include <string.h>

/* "X-Forwarded" is key X_FORWARDED. A field with an underscore in its own name is never found, or
 * a client could pose as another field. */
static bool is_field(const char *line, size_t name_len, const char *key)
{
	if (strlen(key) != name_len) {
		return false;
	}
	for (size_t i = 0; i < name_len; i++) {
		char c = line[i];
		if (c >= 'a' && c <= 'z') {
			c = (char)(c - 'a' + 'A');
		}
		if (c == '_' || (c == '-' ? '_' : c) != key[i]) {
			return false;
		}
	}
	return true;
}

/* Adds one line's value to what value holds already, and returns the new length. */
static size_t join(char *value, size_t length, const char *from, const char *end,
		   const char *separator)
{
	while (from < end && (*from == ' ' || *from == '\t')) {
		from++;
	}
	if (length > 0) {
		memcpy(value + length, separator, 2);
		length += 2;
	}
	memcpy(value + length, from, (size_t)(end - from));
	return length + (size_t)(end - from);
}

/* All lines of one field, RFC 9110, 5.3. value has room for a whole head, and a line with
 * its name and CRLF is longer than its value and a separator. */
static const char *find_field(const char *payload, size_t bytes, const char *key, char *value)
{
	const char *head = handoff_pairs_find(payload, bytes, "HEAD");
	const char *separator = strcmp(key, "COOKIE") == 0 ? "; " : ", ";
	const char *line = head != NULL ? strstr(head, "\r\n") : NULL; /* behind the request line */
	size_t length = 0;
	bool is_there = false;
	while (line != NULL) {
		line += 2;
		const char *end = strstr(line, "\r\n");
		const char *colon = end != NULL ? memchr(line, ':', (size_t)(end - line)) : NULL;
		if (colon != NULL && is_field(line, (size_t)(colon - line), key)) {
			length = join(value, length, colon + 1, end, separator);
			is_there = true;
		}
		line = end;
	}
	value[length] = '\0';
	return is_there ? value : NULL;
}

const char *metadata_find(const char *payload, size_t bytes, const char *key,
			  char value[HANDOFF_MAX_BYTES])
{
	if (strncmp(key, "HTTP_", 5) == 0) {
		return find_field(payload, bytes, key + 5, value);
	}
	return handoff_pairs_find(payload, bytes, key);
}
