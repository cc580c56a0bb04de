/* SPDX-License-Identifier: MIT */
/*
 * baton-fault: an echo child with faults on command, for the integration tests. Options and the
 * poll loop are here; it is started by the gateway, never by hand.
 *
 * By option: --no-ready, --ready-garbage, --slow-ready MS, --exit N (at once), --no-pong,
 * --ignore-term (DRAIN too, so that SIGTERM comes).
 *
 * By query, ?fault=NAME; with &once=FILE only if FILE does not exist yet, which it creates:
 *	die-before-taken  crash-before-taken  die-after-taken  die-after-101
 *	never-take        reads the offer, never acknowledges it, goes on with everything else
 *	refuse  refuse-403
 *	slow-take         &ms=N: computes that long, then serves
 *	stop-reading      serves, and never reads the channel again
 *	taken-twice  close-foreign  short-closed         after a TAKEN and a 101 as they should be
 *	taken-foreign  garbage  wrong-length  wrong-version  send-fd         in place of TAKEN
 *	flood             LOG, or &type=N, 100000 times or until the channel is full (with &wait=1
 *	                  not before it has room again); then serves
 *	grandchild        exits; a process that it leaves sends TAKEN once the channel is shut, or
 *	                  with &now=1 as soon as the child is dead: it may come before the
 *	                  gateway knows, and counts then
 *
 * By text message; each is echoed before it is done, but for pid and big, which have an answer:
 *	block MS  crash  exit N  stop-reading  resume  pid  big N  stderr TEXT  stderr-flood N
 */
#include "fault.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { SLOT_CHANNEL, SLOT_TIMER, FIRST_CLIENT_SLOT };

enum { DEFAULT_LIMIT = 1024 * 1024 };

uint64_t fault_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void fault_busy_wait(uint64_t ms)
{
	const uint64_t until_ms = fault_now_ms() + ms;
	while (fault_now_ms() <= until_ms) { /* the clock is cut to whole milliseconds */
	}
}

/* ---- options ---- */

static void read_options(struct fault_child *child, int argc, char **argv)
{
	static const struct option options[] = {
		{"no-ready", no_argument, NULL, 'r'},
		{"ready-garbage", no_argument, NULL, 'g'},
		{"slow-ready", required_argument, NULL, 's'},
		{"exit", required_argument, NULL, 'e'},
		{"no-pong", no_argument, NULL, 'p'},
		{"ignore-term", no_argument, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			child->no_ready = true;
			break;
		case 'g':
			child->ready_is_garbage = true;
			break;
		case 's':
			child->is_ready_late = true;
			child->slow_ready_ms = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'e':
			exit(atoi(optarg));
		case 'p':
			child->no_pong = true;
			break;
		case 't':
			child->ignores_end = true;
			signal(SIGTERM, SIG_IGN);
			break;
		default:
			exit(2);
		}
	}
}

static int start_ready_timer(const struct fault_child *child)
{
	if (!child->is_ready_late) {
		return -1;
	}
	/* All zero would never fire. */
	const struct itimerspec after = {.it_value = {child->slow_ready_ms / 1000,
						      child->slow_ready_ms % 1000 * 1000000L + 1}};
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (timer < 0 || timerfd_settime(timer, 0, &after, NULL) != 0) {
		perror("baton-fault: timerfd");
		exit(1);
	}
	return timer;
}

/* ---- the loop ---- */

/* Static: grows with the number of clients. */
static struct pollfd *poll_set(struct fault_child *child, nfds_t *count_r)
{
	static struct pollfd *set;
	nfds_t count = FIRST_CLIENT_SLOT;
	for (const struct fault_client *it = child->clients; it != NULL; it = it->next) {
		count++;
	}
	set = realloc(set, count * sizeof *set);
	if (set == NULL) {
		abort();
	}
	const int channel = child->reads_channel ? child->channel : -1;
	set[SLOT_CHANNEL] = (struct pollfd){.fd = channel, .events = POLLIN};
	set[SLOT_TIMER] = (struct pollfd){.fd = child->ready_timer, .events = POLLIN};
	int slot = FIRST_CLIENT_SLOT;
	for (struct fault_client *it = child->clients; it != NULL; it = it->next, slot++) {
		set[slot] = (struct pollfd){.fd = it->fd, .events = fault_client_wants(it)};
		it->slot = slot;
	}
	*count_r = count;
	return set;
}

static void handle_ready_timer(struct fault_child *child)
{
	close(child->ready_timer);
	child->ready_timer = -1;
	child->is_ready_late = false;
	fault_channel_say_ready(child);
}

static int wait_ms(const struct fault_child *child)
{
	if (!child->is_draining) {
		return -1;
	}
	uint64_t now_ms = fault_now_ms();
	return now_ms < child->drain_until_ms ? (int)(child->drain_until_ms - now_ms) : 0;
}

static void turn(struct fault_child *child)
{
	nfds_t count;
	struct pollfd *set = poll_set(child, &count);
	if (poll(set, count, wait_ms(child)) <= 0) {
		return;
	}
	for (struct fault_client *it = child->clients; it != NULL; it = it->next) {
		if (set[it->slot].revents != 0) {
			fault_client_handle(it, set[it->slot].revents);
		}
	}
	if (set[SLOT_CHANNEL].revents != 0) {
		fault_channel_receive(child); /* before the timer: HELLO has what READY says */
	}
	if (set[SLOT_TIMER].revents != 0) {
		handle_ready_timer(child);
	}
}

static bool is_over(const struct fault_child *child)
{
	bool is_late = child->is_draining && wait_ms(child) == 0;
	bool is_leaving = child->is_draining || child->channel < 0;
	return is_late || (is_leaving && child->clients == NULL);
}

int main(int argc, char **argv)
{
	const char *fd = getenv("BATON_FD");
	if (fd == NULL) {
		fprintf(stderr,
			"this program is a baton child: start it with  baton serve --child %s\n",
			argv[0]);
		return 2;
	}
	struct fault_child child = {
		.channel = atoi(fd),
		.reads_channel = true,
		.limits = {.message_bytes = DEFAULT_LIMIT},
	};
	signal(SIGPIPE, SIG_IGN); /* stderr, when the gateway is gone */
	read_options(&child, argc, argv);
	child.ready_timer = start_ready_timer(&child);
	while (!is_over(&child)) {
		turn(&child);
		fault_client_sweep(&child);
	}
	/* Those that the drain's deadline leaves go with the process: a leak that nobody has. */
	_exit(0);
}
