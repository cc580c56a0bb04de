/* SPDX-License-Identifier: MIT */
/* SIGTERM while baton_run runs, whichever of the process's threads it comes to. */
#ifndef BATON_TERMINATION_H
#define BATON_TERMINATION_H

#include <signal.h>
#include <stdbool.h>

struct baton;

struct termination {
	bool is_ours;            /* it had its default action: the program does not care */
	struct sigaction action; /* before */
	sigset_t mask;           /* the same, of baton_run's thread */
};

/* Takes SIGTERM, unless the program has an action of its own for it. 0, or -1 with errno. */
int termination_begin(struct termination *, struct baton *);

/* Has it come? Once. At the end of a turn; false where nobody has taken it. */
bool termination_has_come(struct baton *);

/* Undoes termination_begin; is_told: SIGTERM is ignored from now on. */
void termination_end(struct termination *, bool is_told);

#endif
