/* SPDX-License-Identifier: MIT */
/*
 * The grammars that a head is made of, each where its RFC says it; one table of byte classes for
 * all of them. Knows nothing of fields or requests and repairs nothing: the answer is yes or no,
 * or the piece itself. Called by head.c, request.c, canonical.c, origin.c and route.c.
 */
#include "admit/grammar.h"

#include "address.h"

enum { /* bytes that several grammars treat alike */
       VISIBLE = GRAMMAR_VISIBLE | GRAMMAR_VALUE,
       TOKEN = VISIBLE | GRAMMAR_TOKEN,
       PCHAR = VISIBLE | GRAMMAR_PATH | GRAMMAR_QUERY,
       SUB_DELIM = PCHAR | GRAMMAR_NAME,
       SUB_TOKEN = SUB_DELIM | GRAMMAR_TOKEN,
       UNRESERVED = SUB_TOKEN | GRAMMAR_UNRESERVED,
       ALNUM = UNRESERVED | GRAMMAR_BASE64,
};

const uint8_t grammar_classes[256] = {
	['\t'] = GRAMMAR_VALUE, [' '] = GRAMMAR_VALUE, ['0' ... '9'] = ALNUM,
	['A' ... 'Z'] = ALNUM,  ['a' ... 'z'] = ALNUM, ['-'] = UNRESERVED,
	['.'] = UNRESERVED,     ['_'] = UNRESERVED,    ['~'] = UNRESERVED,
	['!'] = SUB_TOKEN,      ['$'] = SUB_TOKEN,     ['&'] = SUB_TOKEN,
	['\''] = SUB_TOKEN,     ['*'] = SUB_TOKEN,     ['+'] = SUB_TOKEN | GRAMMAR_BASE64,
	['('] = SUB_DELIM,      [')'] = SUB_DELIM,     [','] = SUB_DELIM,
	[';'] = SUB_DELIM,      ['='] = SUB_DELIM,     ['/'] = PCHAR | GRAMMAR_BASE64,
	[':'] = PCHAR,          ['@'] = PCHAR,         ['?'] = VISIBLE | GRAMMAR_QUERY,
	['#'] = TOKEN,          ['%'] = TOKEN, /* in a URI only as %XX: grammar_take_byte */
	['^'] = TOKEN,          ['`'] = TOKEN,         ['|'] = TOKEN,
	['"'] = VISIBLE,        ['<'] = VISIBLE,       ['>'] = VISIBLE,
	['['] = VISIBLE,        ['\\'] = VISIBLE,      [']'] = VISIBLE,
	['{'] = VISIBLE,        ['}'] = VISIBLE,       [0x80 ... 0xff] = GRAMMAR_VALUE,
};

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9') {
		return digit - '0';
	}
	char lower = (char)(digit | 0x20);
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

int grammar_take_byte(struct slice *rest, enum grammar_class wanted, bool *encoded_r)
{
	const char *at = rest->at;
	if (*at != '%') {
		*encoded_r = false;
		*rest = (struct slice){at + 1, rest->len - 1};
		return grammar_is(*at, wanted) ? (unsigned char)*at : -1;
	}
	if (rest->len < 3 || hex_value(at[1]) < 0 || hex_value(at[2]) < 0) {
		return -1;
	}
	*encoded_r = true;
	*rest = (struct slice){at + 3, rest->len - 3};
	return hex_value(at[1]) << 4 | hex_value(at[2]);
}

static bool all_are(struct slice bytes, enum grammar_class wanted)
{
	for (size_t i = 0; i < bytes.len; i++) {
		if (!grammar_is(bytes.at[i], wanted)) {
			return false;
		}
	}
	return true;
}

bool grammar_is_token(struct slice bytes)
{
	return bytes.len > 0 && all_are(bytes, GRAMMAR_TOKEN);
}

bool grammar_is_path(struct slice path)
{
	/* Decoders disagree about %2F and %5C, and some leave out ";..." before they look for dot
	 * segments: those count, too. */
	enum { NO_DOTS = 3 };
	unsigned dots = 0; /* of the segment so far; NO_DOTS: it has something else, or more */
	while (path.len > 0) {
		bool encoded;
		int byte = grammar_take_byte(&path, GRAMMAR_PATH, &encoded);
		if (byte <= 0) {
			return false;
		}
		if (byte == '/' || byte == '\\' || byte == ';') {
			if (dots == 1 || dots == 2) {
				return false;
			}
			dots = byte == ';' ? NO_DOTS : 0;
		} else {
			dots = byte == '.' && dots < NO_DOTS ? dots + 1 : NO_DOTS;
		}
	}
	return dots != 1 && dots != 2;
}

/* Bytes of one class and valid %XX. */
static bool is_encoded_text(struct slice text, enum grammar_class wanted)
{
	while (text.len > 0) {
		bool encoded;
		if (grammar_take_byte(&text, wanted, &encoded) < 0) {
			return false;
		}
	}
	return true;
}

bool grammar_is_query(struct slice query)
{
	return is_encoded_text(query, GRAMMAR_QUERY);
}

bool grammar_is_key(struct slice key)
{
	/* 16 bytes are 21 characters and 2 bits: the 22nd has four bits that must be zero. */
	return key.len == 24 && all_are((struct slice){key.at, 22}, GRAMMAR_BASE64) &&
	       memchr("AQgw", key.at[21], 4) != NULL && key.at[22] == '=' && key.at[23] == '=';
}

/* The value after unescaping is a token (RFC 6455, 9.1), so no separator can be inside. */
static bool is_quoted_token(struct slice text)
{
	if (text.len < 3 || text.at[0] != '"' || text.at[text.len - 1] != '"') {
		return false;
	}
	for (size_t i = 1; i < text.len - 1; i++) {
		if (text.at[i] == '\\') {
			i++;
		}
		if (!grammar_is(text.at[i], GRAMMAR_TOKEN)) {
			return false;
		}
	}
	return true;
}

/* White space around '=' is the "implied *LWS" of RFC 6455, 4.3. */
static bool is_parameter(struct slice text)
{
	struct slice name, value;
	if (!grammar_split(&text, '=', &name) || !grammar_is_token(name)) {
		return false;
	}
	if (!grammar_split(&text, '=', &value)) {
		return true;
	}
	return text.at == NULL && (grammar_is_token(value) || is_quoted_token(value));
}

bool grammar_is_extension(struct slice element)
{
	struct slice piece;
	if (!grammar_split(&element, ';', &piece) || !grammar_is_token(piece)) {
		return false;
	}
	while (grammar_split(&element, ';', &piece)) {
		if (!is_parameter(piece)) {
			return false;
		}
	}
	return true;
}

static bool is_host_name(struct slice name)
{
	if (name.len == 0 || !is_encoded_text(name, GRAMMAR_NAME)) {
		return false;
	}
	bool dotted = false;
	for (size_t i = 0; i < name.len; i++) {
		if (name.at[i] == '.') {
			dotted = true;
		} else if (name.at[i] < '0' || name.at[i] > '9') {
			return true;
		}
	}
	/* By the letter "1.2.3.400" is a name; no client that means well sends it. */
	struct address ignored;
	return !dotted || address_parse_ip(name.at, name.len, &ignored);
}

static bool is_ipv6_literal(struct slice name)
{
	struct slice text = {name.at + 1, name.len - 2};
	struct address ignored;
	return memchr(text.at, ':', text.len) != NULL &&
	       address_parse_ip(text.at, text.len, &ignored);
}

bool grammar_number(struct slice text, uint64_t most, uint64_t *number_r)
{
	uint64_t number = 0;
	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned)(unsigned char)text.at[i] - '0';
		if (digit > 9 || digit > most || number > (most - digit) / 10) {
			return false;
		}
		number = number * 10 + digit;
	}
	if (text.len > 0) {
		*number_r = number;
	}
	return text.len > 0;
}

static bool is_port(struct slice port)
{
	uint64_t ignored;
	return port.len <= 5 && grammar_number(port, UINT16_MAX, &ignored);
}

bool grammar_split_host(struct slice host, struct slice *name_r, struct slice *port_r)
{
	bool bracketed = host.len > 0 && host.at[0] == '[';
	const char *cut = memchr(host.at, bracketed ? ']' : ':', host.len);
	if (bracketed && cut == NULL) {
		return false;
	}
	size_t name_len = cut == NULL ? host.len : (size_t)(cut - host.at) + bracketed;
	struct slice name = {host.at, name_len}, port = {0};
	if (name_len < host.len) {
		port = (struct slice){host.at + name_len + 1, host.len - name_len - 1};
		if (host.at[name_len] != ':' || !is_port(port)) {
			return false;
		}
	}
	if (bracketed ? !is_ipv6_literal(name) : !is_host_name(name)) {
		return false;
	}
	*name_r = name;
	*port_r = port;
	return true;
}

unsigned grammar_port_number(struct slice port, unsigned otherwise)
{
	uint64_t number = otherwise;
	grammar_number(port, UINT16_MAX, &number);
	return (unsigned)number;
}

struct slice grammar_trim(struct slice text)
{
	while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) {
		text = (struct slice){text.at + 1, text.len - 1};
	}
	while (text.len > 0 && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t')) {
		text.len--;
	}
	return text;
}

bool grammar_split(struct slice *rest, char separator, struct slice *piece_r)
{
	if (rest->at == NULL) {
		return false;
	}
	const char *cut = memchr(rest->at, separator, rest->len);
	size_t len = cut == NULL ? rest->len : (size_t)(cut - rest->at);
	*piece_r = grammar_trim((struct slice){rest->at, len});
	*rest = cut == NULL ? (struct slice){0} : (struct slice){cut + 1, rest->len - len - 1};
	return true;
}
