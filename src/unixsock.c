/* SPDX-License-Identifier: MIT */
/*
 * Small leaf: Unix-domain socket addresses. A file is only removed when nobody answers behind it.
 * Called by listener.c and control/.
 */
#include "unixsock.h"

#include "fdutil.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int unixsock_address(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof address->sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address->sun_path, path, strlen(path) + 1);
	return 0;
}

int unixsock_claim(const struct sockaddr_un *address)
{
	struct stat info;
	if (lstat(address->sun_path, &info) != 0) {
		return 0;
	}
	if (!S_ISSOCK(info.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0) {
		return -1;
	}
	bool answers = connect(probe, (const struct sockaddr *)address, sizeof *address) == 0;
	fd_close(&probe);
	/* EAGAIN: its backlog is full; EPROTOTYPE: a socket of another type. Somebody is there. */
	if (answers || errno == EAGAIN || errno == EPROTOTYPE) {
		errno = EADDRINUSE;
		return -1;
	}
	if (errno != ECONNREFUSED) {
		return -1; /* it could not be asked, so nothing is known */
	}
	return unlink(address->sun_path);
}

static int bind_and_listen(int fd, const struct sockaddr_un *address, int backlog,
			   struct unixsock_file *file_r)
{
	struct stat info;
	if (bind(fd, (const struct sockaddr *)address, sizeof *address) != 0 ||
	    lstat(address->sun_path, &info) != 0) {
		return -1;
	}
	*file_r = (struct unixsock_file){info.st_dev, info.st_ino};
	return listen(fd, backlog);
}

int unixsock_listen(const struct sockaddr_un *address, mode_t mode, int backlog,
		    struct unixsock_file *file_r)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask = umask(~mode & 0777);
	int failed = fd < 0 || unixsock_claim(address) != 0 ||
		     bind_and_listen(fd, address, backlog, file_r) != 0;
	umask(mask);
	if (failed) {
		fd_close(&fd);
	}
	return fd;
}

bool unixsock_trusts_peer(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

void unixsock_remove(const struct sockaddr_un *address, const struct unixsock_file *file)
{
	struct stat info;
	if (lstat(address->sun_path, &info) == 0 && info.st_dev == file->dev &&
	    info.st_ino == file->ino) {
		unlink(address->sun_path);
	}
}
