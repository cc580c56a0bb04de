/* SPDX-License-Identifier: MIT */
/* What the baselines floor.c and raw.c share: their socket, and a send that waits for room. */
#ifndef BENCH_BASELINE_H
#define BENCH_BASELINE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_A_TURN = 64, BUFFER_BYTES = 256 * 1024, BACKLOG = 4096 };

static uint8_t buffer[BUFFER_BYTES];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void send_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN) {
			return; /* the next read sees the end */
		}
		if (sent < 0) {
			struct pollfd full = {.fd = fd, .events = POLLOUT};
			poll(&full, 1, -1);
			continue;
		}
		data += sent;
		len -= (size_t)sent;
	}
}

/* On loopback; prints port=N. defer: the kernel keeps clients that say nothing. */
static int listen_on(in_port_t port, bool defer)
{
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets inherit it */
	if (defer) {
		setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof on);
	}
	if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		fail("listen");
	}
	printf("port=%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

#endif
