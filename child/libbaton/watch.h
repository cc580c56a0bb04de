/* SPDX-License-Identifier: MIT */
/* The author's timers and descriptors, and calls from other threads. */
#ifndef BATON_WATCH_H
#define BATON_WATCH_H

#include "libbaton/deadlines.h"
#include "loop/timers.h"

#include <pthread.h>

struct baton;
struct baton_watch;
struct watch_post;

struct watch_list {
	struct baton_watch *first;
	struct deadlines deadlines; /* of all timers */
	struct loop_lane alarms;    /* has one: alarm */
	struct loop_timer alarm;
	pthread_mutex_t mutex; /* guards posts and last_post */
	struct watch_post *posts, **last_post;
};

int watch_init(struct baton *); /* 0, or -1 with errno */

/* Frees every watch; calls that were posted and not made are dropped. */
void watch_finish(struct baton *);

#endif
