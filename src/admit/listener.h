/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets: made with the options that accepted ones inherit, watched, paused when there
 * are no descriptors left. Each owns its descriptor and, on a Unix socket, the file.
 */
#ifndef BATON_LISTENER_H
#define BATON_LISTENER_H

#include "config/config.h"
#include "loop/loop.h"
#include "loop/timers.h"
#include "unixsock.h"

#include <stdbool.h>
#include <sys/socket.h>

enum {
	LISTENER_NAME_BYTES = 128,
	LISTENER_BACKLOG = 4096,
	LISTENER_BURST = 4,      /* clients accepted an event; a child holds as many offers */
	LISTENER_PAUSE_MS = 100, /* after EMFILE and its like */
	LISTENER_TELL_MS = 1000, /* between two lines about that */
	LISTENER_USER_TIMEOUT_MS = 60000, /* TCP_USER_TIMEOUT: unacknowledged data, dead peer */
	LISTENER_DEFER_SECS = 1, /* TCP_DEFER_ACCEPT: silent clients stay with the kernel */
};

struct listener;

struct listener_events {
	/* Asked before each accept. NULL: there is room for one more; else the reason to pause. */
	const char *(*why_full)(void *data);

	/* A client: fd is the receiver's from here on, blocking, close-on-exec. */
	void (*accepted)(struct listener *, int fd, const struct sockaddr_storage *peer);
};

struct listener {
	const struct config_listener *config;
	struct loop *loop;
	struct loop_io io;
	struct loop_lane lane; /* one timer: the end of the pause */
	struct loop_timer pause;
	int fd;
	struct unixsock_file file; /* of a Unix socket */
	unsigned index;
	unsigned port; /* 0 for a Unix socket */
	uint64_t pauses;
	uint64_t told_ms; /* when the last of them was logged; 0: none was */
	const struct listener_events *events;
	void *data;
	char name[LISTENER_NAME_BYTES]; /* "127.0.0.1:8080" with the real port, "unix:/path" */
};

/* All of the configuration's, as far as they are open. */
struct listeners {
	struct listener *all;
	size_t count;
};

/* In zeroed memory. Opens, binds, listens; accepts nothing yet. 0, or -1 and logged. */
int listeners_open(struct listeners *, struct loop *, const struct config *,
		   const struct listener_events *, void *data);

/* Begins to accept. 0, or -1 and logged. */
int listeners_start(struct listeners *);

/* Also removes the files of Unix sockets; safe to repeat. The structs stay: clients that came in
 * still refer to them. */
void listeners_close(struct listeners *);
void listeners_finish(struct listeners *); /* in whatever state */

#endif
