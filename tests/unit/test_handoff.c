/* SPDX-License-Identifier: MIT */
/*
 * Packets of the native protocol: what arrives as it was sent, what is malformed, and that no
 * descriptor is ever left open, however many come and wherever they do not belong. Pairs:
 * test_handoff_pairs.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "descriptors.h"
#include "handoff/handoff.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { MAX_DESCRIPTORS = 253, ENOUGH = 100000 }; /* SCM_MAX_FD of the kernel */

#define ROWS(table) (sizeof(table) / sizeof(table)[0])

static int ours, theirs;
static int passed; /* the descriptor that is sent along */
static size_t descriptors_before;
static char buf[HANDOFF_MAX_BYTES];

static int setup(void **state)
{
	(void)state;
	int pair[2];
	descriptors_before = descriptors_open();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	ours = pair[0];
	theirs = pair[1];
	passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(ours);
	close(theirs);
	close(passed);
	assert_int_equal(descriptors_open(), descriptors_before);
	return 0;
}

/* Sends any bytes with any number of copies of `passed`. */
static void send_raw(const void *bytes, size_t len, size_t count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int))];
	} control = {.bytes = {0}};
	struct iovec part = {(void *)bytes, len};
	struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
	if (count > 0) {
		packet.msg_control = &control;
		packet.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *rights = CMSG_FIRSTHDR(&packet);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(count * sizeof(int));
		for (size_t i = 0; i < count; i++) {
			memcpy(CMSG_DATA(rights) + i * sizeof(int), &passed, sizeof(int));
		}
	}
	assert_int_equal(sendmsg(ours, &packet, MSG_DONTWAIT), len);
}

static void send_message(unsigned type, size_t descriptors)
{
	const char header[HANDOFF_HEADER_BYTES] = {
		HANDOFF_VERSION, (char)type, 0, 0, 0, 0, 0, 0, 77};
	send_raw(header, sizeof header, descriptors);
}

static enum handoff_result receive(struct handoff_message *message, int *fd)
{
	return handoff_receive(theirs, buf, message, fd);
}

/* A packet that is no message must leave the channel and this process as they were. */
static void assert_next_is_ping(void)
{
	struct handoff_message message;
	int fd;
	assert_int_equal(handoff_send(ours, HANDOFF_PING, 1, NULL, 0, -1), HANDOFF_OK);
	assert_int_equal(receive(&message, &fd), HANDOFF_OK);
	assert_int_equal(message.type, HANDOFF_PING);
}

/* ---- round trips ---- */

static void test_handoff_brings_a_message_without_descriptor(void **state)
{
	(void)state;
	struct handoff_message message;
	int fd = 99;
	assert_int_equal(
		handoff_send(ours, HANDOFF_REFUSED, 0x0123456789abcdefu, "STATUS=503", 11, -1),
		HANDOFF_OK);
	assert_int_equal(receive(&message, &fd), HANDOFF_OK);
	assert_int_equal(message.type, HANDOFF_REFUSED);
	assert_true(message.id == 0x0123456789abcdefu);
	assert_int_equal(message.payload_bytes, 11);
	assert_string_equal(message.payload, "STATUS=503");
	assert_int_equal(fd, -1);
}

static void test_handoff_header_is_as_the_protocol_says(void **state)
{
	(void)state;
	static const unsigned char expected[] = {1, 66, 0, 0, 3, 0, 0,   0,   8, 7,
						 6, 5,  4, 3, 2, 1, 'A', '=', 0};
	unsigned char packet[64];
	assert_int_equal(handoff_send(ours, HANDOFF_TAKEN, 0x0102030405060708u, "A=", 3, -1),
			 HANDOFF_OK);
	assert_int_equal(recv(theirs, packet, sizeof packet, 0), sizeof expected);
	assert_memory_equal(packet, expected, sizeof expected);
}

static void test_handoff_brings_a_descriptor_and_keeps_the_senders(void **state)
{
	(void)state;
	struct handoff_message message;
	int fd, mine[2];
	assert_int_equal(pipe2(mine, O_CLOEXEC), 0);
	assert_int_equal(handoff_send(ours, HANDOFF_CONNECTION, 5, "A=1", 4, mine[1]), HANDOFF_OK);
	assert_int_equal(receive(&message, &fd), HANDOFF_OK);
	assert_int_equal(message.id, 5);
	assert_true(descriptors_are_same_file(fd, mine[0]));
	assert_true(descriptors_are_same_file(mine[1], mine[0]));
	assert_true(descriptor_is_close_on_exec(fd));
	close(fd);
	close(mine[0]);
	close(mine[1]);
}

static void test_handoff_passes_on_types_it_does_not_know(void **state)
{
	(void)state;
	struct handoff_message message;
	int fd;
	assert_int_equal(handoff_send(ours, 255, 9, "???", 3, -1), HANDOFF_OK);
	assert_int_equal(receive(&message, &fd), HANDOFF_OK);
	assert_int_equal(message.type, 255);
	assert_memory_equal(message.payload, "???", 3);
}

static void test_handoff_takes_the_largest_packet_and_none_larger(void **state)
{
	(void)state;
	struct handoff_message message;
	char *large = calloc(1, HANDOFF_MAX_BYTES);
	int fd;
	const size_t most = HANDOFF_MAX_BYTES - HANDOFF_HEADER_BYTES;
	assert_int_equal(handoff_send(ours, HANDOFF_CONNECTION, 1, large, most, passed),
			 HANDOFF_OK);
	assert_int_equal(receive(&message, &fd), HANDOFF_OK);
	assert_int_equal(message.payload_bytes, most);
	close(fd);
	assert_int_equal(handoff_send(ours, HANDOFF_CONNECTION, 1, large, most + 1, passed),
			 HANDOFF_OK);
	assert_int_equal(receive(&message, &fd), HANDOFF_MALFORMED);
	assert_non_null(strstr(message.fault, "more than 49152 bytes"));
	assert_int_equal(fd, -1);
	assert_next_is_ping();
	free(large);
}

/* ---- what is malformed ---- */

static void test_handoff_refuses_bad_headers(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		unsigned char bytes[20];
		size_t len;
		const char *fault;
	} rows[] = {
		{"version 0", {0, 7}, 16, "version"},
		{"version 2", {2, 7}, 16, "version"},
		{"reserved, low byte", {1, 7, 1}, 16, "reserved"},
		{"reserved, high byte", {1, 7, 0, 1}, 16, "reserved"},
		{"length 1 of 0", {1, 7, 0, 0, 1}, 16, "length"},
		{"length 0 of 1", {1, 7}, 17, "length"},
		{"length 3 of 4", {1, 7, 0, 0, 3}, 20, "length"},
		{"length 256 of 0", {1, 7, 0, 0, 0, 1}, 16, "length"},
		{"length 2^24 of 0", {1, 7, 0, 0, 0, 0, 0, 1}, 16, "length"},
		{"length with its header", {1, 7, 0, 0, 20}, 20, "length"},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct handoff_message message = {.type = 42};
		int fd = 99;
		send_raw(rows[i].bytes, rows[i].len, 0);
		if (receive(&message, &fd) != HANDOFF_MALFORMED || fd != -1 || message.type != 42 ||
		    strstr(message.fault, rows[i].fault) == NULL) {
			fail_msg("row %zu: %s", i, rows[i].what);
		}
		assert_next_is_ping();
	}
}

static void test_handoff_refuses_a_header_cut_short(void **state)
{
	(void)state;
	const unsigned char header[HANDOFF_HEADER_BYTES] = {HANDOFF_VERSION, HANDOFF_CONNECTION};
	for (size_t len = 1; len < sizeof header; len++) {
		struct handoff_message message;
		int fd;
		send_raw(header, len, 1);
		if (receive(&message, &fd) != HANDOFF_MALFORMED || fd != -1 ||
		    strstr(message.fault, "shorter") == NULL) {
			fail_msg("row %zu: %zu bytes", len, len);
		}
	}
	assert_next_is_ping();
}

static void test_handoff_takes_one_descriptor_where_it_belongs(void **state)
{
	(void)state;
	static const struct {
		unsigned type;
		size_t descriptors;
		bool wants; /* the receiver asks for one */
		enum handoff_result result;
	} rows[] = {
		{HANDOFF_CONNECTION, 1, true, HANDOFF_OK},
		{HANDOFF_CONNECTION, 0, true, HANDOFF_MALFORMED},
		{HANDOFF_CONNECTION, 2, true, HANDOFF_MALFORMED},
		{HANDOFF_CONNECTION, 3, true, HANDOFF_MALFORMED},
		{HANDOFF_CONNECTION, MAX_DESCRIPTORS, true, HANDOFF_MALFORMED},
		{HANDOFF_CONNECTION, 1, false, HANDOFF_MALFORMED},
		{HANDOFF_CONNECTION, 0, false, HANDOFF_OK},
		{HANDOFF_PING, 0, true, HANDOFF_OK},
		{HANDOFF_PING, 1, true, HANDOFF_MALFORMED},
		{HANDOFF_PING, 2, true, HANDOFF_MALFORMED},
		{HANDOFF_PING, 1, false, HANDOFF_MALFORMED},
		{HANDOFF_TAKEN, MAX_DESCRIPTORS, false, HANDOFF_MALFORMED},
		{255, 1, true, HANDOFF_MALFORMED},
	};
	const size_t open_before = descriptors_open();
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct handoff_message message;
		int fd = -1;
		send_message(rows[i].type, rows[i].descriptors);
		enum handoff_result result = receive(&message, rows[i].wants ? &fd : NULL);
		bool came = result == HANDOFF_OK && rows[i].descriptors == 1;
		bool is_told = result != HANDOFF_MALFORMED ||
			       strstr(message.fault, "descriptor") != NULL;
		if (result != rows[i].result || (fd >= 0) != came || !is_told) {
			fail_msg("row %zu: type %u with %zu gave %d, fd %d", i, rows[i].type,
				 rows[i].descriptors, result, fd);
		}
		if (fd >= 0) {
			close(fd);
		}
		if (descriptors_open() != open_before) {
			fail_msg("row %zu: %zu descriptors are left open", i,
				 descriptors_open() - open_before);
		}
		assert_next_is_ping();
	}
}

static void test_handoff_says_when_the_kernel_had_to_drop_the_descriptor(void **state)
{
	(void)state;
	static const struct {
		size_t sent;
		unsigned room;
		enum handoff_result result;
	} rows[] = {
		{1, 0, HANDOFF_NO_FD},
		{1, 1, HANDOFF_OK},
		{2, 0, HANDOFF_NO_FD}, /* nobody can tell how many there were */
		{2, 1, HANDOFF_MALFORMED},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct handoff_message message = {0};
		int fd;
		send_message(HANDOFF_CONNECTION, rows[i].sent);
		struct rlimit before = descriptors_limit(rows[i].room);
		enum handoff_result result = receive(&message, &fd);
		descriptors_unlimit(before);
		if (result != rows[i].result || (fd >= 0) != (result == HANDOFF_OK)) {
			fail_msg("row %zu: %zu sent, room for %u: %d", i, rows[i].sent,
				 rows[i].room, result);
		}
		assert_int_equal(message.id, result == HANDOFF_MALFORMED ? 0 : 77);
		if (fd >= 0) {
			close(fd);
		}
	}
}

/* ---- full, empty, gone ---- */

static void test_handoff_says_again_when_full_or_empty(void **state)
{
	(void)state;
	struct handoff_message message;
	int fd;
	uint64_t sent = 0, received = 0;
	assert_int_equal(receive(&message, &fd), HANDOFF_AGAIN);
	assert_int_equal(fd, -1);
	while (handoff_send(ours, HANDOFF_CONNECTION, sent + 1, NULL, 0, passed) == HANDOFF_OK) {
		sent++;
		assert_true(sent < ENOUGH);
	}
	assert_int_equal(handoff_send(ours, HANDOFF_CONNECTION, 0, NULL, 0, passed), HANDOFF_AGAIN);
	while (receive(&message, &fd) == HANDOFF_OK) {
		assert_int_equal(message.id, ++received);
		close(fd);
	}
	assert_int_equal(received, sent);
	assert_int_equal(receive(&message, &fd), HANDOFF_AGAIN);
}

static void test_handoff_says_gone_when_the_peer_has_closed(void **state)
{
	(void)state;
	struct handoff_message message;
	int fd, pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(handoff_send(pair[0], HANDOFF_PING, 3, NULL, 0, -1), HANDOFF_OK);
	close(pair[0]);
	assert_int_equal(handoff_send(pair[1], HANDOFF_PONG, 0, NULL, 0, -1), HANDOFF_GONE);
	assert_int_equal(handoff_receive(pair[1], buf, &message, &fd), HANDOFF_OK);
	assert_int_equal(message.id, 3);
	assert_int_equal(handoff_receive(pair[1], buf, &message, &fd), HANDOFF_GONE);
	assert_int_equal(fd, -1);
	close(pair[1]);
}

static void test_handoff_says_gone_on_an_empty_packet_and_a_bad_descriptor(void **state)
{
	(void)state;
	struct handoff_message message;
	int fd = 99;
	send_raw("", 0, 0);
	assert_int_equal(receive(&message, &fd), HANDOFF_GONE);
	assert_int_equal(fd, -1);
	assert_next_is_ping();
	assert_int_equal(handoff_send(-1, HANDOFF_PING, 0, NULL, 0, -1), HANDOFF_GONE);
	assert_int_equal(handoff_receive(-1, buf, &message, &fd), HANDOFF_GONE);
}

/* ---- reports ---- */

static void test_handoff_closed_survives_the_wire(void **state)
{
	(void)state;
	const struct handoff_closed closed = {.id = 0x1122334455667788u,
					      .bytes_in = 1,
					      .bytes_out = UINT64_MAX,
					      .messages_in = 1u << 31,
					      .messages_out = 4,
					      .code = 4999,
					      .who = 1};
	struct handoff_closed back;
	char wire[HANDOFF_CLOSED_BYTES];
	memset(wire, 'x', sizeof wire);
	handoff_closed_write(&closed, wire);
	assert_int_equal((unsigned char)wire[0], 0x88);
	assert_int_equal((unsigned char)wire[40], 4999 & 0xff);
	assert_int_equal((unsigned char)wire[41], 4999 >> 8);
	assert_memory_equal(wire + 44, "\0\0\0\0", 4);
	handoff_closed_read(wire, &back);
	assert_memory_equal(&back, &closed, sizeof back);
}

#define handoff_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		handoff_test(test_handoff_brings_a_message_without_descriptor),
		handoff_test(test_handoff_header_is_as_the_protocol_says),
		handoff_test(test_handoff_brings_a_descriptor_and_keeps_the_senders),
		handoff_test(test_handoff_passes_on_types_it_does_not_know),
		handoff_test(test_handoff_takes_the_largest_packet_and_none_larger),
		handoff_test(test_handoff_refuses_bad_headers),
		handoff_test(test_handoff_refuses_a_header_cut_short),
		handoff_test(test_handoff_takes_one_descriptor_where_it_belongs),
		handoff_test(test_handoff_says_when_the_kernel_had_to_drop_the_descriptor),
		handoff_test(test_handoff_says_again_when_full_or_empty),
		handoff_test(test_handoff_says_gone_when_the_peer_has_closed),
		handoff_test(test_handoff_says_gone_on_an_empty_packet_and_a_bad_descriptor),
		handoff_test(test_handoff_closed_survives_the_wire),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
