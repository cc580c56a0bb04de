/* SPDX-License-Identifier: MIT */
/* Small leaf: descriptors. Anybody may call it; libc only. */
#include "fdutil.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void fd_close(int *fd)
{
	if (*fd >= 0) {
		int error = errno;
		close(*fd);
		*fd = -1;
		errno = error;
	}
}

int fd_set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

bool fd_is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}
