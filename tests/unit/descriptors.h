/* SPDX-License-Identifier: MIT */
/*
 * Descriptors in tests: how many are open, which are the same open file, and a process that may
 * open no more.
 */
#ifndef TESTS_DESCRIPTORS_H
#define TESTS_DESCRIPTORS_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* How many this process has open. */
static inline size_t descriptors_open(void)
{
	size_t count = 0;
	DIR *dir = opendir("/proc/self/fd");
	while (dir != NULL && readdir(dir) != NULL) {
		count++;
	}
	if (dir != NULL) {
		closedir(dir);
	}
	return count;
}

static inline bool descriptors_are_same_file(int a, int b)
{
	struct stat one, other;
	return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

static inline bool descriptor_is_close_on_exec(int fd)
{
	return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

/* From now on only `more` descriptors can be opened. Returns the limit that was. */
static inline struct rlimit descriptors_limit(unsigned more)
{
	struct rlimit before, less;
	int next = 0;
	getrlimit(RLIMIT_NOFILE, &before);
	less = before;
	for (unsigned i = 0; i <= more; next++) {
		i += fcntl(next, F_GETFD) < 0 ? 1 : 0;
	}
	less.rlim_cur = (rlim_t)next - 1;
	setrlimit(RLIMIT_NOFILE, &less);
	return before;
}

static inline void descriptors_unlimit(struct rlimit before)
{
	setrlimit(RLIMIT_NOFILE, &before);
}

#endif
