/* SPDX-License-Identifier: MIT */
/* What a child's process is given, and what is left of it: channel, output, environment. */
#ifndef BATON_LAUNCH_H
#define BATON_LAUNCH_H

struct child;

/*
 * Starts the process with a fresh channel, which is watched for what it says, and a fresh output.
 * 0, or -1 with errno and no process; launch_release takes apart what there is.
 */
int launch_start(struct child *);

/* Everything of a process that ended, or never began: its last words are logged, all is closed. */
void launch_release(struct child *);

#endif
