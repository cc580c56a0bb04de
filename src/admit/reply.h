/* SPDX-License-Identifier: MIT */
/*
 * The answers that baton itself gives: refusals and the health check. Pure, bytes only; who
 * sends them and lingers is refuse.c.
 */
#ifndef BATON_REPLY_H
#define BATON_REPLY_H

#include "handoff/handoff.h"

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum { REPLY_MAX_BYTES = 1024 };

struct reply {
	int status;            /* 400 to 599 */
	const char *text;      /* a sentence, or what reply_clean_reason gave */
	const char *challenge; /* for 401: a field value of at most HANDOFF_MAX_CHALLENGE_BYTES; or
				  NULL */
	unsigned retry_secs;   /* for 429 and 503; 0: not known */
	time_t now;            /* for the Date field */
	bool no_body;          /* the request was a HEAD (RFC 9110, 9.3.2) */
};

/*
 * Writes a whole HTTP/1.1 response: status line, Date (RFC 9110, 6.6.1), Content-Type: text/plain;
 * charset=utf-8, Content-Length, Connection: close, body "STATUS text\n". 401 adds
 * "WWW-Authenticate: challenge"; 405 adds "Allow: GET"; 426 adds "Upgrade: websocket", "Connection:
 * Upgrade, close" and "Sec-WebSocket-Version: 13"; 429 and 503 add "Retry-After" with retry_secs,
 * or with 1 where that is 0. Returns the length.
 */
size_t reply_write(const struct reply *, char buf[REPLY_MAX_BYTES]);

/* The answer to a load balancer's health check: 200 "ok\n", or 503 "draining\n". */
size_t reply_write_health(bool draining, time_t now, bool no_body, char buf[REPLY_MAX_BYTES]);

/*
 * What an auth child gave as its reason, fit to be sent and logged: at most
 * HANDOFF_MAX_REASON_BYTES, whole characters of UTF-8 (a Close frame's must be, RFC 6455, 5.5.1),
 * and '?' for what is none or what a terminal might obey.
 */
void reply_clean_reason(const char *reason, char text_r[HANDOFF_MAX_REASON_BYTES + 1]);

#endif
