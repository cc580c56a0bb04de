/* SPDX-License-Identifier: MIT */
/*
 * "KEY=VALUE\0" pairs, the payload of most messages: writing over the caller's memory, checking
 * once on arrival, finding. See pairs.h.
 */
#include "handoff/pairs.h"

#include "handoff/handoff.h"

#include <stdint.h>
#include <string.h>

void handoff_pairs_init(struct handoff_pairs *pairs, void *buf, size_t size)
{
	*pairs = (struct handoff_pairs){.at = buf, .size = size};
}

void handoff_pairs_add(struct handoff_pairs *pairs, const char *key, const char *value, size_t len)
{
	size_t key_len = strlen(key);
	size_t left = pairs->size - pairs->length;
	if (pairs->overflow || len > left || key_len + 2 > left - len) {
		pairs->overflow = true;
		return;
	}
	char *to = pairs->at + pairs->length;
	memcpy(to, key, key_len);
	to[key_len] = '=';
	if (len > 0) {
		memcpy(to + key_len + 1, value, len);
	}
	to[key_len + 1 + len] = '\0';
	pairs->length += key_len + len + 2;
}

void handoff_pairs_add_number(struct handoff_pairs *pairs, const char *key, uint64_t value)
{
	char digits[20];
	size_t len = 0;
	do {
		digits[sizeof digits - ++len] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	handoff_pairs_add(pairs, key, digits + sizeof digits - len, len);
}

static bool key_byte_is_valid(char byte)
{
	return (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_' ||
	       byte == '-';
}

bool handoff_pairs_are_valid(const char *payload, size_t bytes)
{
	const char *at = payload, *end = payload + bytes;
	while (at < end) {
		const char *key = at;
		while (at < end && key_byte_is_valid(*at)) {
			at++;
		}
		if (at == key || at == end || *at != '=') {
			return false;
		}
		at = memchr(at, '\0', (size_t)(end - at));
		if (at == NULL) {
			return false;
		}
		at++;
	}
	return true;
}

const char *handoff_pairs_find(const char *payload, size_t bytes, const char *key)
{
	size_t key_len = strlen(key);
	const char *end = payload + bytes;
	for (const char *at = payload; at < end; at += strlen(at) + 1) {
		if (strncmp(at, key, key_len) == 0 && at[key_len] == '=') {
			return at + key_len + 1;
		}
	}
	return NULL;
}

bool handoff_pairs_number(const char *payload, size_t bytes, const char *key, uint64_t fallback,
			  uint64_t *value_r)
{
	const char *text = handoff_pairs_find(payload, bytes, key);
	if (text == NULL) {
		*value_r = fallback;
		return true;
	}
	uint64_t value = 0;
	for (const char *at = text; *at != '\0'; at++) {
		if (*at < '0' || *at > '9' || value > INT64_MAX / 10) {
			return false;
		}
		value = value * 10 + (uint64_t)(*at - '0');
	}
	if (*text == '\0' || value > INT64_MAX) {
		return false;
	}
	*value_r = value;
	return true;
}

uint64_t handoff_number(const struct handoff_message *message, const char *key, uint64_t fallback)
{
	uint64_t value;
	bool is_number = handoff_pairs_number(message->payload, message->payload_bytes, key,
					      fallback, &value);
	return is_number ? value : fallback;
}

unsigned handoff_small_number(const struct handoff_message *message, const char *key,
			      unsigned fallback)
{
	uint64_t value = handoff_number(message, key, fallback);
	return value < INT32_MAX ? (unsigned)value : INT32_MAX;
}

bool handoff_is_challenge(const char *text)
{
	size_t len = strlen(text);
	for (size_t i = 0; i < len; i++) {
		bool is_blank = text[i] == ' ' || text[i] == '\t';
		if (is_blank ? i == 0 || i == len - 1 : text[i] < '!' || text[i] > '~') {
			return false;
		}
	}
	return len > 0 && len <= HANDOFF_MAX_CHALLENGE_BYTES;
}
