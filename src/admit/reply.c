/* SPDX-License-Identifier: MIT */
/*
 * Writes the answers that baton itself gives. The sentences are refusal.c's; nothing that a client
 * sent is repeated in them. Sends nothing and closes nothing: refuse.c does, and lingers (RFC 9112,
 * 9.6).
 */
#include "admit/reply.h"

#include "handoff/handoff.h"
#include "handoff/utf8.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_STATUS = 400, STATUS_COUNT = 200 }; /* client and server errors */

/* RFC 9110, 15.5 and 15.6, RFC 6585; a status without a phrase here is sent without one. */
static const char *const phrases[STATUS_COUNT] = {
	[400 - FIRST_STATUS] = "Bad Request",
	[401 - FIRST_STATUS] = "Unauthorized",
	[402 - FIRST_STATUS] = "Payment Required",
	[403 - FIRST_STATUS] = "Forbidden",
	[404 - FIRST_STATUS] = "Not Found",
	[405 - FIRST_STATUS] = "Method Not Allowed",
	[406 - FIRST_STATUS] = "Not Acceptable",
	[408 - FIRST_STATUS] = "Request Timeout",
	[409 - FIRST_STATUS] = "Conflict",
	[410 - FIRST_STATUS] = "Gone",
	[411 - FIRST_STATUS] = "Length Required",
	[412 - FIRST_STATUS] = "Precondition Failed",
	[413 - FIRST_STATUS] = "Content Too Large",
	[414 - FIRST_STATUS] = "URI Too Long",
	[415 - FIRST_STATUS] = "Unsupported Media Type",
	[417 - FIRST_STATUS] = "Expectation Failed",
	[421 - FIRST_STATUS] = "Misdirected Request",
	[422 - FIRST_STATUS] = "Unprocessable Content",
	[426 - FIRST_STATUS] = "Upgrade Required",
	[428 - FIRST_STATUS] = "Precondition Required",
	[429 - FIRST_STATUS] = "Too Many Requests",
	[431 - FIRST_STATUS] = "Request Header Fields Too Large",
	[451 - FIRST_STATUS] = "Unavailable For Legal Reasons",
	[500 - FIRST_STATUS] = "Internal Server Error",
	[501 - FIRST_STATUS] = "Not Implemented",
	[502 - FIRST_STATUS] = "Bad Gateway",
	[503 - FIRST_STATUS] = "Service Unavailable",
	[504 - FIRST_STATUS] = "Gateway Timeout",
	[505 - FIRST_STATUS] = "HTTP Version Not Supported",
	[511 - FIRST_STATUS] = "Network Authentication Required",
};

static const char *phrase_of(int status)
{
	const char *phrase = status == 200 ? "OK" : phrases[status - FIRST_STATUS];
	return phrase == NULL ? "" : phrase;
}

/* What a status obliges us to say (RFC 9110, 15.5.6, 15.5.22; RFC 6455, 4.4). */
static const char *fields_of(int status)
{
	switch (status) {
	case 405:
		return "Allow: GET\r\nConnection: close\r\n";
	case 426:
		return "Upgrade: websocket\r\nConnection: Upgrade, close\r\n"
		       "Sec-WebSocket-Version: 13\r\n";
	default:
		return "Connection: close\r\n";
	}
}

static size_t write_with_body(const struct reply *reply, const char *body,
			      char buf[REPLY_MAX_BYTES])
{
	const int status = reply->status;
	const bool has_challenge = status == 401 && reply->challenge != NULL;
	char retry[32] = "";
	if (status == 429 || status == 503) { /* RFC 6585, 4; RFC 9110, 15.6.4 */
		snprintf(retry, sizeof retry, "Retry-After: %u\r\n",
			 reply->retry_secs > 0 ? reply->retry_secs : 1);
	}
	struct tm now;
	char date[40]; /* RFC 9110, 5.6.7; the locale is always C */
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&reply->now, &now));
	int length = snprintf(buf, REPLY_MAX_BYTES,
			      "HTTP/1.1 %d %s\r\nDate: %s\r\n"
			      "Content-Type: text/plain; charset=utf-8\r\n"
			      "Content-Length: %zu\r\n%s%s%s%s%s\r\n%s",
			      status, phrase_of(status), date, strlen(body), retry,
			      fields_of(status), has_challenge ? "WWW-Authenticate: " : "",
			      has_challenge ? reply->challenge : "", has_challenge ? "\r\n" : "",
			      reply->no_body ? "" : body);
	assert(length > 0 && length < REPLY_MAX_BYTES);
	return (size_t)length;
}

size_t reply_write(const struct reply *reply, char buf[REPLY_MAX_BYTES])
{
	assert(reply->status >= FIRST_STATUS && reply->status < FIRST_STATUS + STATUS_COUNT);
	char body[REPLY_MAX_BYTES / 2];
	int length = snprintf(body, sizeof body, "%d %s\n", reply->status, reply->text);
	assert(length > 0 && (size_t)length < sizeof body);
	return write_with_body(reply, body, buf);
}

size_t reply_write_health(bool draining, time_t now, bool no_body, char buf[REPLY_MAX_BYTES])
{
	const struct reply reply = {.status = draining ? 503 : 200, .now = now, .no_body = no_body};
	return write_with_body(&reply, draining ? "draining\n" : "ok\n", buf);
}

/* The length of the character that begins here, 0: it is none. A NUL ends every other. */
static size_t character_length(const char *at)
{
	uint32_t state = UTF8_BETWEEN;
	size_t len = 0;
	do {
		if (!utf8_feed(&state, (const uint8_t *)at + len, 1)) {
			return 0;
		}
		len++;
	} while (state != UTF8_BETWEEN);
	return len;
}

void reply_clean_reason(const char *reason, char text_r[HANDOFF_MAX_REASON_BYTES + 1])
{
	size_t used = 0;
	while (*reason != '\0') {
		size_t len = character_length(reason);
		bool is_good = len > 1 || (len == 1 && *reason >= ' ' && *reason != 0x7f);
		len = len > 0 ? len : 1;
		if (used + len > HANDOFF_MAX_REASON_BYTES) {
			break;
		}
		memcpy(text_r + used, is_good ? reason : "?", is_good ? len : 1);
		used += is_good ? len : 1;
		reason += len;
	}
	text_r[used] = '\0';
}
