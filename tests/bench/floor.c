/* SPDX-License-Identifier: MIT */
/*
 * The floor under the gateway's figures: the least that a parent and its children can do in C. The
 * parent accepts and passes each connection on, one a message, children in turn; the child reads
 * the head, answers the handshake, echoes frames (one read, one send for all frames in it), answers
 * Close and closes. Nothing else: no receipts, no limits, no timers, no logs, no checks. It trusts
 * its clients and must never meet a stranger. Run by bench.py.
 *
 *	floor [--children N] [--port P] [--defer] [--publish]
 *
 * 0 children: one process does all. --publish: the child sends each read's frames to all that it
 * has, in a bare loop of send().
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* SHA1_*: no fetch, no context from the heap */
#include "baseline.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

enum {
	MAX_CHILDREN = 64,
	MAX_FDS = 65536,
	HEAD_ROOM = 10, /* of a server's frame, at most */
};

static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

struct conn { /* by descriptor */
	bool upgraded;
	uint8_t *rest; /* the beginning of a frame or head that was cut; NULL mostly */
	size_t rest_len;
};

static struct conn conns[MAX_FDS];
static int highest; /* descriptor that was ever upgraded */
static bool publishes;

static void answer_head(int fd, const uint8_t *head, size_t len)
{
	static const char name[] = "Sec-WebSocket-Key: ";
	const uint8_t *key = memmem(head, len, name, sizeof name - 1);
	uint8_t digest[SHA_DIGEST_LENGTH];
	char reply[160];
	SHA_CTX sha;
	SHA1_Init(&sha);
	SHA1_Update(&sha, key + sizeof name - 1, 24);
	SHA1_Update(&sha, GUID, sizeof GUID - 1);
	SHA1_Final(digest, &sha);
	static const char begin[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				    "Connection: Upgrade\r\nSec-WebSocket-Accept: ";
	memcpy(reply, begin, sizeof begin - 1);
	size_t size = sizeof begin - 1;
	size += (size_t)EVP_EncodeBlock((uint8_t *)reply + size, digest, sizeof digest);
	memcpy(reply + size, "\r\n\r\n", 4);
	send_all(fd, (uint8_t *)reply, size + 4);
}

/* Forward, eight bytes at a time: out is never behind in. */
static void unmask(uint8_t *out, const uint8_t *in, size_t len, const uint8_t *mask)
{
	uint32_t half;
	memcpy(&half, mask, sizeof half);
	uint64_t wide = (uint64_t)half << 32 | half;
	size_t i = 0;
	for (; i + 8 <= len; i += 8) {
		uint64_t word;
		memcpy(&word, in + i, 8);
		word ^= wide;
		memcpy(out + i, &word, 8);
	}
	for (uint8_t bytes[4]; i < len; i++) {
		memcpy(bytes, &half, sizeof bytes);
		out[i] = in[i] ^ bytes[i % 4];
	}
}

static void publish(const uint8_t *frames, size_t len)
{
	for (int fd = 0; fd <= highest; fd++) {
		if (conns[fd].upgraded) {
			send_all(fd, frames, len);
		}
	}
}

/* Answers the whole frames in place; how many bytes they took, or -1 after a Close. */
static ssize_t answer_frames(int fd, uint8_t *data, size_t len)
{
	uint8_t *in = data, *end = data + len, *first = NULL, *out = NULL;
	bool closed = false;
	while (!closed && end - in >= 6) {
		size_t length = in[1] & 0x7fU, head = length < 126 ? 6 : length == 126 ? 8 : 14;
		if ((size_t)(end - in) < head) {
			break;
		}
		if (head > 6) {
			length = 0;
			for (size_t i = 2; i < head - 4; i++) {
				length = length << 8 | in[i];
			}
		}
		if ((size_t)(end - in) < head + length) {
			break;
		}
		if (first == NULL) {
			first = out = in + 4; /* so that the first payload stays in its place */
		}
		uint8_t mask[4];
		memcpy(mask, in + head - 4, 4);
		closed = (in[0] & 0x0f) == 8;
		memmove(out, in, head - 4);
		out[1] &= 0x7f;
		unmask(out + head - 4, in + head, length, mask);
		out += head - 4 + length;
		in += head + length;
	}
	if (first != NULL && publishes && !closed) {
		publish(first, (size_t)(out - first));
	} else if (first != NULL) {
		send_all(fd, first, (size_t)(out - first));
	}
	return closed ? -1 : in - data;
}

static void finish(int fd)
{
	free(conns[fd].rest);
	conns[fd] = (struct conn){0};
	close(fd);
}

static void keep_rest(struct conn *conn, const uint8_t *data, size_t len)
{
	free(conn->rest);
	conn->rest = NULL;
	conn->rest_len = len;
	if (len > 0) {
		conn->rest = malloc(len);
		if (conn->rest == NULL) {
			fail("malloc");
		}
		memcpy(conn->rest, data, len);
	}
}

static void handle_conn(int fd)
{
	struct conn *conn = &conns[fd];
	size_t len = conn->rest_len;
	if (len > 0) {
		memcpy(buffer, conn->rest, len);
	}
	ssize_t got = recv(fd, buffer + len, sizeof buffer - len, MSG_DONTWAIT);
	if (got <= 0) {
		if (got == 0 || errno != EAGAIN) {
			finish(fd);
		}
		return;
	}
	len += (size_t)got;
	size_t used = 0;
	if (!conn->upgraded) {
		const uint8_t *end = memmem(buffer, len, "\r\n\r\n", 4);
		if (end != NULL) {
			used = (size_t)(end + 4 - buffer);
			answer_head(fd, buffer, used);
			conn->upgraded = true;
			highest = fd > highest ? fd : highest;
		}
	}
	if (conn->upgraded && used < len) {
		ssize_t more = answer_frames(fd, buffer + used, len - used);
		if (more < 0) {
			finish(fd);
			return;
		}
		used += (size_t)more;
	}
	if (used < len || conn->rest_len > 0) {
		keep_rest(conn, buffer + used, len - used);
	}
}

static void watch(int epfd, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) < 0) {
		fail("epoll_ctl");
	}
}

static int receive_fd(int channel)
{
	char byte;
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof control.space};
	if (recvmsg(channel, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0) {
		exit(0); /* the parent is gone */
	}
	int fd;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
	return fd;
}

static void send_fd(int channel, int fd)
{
	char byte = 0;
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.space,
			     .msg_controllen = sizeof control.space};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
	if (sendmsg(channel, &msg, MSG_NOSIGNAL) < 0) {
		fail("sendmsg");
	}
}

/* source gives connections: a channel, or the listener itself. */
__attribute__((noreturn)) static void serve(int source, bool is_listener)
{
	int epfd = epoll_create1(EPOLL_CLOEXEC);
	watch(epfd, source);
	for (;;) {
		struct epoll_event events[EVENTS_A_TURN];
		int count = epoll_wait(epfd, events, EVENTS_A_TURN, -1);
		for (int i = 0; i < count; i++) {
			if (events[i].data.fd != source) {
				handle_conn(events[i].data.fd);
				continue;
			}
			int fd = is_listener ? accept4(source, NULL, NULL, SOCK_CLOEXEC)
					     : receive_fd(source);
			if (fd >= 0) {
				watch(epfd, fd);
			}
		}
	}
}

static int start_child(int listener)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		fail("socketpair");
	}
	pid_t pid = fork();
	if (pid < 0) {
		fail("fork");
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(listener);
		close(ends[0]);
		serve(ends[1], false);
	}
	close(ends[1]);
	return ends[0];
}

int main(int argc, char **argv)
{
	int children = 1, port = 0, channels[MAX_CHILDREN];
	bool defer = false;
	for (int i = 1; i < argc; i++) {
		defer = defer || strcmp(argv[i], "--defer") == 0;
		publishes = publishes || strcmp(argv[i], "--publish") == 0;
		children = i + 1 < argc && strcmp(argv[i], "--children") == 0 ? atoi(argv[i + 1])
									      : children;
		port = i + 1 < argc && strcmp(argv[i], "--port") == 0 ? atoi(argv[i + 1]) : port;
	}
	if (children < 0 || children > MAX_CHILDREN) {
		children = MAX_CHILDREN;
	}
	int listener = listen_on((in_port_t)port, defer);
	if (children == 0) {
		serve(listener, true);
	}
	for (int i = 0; i < children; i++) {
		channels[i] = start_child(listener);
	}
	for (int next = 0;; next = (next + 1) % children) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			send_fd(channels[next], fd);
			close(fd);
		}
	}
}
