/* SPDX-License-Identifier: MIT */
/*
 * The floor under the echo figures: what the kernel alone takes. One process on epoll sends back
 * the bytes of each read, without WebSocket, limits or checks. Run by bench.py.
 *
 *	raw [--port P]
 */
#include "baseline.h"

#include <string.h>

static void handle_conn(int fd)
{
	ssize_t len = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
	if (len > 0) {
		send_all(fd, buffer, (size_t)len);
	} else if (len == 0 || errno != EAGAIN) {
		close(fd);
	}
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
	int listener = listen_on((in_port_t)port, false);
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
