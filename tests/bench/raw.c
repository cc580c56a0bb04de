/* SPDX-License-Identifier: MIT */
/*
 * The floor under the echo figures: what the kernel alone takes. One process on epoll sends back
 * the bytes of each read, without WebSocket, limits or checks. Run by bench.py.
 *
 *	raw [--port P]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void handle_conn(int fd)
{
	ssize_t len = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
	if (len > 0) {
		send_all(fd, buffer, (size_t)len);
	} else if (len == 0 || errno != EAGAIN) {
		close(fd);
	}
}

static int listen_on(in_port_t port)
{
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets inherit it */
	if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		fail("listen");
	}
	printf("port=%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void watch(int epfd, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) < 0) {
		fail("epoll_ctl");
	}
}

int main(int argc, char **argv)
{
	int port = argc > 2 && strcmp(argv[1], "--port") == 0 ? atoi(argv[2]) : 0;
	int listener = listen_on((in_port_t)port);
	int epfd = epoll_create1(EPOLL_CLOEXEC);
	watch(epfd, listener);
	for (;;) {
		struct epoll_event events[EVENTS_A_TURN];
		int count = epoll_wait(epfd, events, EVENTS_A_TURN, -1);
		for (int i = 0; i < count; i++) {
			if (events[i].data.fd != listener) {
				handle_conn(events[i].data.fd);
				continue;
			}
			int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			if (fd >= 0) {
				watch(epfd, fd);
			}
		}
	}
}
