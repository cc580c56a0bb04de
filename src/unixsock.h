/* SPDX-License-Identifier: MIT */
/* Small leaf: Unix-domain socket addresses, and the files they leave behind. */
#ifndef BATON_UNIXSOCK_H
#define BATON_UNIXSOCK_H

struct sockaddr_un;

/* 0, or -1 with ENAMETOOLONG. */
int unixsock_address(struct sockaddr_un *, const char *path);

/*
 * Makes way for a bind: removes the file of a server that is gone. 0, or -1 with errno: EADDRINUSE
 * when somebody is there, EEXIST when it is no socket, or as connect(2) and unlink(2).
 */
int unixsock_claim(const struct sockaddr_un *);

#endif
