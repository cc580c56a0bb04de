/* SPDX-License-Identifier: MIT */
/*
 * handoff.c and pairs.c: any packet, with or without descriptors, on either side. What was judged
 * good holds to the contract, and no descriptor stays open that was not given out. Input: one byte
 * of options, then the packet.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "handoff/handoff.h"
#include "handoff/pairs.h"

enum {
	OPTION_DESCRIPTORS = 0x03, /* so many go along */
	OPTION_CHILD = 0x04,       /* the receiver wants descriptors */
	OPTION_LENGTH = 0x08,      /* the length in the header is made right */
	OPTION_LARGE = 0x10,       /* a packet at the limit, or a byte above it */
	MOST_DESCRIPTORS = 3,
	BUFFER_BYTES = 4 * HANDOFF_MAX_BYTES,
};

static int channel[2] = {-1, -1};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void open_channel(void)
{
	int bytes = BUFFER_BYTES;
	int result = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel);
	assert(result == 0);
	setsockopt(channel[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

/* Which number would the next descriptor get? It changes with any that was left open. */
static int next_descriptor(void)
{
	int fd = fcntl(channel[0], F_DUPFD_CLOEXEC, 0);
	assert(fd >= 0);
	close(fd);
	return fd;
}

static void send_packet(const void *packet, size_t len, unsigned descriptors)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int))];
	} control = {0};
	struct iovec part = {(void *)packet, len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (descriptors > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
		struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
		for (unsigned i = 0; i < descriptors; i++) {
			memcpy(CMSG_DATA(rights) + i * sizeof(int), &channel[0], sizeof(int));
		}
	}
	ssize_t sent = sendmsg(channel[0], &message, MSG_DONTWAIT);
	assert(sent == (ssize_t)len);
}

static void check_pairs(const char *payload, size_t bytes)
{
	static const char *const keys[] = {"HEAD", "ID", "CAPACITY", "CODE", "A", "TEXT"};
	if (!handoff_pairs_are_valid(payload, bytes)) {
		return;
	}
	static char copy[HANDOFF_MAX_BYTES];
	struct handoff_pairs pairs;
	handoff_pairs_init(&pairs, copy, sizeof copy);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		uint64_t number = 7;
		const char *value = handoff_pairs_find(payload, bytes, keys[i]);
		bool is_number = handoff_pairs_number(payload, bytes, keys[i], 7, &number);
		assert(!is_number || number <= INT64_MAX);
		if (value == NULL) {
			assert(is_number && number == 7);
			continue;
		}
		assert(value > payload && value + strlen(value) < payload + bytes);
		handoff_pairs_add(&pairs, keys[i], value, strlen(value));
		assert(!pairs.overflow && handoff_pairs_are_valid(copy, pairs.length));
		assert(strcmp(handoff_pairs_find(copy, pairs.length, keys[i]), value) == 0);
	}
}

static void check_closed(const char *payload, size_t bytes)
{
	for (size_t at = 0; bytes - at >= HANDOFF_CLOSED_BYTES; at += HANDOFF_CLOSED_BYTES) {
		struct handoff_closed closed;
		char again[HANDOFF_CLOSED_BYTES];
		handoff_closed_read(payload + at, &closed);
		handoff_closed_write(&closed, again); /* reserved is written as 0 */
		assert(memcmp(again, payload + at, HANDOFF_CLOSED_BYTES - 4) == 0);
	}
}

static void check_message(const struct handoff_message *message, const char *packet, size_t len)
{
	assert(message->type == (unsigned char)packet[1]);
	assert(message->payload_bytes == len - HANDOFF_HEADER_BYTES);
	assert(memcmp(message->payload, packet + HANDOFF_HEADER_BYTES, message->payload_bytes) ==
	       0);
	char *exact = malloc(message->payload_bytes + 1); /* never NULL, never read beyond */
	assert(exact != NULL);
	memcpy(exact + 1, message->payload, message->payload_bytes);
	check_pairs(exact + 1, message->payload_bytes);
	check_closed(exact + 1, message->payload_bytes);
	free(exact);
}

static void receive_packet(const char *packet, size_t len, unsigned options)
{
	static char buf[HANDOFF_MAX_BYTES];
	struct handoff_message message;
	unsigned descriptors = options & OPTION_DESCRIPTORS;
	int fd = -2;
	bool is_child = (options & OPTION_CHILD) != 0;
	enum handoff_result result =
		handoff_receive(channel[1], buf, &message, is_child ? &fd : NULL);
	assert(result != HANDOFF_AGAIN && result != HANDOFF_NO_FD);
	assert(result != HANDOFF_GONE || len == 0);
	if (result == HANDOFF_OK) {
		bool has_fd = is_child && message.type == HANDOFF_CONNECTION;
		assert(len <= HANDOFF_MAX_BYTES && descriptors == (has_fd ? 1 : 0));
		assert(!is_child || (fd >= 0) == has_fd);
		check_message(&message, packet, len);
	} else {
		assert(!is_child || fd == -1);
	}
	if (fd >= 0) {
		assert((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
		close(fd);
	}
	assert(handoff_receive(channel[1], buf, &message, NULL) == HANDOFF_AGAIN);
}

/* What handoff_send makes of it comes back as it was. */
static void check_round_trip(const uint8_t *data, size_t len)
{
	static char buf[HANDOFF_MAX_BYTES];
	struct handoff_message message;
	int fd;
	unsigned type = len > 0 ? data[0] : 0;
	bool has_fd = type == HANDOFF_CONNECTION;
	enum handoff_result result =
		handoff_send(channel[0], type, len * 77777, data, len, has_fd ? channel[0] : -1);
	assert(result == HANDOFF_OK);
	result = handoff_receive(channel[1], buf, &message, &fd);
	assert(result == HANDOFF_OK && message.type == type && message.id == len * 77777);
	assert(message.payload_bytes == len && memcmp(message.payload, data, len) == 0);
	assert((fd >= 0) == has_fd);
	if (fd >= 0) {
		close(fd);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char packet[HANDOFF_MAX_BYTES + 1];
	if (channel[0] < 0) {
		open_channel();
	}
	if (len < 2 || len > HANDOFF_MAX_BYTES / 2) {
		return 0;
	}
	unsigned options = data[0];
	int before = next_descriptor();
	size_t packet_len = len - 1;
	memcpy(packet, data + 1, packet_len);
	if ((options & OPTION_LARGE) != 0) {
		size_t large = HANDOFF_MAX_BYTES + (options >> 7);
		memset(packet + packet_len, 0, large - packet_len);
		packet_len = large;
	}
	if ((options & OPTION_LENGTH) != 0 && packet_len >= HANDOFF_HEADER_BYTES) {
		size_t length = packet_len - HANDOFF_HEADER_BYTES;
		for (unsigned i = 0; i < 4; i++) {
			packet[4 + i] = (char)(length >> 8 * i);
		}
	}
	send_packet(packet, packet_len, options & OPTION_DESCRIPTORS);
	receive_packet(packet, packet_len, options);
	check_round_trip(data, len);
	assert(next_descriptor() == before);
	return 0;
}
