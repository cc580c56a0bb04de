/* SPDX-License-Identifier: MIT */
/*
 * Writes the head that a native child gets, see request_write_head in request.h: what the judge
 * saw, framed by baton, so that a child's parser never meets a stranger's framing or a stranger's
 * word about who the client is. Values are copied as they are: head.c let no control byte in.
 * Judges nothing itself. Called by offer.c; conditions.c and route.c ask which fields a child sees.
 */
#include "admit/field_list.h"
#include "admit/request.h"

struct writer {
	char *at;
	size_t size, length;
	bool overflow;
};

static void write_slice(struct writer *writer, struct slice text)
{
	if (writer->overflow || text.len > writer->size - writer->length) {
		writer->overflow = true;
		return;
	}
	if (text.len > 0) {
		memcpy(writer->at + writer->length, text.at, text.len);
		writer->length += text.len;
	}
}

static void write_text(struct writer *writer, const char *text)
{
	write_slice(writer, slice_of(text));
}

static void write_field(struct writer *writer, struct slice name, struct slice value)
{
	write_slice(writer, name);
	write_text(writer, ": ");
	write_slice(writer, value);
	write_text(writer, "\r\n");
}

/* CGI names turn '-' into '_': a child that makes them must not take one for the other. */
static bool starts_like(struct slice name, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char byte = i < name.len ? name.at[i] : '\0';
		byte = byte == '_' ? '-' : byte;
		byte = byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
		if (byte != text[i]) {
			return false;
		}
	}
	return true;
}

bool request_withholds(struct slice name)
{
	static const char *const withheld[] = {
		/* lower case */
		"host",
		"connection", /* RFC 9110, 7.6.1, and here to the next comment */
		"keep-alive",
		"proxy-connection",
		"te",
		"trailer",
		"transfer-encoding",
		"upgrade",
		"proxy-authenticate", /* RFC 9110, 11.7: between a client and its proxy */
		"proxy-authorization",
		"content-length", /* written by baton where there is a body */
		"forwarded",
		"x-real-ip",
	};
	static const char claim[] = "x-forwarded-";
	for (size_t i = 0; i < sizeof withheld / sizeof withheld[0]; i++) {
		if (name.len == strlen(withheld[i]) && starts_like(name, withheld[i], name.len)) {
			return true;
		}
	}
	return starts_like(name, claim, sizeof claim - 1);
}

/* In a plain request nobody has judged them: a child must not take it for an upgrade. */
static bool is_handshake(struct slice name)
{
	static const char prefix[] = "sec-websocket-";
	return starts_like(name, prefix, sizeof prefix - 1);
}

/* The judge bounds the length of what Connection names. */
bool request_forwards(const struct request *request, struct slice name)
{
	return !request_withholds(name) && !field_list_has(request->head, "Connection", name) &&
	       (request->is_upgrade || !is_handshake(name));
}

/* What baton itself says about the connection and the body that is still in the socket. */
static void write_framing(struct writer *writer, const struct request *request)
{
	if (request->is_upgrade) {
		write_text(writer, "Upgrade: websocket\r\nConnection: Upgrade\r\n");
		return;
	}
	/* A second head on this connection would pass no judge. */
	write_text(writer, "Connection: close\r\n");
	if (request->length.at != NULL) {
		write_field(writer, slice_of("Content-Length"), request->length);
	}
	if (request->is_chunked) {
		write_text(writer, "Transfer-Encoding: chunked\r\n");
	}
}

size_t request_write_head(const struct request *request, char *buf, size_t size)
{
	const struct head *head = request->head;
	struct writer writer = {.at = buf, .size = size};
	write_slice(&writer, head->method);
	write_text(&writer, " ");
	write_slice(&writer, request->path);
	if (request->query.at != NULL) {
		write_text(&writer, "?");
		write_slice(&writer, request->query);
	}
	write_text(&writer, " HTTP/1.1\r\n");
	write_field(&writer, slice_of("Host"), request->host);
	write_framing(&writer, request);
	for (unsigned i = 0; i < head->field_count; i++) {
		struct slice name = head->fields[i].name;
		if (request_forwards(request, name)) {
			write_field(&writer, name, head->fields[i].value);
		}
	}
	write_text(&writer, "\r\n");
	return writer.overflow ? 0 : writer.length;
}
