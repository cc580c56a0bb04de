/* SPDX-License-Identifier: MIT */
/*
 * The native hand-over protocol, version 1: what baton and a child say to each other on the
 * channel, an AF_UNIX SOCK_SEQPACKET socketpair. docs/protocol.md tells the same story to
 * authors in other languages.
 *
 * One packet is one message: the 16 bytes of the header, little-endian,
 *
 *	0  u8  version   1
 *	1  u8  type      enum handoff_type
 *	2  u16 reserved  0
 *	4  u32 length    of the payload: the packet's size minus 16
 *	8  u64 id        the connection, or 0
 *
 * then the payload: "KEY=VALUE\0" pairs (pairs.h), or for CLOSED an array of struct handoff_closed.
 * CONNECTION carries exactly one descriptor, every other type none; a child never sends one.
 *
 * Used by both sides. No state, no allocation, no log.
 */
#ifndef BATON_HANDOFF_H
#define BATON_HANDOFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HANDOFF_VERSION = 1,
	HANDOFF_HEADER_BYTES = 16,
	HANDOFF_MAX_BYTES = 48 * 1024,  /* of a whole packet: a 16 KiB head twice, and metadata */
	HANDOFF_CHILD_FD = 3,           /* where an exec'd child finds its channel */
	HANDOFF_MAX_GRANT_BYTES = 4096, /* pairs of an ALLOW: they join a CONNECTION's */
	HANDOFF_MAX_REASON_BYTES = 200, /* of a DENY's REASON; what is longer is cut */
	HANDOFF_MAX_CHALLENGE_BYTES = 512, /* of a DENY's CHALLENGE */
};

enum handoff_type {
	/* baton to child */
	HANDOFF_HELLO = 1,      /* pairs: the pool's settings */
	HANDOFF_CONNECTION = 2, /* id, pairs, one descriptor */
	HANDOFF_AUTH = 5,       /* id, the pairs of a CONNECTION: may this client in? */
	HANDOFF_CLOSE = 6,      /* id; pairs CODE, REASON: close this connection */
	HANDOFF_PING = 7,       /* answer PONG */
	HANDOFF_DRAIN = 8,      /* pairs DEADLINE_MS: close all within it, then exit */

	/* child to baton */
	HANDOFF_READY = 65,   /* pairs CAPACITY (optional) */
	HANDOFF_TAKEN = 66,   /* id: mine from here on; sent before a byte is read or written */
	HANDOFF_REFUSED = 67, /* id; pairs STATUS, LEAVING (optional): not mine, nothing was
				 written */
	HANDOFF_CLOSED = 68,  /* struct handoff_closed[] */
	HANDOFF_PONG = 69,    /* pairs CONNECTIONS, LAG_MS (both optional) */
	HANDOFF_LOG = 74,     /* pairs LEVEL, TEXT: one line for the gateway's log */
	HANDOFF_ALLOW =
		75, /* id of an AUTH; pairs REMOTE_USER, AUTH_*: what its child will be told */
	HANDOFF_DENY = 76, /* id of an AUTH; pairs STATUS, REASON, CHALLENGE (all optional) */
};

struct handoff_message {
	unsigned type; /* enum handoff_type, or a number that this version does not know */
	uint64_t id;
	const char *payload;
	size_t payload_bytes;
	const char *fault; /* with HANDOFF_MALFORMED alone: "a packet ...", static; else unset */
};

/* How one connection ended; 48 bytes on the wire, in this order, little-endian. */
struct handoff_closed {
	uint64_t id;
	uint64_t bytes_in, bytes_out; /* WebSocket bytes, frames and all, without the handshake */
	uint64_t messages_in, messages_out; /* data messages */
	uint16_t code;     /* close code, RFC 6455, 7.4; 1005 none, 1006 no Close frame */
	uint16_t who;      /* 0: the client closed first; 1: this side; 2: no pong came */
	uint32_t reserved; /* 0 */
};

enum { HANDOFF_CLOSED_BYTES = 48 };

enum handoff_result {
	HANDOFF_OK,
	HANDOFF_AGAIN, /* send: no room (EAGAIN, ETOOMANYREFS, ENOBUFS); receive: nothing there */
	HANDOFF_GONE,  /* the other end is closed or shut, or the kernel reported an error: errno */
	HANDOFF_MALFORMED, /* receive only: not a message of this protocol; the packet is consumed,
			      and of *message_r only the fault is set */
	HANDOFF_NO_FD,     /* receive only: CONNECTION whose descriptor the kernel had to drop
			      (MSG_CTRUNC, EMFILE): *message_r is valid */
};

/*
 * Sends one packet without blocking: a header for (type, id), then payload. fd >= 0 goes along
 * (SCM_RIGHTS); the caller keeps its own copy in any case. All of it is queued, or nothing.
 */
enum handoff_result handoff_send(int channel, unsigned type, uint64_t id, const void *payload,
				 size_t payload_bytes, int fd);

/*
 * Receives one packet without blocking into buf (HANDOFF_MAX_BYTES). message_r points into buf.
 * *fd_r gets the descriptor of a CONNECTION, close-on-exec, owned by the caller; -1 in every other
 * case. Any other descriptor that came is closed and makes the packet malformed. fd_r == NULL: no
 * descriptor is wanted at all.
 */
enum handoff_result handoff_receive(int channel, char buf[HANDOFF_MAX_BYTES],
				    struct handoff_message *message_r, int *fd_r);

/* May it stand as a DENY's CHALLENGE? Visible ASCII, spaces and tabs between (RFC 9110, 5.5,
 * without its obs-text), at most HANDOFF_MAX_CHALLENGE_BYTES and not empty. */
bool handoff_is_challenge(const char *text);

/* One struct handoff_closed to and from the wire. */
void handoff_closed_write(const struct handoff_closed *, char to[HANDOFF_CLOSED_BYTES]);
void handoff_closed_read(const char from[HANDOFF_CLOSED_BYTES], struct handoff_closed *closed_r);

#endif
