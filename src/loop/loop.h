/* SPDX-License-Identifier: MIT */
/*
 * The event loop that the gateway and libbaton share: descriptors, timers (timers.h), signals, a
 * wake-up from other threads; Linux epoll. One thread owns a loop and makes every call but loop_wake.
 *
 * Why not a library: a socket that is handed over exists twice for a moment, and epoll watches
 * the open file, not the number (epoll(7), Q6). So a descriptor is always removed here before
 * it is closed or passed on, and an event that the kernel had reported before the removal never
 * reaches its handler: an object may be freed in any handler, its own included.
 *
 * All structs live in the caller's memory, embedded in what they serve; nothing is allocated
 * after loop_create.
 */
#ifndef BATON_LOOP_H
#define BATON_LOOP_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/signalfd.h>

/* The struct that embeds a member: loop_owner(io, struct conn, io). */
#define loop_owner(member, type, name) ((type *)(void *)((char *)(member)-offsetof(type, name)))

struct loop;
struct loop_io;

enum loop_events {
	LOOP_READ = 1,
	LOOP_WRITE = 2,
	LOOP_URGENT = 4, /* TCP urgent data has arrived (EPOLLPRI) */
	LOOP_HANGUP = 8, /* reported only: both sides are shut, or an error waits to be read */
	LOOP_EDGE = 16,  /* requested only: report changes, not states (EPOLLET) */
	LOOP_LEFT = 32, /* the peer has ended its side (EPOLLRDHUP); LOOP_READ does not tell that */
};

typedef void loop_io_fn(struct loop_io *, unsigned events);
typedef void loop_signal_fn(void *data, const struct signalfd_siginfo *);
typedef void loop_turn_fn(void *data);

/* One watched descriptor. fd is -1 while it is not watched. */
struct loop_io {
	int fd;
	loop_io_fn *handle;
};

/* NULL with errno when epoll cannot be had. */
struct loop *loop_create(void);
void loop_destroy(struct loop *); /* NULL is fine; watched descriptors are left open */

/*
 * Milliseconds of CLOCK_MONOTONIC, read once a turn. loop_refresh reads it anew, for a handler
 * that worked long or for use before the first turn.
 */
uint64_t loop_now_ms(const struct loop *);
void loop_refresh(struct loop *);

/* By how much the clock is ahead of loop_now_ms: what this turn's handlers have taken so far. A wait
 * that shall begin after a handler that worked long is longer by it. */
uint64_t loop_behind_ms(const struct loop *);

/* Runs turns until loop_stop. 0, or -1 with errno when epoll itself fails. */
int loop_run(struct loop *);
void loop_stop(struct loop *);

/*
 * For use inside another loop: poll loop_fd for reading, and call loop_turn(loop, 0) when it is
 * readable or loop_wait_ms has passed (-1: no deadline). loop_turn waits at most max_wait_ms
 * (-1: until something happens), runs every due handler once and returns 0, or -1 with errno.
 */
int loop_fd(const struct loop *);
int loop_wait_ms(struct loop *);
int loop_turn(struct loop *, int max_wait_ms);

/* Called once at the end of every turn, after all handlers, before the next wait; and once when the
 * wait is over, before all handlers. */
void loop_on_turn_end(struct loop *, loop_turn_fn *, void *data);
void loop_on_turn_begin(struct loop *, loop_turn_fn *, void *data);

/*
 * Watches fd. 0, or -1 with errno (epoll_ctl(2)); io->fd stays -1 then. The loop never closes fd
 * and never touches its flags. A change tells the present state anew, with LOOP_EDGE too, and also
 * where the events are what they were.
 */
int loop_io_add(struct loop *, struct loop_io *, int fd, unsigned events, loop_io_fn *);
int loop_io_change(struct loop *, struct loop_io *, unsigned events);

/* Stops watching; events already reported in this turn are dropped. Safe when not watched. Must
 * come before close(2) or the passing of the descriptor. */
void loop_io_remove(struct loop *, struct loop_io *);

/* Blocks these signals in the calling thread and delivers them as calls of fn in the loop. Once a
 * loop. 0, or -1 with errno (signalfd(2)). */
int loop_signals(struct loop *, const sigset_t *, loop_signal_fn *, void *data);

/* Calls fn in the loop soon after loop_wake, which any thread and any signal handler may call.
 * Several wakes may become one call. loop_on_wake: 0, or -1 with errno (eventfd(2)). */
int loop_on_wake(struct loop *, loop_turn_fn *, void *data);
void loop_wake(struct loop *);

#endif
