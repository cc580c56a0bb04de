/* SPDX-License-Identifier: MIT */
/*
 * The command line's half of the control socket: connect, one line, read to the end. May wait: it
 * runs in a process of its own. Called by the commands in commands.c.
 */
#include "control/control.h"

#include "fdutil.h"
#include "unixsock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path)
{
	struct sockaddr_un address;
	if (unixsock_address(&address, path) != 0) {
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
		fd_close(&fd);
	}
	/* The default path may be in /tmp, where anybody can listen. Root's cannot. */
	if (fd >= 0 && geteuid() != 0 && !unixsock_trusts_peer(fd)) {
		fd_close(&fd);
		errno = EPERM;
	}
	return fd;
}

static int send_line(int fd, const char *command)
{
	char line[CONTROL_COMMAND_BYTES];
	int len = snprintf(line, sizeof line, "%s\n", command);
	return send(fd, line, (size_t)len, MSG_NOSIGNAL) == len ? 0 : -1;
}

/* What to do about a failed connect, where it is known. */
static const char *advice(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return "Only root and the user that the gateway runs as may ask it.\n";
	case ENOENT:
	case ECONNREFUSED:
		return "Is it running? A gateway started with -c FILE may have its control socket "
		       "elsewhere: give the same -c FILE, or --control PATH.\n";
	default:
		return "";
	}
}

int control_ask(const char *path, const char *command,
		void (*print)(void *data, const char *bytes, size_t len), void *data)
{
	char bytes[16 * 1024];
	int fd = connect_to(path);
	if (fd < 0) {
		fprintf(stderr, "baton: no gateway answers at %s: %s\n%s", path, strerror(errno),
			advice(errno));
		return -1;
	}
	ssize_t got = -1;
	if (send_line(fd, command) == 0) {
		while ((got = recv(fd, bytes, sizeof bytes, 0)) > 0) {
			if (print != NULL) {
				print(data, bytes, (size_t)got);
			}
		}
	}
	if (got < 0) {
		fprintf(stderr, "baton: the gateway at %s ended the talk: %s\n", path,
			strerror(errno));
	}
	fd_close(&fd);
	return got < 0 ? -1 : 0;
}
