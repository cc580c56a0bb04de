/* SPDX-License-Identifier: MIT */
/* Small leaf: descriptors. */
#ifndef BATON_FDUTIL_H
#define BATON_FDUTIL_H

#include <stdbool.h>

/* Closes *fd and sets it to -1; safe on -1; keeps errno. */
void fd_close(int *fd);

/* Sets O_NONBLOCK on the open file behind fd (shared by all its copies). 0, or -1 with errno. */
int fd_set_nonblocking(int fd);

/* Does this errno mean that the system, or this process, is short of descriptors or memory now? */
bool fd_is_shortage(int error);

#endif
