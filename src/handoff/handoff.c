/* SPDX-License-Identifier: MIT */
/*
 * Packets of the native protocol: header, descriptor and nothing else. Both sides call it; who
 * may send what, and when, is decided above. See handoff.h.
 */
#include "handoff/handoff.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static void put(unsigned char *to, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		to[i] = (unsigned char)(value >> (8 * i));
	}
}

static uint64_t get(const unsigned char *from, unsigned bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < bytes; i++) {
		value |= (uint64_t)from[i] << (8 * i);
	}
	return value;
}

static enum handoff_result send_result(ssize_t sent)
{
	if (sent >= 0) {
		return HANDOFF_OK;
	}
	switch (errno) {
	case EAGAIN:
	case EINTR:
	case ENOBUFS:
	case ENOMEM:
	case EMSGSIZE:
	case ETOOMANYREFS: /* this user has RLIMIT_NOFILE descriptors in flight, unix(7) */
		return HANDOFF_AGAIN;
	default:
		return HANDOFF_GONE;
	}
}

enum handoff_result handoff_send(int channel, unsigned type, uint64_t id, const void *payload,
				 size_t payload_bytes, int fd)
{
	unsigned char header[HANDOFF_HEADER_BYTES] = {HANDOFF_VERSION, (unsigned char)type};
	put(header + 4, payload_bytes, 4);
	put(header + 8, id, 8);
	struct iovec parts[2] = {{header, sizeof header}, {(void *)payload, payload_bytes}};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof fd)];
	} control;
	struct msghdr packet = {.msg_iov = parts, .msg_iovlen = payload_bytes > 0 ? 2 : 1};
	if (fd >= 0) {
		packet.msg_control = &control;
		packet.msg_controllen = CMSG_SPACE(sizeof fd);
		memset(&control, 0, sizeof control);
		struct cmsghdr *rights = CMSG_FIRSTHDR(&packet);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(rights), &fd, sizeof fd);
	}
	return send_result(sendmsg(channel, &packet, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/* Closes every descriptor that came but the first, which is *fd_r. Returns how many came. */
static size_t take_descriptors(struct msghdr *packet, int *fd_r)
{
	size_t count = 0;
	*fd_r = -1;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(packet); part != NULL;
	     part = CMSG_NXTHDR(packet, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		size_t here = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
			if (count++ == 0) {
				*fd_r = fd;
			} else {
				close(fd);
			}
		}
	}
	return count;
}

/* What is wrong with the header, or NULL. */
static const char *header_read(const char *buf, size_t bytes, struct handoff_message *message)
{
	const unsigned char *header = (const unsigned char *)buf;
	if (bytes < HANDOFF_HEADER_BYTES) {
		return "a packet that is shorter than its header";
	}
	if (header[0] != HANDOFF_VERSION) {
		return "a packet of another version";
	}
	if (get(header + 2, 2) != 0) {
		return "a packet whose reserved bytes are not 0";
	}
	if (get(header + 4, 4) != bytes - HANDOFF_HEADER_BYTES) {
		return "a packet whose length field is not the length of its payload";
	}
	message->type = header[1];
	message->id = get(header + 8, 8);
	message->payload = buf + HANDOFF_HEADER_BYTES;
	message->payload_bytes = bytes - HANDOFF_HEADER_BYTES;
	return NULL;
}

static enum handoff_result malformed(struct handoff_message *message_r, const char *fault)
{
	message_r->fault = fault;
	return HANDOFF_MALFORMED;
}

/* Judges a packet that has arrived with count descriptors, the first of which is *fd_r. */
static enum handoff_result judge(const struct msghdr *packet, size_t bytes, char *buf, size_t count,
				 struct handoff_message *message_r, const int *fd_r)
{
	struct handoff_message message = {.fault = NULL};
	_Static_assert(HANDOFF_MAX_BYTES == 49152, "the sentence below says so");
	const char *fault = (packet->msg_flags & MSG_TRUNC) != 0
				    ? "a packet of more than 49152 bytes"
				    : header_read(buf, bytes, &message);
	if (fault != NULL) {
		return malformed(message_r, fault);
	}
	bool wants_fd = fd_r != NULL && message.type == HANDOFF_CONNECTION;
	bool lost = (packet->msg_flags & MSG_CTRUNC) != 0;
	if (count > (wants_fd ? 1 : 0) || (lost && (!wants_fd || count > 0))) {
		return malformed(message_r, "a packet with a descriptor that does not belong to it");
	}
	if (wants_fd && count == 0 && !lost) {
		return malformed(message_r, "a CONNECTION without its descriptor");
	}
	*message_r = message;
	return wants_fd && count == 0 ? HANDOFF_NO_FD : HANDOFF_OK;
}

enum handoff_result handoff_receive(int channel, char buf[HANDOFF_MAX_BYTES],
				    struct handoff_message *message_r, int *fd_r)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {buf, HANDOFF_MAX_BYTES};
	struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
	int fd = -1;
	if (fd_r != NULL) {
		*fd_r = -1;
		packet.msg_control = &control;
		packet.msg_controllen = sizeof control;
	}
	ssize_t bytes = recvmsg(channel, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (bytes < 0 && (errno == EAGAIN || errno == EINTR)) {
		return HANDOFF_AGAIN;
	}
	if (bytes <= 0) {
		return HANDOFF_GONE; /* an empty packet cannot be told from the end of the channel */
	}
	size_t count = fd_r != NULL ? take_descriptors(&packet, &fd) : 0;
	enum handoff_result result = judge(&packet, (size_t)bytes, buf, count, message_r, fd_r);
	if (result == HANDOFF_OK && fd_r != NULL) {
		*fd_r = fd;
	} else if (fd >= 0) {
		close(fd);
	}
	return result;
}

void handoff_closed_write(const struct handoff_closed *closed, char to[HANDOFF_CLOSED_BYTES])
{
	unsigned char *at = (unsigned char *)to;
	put(at, closed->id, 8);
	put(at + 8, closed->bytes_in, 8);
	put(at + 16, closed->bytes_out, 8);
	put(at + 24, closed->messages_in, 8);
	put(at + 32, closed->messages_out, 8);
	put(at + 40, closed->code, 2);
	put(at + 42, closed->who, 2);
	put(at + 44, 0, 4);
}

void handoff_closed_read(const char from[HANDOFF_CLOSED_BYTES], struct handoff_closed *closed_r)
{
	const unsigned char *at = (const unsigned char *)from;
	*closed_r = (struct handoff_closed){
		.id = get(at, 8),
		.bytes_in = get(at + 8, 8),
		.bytes_out = get(at + 16, 8),
		.messages_in = get(at + 24, 8),
		.messages_out = get(at + 32, 8),
		.code = (uint16_t)get(at + 40, 2),
		.who = (uint16_t)get(at + 42, 2),
		.reserved = (uint32_t)get(at + 44, 4),
	};
}
