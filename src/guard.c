/* SPDX-License-Identifier: MIT */
/* See guard.h. The timer starts with the first work and ends at a tick that finds none, so that an
 * idle gateway sleeps and a busy one does not set it for each turn. */
#include "guard.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

static volatile sig_atomic_t is_working, is_ticking;

static void tick_every(long ms)
{
	const struct itimerval timer = {
		.it_interval.tv_usec = ms * 1000,
		.it_value.tv_usec = ms * 1000,
	};
	is_ticking = ms > 0;
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void handle_tick(int number)
{
	(void)number;
	if (!is_working) {
		tick_every(0);
	}
}

int guard_init(void)
{
	struct sigaction action = {.sa_handler = handle_tick, .sa_flags = SA_RESTART};
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigemptyset(&action.sa_mask);
	return sigaction(SIGALRM, &action, NULL) == 0 ? sigprocmask(SIG_UNBLOCK, &set, NULL) : -1;
}

void guard_begin(void)
{
	is_working = 1; /* before the look: no tick stops the timer behind it */
	if (!is_ticking) {
		tick_every(GUARD_MS);
	}
}

void guard_end(void)
{
	is_working = 0;
}
