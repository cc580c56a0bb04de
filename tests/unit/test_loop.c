/* SPDX-License-Identifier: MIT */
/*
 * The event loop: what a turn delivers of descriptors, what it must not deliver any more after a
 * removal, and the ways in from signals, threads and other loops. Timers: test_loop_timers.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "descriptors.h"
#include "loop/loop.h"
#include "tcp_pair.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 300 };

static struct loop *loop;
static size_t descriptors_before;

static int setup(void **state)
{
	(void)state;
	descriptors_before = descriptors_open();
	loop = loop_create();
	return loop != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_destroy(loop);
	assert_int_equal(descriptors_open(), descriptors_before);
	return 0;
}

/* ---- descriptors ---- */

struct watched {
	struct loop_io io;
	int calls;
	unsigned events;       /* of the last call */
	struct watched *other; /* what the handler removes */
};

static void handle_count(struct loop_io *io, unsigned events)
{
	struct watched *watched = loop_owner(io, struct watched, io);
	watched->calls++;
	watched->events = events;
}

static int ready_fd(void)
{
	int fd = eventfd(1, EFD_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void make_ready(int fd)
{
	assert_int_equal(eventfd_write(fd, 1), 0);
}

static void turn(void)
{
	assert_int_equal(loop_turn(loop, 0), 0);
}

static void test_loop_tells_a_level_again_and_an_edge_once(void **state)
{
	(void)state;
	struct watched level = {0}, edge = {0};
	int fds[2] = {ready_fd(), ready_fd()};
	assert_int_equal(loop_io_add(loop, &level.io, fds[0], LOOP_READ, handle_count), 0);
	assert_int_equal(loop_io_add(loop, &edge.io, fds[1], LOOP_READ | LOOP_EDGE, handle_count),
			 0);
	for (int i = 0; i < 3; i++) {
		turn();
	}
	assert_int_equal(level.calls, 3);
	assert_int_equal(level.events, LOOP_READ);
	assert_int_equal(edge.calls, 1);
	make_ready(fds[1]);
	turn();
	assert_int_equal(edge.calls, 2);
	/* Nothing has changed, but somebody has left something behind. */
	assert_int_equal(loop_io_change(loop, &edge.io, LOOP_READ | LOOP_EDGE), 0);
	turn();
	turn();
	assert_int_equal(edge.calls, 3);
	loop_io_remove(loop, &level.io);
	loop_io_remove(loop, &edge.io);
	turn();
	assert_int_equal(level.calls, 6);
	assert_int_equal(level.io.fd, -1);
	close(fds[0]);
	close(fds[1]);
}

static void test_loop_change_asks_for_something_else(void **state)
{
	(void)state;
	struct watched watched = {0};
	int fd = ready_fd();
	assert_int_equal(loop_io_add(loop, &watched.io, fd, LOOP_READ, handle_count), 0);
	assert_int_equal(loop_io_change(loop, &watched.io, LOOP_READ | LOOP_WRITE), 0);
	turn();
	assert_int_equal(watched.events, LOOP_READ | LOOP_WRITE);
	assert_int_equal(loop_io_change(loop, &watched.io, 0), 0);
	turn();
	assert_int_equal(watched.calls, 1);
	loop_io_remove(loop, &watched.io);
	close(fd);
}

static void test_loop_add_says_why_not(void **state)
{
	(void)state;
	struct watched watched = {.io = {.fd = 7}};
	assert_int_equal(loop_io_add(loop, &watched.io, -1, LOOP_READ, handle_count), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(watched.io.fd, -1);
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(loop_io_add(loop, &watched.io, file, LOOP_READ, handle_count), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(watched.io.fd, -1);
	loop_io_remove(loop, &watched.io);
	close(file);
}

static void handle_removal_of_other(struct loop_io *io, unsigned events)
{
	struct watched *watched = loop_owner(io, struct watched, io);
	handle_count(io, events);
	loop_io_remove(loop, &watched->other->io);
}

static void test_loop_drops_what_was_told_of_an_io_that_is_removed(void **state)
{
	(void)state;
	struct watched one = {0}, two = {.other = &one};
	one.other = &two;
	int fds[2] = {ready_fd(), ready_fd()};
	assert_int_equal(loop_io_add(loop, &one.io, fds[0], LOOP_READ, handle_removal_of_other), 0);
	assert_int_equal(loop_io_add(loop, &two.io, fds[1], LOOP_READ, handle_removal_of_other), 0);
	turn();
	assert_int_equal(one.calls + two.calls, 1);
	loop_io_remove(loop, &one.io);
	loop_io_remove(loop, &two.io);
	close(fds[0]);
	close(fds[1]);
}

/* A copy of the descriptor keeps the open file, and with it what epoll watches, alive. */
static void test_loop_forgets_an_open_file_whose_copy_lives_on(void **state)
{
	(void)state;
	struct watched watched = {0};
	int fd = eventfd(0, EFD_CLOEXEC);
	int copy = dup(fd);
	assert_int_equal(loop_io_add(loop, &watched.io, fd, LOOP_READ, handle_count), 0);
	loop_io_remove(loop, &watched.io);
	close(fd);
	make_ready(copy);
	turn();
	assert_int_equal(watched.calls, 0);
	close(copy);
}

static int freed;

static void watched_free(struct watched *watched)
{
	int fd = watched->io.fd;
	loop_io_remove(loop, &watched->io);
	close(fd);
	free(watched);
	freed++;
}

static void handle_end_of_both(struct loop_io *io, unsigned events)
{
	(void)events;
	struct watched *watched = loop_owner(io, struct watched, io);
	watched_free(watched->other);
	watched_free(watched);
}

static void test_loop_lets_a_handler_free_itself_and_others(void **state)
{
	(void)state;
	struct watched *one = calloc(1, sizeof *one), *two = calloc(1, sizeof *two);
	one->other = two;
	two->other = one;
	freed = 0;
	assert_int_equal(loop_io_add(loop, &one->io, ready_fd(), LOOP_READ, handle_end_of_both), 0);
	assert_int_equal(loop_io_add(loop, &two->io, ready_fd(), LOOP_READ, handle_end_of_both), 0);
	turn();
	assert_int_equal(freed, 2);
	turn();
}

static void test_loop_reaches_more_than_one_batch(void **state)
{
	(void)state;
	static struct watched all[MANY];
	int called = 0;
	memset(all, 0, sizeof all);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(loop_io_add(loop, &all[i].io, ready_fd(), LOOP_READ, handle_count),
				 0);
	}
	for (int i = 0; i < 3; i++) {
		turn();
	}
	for (int i = 0; i < MANY; i++) {
		called += all[i].calls > 0 ? 1 : 0;
		int fd = all[i].io.fd;
		loop_io_remove(loop, &all[i].io);
		close(fd);
	}
	assert_int_equal(called, MANY);
}

static void test_loop_tells_urgent_data_an_ended_side_and_a_hangup(void **state)
{
	(void)state;
	struct watched watched = {0};
	int tcp[2];
	char byte;
	tcp_pair(tcp);
	assert_int_equal(loop_io_add(loop, &watched.io, tcp[1], LOOP_READ, handle_count), 0);
	assert_int_equal(send(tcp[0], "!", 1, MSG_OOB), 1);
	turn();
	assert_int_equal(watched.calls, 0); /* it is told to those who asked */

	assert_int_equal(loop_io_change(loop, &watched.io, LOOP_READ | LOOP_URGENT | LOOP_LEFT), 0);
	assert_int_equal(loop_turn(loop, 1000), 0);
	assert_int_equal(watched.events & LOOP_URGENT, LOOP_URGENT);
	assert_int_equal(recv(tcp[1], &byte, 1, MSG_OOB), 1);

	assert_int_equal(shutdown(tcp[0], SHUT_WR), 0);
	assert_int_equal(loop_turn(loop, 1000), 0);
	assert_int_equal(watched.events, LOOP_READ | LOOP_LEFT);
	assert_int_equal(shutdown(tcp[1], SHUT_WR), 0);
	assert_int_equal(loop_turn(loop, 1000), 0);
	assert_int_equal(watched.events, LOOP_READ | LOOP_LEFT | LOOP_HANGUP);
	loop_io_remove(loop, &watched.io);
	close(tcp[0]);
	close(tcp[1]);
}

/* ---- signals, threads, other loops ---- */

static int signals_seen[NSIG];

static void handle_signal(void *data, const struct signalfd_siginfo *info)
{
	assert_ptr_equal(data, signals_seen);
	signals_seen[info->ssi_signo]++;
}

static void test_loop_delivers_signals(void **state)
{
	(void)state;
	sigset_t set, before;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, NULL, &before);
	memset(signals_seen, 0, sizeof signals_seen);
	assert_int_equal(loop_signals(loop, &set, handle_signal, signals_seen), 0);
	raise(SIGUSR1);
	raise(SIGHUP);
	turn();
	turn();
	turn();
	assert_int_equal(signals_seen[SIGUSR1], 1);
	assert_int_equal(signals_seen[SIGHUP], 1);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static int wakes;

static void handle_wake(void *data)
{
	assert_ptr_equal(data, &wakes);
	wakes++;
	loop_stop(loop);
}

static void *wake_from_thread(void *data)
{
	loop_wake(data);
	return NULL;
}

static void test_loop_wakes_for_a_thread(void **state)
{
	(void)state;
	pthread_t thread;
	wakes = 0;
	assert_int_equal(loop_on_wake(loop, handle_wake, &wakes), 0);
	assert_int_equal(pthread_create(&thread, NULL, wake_from_thread, loop), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(wakes, 1);
	pthread_join(thread, NULL);
	errno = EDOM;
	for (int i = 0; i < 1000; i++) {
		loop_wake(loop);
	}
	assert_int_equal(errno, EDOM);
	turn();
	turn();
	assert_int_equal(wakes, 2);
}

static bool is_readable(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	return poll(&ready, 1, 0) == 1;
}

static void test_loop_fits_into_another_loop(void **state)
{
	(void)state;
	struct watched watched = {0};
	int fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(loop_io_add(loop, &watched.io, fd, LOOP_READ | LOOP_EDGE, handle_count),
			 0);
	assert_false(is_readable(loop_fd(loop)));
	make_ready(fd);
	assert_true(is_readable(loop_fd(loop)));
	turn();
	assert_int_equal(watched.calls, 1);
	assert_false(is_readable(loop_fd(loop)));
	loop_io_remove(loop, &watched.io);
	close(fd);
}

#define loop_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		loop_test(test_loop_tells_a_level_again_and_an_edge_once),
		loop_test(test_loop_change_asks_for_something_else),
		loop_test(test_loop_add_says_why_not),
		loop_test(test_loop_drops_what_was_told_of_an_io_that_is_removed),
		loop_test(test_loop_forgets_an_open_file_whose_copy_lives_on),
		loop_test(test_loop_lets_a_handler_free_itself_and_others),
		loop_test(test_loop_reaches_more_than_one_batch),
		loop_test(test_loop_tells_urgent_data_an_ended_side_and_a_hangup),
		loop_test(test_loop_delivers_signals),
		loop_test(test_loop_wakes_for_a_thread),
		loop_test(test_loop_fits_into_another_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
