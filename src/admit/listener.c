/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets: see listener.h. Who comes in is conn.c's business, through the callback.
 */
#include "admit/listener.h"

#include "address.h"
#include "fdutil.h"
#include "log.h"
#include "unixsock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Without SYN cookies deferred silent clients fill the backlog, and honest ones time out. */
static bool may_defer(void)
{
	char value = '1';
	int fd = open("/proc/sys/net/ipv4/tcp_syncookies", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t got = read(fd, &value, 1);
		value = got == 1 ? value : '1';
		fd_close(&fd);
	}
	return value != '0';
}

/* Accepted sockets inherit all of these, so the hot path sets none. */
static int set_tcp_options(int fd, int family)
{
	const int on = 1, timeout_ms = LISTENER_USER_TIMEOUT_MS;
	const int defer_secs = may_defer() ? LISTENER_DEFER_SECS : 0;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer_secs, sizeof defer_secs) != 0) {
		return -1;
	}
	return family == AF_INET6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) : 0;
}

static const struct sockaddr_un *unix_address(const struct listener *listener)
{
	const struct sockaddr *address = (const struct sockaddr *)&listener->config->address;
	return address->sa_family == AF_UNIX ? (const struct sockaddr_un *)address : NULL;
}

static int listen_on_tcp(struct listener *listener)
{
	const struct config_listener *config = listener->config;
	const struct sockaddr *address = (const struct sockaddr *)&config->address;
	listener->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0 || set_tcp_options(listener->fd, address->sa_family) != 0 ||
	    bind(listener->fd, address, config->address_len) != 0) {
		return -1;
	}
	return listen(listener->fd, LISTENER_BACKLOG);
}

static int bind_and_listen(struct listener *listener)
{
	if (unix_address(listener) == NULL) {
		return listen_on_tcp(listener);
	}
	listener->fd = unixsock_listen(unix_address(listener), listener->config->mode,
				       LISTENER_BACKLOG, &listener->file);
	return listener->fd < 0 ? -1 : 0;
}

static void learn_name(struct listener *listener)
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof bound;
	struct address address;
	snprintf(listener->name, sizeof listener->name, "%s", listener->config->name);
	if (getsockname(listener->fd, (struct sockaddr *)&bound, &len) != 0 ||
	    bound.ss_family == AF_UNIX) {
		return;
	}
	address_from_sockaddr(&address, &bound);
	listener->port = address.port;
	address_write(&address, listener->name);
}

static int start(struct listener *listener);

/* Stops for LISTENER_PAUSE_MS; the pause's end starts again. */
static void pause_accepting(struct listener *listener)
{
	listener->pauses++;
	loop_io_remove(listener->loop, &listener->io);
	loop_timer_start(&listener->lane, &listener->pause, LISTENER_PAUSE_MS);
}

static void handle_pause_end(struct loop_timer *timer)
{
	struct listener *listener = loop_owner(timer, struct listener, pause);
	if (start(listener) != 0) {
		pause_accepting(listener);
	}
}

static void pause_for(struct listener *listener, const char *why)
{
	uint64_t now_ms = loop_now_ms(listener->loop);
	pause_accepting(listener);
	if (listener->told_ms == 0 || now_ms - listener->told_ms >= LISTENER_TELL_MS) {
		listener->told_ms = now_ms;
		log_event(LOG_WARN, "accept-paused", "address=%s reason=\"%s\" pauses=%llu",
			  listener->name, why, (unsigned long long)listener->pauses);
	}
}

/* False: look again at the next event. */
static bool accept_one(struct listener *listener)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof peer;
	const char *why_full = listener->events->why_full(listener->data);
	if (why_full != NULL) {
		pause_for(listener, why_full);
		return false;
	}
	int fd = accept4(listener->io.fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
	if (fd >= 0) {
		listener->events->accepted(listener, fd, &peer);
		return true;
	}
	if (fd_is_shortage(errno)) {
		pause_for(listener, strerror(errno));
	} /* else nobody is there, or a client that has already left */
	return false;
}

/* A few an event share a wake-up (0.4 system calls a connection fewer, measured); all that wait
 * would fill the queues before one receipt is read. */
static void handle_accept(struct loop_io *io, unsigned events)
{
	(void)events;
	struct listener *listener = loop_owner(io, struct listener, io);
	for (int i = 0; i < LISTENER_BURST && accept_one(listener); i++) {
	}
}

static int start(struct listener *listener)
{
	return loop_io_add(listener->loop, &listener->io, listener->fd, LOOP_READ, handle_accept);
}

static const char *hint_of(int error, bool is_unix)
{
	switch (error) {
	case EADDRINUSE:
		return is_unix ? " hint=\"somebody listens there: is a gateway running already?\""
			       : " hint=\"somebody listens there: ss -ltnp shows who\"";
	case EACCES:
		return is_unix ? "" : " hint=\"ports below 1024 are for root and CAP_NET_BIND_SERVICE\"";
	case EEXIST:
		return " hint=\"there is a file that is no socket\"";
	case EADDRNOTAVAIL:
		return " hint=\"no interface here has this address\"";
	default:
		return "";
	}
}

static int open_one(struct listener *listener)
{
	loop_lane_init(&listener->lane, listener->loop, handle_pause_end);
	if (bind_and_listen(listener) != 0) {
		log_event(LOG_ERROR, "listen-failed", "address=%s error=\"%s\"%s",
			  listener->config->name, strerror(errno),
			  hint_of(errno, unix_address(listener) != NULL));
		fd_close(&listener->fd);
		loop_lane_finish(&listener->lane);
		return -1;
	}
	learn_name(listener);
	log_event(LOG_INFO, "listening", "address=%s", listener->name);
	return 0;
}

static void close_one(struct listener *listener)
{
	loop_io_remove(listener->loop, &listener->io);
	loop_lane_finish(&listener->lane);
	if (unix_address(listener) != NULL) {
		unixsock_remove(unix_address(listener), &listener->file);
	}
	fd_close(&listener->fd);
}

/* ---- all of them ---- */

int listeners_open(struct listeners *listeners, struct loop *loop, const struct config *config,
		   const struct listener_events *events, void *data)
{
	listeners->all = calloc(config->listener_count, sizeof *listeners->all);
	if (listeners->all == NULL) {
		return -1;
	}
	for (unsigned i = 0; i < config->listener_count; i++) {
		listeners->all[i] = (struct listener){.config = &config->listeners[i],
						      .loop = loop,
						      .io = {.fd = -1},
						      .fd = -1,
						      .index = i,
						      .events = events,
						      .data = data};
		if (open_one(&listeners->all[i]) != 0) {
			return -1;
		}
		listeners->count++;
	}
	return 0;
}

int listeners_start(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++) {
		if (start(&listeners->all[i]) != 0) {
			log_event(LOG_ERROR, "listen-failed", "address=%s error=\"%s\"",
				  listeners->all[i].name, strerror(errno));
			return -1;
		}
	}
	return 0;
}

void listeners_close(struct listeners *listeners)
{
	while (listeners->count > 0) {
		close_one(&listeners->all[--listeners->count]);
	}
}

void listeners_finish(struct listeners *listeners)
{
	listeners_close(listeners);
	free(listeners->all);
	listeners->all = NULL;
}
