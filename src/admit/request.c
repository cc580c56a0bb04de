/* SPDX-License-Identifier: MIT */
/*
 * Judges a head that head.c found well-formed: where does it want to go (RFC 9112, 3.2), where does
 * its body end (6), is it an upgrade that RFC 6455 (4.2.1) allows? The tables of checks below are
 * in the order in which an answer helps most. Origin, routes and limits are judged elsewhere:
 * request.c knows no configuration. peek.c calls it; canonical.c writes the result down.
 */
#include "admit/request.h"

#include "admit/field_list.h"
#include "admit/grammar.h"

enum {
	REQUEST_MAX_OPTIONS = 32,   /* elements of Connection */
	REQUEST_MAX_PROTOCOLS = 64, /* each is compared with all before it */
};

typedef enum refusal check_fn(struct request *);

static enum refusal find_single(const struct head *head, const char *name, struct slice *value_r)
{
	unsigned count;
	*value_r = head_find(head, name, &count);
	return count > 1 ? REFUSAL_DUPLICATE : REFUSAL_NONE;
}

/* Their targets and answers are for proxies (RFC 9110, 9.3.6 and 9.3.8). */
static enum refusal refuse_proxy_methods(struct request *request)
{
	struct slice method = request->head->method;
	bool refused = slice_equals(method, "CONNECT") || slice_equals(method, "TRACE");
	return refused ? REFUSAL_METHOD : REFUSAL_NONE;
}

static enum refusal read_host(struct request *request)
{
	unsigned count;
	request->host = head_find(request->head, "Host", &count);
	if (count != 1 ||
	    !grammar_split_host(request->host, &request->host_name, &request->host_port)) {
		return REFUSAL_HOST;
	}
	return REFUSAL_NONE;
}

/* Takes "scheme://" off the target; false when it has none that we serve. */
static bool take_scheme(struct slice *target)
{
	static const char *const schemes[] = {"http://", "https://", "ws://", "wss://"};
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		size_t len = strlen(schemes[i]);
		if (target->len >= len && strncasecmp(target->at, schemes[i], len) == 0) {
			*target = (struct slice){target->at + len, target->len - len};
			return true;
		}
	}
	return false;
}

/* Takes the authority off; RFC 9110, 7.2: a client sends it as Host, identical. */
static bool take_authority(struct slice *target, struct slice host)
{
	size_t len = 0;
	while (len < target->len && memchr("/?#", target->at[len], 3) == NULL) {
		len++;
	}
	bool same = slice_same_nocase((struct slice){target->at, len}, host);
	*target = (struct slice){target->at + len, target->len - len};
	return same;
}

static enum refusal read_target(struct request *request)
{
	struct slice target = request->head->target;
	if (target.at[0] != '/') {
		if (!take_scheme(&target)) {
			return REFUSAL_BAD_TARGET;
		}
		if (!take_authority(&target, request->host)) {
			return REFUSAL_HOST;
		}
	}
	const char *mark = memchr(target.at, '?', target.len);
	request->path = target;
	if (mark != NULL) {
		request->path.len = (size_t)(mark - target.at);
		request->query = (struct slice){mark + 1, target.len - request->path.len - 1};
	}
	if (request->path.len == 0) { /* "http://example.org" (RFC 9112, 3.2.1) */
		request->path = slice_of("/");
	}
	/* '#' is in neither grammar: a fragment is not sent (RFC 9112, 3.2). */
	bool valid = grammar_is_path(request->path) && request->path.at[0] == '/' &&
		     (mark == NULL || grammar_is_query(request->query));
	return valid ? REFUSAL_NONE : REFUSAL_PATH;
}

/* A body would be the next frames' bytes; where it ends is what request smuggling plays with. */
static enum refusal check_no_body(struct request *request)
{
	unsigned count;
	struct slice length;
	head_find(request->head, "Transfer-Encoding", &count);
	if (count > 0) {
		return REFUSAL_FRAMING;
	}
	enum refusal refusal = find_single(request->head, "Content-Length", &length);
	if (refusal == REFUSAL_NONE && length.at != NULL && !slice_equals(length, "0")) {
		refusal = REFUSAL_FRAMING;
	}
	return refusal;
}

/*
 * RFC 9112, 6.3, item 4: without chunked as the last coding nobody knows the body's end, 400. With
 * another one before it the end is known, but not the coding: 501 (6.1). One line, one name: the
 * many spellings that a list allows are where two parsers differ.
 */
static enum refusal judge_codings(const struct head *head)
{
	struct field_list list = field_list_of(head, "Transfer-Encoding");
	struct slice coding;
	bool is_last = false, is_repeated = false, is_empty = false;
	while (field_list_next(&list, &coding)) {
		is_repeated = is_repeated || is_last; /* chunked, and something behind it */
		is_last = slice_equals_nocase(coding, "chunked");
		is_empty = is_empty || coding.len == 0;
	}
	return is_last && !is_repeated && !is_empty ? REFUSAL_CODING : REFUSAL_FRAMING;
}

/* What frames the body (RFC 9112, 6.3). Both fields together are a smuggler's (item 3). */
static enum refusal read_body(struct request *request)
{
	unsigned codings;
	struct slice coding = head_find(request->head, "Transfer-Encoding", &codings);
	enum refusal refusal = find_single(request->head, "Content-Length", &request->length);
	if (refusal != REFUSAL_NONE) {
		return refusal;
	}
	if (request->length.at != NULL) {
		uint64_t length; /* below 2^63: whoever reads it next must not overflow */
		bool valid = codings == 0 && grammar_number(request->length, INT64_MAX, &length);
		return valid ? REFUSAL_NONE : REFUSAL_FRAMING;
	}
	request->is_chunked = codings == 1 && slice_equals_nocase(coding, "chunked");
	return codings == 0 || request->is_chunked ? REFUSAL_NONE : judge_codings(request->head);
}

static enum refusal read_origin(struct request *request)
{
	return find_single(request->head, "Origin", &request->origin);
}

static enum refusal check_method(struct request *request)
{
	return slice_equals(request->head->method, "GET") ? REFUSAL_NONE : REFUSAL_METHOD;
}

/* Fields that Connection names are for this hop only, so the child would not get them. */
static bool is_end_to_end(struct slice name)
{
	static const char prefix[] = "Sec-WebSocket-";
	return slice_equals_nocase(name, "Host") || slice_equals_nocase(name, "Origin") ||
	       (name.len >= sizeof prefix - 1 &&
		strncasecmp(name.at, prefix, sizeof prefix - 1) == 0);
}

static enum refusal check_connection(struct request *request)
{
	struct field_list list = field_list_of(request->head, "Connection");
	struct slice option;
	bool found = !request->is_upgrade;
	for (unsigned count = 0; field_list_next(&list, &option); count++) {
		bool malformed = option.len > 0 && !grammar_is_token(option);
		if (count == REQUEST_MAX_OPTIONS || malformed || is_end_to_end(option)) {
			return REFUSAL_CONNECTION;
		}
		found = found || slice_equals_nocase(option, "upgrade");
	}
	return found ? REFUSAL_NONE : REFUSAL_CONNECTION;
}

/* Before the key: an older draft's client sends another key, or none, and should learn why. */
static enum refusal check_version(struct request *request)
{
	struct slice version;
	enum refusal refusal = find_single(request->head, "Sec-WebSocket-Version", &version);
	if (refusal == REFUSAL_NONE && !slice_equals(version, "13")) {
		refusal = REFUSAL_WS_VERSION;
	}
	return refusal;
}

static enum refusal read_key(struct request *request)
{
	enum refusal refusal = find_single(request->head, "Sec-WebSocket-Key", &request->key);
	if (refusal == REFUSAL_NONE && !grammar_is_key(request->key)) {
		refusal = REFUSAL_KEY;
	}
	return refusal;
}

/* RFC 6455, 4.1, item 10: not empty, all different. */
static enum refusal check_protocols(struct request *request)
{
	struct field_list list = field_list_of(request->head, "Sec-WebSocket-Protocol");
	struct slice seen[REQUEST_MAX_PROTOCOLS], protocol;
	for (unsigned count = 0; field_list_next(&list, &protocol); count++) {
		if (count == REQUEST_MAX_PROTOCOLS || !grammar_is_token(protocol)) {
			return REFUSAL_WS_FIELD;
		}
		for (unsigned i = 0; i < count; i++) {
			if (seen[i].len == protocol.len &&
			    memcmp(seen[i].at, protocol.at, protocol.len) == 0) {
				return REFUSAL_WS_FIELD;
			}
		}
		seen[count] = protocol;
	}
	return REFUSAL_NONE;
}

static enum refusal check_extensions(struct request *request)
{
	struct field_list list = field_list_of(request->head, "Sec-WebSocket-Extensions");
	struct slice extension;
	while (field_list_next(&list, &extension)) {
		if (!grammar_is_extension(extension)) {
			return REFUSAL_WS_FIELD;
		}
	}
	return REFUSAL_NONE;
}

static check_fn *const every_request[] = {
	refuse_proxy_methods, read_host, read_target, read_origin, NULL,
};

static check_fn *const every_upgrade[] = {
	check_no_body, check_method,    check_connection, check_version,
	read_key,      check_protocols, check_extensions, NULL,
};

static check_fn *const every_plain_request[] = {
	read_body,
	check_connection,
	NULL,
};

static enum refusal run_checks(check_fn *const *checks, struct request *request)
{
	enum refusal refusal = REFUSAL_NONE;
	while (refusal == REFUSAL_NONE && *checks != NULL) {
		refusal = (*checks++)(request);
	}
	return refusal;
}

enum refusal request_judge(const struct head *head, struct request *request_r)
{
	/* Another protocol alone ("h2c") is as if nothing were asked for (RFC 9110, 7.8). */
	const bool is_upgrade = field_list_has(head, "Upgrade", slice_of("websocket"));
	struct request request = {.head = head, .is_upgrade = is_upgrade};
	enum refusal refusal = run_checks(every_request, &request);
	if (refusal == REFUSAL_NONE) {
		refusal = run_checks(request.is_upgrade ? every_upgrade : every_plain_request,
				     &request);
	}
	if (refusal == REFUSAL_NONE) {
		*request_r = request;
	}
	return refusal;
}

/* The value behind "key=" in the first pair of that key. A query's key may stand alone ("?debug");
 * a cookie without '=' is a value without a name. */
static struct slice find_pair(struct slice pairs, char separator, struct slice key)
{
	struct slice pair;
	while (grammar_split(&pairs, separator, &pair)) {
		if (pair.len < key.len || memcmp(pair.at, key.at, key.len) != 0) {
			continue;
		}
		if (pair.len > key.len && pair.at[key.len] == '=') {
			return (struct slice){pair.at + key.len + 1, pair.len - key.len - 1};
		}
		if (pair.len == key.len && separator == '&') {
			return (struct slice){pair.at + key.len, 0};
		}
	}
	return (struct slice){0};
}

struct slice request_query(const struct request *request, struct slice key)
{
	return find_pair(request->query, '&', key);
}

struct slice request_cookie(const struct request *request, struct slice name)
{
	struct slice value = {0};
	const struct head *head = request->head;
	for (unsigned i = 0; i < head->field_count && value.at == NULL; i++) {
		if (slice_equals_nocase(head->fields[i].name, "Cookie")) {
			value = find_pair(head->fields[i].value, ';', name);
		}
	}
	return value;
}
