/* SPDX-License-Identifier: MIT */
/*
 * The head that was looked at last: bytes, slices, verdict. One buffer for the process, since a
 * head is used in the turn in which it is complete; who comes back later looks again.
 */
#ifndef BATON_PEEK_H
#define BATON_PEEK_H

#include "admit/proxy.h"
#include "admit/request.h"

#include <stdbool.h>

/*
 * Looks at the socket without consuming anything (recv(2), MSG_PEEK) and judges the head if it is
 * all there. owner: who may ask for the result below; any address that is its own.
 *
 *	HEAD_OK         peek_request has it
 *	HEAD_NEED_MORE  also when nothing is there at all; *left_r: the client is gone
 *	HEAD_BAD        *refusal_r says why; peek_head has it if its syntax was right
 */
enum head_result peek_look(const void *owner, int fd, size_t limit_bytes, enum refusal *refusal_r,
			   bool *left_r);

/* The same for a PROXY header, which nobody owns. PROXY_NEED_MORE also when nothing is there. */
enum proxy_result peek_proxy(int fd, struct proxy_header *header_r, bool *left_r);

/* What was seen of this owner; NULL when somebody else has looked since, or it was no head. */
const struct head *peek_head(const void *owner);
const struct request *peek_request(const void *owner);

/* Is the method of what was looked at last HEAD? Also when the rest is wrong, or not there yet. */
bool peek_is_head(void);

/* The owner ends; its address may be another's next. */
void peek_forget(const void *owner);

/* Consumes exactly these bytes from a TCP or Unix socket: the head or the header that was looked at
 * last, which can still be asked for. False: they are not all there, the client is gone. */
bool peek_consume(int fd, bool is_unix, size_t bytes);

/* Reads and drops what has come. False: the client is gone, or has ended its side. */
bool peek_drop(int fd);

#endif
