/* SPDX-License-Identifier: MIT */
/*
 * The event loop: epoll, one signalfd, one eventfd. See loop.h for why it is ours. A turn: wait,
 * handle descriptors, fire due timers (timers.c), call the turn's end. It decides nothing, logs
 * nothing and owns no descriptor but its own three.
 */
#include "loop/loop_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct loop *loop_create(void)
{
	struct loop *loop = calloc(1, sizeof *loop);
	if (loop == NULL) {
		return NULL;
	}
	loop->signal_io.fd = -1;
	loop->wake_io.fd = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		free(loop);
		return NULL;
	}
	loop_refresh(loop);
	return loop;
}

static void own_fd_close(struct loop *loop, struct loop_io *io)
{
	int fd = io->fd;
	if (fd >= 0) {
		loop_io_remove(loop, io);
		close(fd);
	}
}

void loop_destroy(struct loop *loop)
{
	if (loop == NULL) {
		return;
	}
	own_fd_close(loop, &loop->signal_io);
	own_fd_close(loop, &loop->wake_io);
	close(loop->epoll_fd);
	free(loop);
}

uint64_t loop_now_ms(const struct loop *loop)
{
	return loop->now_ms;
}

static uint64_t clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void loop_refresh(struct loop *loop)
{
	loop->now_ms = clock_ms();
}

uint64_t loop_behind_ms(const struct loop *loop)
{
	return clock_ms() - loop->now_ms;
}

int loop_fd(const struct loop *loop)
{
	return loop->epoll_fd;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

void loop_on_turn_begin(struct loop *loop, loop_turn_fn *fn, void *data)
{
	loop->on_turn_begin = fn;
	loop->turn_begin_data = data;
}

void loop_on_turn_end(struct loop *loop, loop_turn_fn *fn, void *data)
{
	loop->on_turn_end = fn;
	loop->turn_end_data = data;
}

/* ---- descriptors ---- */

static uint32_t to_epoll(unsigned events)
{
	return ((events & LOOP_READ) ? (uint32_t)EPOLLIN : 0) |
	       ((events & LOOP_WRITE) ? (uint32_t)EPOLLOUT : 0) |
	       ((events & LOOP_URGENT) ? (uint32_t)EPOLLPRI : 0) |
	       ((events & LOOP_LEFT) ? (uint32_t)EPOLLRDHUP : 0) |
	       ((events & LOOP_EDGE) ? (uint32_t)EPOLLET : 0);
}

/* An error or a hang-up is told as readable too: the read is what finds out. */
static unsigned from_epoll(uint32_t events)
{
	unsigned out = 0;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		out |= LOOP_READ;
	}
	if (events & (EPOLLOUT | EPOLLERR)) {
		out |= LOOP_WRITE;
	}
	if (events & EPOLLPRI) {
		out |= LOOP_URGENT;
	}
	if (events & EPOLLRDHUP) {
		out |= LOOP_LEFT;
	}
	if (events & (EPOLLHUP | EPOLLERR)) {
		out |= LOOP_HANGUP;
	}
	return out;
}

int loop_io_add(struct loop *loop, struct loop_io *io, int fd, unsigned events, loop_io_fn *handle)
{
	struct epoll_event event = {.events = to_epoll(events), .data.ptr = io};
	io->fd = -1;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
		return -1;
	}
	io->fd = fd;
	io->handle = handle;
	return 0;
}

int loop_io_change(struct loop *loop, struct loop_io *io, unsigned events)
{
	struct epoll_event event = {.events = to_epoll(events), .data.ptr = io};
	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &event);
}

void loop_io_remove(struct loop *loop, struct loop_io *io)
{
	if (io->fd < 0) {
		return;
	}
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	io->fd = -1;
	/* What the kernel told of it in this batch must not reach an object that may be freed
	 * now. */
	for (int i = loop->next; i < loop->count; i++) {
		if (loop->events[i].data.ptr == io) {
			loop->events[i].data.ptr = NULL;
		}
	}
}

static void handle_batch(struct loop *loop)
{
	while (loop->next < loop->count) {
		struct epoll_event *event = &loop->events[loop->next++];
		struct loop_io *io = event->data.ptr;
		if (io != NULL) {
			io->handle(io, from_epoll(event->events));
		}
	}
	loop->next = loop->count = 0;
}

/* ---- turns ---- */

int loop_turn(struct loop *loop, int max_wait_ms)
{
	loop_refresh(loop);
	int wait_ms = loop_wait_ms(loop);
	if (max_wait_ms >= 0 && (wait_ms < 0 || wait_ms > max_wait_ms)) {
		wait_ms = max_wait_ms;
	}
	int count = epoll_wait(loop->epoll_fd, loop->events, BATCH, wait_ms);
	if (count < 0) {
		return errno == EINTR ? 0 : -1;
	}
	if (wait_ms != 0) {
		loop_refresh(loop);
	}
	if (loop->on_turn_begin != NULL) {
		loop->on_turn_begin(loop->turn_begin_data);
	}
	loop->next = 0;
	loop->count = count;
	handle_batch(loop);
	loop_fire_timers(loop);
	if (loop->on_turn_end != NULL) {
		loop->on_turn_end(loop->turn_end_data);
	}
	return 0;
}

int loop_run(struct loop *loop)
{
	loop->stopped = false;
	while (!loop->stopped) {
		if (loop_turn(loop, -1) != 0) {
			return -1;
		}
	}
	return 0;
}

/* ---- signals and wake-ups ---- */

static void handle_signal(struct loop_io *io, unsigned events)
{
	(void)events;
	struct loop *loop = loop_owner(io, struct loop, signal_io);
	struct signalfd_siginfo info;
	if (read(io->fd, &info, sizeof info) == (ssize_t)sizeof info) {
		loop->on_signal(loop->signal_data, &info);
	}
}

static int own_fd_watch(struct loop *loop, struct loop_io *io, int fd, loop_io_fn *handle)
{
	if (fd < 0) {
		return -1;
	}
	if (loop_io_add(loop, io, fd, LOOP_READ, handle) != 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return 0;
}

int loop_signals(struct loop *loop, const sigset_t *set, loop_signal_fn *fn, void *data)
{
	if (sigprocmask(SIG_BLOCK, set, NULL) != 0) {
		return -1;
	}
	loop->on_signal = fn;
	loop->signal_data = data;
	int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	return own_fd_watch(loop, &loop->signal_io, fd, handle_signal);
}

static void handle_wake(struct loop_io *io, unsigned events)
{
	(void)events;
	struct loop *loop = loop_owner(io, struct loop, wake_io);
	uint64_t count;
	if (read(io->fd, &count, sizeof count) == (ssize_t)sizeof count) {
		loop->on_wake(loop->wake_data);
	}
}

int loop_on_wake(struct loop *loop, loop_turn_fn *fn, void *data)
{
	loop->on_wake = fn;
	loop->wake_data = data;
	return own_fd_watch(loop, &loop->wake_io, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
			    handle_wake);
}

void loop_wake(struct loop *loop)
{
	const uint64_t one = 1;
	int error = errno;
	ssize_t written = write(loop->wake_io.fd, &one, sizeof one);
	(void)written; /* it fails only when the counter is full: then a wake-up is on its way */
	errno = error;
}
