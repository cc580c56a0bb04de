/* SPDX-License-Identifier: MIT */
/*
 * A handler and not a signalfd: the kernel gives SIGTERM to any thread that does not block it, and
 * an author's threads block nothing. The handler only wakes the loop; baton.c drains. Called by
 * baton_run alone: in another loop SIGTERM is the author's.
 */
#include "libbaton/termination.h"

#include "libbaton/host.h"

#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>

/* A handler finds nothing but statics. */
static struct baton *_Atomic running; /* NULL: nobody waits for the signal */
static atomic_int handlers;           /* that may be using running */
static atomic_bool has_come;

static void handle_signal(int number)
{
	(void)number;
	atomic_fetch_add(&handlers, 1);
	struct baton *baton = atomic_load(&running);
	if (baton != NULL) {
		atomic_store(&has_come, true);
		loop_wake(baton->loop);
	}
	atomic_fetch_sub(&handlers, 1);
}

int termination_begin(struct termination *termination, struct baton *baton)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	if (sigaction(SIGTERM, NULL, &termination->action) != 0) {
		return -1;
	}
	termination->is_ours = termination->action.sa_handler == SIG_DFL;
	if (!termination->is_ours) {
		return 0;
	}
	const struct sigaction ours = {.sa_handler = handle_signal, .sa_flags = SA_RESTART};
	atomic_store(&has_come, false);
	atomic_store(&running, baton);
	sigaction(SIGTERM, &ours, NULL);
	pthread_sigmask(SIG_UNBLOCK, &signals, &termination->mask); /* one thread must take it */
	return 0;
}

bool termination_has_come(struct baton *baton)
{
	return atomic_load(&has_come) && atomic_load(&running) == baton &&
	       atomic_exchange(&has_come, false);
}

void termination_end(struct termination *termination, bool is_told)
{
	if (!termination->is_ours) {
		return;
	}
	const struct sigaction ignored = {.sa_handler = SIG_IGN};
	bool is_last_word = is_told || atomic_load(&has_come);
	sigaction(SIGTERM, is_last_word ? &ignored : &termination->action, NULL);
	atomic_store(&running, NULL);
	while (atomic_load(&handlers) > 0) { /* of other threads: the loop may be freed next */
		sched_yield();
	}
	pthread_sigmask(SIG_SETMASK, &termination->mask, NULL);
}
