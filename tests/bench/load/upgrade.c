/* SPDX-License-Identifier: MIT */
/*
 * The upgrade mode (a closed loop: as one life ends, the next begins in its place) and the paced
 * mode (an open loop: lives begin at their time, whatever became of the earlier ones, and are
 * timed from the moment that was planned). Each started life is counted out once. Called by main.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "life.h"
#include "modes.h"

enum { EVENTS_A_TURN = 256, SWEEP_MS = 100, BACKLOG_SWEEP_MS = 1, MAX_SLOTS = 19000 };

struct run {
	const struct options *options;
	struct life_context life;
	struct life *slots;
	unsigned slot_count, active;
	uint64_t planned; /* paced: how many in all */
	uint64_t stop_ns; /* start nothing after it */
	uint64_t deadline_ns;
	uint64_t next_sweep_ns;
	bool closing; /* paced: the held ones are being closed */
};

static bool is_paced(const struct run *run)
{
	return run->options->mode == OPTIONS_PACED;
}

static bool wants_more(const struct run *run)
{
	const struct options *options = run->options;
	return (options->count == 0 || run->life.tally->started < options->count) &&
	       run->life.now_ns < run->stop_ns;
}

static void count_end(struct run *run, const struct life *life)
{
	tally_end(run->life.tally, life->outcome, life->status);
	run->active--;
}

/* Begins a life in this slot, and another if that one ends at once, while more are wanted. */
static void start_closed(struct run *run, unsigned slot)
{
	while (wants_more(run)) {
		run->life.tally->started++;
		run->active++;
		enum life_event event =
			life_start(&run->slots[slot], &run->life, slot, run->life.now_ns);
		if (event != LIFE_ENDED) {
			return;
		}
		count_end(run, &run->slots[slot]);
		run->life.now_ns = clock_ns();
	}
}

static uint64_t due_ns(const struct run *run, uint64_t number)
{
	return run->life.tally->begin_ns +
	       (uint64_t)((double)number * CLOCK_NS_PER_SEC / run->options->rate);
}

static void start_due(struct run *run)
{
	struct tally *tally = run->life.tally;
	while (tally->started < run->planned && due_ns(run, tally->started) <= run->life.now_ns) {
		unsigned slot = (unsigned)tally->started;
		uint64_t due = due_ns(run, tally->started++);
		run->active++;
		if (life_start(&run->slots[slot], &run->life, slot, due) == LIFE_ENDED) {
			count_end(run, &run->slots[slot]);
		}
	}
}

static void advance(struct run *run, unsigned slot, enum life_event event)
{
	struct life *life = &run->slots[slot];
	if (event == LIFE_UPGRADED) {
		event = life_echo(life, &run->life, slot);
	} else if (event == LIFE_ECHOED && (run->closing || !run->options->hold)) {
		event = life_close(life, &run->life);
	}
	if (event == LIFE_ENDED) {
		count_end(run, life);
		if (!is_paced(run)) {
			start_closed(run, slot);
		}
	}
}

/* What waits too long has failed; a full backlog is tried again. */
static void sweep(struct run *run)
{
	bool unix_socket = run->options->address.ss_family == AF_UNIX;
	if (run->life.now_ns < run->next_sweep_ns) {
		return;
	}
	run->next_sweep_ns =
		run->life.now_ns +
		(uint64_t)(unix_socket ? BACKLOG_SWEEP_MS : SWEEP_MS) * CLOCK_NS_PER_MS;
	for (unsigned slot = 0; slot < run->slot_count; slot++) {
		struct life *life = &run->slots[slot];
		bool waits = life->state != LIFE_FREE && life->state != LIFE_OPEN;
		if (waits && run->life.now_ns > life->step_ns + run->options->timeout_ns) {
			life_abandon(life, TALLY_TIMEOUT);
			advance(run, slot, LIFE_ENDED);
		} else if (life->state == LIFE_BACKLOG) {
			advance(run, slot, life_retry(life, &run->life, slot));
		}
	}
}

/* Once every connection is held (or has ended), all are closed. */
static void close_held(struct run *run)
{
	for (unsigned slot = 0; slot < run->slot_count; slot++) {
		enum life_state state = run->slots[slot].state;
		if (state != LIFE_FREE && state != LIFE_OPEN) {
			return;
		}
	}
	run->closing = true;
	for (unsigned slot = 0; slot < run->slot_count; slot++) {
		if (run->slots[slot].state == LIFE_OPEN) {
			advance(run, slot, LIFE_ECHOED);
		}
	}
}

static void time_out_all(struct run *run)
{
	for (unsigned slot = 0; slot < run->slot_count; slot++) {
		if (run->slots[slot].state != LIFE_FREE) {
			life_abandon(&run->slots[slot], TALLY_TIMEOUT);
			count_end(run, &run->slots[slot]);
		}
	}
}

static struct timespec wait_time(const struct run *run)
{
	uint64_t until = run->next_sweep_ns;
	uint64_t started = run->life.tally->started;
	if (is_paced(run) && started < run->planned && due_ns(run, started) < until) {
		until = due_ns(run, started);
	}
	uint64_t now = clock_ns();
	uint64_t ns = until > now ? until - now : 0;
	return (struct timespec){.tv_sec = (time_t)(ns / CLOCK_NS_PER_SEC),
				 .tv_nsec = (long)(ns % CLOCK_NS_PER_SEC)};
}

static void turn(struct run *run)
{
	struct epoll_event events[EVENTS_A_TURN];
	struct timespec wait = wait_time(run);
	int count = epoll_pwait2(run->life.epfd, events, EVENTS_A_TURN, &wait, NULL);
	run->life.now_ns = clock_ns();
	for (int i = 0; i < count; i++) {
		unsigned slot = (unsigned)events[i].data.u64;
		advance(run, slot,
			life_handle(&run->slots[slot], &run->life, slot, events[i].events));
	}
	sweep(run);
}

static bool is_over(struct run *run)
{
	if (is_paced(run) && run->life.tally->started < run->planned) {
		return false;
	}
	if (run->options->hold && !run->closing) {
		close_held(run);
	}
	return run->active == 0;
}

static void init(struct run *run, const struct options *options, struct tally *tally)
{
	uint64_t now = clock_ns();
	*run = (struct run){.options = options, .slot_count = options->connections};
	run->life = (struct life_context){
		.epfd = epoll_create1(EPOLL_CLOEXEC), .tally = tally, .now_ns = now};
	run->stop_ns = options->duration_ns > 0 ? now + options->duration_ns : UINT64_MAX;
	run->deadline_ns = now + options->deadline_ns;
	if (is_paced(run)) {
		double seconds = (double)options->duration_ns / CLOCK_NS_PER_SEC;
		run->planned = (uint64_t)(options->rate * seconds + 0.5);
		run->slot_count = (unsigned)run->planned;
	}
	run->slots = calloc(run->slot_count, sizeof *run->slots);
	if (run->life.epfd < 0 || run->slots == NULL || run->planned > MAX_SLOTS) {
		fprintf(stderr, "load: cannot prepare %u connections\n", run->slot_count);
		exit(1);
	}
	tally->begin_ns = now;
}

void upgrade_run(const struct options *options, struct tally *tally)
{
	struct run run;
	init(&run, options, tally);
	for (unsigned slot = 0; !is_paced(&run) && slot < run.slot_count; slot++) {
		start_closed(&run, slot);
	}
	while (!is_over(&run) && run.life.now_ns < run.deadline_ns) {
		if (is_paced(&run)) {
			start_due(&run);
		}
		turn(&run);
	}
	time_out_all(&run);
	tally->end_ns = clock_ns();
	close(run.life.epfd);
	free(run.slots);
}
