/* SPDX-License-Identifier: MIT */
/*
 * The head as libwebsockets gets it. It answers an upgrade with silence when the subprotocols that
 * the client offers are too long for it or none is known, and when the extensions are too long; so
 * these are settled here, where the protocols of the program are known and an extension is none.
 * All other fields stay as the gateway wrote them. wrap.c calls this.
 */
#include "lws/adapter.h"

#include <string.h>
#include <strings.h>

enum {
	PLUS_BYTES = 3,   /* %2B */
	NAME_BYTES = 126, /* of a subprotocol: libwebsockets is silent about a longer one too */
};

static char *append(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	return to + len;
}

/* A plus in a path is one. libwebsockets takes it for the space of a form, which belongs to the
 * query. Method and version have none. */
static char *copy_request_line(char *to, const char *line, size_t len)
{
	size_t path_end = strcspn(line, "?\r\n");
	for (size_t i = 0; i < path_end; i++) {
		to = line[i] == '+' ? append(to, "%2B", PLUS_BYTES) : append(to, line + i, 1);
	}
	return append(to, line + path_end, len - path_end);
}

static bool is_known(const char *name, size_t len)
{
	char text[NAME_BYTES + 1];
	if (len == 0 || len > NAME_BYTES) {
		return false;
	}
	*append(text, name, len) = '\0';
	return strcmp(text, ADAPTER_PROTOCOL) != 0 &&
	       lws_vhost_name_to_protocol(adapter.vhost, text) != NULL;
}

/* The first name of a list that the program has, and its length; 0 when it has none of them. */
static size_t choose(const char *list, const char **name_r)
{
	static const char between[] = ", \t";
	const char *name = list + strspn(list, between);
	for (size_t len; (len = strcspn(name, ", \t\r\n")) > 0; name += strspn(name, between)) {
		if (is_known(name, len)) {
			*name_r = name;
			return len;
		}
		name += len;
	}
	return 0;
}

/* NULL: the line is not of that field. Else what is behind the colon. */
static const char *value_of(const char *line, const char *name_and_colon)
{
	size_t len = strlen(name_and_colon);
	return strncasecmp(line, name_and_colon, len) == 0 ? line + len : NULL;
}

static char *copy_field(char *to, const char *line, size_t len, bool *has_chosen)
{
	static const char field[] = "Sec-WebSocket-Protocol: ";
	const char *list = value_of(line, "Sec-WebSocket-Protocol:"), *name;
	if (list == NULL) {
		bool is_dropped = value_of(line, "Sec-WebSocket-Extensions:") != NULL;
		return is_dropped ? to : append(to, line, len);
	}
	size_t name_len = *has_chosen ? 0 : choose(list, &name);
	if (name_len == 0) {
		return to;
	}
	*has_chosen = true;
	to = append(append(to, field, sizeof field - 1), name, name_len);
	return append(to, "\r\n", 2);
}

static size_t line_length(const char *line)
{
	size_t len = strcspn(line, "\n");
	return line[len] == '\n' ? len + 1 : len;
}

const char *rewrite_head(const char *head)
{
	static char rewritten[PLUS_BYTES * HANDOFF_MAX_BYTES];
	bool has_chosen = false;
	size_t len = line_length(head);
	char *to = copy_request_line(rewritten, head, len);
	for (head += len; *head != '\0'; head += len) {
		len = line_length(head);
		to = copy_field(to, head, len, &has_chosen);
	}
	*to = '\0';
	return rewritten;
}
