/* SPDX-License-Identifier: MIT */
/*
 * One child process: see child.h. Its life only: what it is given is gathered in launch.c, what it
 * says is judged in talk.c, offers are handover.c's, processes spawn.c's. Called by supervisor.c.
 */
#include "supervise/child.h"

#include "admit/limits.h"
#include "config/config.h"
#include "counters.h"
#include "fdutil.h"
#include "journal.h"
#include "pool/ledger.h"
#include "supervise/heartbeat.h"
#include "supervise/launch.h"
#include "supervise/supervisor.h"
#include "supervise/talk.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* Until the next try when the gateway lacks descriptors or memory. */
enum { SHORTAGE_MS = 500 };

static const unsigned NO_LIMIT = UINT_MAX;

static const struct config_pool *config_of(const struct child *child)
{
	return child->receiver.pool->config;
}

static uint64_t now_ms(const struct child *child)
{
	return loop_now_ms(child->supervisor->loop);
}

void child_log(const struct child *child, enum log_level level, const char *event,
	       const char *format, ...)
{
	char rest[2048] = " "; /* no line is longer */
	va_list list;
	va_start(list, format);
	if (format != NULL) {
		vsnprintf(rest + 1, sizeof rest - 1, format, list);
	}
	va_end(list);
	log_event(level, event, "pool=%s child=%u pid=%d%s", config_of(child)->name,
		  child->receiver.seat.index, (int)child->receiver.pid, format != NULL ? rest : "");
}

const char *child_state_name(const struct child *child)
{
	static const char *const names[] = {
		[CHILD_DOWN] = "down",         [CHILD_STARTING] = "starting",
		[CHILD_READY] = "ready",       [CHILD_STUCK] = "stuck",
		[CHILD_DRAINING] = "draining", [CHILD_STOPPING] = "stopping",
		[CHILD_KILLED] = "killed",
	};
	return child->receiver.seat.state == SEAT_SUSPECT ? "suspect" : names[child->state];
}

/* The one place where the state changes; limit_ms: until child_handle_timer, or NO_LIMIT. */
static void enter(struct child *child, enum child_state state, unsigned limit_ms)
{
	assert(state != CHILD_READY || child->state == CHILD_STARTING);
	assert(state != CHILD_STARTING || child->state == CHILD_DOWN);
	child->state = state;
	loop_timer_stop(&child->timer);
	if (limit_ms != NO_LIMIT) {
		loop_timer_start(&child->supervisor->lane, &child->timer, limit_ms);
	}
}

/* ---- start ---- */

static void schedule_restart(struct child *child);

void child_start(struct child *child)
{
	assert(child->state == CHILD_DOWN);
	child->started_ms = now_ms(child);
	child->was_ready = child->ping_waits = child->ping_unsent = child->told_full = false;
	child->idle_talk = 0;
	child->lag_ms = child->skipped = 0;
	child->receiver.taken = 0;
	child->receiver.seat.is_full = false;
	child->receiver.seat.is_coming = child->failures == 0;
	if (launch_start(child) != 0) {
		log_event(LOG_ERROR, "child-start-failed", "pool=%s child=%u error=\"%s\"",
			  config_of(child)->name, child->receiver.seat.index, strerror(errno));
		/* A want of our own says nothing about the child. EAGAIN is fork's. */
		const bool is_ours = fd_is_shortage(errno) || errno == EAGAIN;
		launch_release(child);
		if (is_ours) {
			enter(child, CHILD_DOWN, SHORTAGE_MS);
			return;
		}
		child->failures++;
		child->receiver.seat.is_coming = false;
		handover_serve(&child->receiver); /* who waited for this seat waits no longer */
		schedule_restart(child);
		return;
	}
	native_hello(&child->receiver.link, config_of(child), child->receiver.seat.index);
	enter(child, CHILD_STARTING, config_of(child)->start_timeout_ms);
	child_log(child, LOG_INFO, "child-start", NULL);
}

/* ---- stop ---- */

static bool run_was_good(const struct child *child)
{
	return pool_run_was_good(child->was_ready, now_ms(child) - child->ready_ms,
				 child->receiver.taken);
}

/* Will somebody sit down in its place at once? Then those who belong there wait for him. */
static bool has_successor(const struct child *child)
{
	return !child->supervisor->is_stopping && run_was_good(child);
}

/* It takes nothing new from now on. */
static void close_seat(struct child *child, enum child_state state, unsigned limit_ms)
{
	enter(child, state, limit_ms);
	child->receiver.seat.is_coming = has_successor(child);
	handover_shut(&child->receiver);
}

static void end_by(struct child *child, int signal, enum child_state state, unsigned limit_ms)
{
	close_seat(child, state, limit_ms);
	spawner_kill(child->supervisor->spawner, child->token, signal);
}

void child_kill(struct child *child)
{
	if (child->state != CHILD_DOWN && child->state != CHILD_KILLED) {
		end_by(child, SIGKILL, CHILD_KILLED, NO_LIMIT);
	}
}

void child_stop(struct child *child)
{
	if (child->state != CHILD_DOWN && child->state < CHILD_STOPPING) {
		end_by(child, SIGTERM, CHILD_STOPPING, config_of(child)->stop_timeout_ms);
	}
}

void child_drain(struct child *child)
{
	const unsigned limit_ms = config_of(child)->drain_timeout_ms;
	if (child->state == CHILD_STARTING) {
		child_stop(child);
	} else if (child->state == CHILD_READY) {
		close_seat(child, CHILD_DRAINING, limit_ms);
		if (native_drain(&child->receiver.link, limit_ms) != HANDOFF_OK) {
			child_stop(child); /* its queue is full: it does not listen */
		}
	}
}

void child_condemn(struct child *child, const char *why)
{
	if (child->channel_io.fd < 0) {
		return; /* these are the last words of a dead one: nobody is left to punish */
	}
	child_log(child, LOG_ERROR, "child-broken", "reason=\"%s\" action=kill", why);
	loop_io_remove(child->supervisor->loop, &child->channel_io);
	child_kill(child);
}

/* Nobody is asked more than max_offers questions at a time. */
static unsigned most_of(const struct child *child)
{
	const struct config_pool *config = config_of(child);
	const unsigned questions = child->receiver.seat.max_offers;
	return config->kind == CONFIG_KIND_AUTH && questions < config->capacity ? questions
										: config->capacity;
}

void child_become_ready(struct child *child, uint64_t capacity)
{
	struct seat *seat = &child->receiver.seat;
	const unsigned most = most_of(child);
	enter(child, CHILD_READY, config_of(child)->ping_interval_ms);
	child->was_ready = true;
	child->ready_ms = now_ms(child);
	seat->capacity = capacity < most ? (unsigned)capacity : most;
	seat->state = SEAT_OPEN;
	seat->is_coming = false;
	child_log(child, LOG_INFO, "child-ready", "capacity=%u configured=%u", seat->capacity,
		  config_of(child)->capacity);
	supervisor_child_changed(child->supervisor, child);
	handover_serve(&child->receiver);
}

/* It does not do its part: SIGABRT, for the core, then SIGKILL; nothing new from now on. */
void child_abort(struct child *child, const char *why)
{
	if (child->state != CHILD_READY && child->state != CHILD_DRAINING) {
		return;
	}
	child_log(child, LOG_ERROR, "child-stuck", "reason=\"%s\" connections=%u action=abort", why,
		  child->receiver.seat.live);
	end_by(child, SIGABRT, CHILD_STUCK, config_of(child)->stop_timeout_ms);
}

void child_handle_timer(struct child *child)
{
	switch (child->state) {
	case CHILD_DOWN:
		child_start(child);
		break;
	case CHILD_STARTING:
		child_log(child, LOG_ERROR, "child-start-timeout",
			  "reason=\"no READY within start_timeout\" action=kill");
		child_kill(child);
		break;
	case CHILD_READY:
		heartbeat_handle_timer(child);
		break;
	case CHILD_DRAINING:
		child_stop(child);
		break;
	case CHILD_STUCK:
	case CHILD_STOPPING:
		child_log(child, LOG_WARN, "child-stop-timeout", "action=kill");
		child_kill(child);
		break;
	case CHILD_KILLED:
		break;
	}
}

/* ---- death ---- */

void child_bury(struct child *child, struct record *record, const struct handoff_closed *report)
{
	struct supervisor *supervisor = child->supervisor;
	journal_close(supervisor->config, record, child->receiver.pid, now_ms(child), report);
	ledger_unlink(supervisor->ledger, &child->receiver.records, record);
	limits_leave(supervisor->limits, record);
	ledger_close(supervisor->ledger, record);
	child->receiver.seat.live--;
	supervisor->counters->closed++;
}

static void schedule_restart(struct child *child)
{
	uint32_t random = 0;
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0) {
		random = (uint32_t)now_ms(child); /* the spread need not be a secret */
	}
	const bool restarts = !child->supervisor->is_stopping;
	enter(child, CHILD_DOWN,
	      restarts ? pool_restart_delay_ms(child->failures, random) : NO_LIMIT);
	child->restarts += restarts;
	supervisor_child_changed(child->supervisor, child);
}

static void handle_exit(struct child *child, const struct spawn_event *event)
{
	const bool was_good = run_was_good(child);
	child->receiver.seat.is_coming = has_successor(child);
	/* The order matters: nobody may acknowledge any more; then what was acknowledged; then the
	 * queue; only then is it known what to offer again. */
	loop_io_remove(child->supervisor->loop, &child->channel_io);
	child->receiver.seat.state = SEAT_SHUT;
	native_shut(&child->receiver.link);
	talk_read_last(child);
	handover_died(&child->receiver);
	child_log(child, child->state < CHILD_DRAINING ? LOG_WARN : LOG_INFO, "child-exit",
		  "%s=%d connections=%u ran_ms=%llu%s", event->signal != 0 ? "signal" : "status",
		  event->signal != 0 ? event->signal : event->exit_code, child->receiver.seat.live,
		  (unsigned long long)(now_ms(child) - child->started_ms),
		  child->state == CHILD_STARTING ? " reason=\"ended before READY\"" : "");
	struct record *record;
	while ((record = ledger_at(child->supervisor->ledger, child->receiver.records)) != NULL) {
		child_bury(child, record, NULL);
	}
	launch_release(child);
	child->failures = was_good ? 0 : child->failures + 1;
	schedule_restart(child);
}

/* At which step, and what it was that failed there: the command, or the directory. */
static void tell_failure(const struct child *child, const struct spawn_event *event)
{
	const struct config_pool *config = config_of(child);
	const bool is_directory = strcmp(event->stage, "chdir") == 0;
	const bool is_identity = strncmp(event->stage, "set", 3) == 0 && event->error == EPERM;
	child_log(child, LOG_ERROR, "child-start-failed", "%s=\"%s\" step=%s error=\"%s\"%s",
		  is_directory ? "directory" : "command",
		  is_directory ? config->directory : config->command[0], event->stage,
		  strerror(event->error),
		  is_identity ? " hint=\"user and group need a gateway that runs as root\"" : "");
}

void child_handle_spawn_event(struct child *child, const struct spawn_event *event)
{
	switch (event->type) {
	case SPAWN_FAILED:
		tell_failure(child, event);
		break;
	case SPAWN_EXITED:
		handle_exit(child, event);
		break;
	}
}

/* ---- set-up ---- */

void child_init(struct child *child, struct supervisor *supervisor, struct pool *pool,
		unsigned index, unsigned token)
{
	*child = (struct child){.supervisor = supervisor, .token = token};
	child->channel_io.fd = -1;
	child->receiver.records = LEDGER_NONE;
	handover_receiver_init(&child->receiver, pool, index);
}

void child_finish(struct child *child)
{
	loop_timer_stop(&child->timer);
	if (child->supervisor != NULL) {
		launch_release(child);
	}
}
