/* SPDX-License-Identifier: MIT */
/*
 * Starting, killing and burying processes: mechanism only, shaped as messages, because it is to
 * move into a process of its own (a keeper that parses nothing from strangers). A request is plain
 * data and names its process by a number of the caller's; what happens comes back as events.
 * Nothing here waits: an exec that fails is an event like any other.
 */
#ifndef BATON_SPAWN_H
#define BATON_SPAWN_H

#include "loop/loop.h"

#include <sys/types.h>

/* Start this. Borrowed for the call. */
struct spawn_request {
	char *const *
		command; /* argv; a word without '/' is sought in PATH, then in directory_of_self */
	char *const *environment; /* "NAME=VALUE"...; the whole of it, NULL-terminated */
	const char *directory;    /* or NULL */
	const char *user, *group; /* or NULL */
	int channel;              /* becomes descriptor 3 there; the caller keeps its copy */
	int output;               /* becomes 1 and 2 there; the caller keeps its copy */
};

enum spawn_event_type {
	SPAWN_FAILED, /* it never ran the command: stage and error say why; SPAWN_EXITED follows
			 unless pid is 0 */
	SPAWN_EXITED, /* status as of waitid(2); the process group is gone too */
};

struct spawn_event {
	enum spawn_event_type type;
	unsigned token; /* of the request */
	pid_t pid;
	const char *stage; /* SPAWN_FAILED: the call, e.g. "exec" */
	int error;         /* SPAWN_FAILED: errno */
	int exit_code;     /* SPAWN_EXITED: 0..255, or -1: by a signal */
	int signal;        /* SPAWN_EXITED: the signal, or 0 */
};

typedef void spawn_fn(void *data, const struct spawn_event *);

struct spawner;

/* Events go to fn, from the loop only. NULL with errno. */
struct spawner *spawner_create(struct loop *, spawn_fn *, void *data);

/* Kills what still runs (SIGKILL, process groups) and buries it. NULL is fine. */
void spawner_destroy(struct spawner *);

/*
 * Starts a process in a group of its own. token must not be in use. Returns its pid, or -1 with
 * errno when there is no process at all (no event follows then).
 */
pid_t spawner_start(struct spawner *, unsigned token, const struct spawn_request *);

/* Buries orphans that were given to us because we are process 1 of a container. After SIGCHLD; one
 * that is ours, and dead, is left to its event, and ends the look. */
void spawner_reap_strangers(struct spawner *);

/* Signals the process and everything in its group. No such process: nothing happens. */
void spawner_kill(struct spawner *, unsigned token, int signal);

#endif
