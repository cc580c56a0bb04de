/* SPDX-License-Identifier: MIT */
/*
 * The idle mode: opens connections, says so with a line of JSON, and holds them until stdin ends.
 * Lines on stdin, done in order, each answered by a line of JSON when it is done:
 *	open N		opens N more (at most --connections in all)
 *	close N		closes N with the closing handshake, all at the same time
 *	quit		ends, as the end of stdin does
 * A held connection that ends by itself is counted as lost. Called by main.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "life.h"
#include "modes.h"

enum { EVENTS_A_TURN = 256, TURN_MS = 50, RAMP = 64, COMMAND_BYTES = 4096 };

static const uint64_t STDIN_ID = UINT64_MAX;

struct run {
	const struct options *options;
	struct life_context life;
	struct life *slots;
	unsigned to_open, opening, closing, open;
	unsigned failed, lost; /* while opening or closing; while held */
	unsigned search;       /* where the next free slot is looked for */
	uint64_t command_ns, deadline_ns;
	char commands[COMMAND_BYTES];
	size_t command_len;
	bool busy, ended;
};

static void handle_stdin(struct run *run)
{
	size_t room = sizeof run->commands - run->command_len;
	ssize_t len = read(STDIN_FILENO, run->commands + run->command_len, room);
	if (len > 0) {
		run->command_len += (size_t)len;
		return;
	}
	if (len < 0 && errno == EAGAIN) {
		return;
	}
	run->ended = true;
	epoll_ctl(run->life.epfd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
}

static void count_end(struct run *run, struct life *life, enum life_state before)
{
	tally_end(run->life.tally, life->outcome, life->status);
	if (before == LIFE_OPEN) {
		run->lost++;
		run->open--;
		return;
	}
	bool closes = before == LIFE_CLOSE || before == LIFE_END_OF_FILE;
	*(closes ? &run->closing : &run->opening) -= 1;
	run->failed += life->outcome != TALLY_OK;
}

static void advance(struct run *run, struct life *life, enum life_state before,
		    enum life_event event)
{
	switch (event) {
	case LIFE_WAITS:
	case LIFE_ECHOED:
		break;
	case LIFE_UPGRADED:
		run->opening--;
		run->open++;
		break;
	case LIFE_ENDED:
		count_end(run, life, before);
		break;
	}
}

static void open_some(struct run *run)
{
	while (run->to_open > 0 && run->opening < RAMP) {
		unsigned slot = run->search++ % run->options->connections;
		struct life *life = &run->slots[slot];
		if (life->state != LIFE_FREE) {
			continue;
		}
		run->to_open--;
		run->opening++;
		run->life.tally->started++;
		advance(run, life, LIFE_CONNECT, life_start(life, &run->life, slot, clock_ns()));
	}
}

static void close_some(struct run *run, unsigned count)
{
	for (unsigned slot = 0; slot < run->options->connections && count > 0; slot++) {
		struct life *life = &run->slots[slot];
		if (life->state == LIFE_OPEN) {
			count--;
			run->open--;
			run->closing++;
			advance(run, life, LIFE_CLOSE, life_close(life, &run->life));
		}
	}
}

static void start_command(struct run *run, const char *line)
{
	unsigned count = 0;
	run->busy = true;
	run->command_ns = run->life.now_ns;
	if (sscanf(line, "open %u", &count) == 1) {
		unsigned room = run->options->connections - run->open;
		run->to_open = count < room ? count : room;
	} else if (sscanf(line, "close %u", &count) == 1) {
		close_some(run, count);
	} else {
		run->ended = true;
		run->command_len = 0;
	}
}

static void next_command(struct run *run)
{
	char *newline = memchr(run->commands, '\n', run->command_len);
	if (newline == NULL) {
		return;
	}
	char line[64];
	size_t len = (size_t)(newline - run->commands);
	snprintf(line, sizeof line, "%.*s", (int)len, run->commands);
	run->command_len -= len + 1;
	memmove(run->commands, newline + 1, run->command_len);
	start_command(run, line);
}

static bool is_working(const struct run *run)
{
	return run->to_open + run->opening + run->closing > 0;
}

static void report(struct run *run)
{
	printf("{\"event\": \"done\", \"open\": %u, \"failed\": %u, \"lost\": %u, "
	       "\"seconds\": %.6f}\n",
	       run->open, run->failed, run->lost,
	       (double)(run->life.now_ns - run->command_ns) / CLOCK_NS_PER_SEC);
	fflush(stdout);
	run->busy = false;
}

static void sweep(struct run *run)
{
	for (unsigned slot = 0; slot < run->options->connections; slot++) {
		struct life *life = &run->slots[slot];
		enum life_state before = life->state;
		if (before == LIFE_FREE || before == LIFE_OPEN) {
			continue;
		}
		if (run->life.now_ns > life->step_ns + run->options->timeout_ns) {
			life_abandon(life, TALLY_TIMEOUT);
			count_end(run, life, before);
		} else {
			advance(run, life, before, life_retry(life, &run->life, slot));
		}
	}
}

static void turn(struct run *run)
{
	struct epoll_event events[EVENTS_A_TURN];
	int count = epoll_wait(run->life.epfd, events, EVENTS_A_TURN, TURN_MS);
	run->life.now_ns = clock_ns();
	for (int i = 0; i < count; i++) {
		if (events[i].data.u64 == STDIN_ID) {
			handle_stdin(run);
			continue;
		}
		unsigned slot = (unsigned)events[i].data.u64;
		struct life *life = &run->slots[slot];
		enum life_state before = life->state;
		advance(run, life, before, life_handle(life, &run->life, slot, events[i].events));
	}
	if (count == 0 && is_working(run)) {
		sweep(run);
	}
}

static void watch_stdin(struct run *run)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = STDIN_ID};
	fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
	/* A file or /dev/null cannot be watched, and has no commands to wait for. */
	if (epoll_ctl(run->life.epfd, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0) {
		run->ended = true;
	}
}

static void finish_all(struct run *run, bool in_time)
{
	for (unsigned slot = 0; slot < run->options->connections; slot++) {
		struct life *life = &run->slots[slot];
		if (life->state != LIFE_FREE) {
			life_abandon(life, in_time ? TALLY_OK : TALLY_TIMEOUT);
			tally_end(run->life.tally, life->outcome, 0);
		}
	}
}

void idle_run(const struct options *options, struct tally *tally)
{
	static struct run run;
	uint64_t now = clock_ns();
	run.options = options;
	run.life = (struct life_context){
		.epfd = epoll_create1(EPOLL_CLOEXEC), .tally = tally, .now_ns = now};
	run.slots = calloc(options->connections, sizeof *run.slots);
	run.deadline_ns = now + options->deadline_ns;
	run.to_open = options->connections;
	if (options->count > 0 && options->count < run.to_open) {
		run.to_open = (unsigned)options->count;
	}
	run.command_ns = tally->begin_ns = now;
	run.busy = true;
	watch_stdin(&run);
	while (run.life.now_ns < run.deadline_ns) {
		open_some(&run);
		turn(&run);
		if (run.busy && !is_working(&run)) {
			report(&run);
		}
		if (!run.busy) {
			next_command(&run);
		}
		if (!run.busy && run.ended) {
			break;
		}
	}
	tally->end_ns = clock_ns();
	finish_all(&run, run.life.now_ns < run.deadline_ns);
	close(run.life.epfd);
	free(run.slots);
}
