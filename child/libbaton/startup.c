/* SPDX-License-Identifier: MIT */
/*
 * The environment of a child, and the one signal that may not end it. Only baton.c and settings.c
 * ask, once each at the start; what the gateway says later comes over the channel.
 */
#include "libbaton/startup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { OWN_DESCRIPTORS = 32 }; /* what is left of RLIMIT_NOFILE for the author and us */

/* The descriptor, or -1. */
static int parse_fd(const char *text)
{
	char *end;
	errno = 0;
	long fd = strtol(text, &end, 10);
	int type = 0;
	socklen_t type_len = sizeof type;
	if (errno != 0 || end == text || *end != '\0' || fd < 0 || fd > INT32_MAX ||
	    getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &type_len) != 0 ||
	    type != SOCK_SEQPACKET || fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0) {
		return -1;
	}
	return (int)fd;
}

/* What this process prints goes to the gateway: when that is gone, the next line would end it, and
 * all its clients. */
static void survive_broken_pipes(void)
{
	struct sigaction now;
	if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
		signal(SIGPIPE, SIG_IGN);
	}
}

enum startup_result startup_find_channel(int *fd_r)
{
	const char *text = getenv("BATON_FD"), *protocol = getenv("BATON_PROTOCOL");
	*fd_r = -1;
	if (text == NULL) {
		return STARTUP_NOT_A_CHILD;
	}
	if (protocol == NULL || strcmp(protocol, "1") != 0) {
		return STARTUP_WRONG_PROTOCOL;
	}
	int fd = parse_fd(text);
	if (fd < 0) {
		return STARTUP_BAD_FD;
	}
	unsetenv("BATON_FD");
	unsetenv("BATON_PROTOCOL");
	survive_broken_pipes();
	*fd_r = fd;
	return STARTUP_OK;
}

uint64_t startup_capacity(uint64_t most)
{
	struct rlimit limit;
	uint64_t descriptors = INT32_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < descriptors) {
		descriptors = limit.rlim_cur;
	}
	descriptors = descriptors > OWN_DESCRIPTORS ? descriptors - OWN_DESCRIPTORS : 1;
	return most < descriptors ? most : descriptors;
}
