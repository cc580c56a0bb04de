/* SPDX-License-Identifier: MIT */
/*
 * Forwarding headers: see forwarded.h. Everything is read from the right, so nothing that a client
 * put in front (open quotes, commas, more lines) can change how the proxy's own part is read. Names
 * are compared as they are: X_Forwarded_For is some other field. What the child sees of these
 * fields is canonical.c's. Called by arrive.c.
 */
#include "admit/forwarded.h"

#include "admit/grammar.h"
#include "admit/head.h"

/* A list field over all its lines (RFC 9110, 5.3), taken from its end. */
struct list {
	const struct head *head;
	struct slice name;
	bool has_quotes;   /* a comma between double quotes does not separate (RFC 7239, 4) */
	unsigned field;    /* those below have not been looked at */
	struct slice line; /* what is left of the line at hand; .at == NULL: nothing */
};

static struct list list_of(const struct head *head, const char *name, bool has_quotes)
{
	return (struct list){head, slice_of(name), has_quotes, head->field_count, {NULL, 0}};
}

/* Behind an odd number of backslashes? */
static bool is_escaped(struct slice line, size_t at)
{
	bool escaped = false;
	while (at > 0 && line.at[--at] == '\\') {
		escaped = !escaped;
	}
	return escaped;
}

/* Where the last element of the line begins: behind its last comma, or at 0. */
static size_t last_element(struct slice line, bool has_quotes)
{
	size_t at = line.len;
	bool quoted = false;
	for (; at > 0 && (quoted || line.at[at - 1] != ','); at--) {
		if (has_quotes && line.at[at - 1] == '"' && !(quoted && is_escaped(line, at - 1))) {
			quoted = !quoted;
		}
	}
	return at;
}

/* Maybe an empty one. False: that was the first. */
static bool list_take_last(struct list *list, struct slice *element_r)
{
	while (list->line.at == NULL) {
		if (list->field == 0) {
			return false;
		}
		const struct head_field *field = &list->head->fields[--list->field];
		if (slice_same_nocase(field->name, list->name)) {
			list->line = field->value;
		}
	}
	struct slice line = list->line;
	size_t at = last_element(line, list->has_quotes);
	*element_r = grammar_trim((struct slice){line.at + at, line.len - at});
	list->line = at > 0 ? (struct slice){line.at, at - 1} : (struct slice){NULL, 0};
	return true;
}

/* An address, alone or with a port; IPv6 with a port, and in any case by RFC 7239, in brackets. */
static bool parse_node(struct slice node, struct address *address_r)
{
	struct slice name, port;
	if (address_parse_ip(node.at, node.len, address_r)) {
		return true;
	}
	if (!grammar_split_host(node, &name, &port)) {
		return false;
	}
	if (name.at[0] == '[') {
		name = (struct slice){name.at + 1, name.len - 2};
	}
	if (!address_parse_ip(name.at, name.len, address_r)) {
		return false;
	}
	address_r->port = (uint16_t)grammar_port_number(port, 0);
	return true;
}

/* Some proxies name a WebSocket's own schemes. */
static enum forwarded_scheme parse_scheme(struct slice text)
{
	if (slice_equals_nocase(text, "https") || slice_equals_nocase(text, "wss")) {
		return FORWARDED_HTTPS;
	}
	bool is_http = slice_equals_nocase(text, "http") || slice_equals_nocase(text, "ws");
	return is_http ? FORWARDED_HTTP : FORWARDED_UNKNOWN;
}

/* The end of a quoted string that begins at text; NULL: it has none. */
static const char *quoted_end(const char *text, const char *end)
{
	for (text++; text < end && *text != '"'; text++) {
		text += *text == '\\' ? 1 : 0;
	}
	return text < end ? text + 1 : NULL;
}

/* token "=" ( token / quoted-string ), and the ";" behind it. Escapes stay: no address has any. */
static bool take_pair(struct slice *rest, struct slice *name_r, struct slice *value_r)
{
	const char *end = rest->at + rest->len, *equals = memchr(rest->at, '=', rest->len);
	if (equals == NULL || equals + 1 == end) {
		return false;
	}
	const char *value = equals + 1, *at = value;
	bool is_quoted = *value == '"';
	if (is_quoted) {
		at = quoted_end(value, end);
	} else {
		while (at < end && grammar_is(*at, GRAMMAR_TOKEN)) {
			at++;
		}
	}
	if (at == NULL || at == value || (at < end && *at != ';')) {
		return false;
	}
	*name_r = (struct slice){rest->at, (size_t)(equals - rest->at)};
	*value_r = (struct slice){value + is_quoted, (size_t)(at - value) - 2 * is_quoted};
	at += at < end;
	*rest = (struct slice){at, (size_t)(end - at)};
	return grammar_is_token(*name_r);
}

/* forwarded-element (RFC 7239, 4): each parameter once, in any order. */
static bool parse_element(struct slice element, struct forwarded *hop_r)
{
	struct {
		const char *name;
		struct slice value;
	} known[] = {{"for", {0}}, {"proto", {0}}};
	struct slice name, value;
	while ((element = grammar_trim(element)).len > 0) {
		if (!take_pair(&element, &name, &value)) {
			return false;
		}
		for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
			if (!slice_equals_nocase(name, known[i].name)) {
				continue;
			}
			if (known[i].value.at != NULL) {
				return false;
			}
			known[i].value = value;
		}
	}
	if (known[0].value.at == NULL || !parse_node(known[0].value, &hop_r->client)) {
		return false;
	}
	hop_r->scheme = parse_scheme(known[1].value);
	return true;
}

bool forwarded_trusts(const struct forwarded_rule *rule, const struct address *address)
{
	return address_range_has(rule->trusted, rule->trusted_count, address);
}

/* From hop to hop, as long as the one that speaks is trusted. */
static void walk(struct list list, const struct forwarded_rule *rule, struct forwarded *found)
{
	struct slice element;
	struct forwarded hop = {.scheme = FORWARDED_UNKNOWN};
	while (forwarded_trusts(rule, &found->client) && list_take_last(&list, &element) &&
	       (list.has_quotes ? parse_element(element, &hop)
				: parse_node(element, &hop.client))) {
		*found = hop;
	}
}

static enum forwarded_scheme find_scheme(const struct head *head)
{
	struct list list = list_of(head, "X-Forwarded-Proto", false);
	struct slice last;
	return list_take_last(&list, &last) ? parse_scheme(last) : FORWARDED_UNKNOWN;
}

/* Nobody appends to this one: a proxy that did not replace it says nothing that counts. */
static void find_real_ip(const struct head *head, struct forwarded *found)
{
	unsigned count;
	struct slice value = head_find(head, "X-Real-IP", &count);
	struct address client;
	if (count == 1 && parse_node(value, &client)) {
		found->client = client;
	}
}

void forwarded_find(const struct head *head, const struct address *peer,
		    const struct forwarded_rule *rule, struct forwarded *found_r)
{
	*found_r = (struct forwarded){.client = *peer};
	if (!forwarded_trusts(rule, peer)) {
		return;
	}
	switch (rule->header) {
	case FORWARDED_FORWARDED:
		walk(list_of(head, "Forwarded", true), rule, found_r);
		return;
	case FORWARDED_X_FORWARDED_FOR:
		walk(list_of(head, "X-Forwarded-For", false), rule, found_r);
		break;
	case FORWARDED_X_REAL_IP:
		find_real_ip(head, found_r);
		break;
	}
	found_r->scheme = find_scheme(head);
}
