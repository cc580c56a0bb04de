/* SPDX-License-Identifier: MIT */
/*
 * Why a client is refused: one name, one HTTP status, one sentence for each reason. The pure
 * modules return these names; the reply, the log line and the counters read the same table.
 */
#ifndef BATON_REFUSAL_H
#define BATON_REFUSAL_H

enum refusal {
	REFUSAL_NONE,

	/* the head's syntax: head.c */
	REFUSAL_BAD_LINE,   /* 400 request line is not method SP target SP version CRLF */
	REFUSAL_BAD_METHOD, /* 400 method is not a token */
	REFUSAL_BAD_TARGET, /* 400 target is neither origin-form nor absolute-form */
	REFUSAL_BAD_FIELD, /* 400 field line: no colon, space before it, bad name, bad value byte */
	REFUSAL_OBS_FOLD,  /* 400 folded field line */
	REFUSAL_BARE_LF,   /* 400 LF without CR, or CR without LF */
	REFUSAL_NUL,       /* 400 NUL byte */
	REFUSAL_TARGET_TOO_LONG, /* 414 */
	REFUSAL_HEAD_TOO_LARGE,  /* 431 more bytes than the limit */
	REFUSAL_TOO_MANY_FIELDS, /* 431 */
	REFUSAL_VERSION,         /* 505 not HTTP/1.1 */
	REFUSAL_URGENT_DATA,     /* 400 TCP urgent data hides what follows from MSG_PEEK */
	REFUSAL_HALF_HEAD,       /* 400 the client ended its side before the head's end */

	/* before the head: arrive.c, by proxy.c */
	REFUSAL_PROXY,         /* 400 no PROXY header, or a malformed one, where one is due */
	REFUSAL_PROXY_TIMEOUT, /* 408 */

	/* what the head asks for: request.c */
	REFUSAL_HOST,      /* 400 Host missing, twice, malformed, or not the target's */
	REFUSAL_FRAMING,   /* 400 where the body ends is in doubt; an upgrade has none */
	REFUSAL_CODING,    /* 501 a transfer coding besides chunked */
	REFUSAL_DUPLICATE, /* 400 a field that may stand once stands twice */
	REFUSAL_PATH, /* 400 bad percent-encoding, dot segment, byte outside the grammar; route.h */
	REFUSAL_METHOD,      /* 405 an upgrade is a GET */
	REFUSAL_NOT_UPGRADE, /* 426 plain HTTP where only WebSocket is spoken */
	REFUSAL_CONNECTION,  /* 400 Connection does not name Upgrade */
	REFUSAL_KEY,         /* 400 Sec-WebSocket-Key is not base64 of 16 bytes */
	REFUSAL_WS_VERSION,  /* 426 Sec-WebSocket-Version is not 13 */
	REFUSAL_WS_FIELD,    /* 400 malformed Sec-WebSocket-Protocol or -Extensions */

	/* what we allow: origin.c, route.c, limits.c, conn.c */
	REFUSAL_ORIGIN,       /* 403 */
	REFUSAL_NO_ROUTE,     /* 404 */
	REFUSAL_HEAD_TIMEOUT, /* 408 */
	REFUSAL_AUTH,         /* an auth child's own status; 403 in the table */
	REFUSAL_AUTH_DOWN,    /* 503 the children that are to be asked do not start, or die of it */
	REFUSAL_AUTH_BUSY,    /* 503 no auth child could be asked, or none answered, in time */
	REFUSAL_CONNECTIONS,  /* 503 limits.connections */
	REFUSAL_ROUTE_CONNECTIONS,   /* 503 */
	REFUSAL_ADDRESS_CONNECTIONS, /* 429 */
	REFUSAL_ADDRESS_RATE,        /* 429 */
	REFUSAL_POOL_FAILED,         /* 503 its children do not start */
	REFUSAL_QUEUE_FULL,          /* 503 */
	REFUSAL_QUEUE_TIMEOUT,       /* 503 */
	REFUSAL_HANDOVER_TIMEOUT,    /* 503 no child took it in time */
	REFUSAL_CHILDREN_DIED,       /* 503 child after child died before it took this one */
	REFUSAL_CHILDREN_FULL,       /* 503 several children had no room for this one */
	REFUSAL_STOPPING,            /* 503 the gateway drains */
	REFUSAL_BY_CHILD,            /* the child's own status; 503 in the table */

	REFUSAL_COUNT
};

/* The HTTP status of a refusal, e.g. 400; 0 for REFUSAL_NONE. */
int refusal_status(enum refusal);

/* Short lower-case word for counters and logs, e.g. "bare-lf". Static; never NULL. */
const char *refusal_name(enum refusal);

/* One sentence for the person at the other end, without a newline. Static; never NULL. */
const char *refusal_text(enum refusal);

#endif
