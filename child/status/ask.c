/* SPDX-License-Identifier: MIT */
/*
 * One question to the control socket: connect, "status", read to the end of file. All of it
 * non-blocking and watched by the child's own loop: a gateway that is busy delays nobody here. It
 * does not look into the answer. Called by status.c.
 */
#include "status/ask.h"

#include "libbaton/baton.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	PIECE_BYTES = 64 * 1024,
	MAX_BYTES = 4 * 1024 * 1024, /* of an answer; 1,000 children need a quarter of one MiB */
};

static const char question[] = "status\n";

struct ask {
	struct baton *baton;
	struct sockaddr_un address;
	ask_fn *fn;
	void *data;
	int fd; /* -1: no question is open */
	struct baton_watch *watch;
	uint64_t asked_ms;
	char *text;
	size_t len, size;
};

struct ask *ask_create(struct baton *baton, const char *path, ask_fn *fn, void *data)
{
	struct ask *ask = calloc(1, sizeof *ask);
	if (ask != NULL) {
		ask->baton = baton;
		ask->fn = fn;
		ask->data = data;
		ask->fd = -1;
		ask->address.sun_family = AF_UNIX;
		snprintf(ask->address.sun_path, sizeof ask->address.sun_path, "%s", path);
	}
	return ask;
}

static void hang_up(struct ask *ask)
{
	baton_cancel(ask->watch);
	ask->watch = NULL;
	if (ask->fd >= 0) {
		close(ask->fd);
		ask->fd = -1;
	}
}

static void fail(struct ask *ask, int error)
{
	hang_up(ask);
	errno = error;
	ask->fn(NULL, 0, ask->data);
}

/* Room for one more piece. The buffer stays for the next answers: they have the same size. */
static bool make_room(struct ask *ask)
{
	if (ask->size - ask->len >= PIECE_BYTES) {
		return true;
	}
	size_t size = ask->size * 2 + PIECE_BYTES;
	char *bigger = size <= MAX_BYTES ? realloc(ask->text, size) : NULL;
	if (bigger == NULL) {
		return false;
	}
	ask->text = bigger;
	ask->size = size;
	return true;
}

static void handle_answer(int fd, int events, void *data)
{
	struct ask *ask = data;
	(void)events;
	if (!make_room(ask)) {
		fail(ask, ENOBUFS);
		return;
	}
	ssize_t got = recv(fd, ask->text + ask->len, ask->size - ask->len, MSG_DONTWAIT);
	if (got > 0) {
		ask->len += (size_t)got;
	} else if (got == 0) {
		hang_up(ask);
		ask->fn(ask->text, ask->len, ask->data);
	} else if (errno != EAGAIN && errno != EINTR) {
		fail(ask, errno);
	}
}

void ask_now(struct ask *ask, uint64_t now_ms)
{
	if (ask->fd >= 0) {
		if (now_ms - ask->asked_ms >= ASK_TIMEOUT_MS) {
			fail(ask, ETIMEDOUT);
		}
		return;
	}
	ask->asked_ms = now_ms;
	ask->len = 0;
	const struct sockaddr *address = (const struct sockaddr *)&ask->address;
	ask->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* On a Unix socket connect is immediate, or EAGAIN where many wait: the next one may. */
	if (ask->fd < 0 || connect(ask->fd, address, sizeof ask->address) != 0 ||
	    send(ask->fd, question, strlen(question), MSG_NOSIGNAL) < 0) {
		fail(ask, errno);
		return;
	}
	ask->watch = baton_watch(ask->baton, ask->fd, BATON_READ, handle_answer, ask);
	if (ask->watch == NULL) {
		fail(ask, errno);
	}
}

void ask_destroy(struct ask *ask)
{
	if (ask != NULL) {
		hang_up(ask);
		free(ask->text);
		free(ask);
	}
}
