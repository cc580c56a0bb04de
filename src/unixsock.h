/* SPDX-License-Identifier: MIT */
/* Small leaf: Unix-domain socket addresses, and the files they leave behind. */
#ifndef BATON_UNIXSOCK_H
#define BATON_UNIXSOCK_H

#include <stdbool.h>
#include <sys/types.h>

struct sockaddr_un;

/* The file that a server made: one of the same name may be another's by the time it ends. */
struct unixsock_file {
	dev_t dev;
	ino_t ino;
};

/* 0, or -1 with ENAMETOOLONG. */
int unixsock_address(struct sockaddr_un *, const char *path);

/*
 * Makes way for a bind: removes the file of a server that is gone. 0, or -1 with errno: EADDRINUSE
 * when somebody is there, EEXIST when it is no socket, or as connect(2) and unlink(2).
 */
int unixsock_claim(const struct sockaddr_un *);

/*
 * Claims the address and listens there: a non-blocking stream socket, the caller's to close, and a
 * file with this mode from its first moment. -1 with errno as unixsock_claim, bind(2) and
 * listen(2).
 */
int unixsock_listen(const struct sockaddr_un *, mode_t mode, int backlog,
		    struct unixsock_file *file_r);

/* Does root or our own user have the other end of a stream socket? See SO_PEERCRED in unix(7). */
bool unixsock_trusts_peer(int fd);

/* Before the socket is closed: removes its file, unless that has become another's. */
void unixsock_remove(const struct sockaddr_un *, const struct unixsock_file *);

#endif
