/* SPDX-License-Identifier: MIT */
/*
 * What an author's program does beside its connections: timers, descriptors of its own, calls
 * that other threads hand in. A watch is freed when nobody runs it any more, so it may be
 * cancelled from its own callback.
 */
#include "libbaton/watch.h"

#include "libbaton/host.h"

#include <errno.h>
#include <stdlib.h>

struct baton_watch {
	struct baton_watch *prev, *next;
	struct baton *baton;
	struct loop_io io;       /* of baton_watch; fd -1 in a timer */
	struct deadline deadline; /* of baton_timer */
	baton_fn *fn;
	baton_fd_fn *fd_fn;
	void *data;
	unsigned every_ms;
	int events;
	bool is_running;   /* its callback is on the stack */
	bool is_cancelled; /* to be freed when the callback returns */
};

struct watch_post {
	struct watch_post *next;
	baton_fn *fn;
	void *data;
};

static void destroy(struct baton_watch *watch)
{
	struct watch_list *list = &watch->baton->watches;
	deadlines_clear(&list->deadlines, &watch->deadline);
	loop_io_remove(watch->baton->loop, &watch->io);
	if (watch->prev != NULL) {
		watch->prev->next = watch->next;
	} else {
		list->first = watch->next;
	}
	if (watch->next != NULL) {
		watch->next->prev = watch->prev;
	}
	free(watch);
}

static struct baton_watch *create(struct baton *baton, bool has_fn, void *data)
{
	if (!has_fn) {
		errno = EINVAL;
		return NULL;
	}
	struct baton_watch *watch = calloc(1, sizeof *watch);
	if (watch == NULL) {
		return NULL;
	}
	watch->baton = baton;
	watch->io.fd = -1;
	watch->data = data;
	watch->next = baton->watches.first;
	if (watch->next != NULL) {
		watch->next->prev = watch;
	}
	baton->watches.first = watch;
	return watch;
}

/* The loop's timer runs until the first deadline, or one that was cancelled meanwhile. */
static void set_alarm(struct watch_list *list, uint64_t now_ms)
{
	const struct deadline *first = deadlines_first(&list->deadlines);
	if (first != NULL) {
		uint64_t wait_ms = first->due_ms > now_ms ? first->due_ms - now_ms : 0;
		loop_timer_start(&list->alarms, &list->alarm, (unsigned)wait_ms);
	}
}

static void run_timer(struct baton_watch *watch, uint64_t now_ms)
{
	struct watch_list *list = &watch->baton->watches;
	deadlines_clear(&list->deadlines, &watch->deadline);
	if (watch->every_ms > 0) { /* in the place that it has just left */
		deadlines_set(&list->deadlines, &watch->deadline, now_ms + watch->every_ms);
	}
	watch->is_running = true;
	watch->fn(watch->data);
	watch->is_running = false;
	if (watch->is_cancelled || watch->every_ms == 0) {
		destroy(watch);
	}
}

/* What a callback starts, even with 0 ms, waits for the next turn. */
static void handle_alarm(struct loop_timer *alarm)
{
	struct baton *baton = loop_owner(alarm, struct baton, watches.alarm);
	struct watch_list *list = &baton->watches;
	uint64_t now_ms = loop_now_ms(baton->loop), end = list->deadlines.next_number;
	struct deadline *first = deadlines_first(&list->deadlines);
	while (first != NULL && first->due_ms <= now_ms && first->number < end) {
		run_timer(loop_owner(first, struct baton_watch, deadline), now_ms);
		first = deadlines_first(&list->deadlines);
	}
	set_alarm(list, now_ms);
}

static void handle_fd(struct loop_io *io, unsigned events)
{
	struct baton_watch *watch = loop_owner(io, struct baton_watch, io);
	int wanted = (int)events & watch->events;
	watch->is_running = true;
	/* A hang-up comes to who waits for writing too: its write is what finds out. */
	watch->fd_fn(io->fd, wanted != 0 ? wanted : watch->events, watch->data);
	watch->is_running = false;
	if (watch->is_cancelled) {
		destroy(watch);
	}
}

struct baton_watch *baton_timer(struct baton *baton, unsigned first_ms, unsigned every_ms,
				baton_fn *fn, void *data)
{
	struct watch_list *list = &baton->watches;
	struct baton_watch *watch = create(baton, fn != NULL, data);
	if (watch == NULL) {
		return NULL;
	}
	watch->fn = fn;
	watch->every_ms = every_ms;
	unsigned wait_ms = host_wait_ms(baton, first_ms); /* outside of a turn it moves the clock */
	uint64_t now_ms = loop_now_ms(baton->loop);
	if (!deadlines_set(&list->deadlines, &watch->deadline, now_ms + wait_ms)) {
		destroy(watch);
		errno = ENOMEM;
		return NULL;
	}
	set_alarm(list, now_ms);
	return watch;
}

struct baton_watch *baton_watch(struct baton *baton, int fd, int events, baton_fd_fn *fn,
				void *data)
{
	struct baton_watch *watch = create(baton, fn != NULL, data);
	if (watch == NULL) {
		return NULL;
	}
	watch->fd_fn = fn;
	watch->events = events & (BATON_READ | BATON_WRITE);
	unsigned wanted = ((events & BATON_READ) ? (unsigned)LOOP_READ : 0) |
			  ((events & BATON_WRITE) ? (unsigned)LOOP_WRITE : 0);
	if (loop_io_add(baton->loop, &watch->io, fd, wanted, handle_fd) != 0) {
		int error = errno;
		destroy(watch);
		errno = error;
		return NULL;
	}
	return watch;
}

void baton_cancel(struct baton_watch *watch)
{
	if (watch == NULL) {
		return;
	}
	if (!watch->is_running) {
		destroy(watch);
		return;
	}
	/* Its descriptor may be closed as soon as we return. */
	watch->is_cancelled = true;
	deadlines_clear(&watch->baton->watches.deadlines, &watch->deadline);
	loop_io_remove(watch->baton->loop, &watch->io);
}

/* ---- other threads ---- */

int baton_post(struct baton *baton, baton_fn *fn, void *data)
{
	if (fn == NULL) {
		errno = EINVAL;
		return -1;
	}
	struct watch_post *post = malloc(sizeof *post);
	if (post == NULL) {
		return -1;
	}
	*post = (struct watch_post){.fn = fn, .data = data};
	struct watch_list *list = &baton->watches;
	pthread_mutex_lock(&list->mutex);
	*list->last_post = post;
	list->last_post = &post->next;
	pthread_mutex_unlock(&list->mutex);
	loop_wake(baton->loop);
	return 0;
}

static struct watch_post *take_posts(struct watch_list *list)
{
	pthread_mutex_lock(&list->mutex);
	struct watch_post *posts = list->posts;
	list->posts = NULL;
	list->last_post = &list->posts;
	pthread_mutex_unlock(&list->mutex);
	return posts;
}

static void handle_wake(void *data)
{
	struct baton *baton = data;
	for (struct watch_post *post = take_posts(&baton->watches), *next; post != NULL;
	     post = next) {
		next = post->next;
		post->fn(post->data);
		free(post);
	}
}

int watch_init(struct baton *baton)
{
	struct watch_list *list = &baton->watches;
	list->last_post = &list->posts;
	int error = pthread_mutex_init(&list->mutex, NULL);
	if (error != 0) {
		errno = error;
		return -1;
	}
	loop_lane_init(&list->alarms, baton->loop, handle_alarm);
	return loop_on_wake(baton->loop, handle_wake, baton);
}

void watch_finish(struct baton *baton)
{
	struct watch_list *list = &baton->watches;
	if (list->alarms.loop == NULL) {
		return;
	}
	while (list->first != NULL) {
		destroy(list->first);
	}
	deadlines_free(&list->deadlines);
	loop_lane_finish(&list->alarms);
	for (struct watch_post *post = take_posts(list), *next; post != NULL; post = next) {
		next = post->next;
		free(post);
	}
	pthread_mutex_destroy(&list->mutex);
}
