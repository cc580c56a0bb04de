/* SPDX-License-Identifier: MIT */
/*
 * Keeps a close(2) from holding the gateway up. Whoever closes a socket with SO_LINGER last waits
 * until its peer has acknowledged everything (socket(7)), O_NONBLOCK or not; and who sets that
 * option and makes the gateway the last is somebody else: a child with its client's socket, or
 * who sends us a descriptor over a Unix socket, that the kernel closes when we do not take it.
 *
 * A signal ends that wait. So while the gateway works one comes every GUARD_MS; it does nothing.
 * To ask before each close would be one more system call a connection, and too early: the option
 * can be set behind it.
 */
#ifndef BATON_GUARD_H
#define BATON_GUARD_H

enum { GUARD_MS = 10 }; /* as long as one socket can hold the gateway up */

/* Takes SIGALRM and the timer of setitimer(2), of which a process has one. 0, or -1 with errno. */
int guard_init(void);

/* Around everything that the loop's handlers do. Cheap: the timer runs on for a while. */
void guard_begin(void);
void guard_end(void);

#endif
