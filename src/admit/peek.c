/* SPDX-License-Identifier: MIT */
/*
 * Looks at heads and PROXY headers: see peek.h. Peeks, so whatever a client sends behind the head
 * stays in the kernel for the child; what was seen is consumed when its time has come. Never sets
 * O_NONBLOCK: the flag would be the child's too. Called by arrive.c, conn.c and refuse.c.
 */
#include "admit/peek.h"

#include <errno.h>
#include <sys/socket.h>

enum { PEEK_BYTES = 16 * 1024 + 1 }; /* the largest head_limit, and one to see that it is passed */

static struct {
	const void *head_owner, *request_owner; /* who may have them */
	char bytes[PEEK_BYTES];
	struct head head;
	struct request request;
	bool is_head;
} seen;

/* Not a byte of it is anybody's head any more. */
static void forget(void)
{
	seen.head_owner = seen.request_owner = NULL;
}

static enum head_result judge(const void *owner, size_t bytes, size_t limit_bytes,
			      enum refusal *refusal_r)
{
	enum head_result result = head_parse(seen.bytes, bytes, limit_bytes, &seen.head, refusal_r);
	if (result != HEAD_OK) {
		return result;
	}
	seen.head_owner = owner;
	*refusal_r = request_judge(&seen.head, &seen.request);
	if (*refusal_r != REFUSAL_NONE) {
		return HEAD_BAD;
	}
	seen.request_owner = owner;
	return HEAD_OK;
}

/* How many bytes are in seen.bytes now. */
static size_t look(int fd, bool *left_r)
{
	ssize_t got;
	forget();
	do {
		got = recv(fd, seen.bytes, sizeof seen.bytes, MSG_PEEK | MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	*left_r = got == 0 || (got < 0 && errno != EAGAIN);
	return got > 0 ? (size_t)got : 0;
}

enum head_result peek_look(const void *owner, int fd, size_t limit_bytes, enum refusal *refusal_r,
			   bool *left_r)
{
	size_t bytes = look(fd, left_r);
	seen.is_head = bytes > 4 && memcmp(seen.bytes, "HEAD ", 5) == 0;
	return bytes == 0 ? HEAD_NEED_MORE : judge(owner, bytes, limit_bytes, refusal_r);
}

enum proxy_result peek_proxy(int fd, struct proxy_header *header_r, bool *left_r)
{
	return proxy_parse(seen.bytes, look(fd, left_r), header_r);
}

const struct head *peek_head(const void *owner)
{
	return seen.head_owner == owner ? &seen.head : NULL;
}

const struct request *peek_request(const void *owner)
{
	return seen.request_owner == owner ? &seen.request : NULL;
}

bool peek_is_head(void)
{
	return seen.is_head;
}

void peek_forget(const void *owner)
{
	if (seen.head_owner == owner) {
		forget();
	}
}

bool peek_consume(int fd, bool is_unix, size_t bytes)
{
	/* TCP discards without a copy, tcp(7); a Unix socket needs a buffer. The bytes are those that
	 * stand there. */
	if (is_unix) {
		return bytes <= sizeof seen.bytes &&
		       recv(fd, seen.bytes, bytes, MSG_DONTWAIT) == (ssize_t)bytes;
	}
	return recv(fd, NULL, bytes, MSG_TRUNC | MSG_DONTWAIT) == (ssize_t)bytes;
}

bool peek_drop(int fd)
{
	forget(); /* the buffer is used */
	ssize_t got = recv(fd, seen.bytes, sizeof seen.bytes, MSG_DONTWAIT);
	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}
