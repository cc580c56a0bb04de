/* SPDX-License-Identifier: MIT */
/*
 * The running gateway: config -> listeners -> supervisor -> loop -> teardown. The parts know each
 * other only through what is wired here. Called by main.c.
 */
#include "gateway.h"

#include "admit/conn.h"
#include "admit/limits.h"
#include "admit/listener.h"
#include "config/config.h"
#include "control/control.h"
#include "control/status.h"
#include "counters.h"
#include "guard.h"
#include "log.h"
#include "pool/ledger.h"
#include "supervise/heartbeat.h"
#include "supervise/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	LOG_DELAY_MS = 10, /* a line waits at most so long for others */
	LOG_WRITE_BYTES = 32 * 1024,
};

enum gateway_state { GATEWAY_RUNNING, GATEWAY_DRAINING, GATEWAY_STOPPING, GATEWAY_KILLING };

struct gateway {
	const struct config *config;
	struct loop *loop;
	enum gateway_state state;
	struct counters counters;
	struct ledger *ledger;
	struct limits limits;
	struct handover handover;
	struct supervisor supervisor;
	struct conns conns;
	struct listeners listeners;
	struct control *control;
	struct loop_lane log_lane;
	struct loop_timer log_timer;
};

/* ---- stopping ---- */

/* Each call goes one step further: drain, then SIGTERM to the children, then SIGKILL. */
static void stop_more(struct gateway *gateway, enum gateway_state at_least)
{
	static const char *const words[] = {
		[GATEWAY_RUNNING] = "run",
		[GATEWAY_DRAINING] = "drain",
		[GATEWAY_STOPPING] = "stop",
		[GATEWAY_KILLING] = "kill",
	};
	enum gateway_state next =
		gateway->state < GATEWAY_KILLING ? gateway->state + 1 : GATEWAY_KILLING;
	gateway->state = next > at_least ? next : at_least;
	log_event(LOG_INFO, "stopping", "step=%s connections=%zu", words[gateway->state],
		  ledger_count(gateway->ledger));
	gateway->conns.is_draining = true;
	switch (gateway->state) {
	case GATEWAY_RUNNING:
		break;
	case GATEWAY_DRAINING:
		supervisor_drain(&gateway->supervisor);
		break;
	case GATEWAY_STOPPING:
		listeners_close(&gateway->listeners);
		supervisor_stop(&gateway->supervisor);
		break;
	case GATEWAY_KILLING:
		listeners_close(&gateway->listeners);
		supervisor_kill(&gateway->supervisor);
		break;
	}
}

static void handle_signal(void *data, const struct signalfd_siginfo *info)
{
	struct gateway *gateway = data;
	switch (info->ssi_signo) {
	case SIGTERM:
	case SIGINT:
		stop_more(gateway, GATEWAY_DRAINING);
		break;
	case SIGQUIT:
		stop_more(gateway, GATEWAY_STOPPING);
		break;
	case SIGCHLD: /* our own children's ends come by pidfd */
		if (getpid() == 1) {
			spawner_reap_strangers(gateway->supervisor.spawner);
		}
		break;
	default: /* HUP, USR1, USR2 will reload, reopen, upgrade; they never kill */
		log_event(LOG_WARN, "signal-ignored", "signal=%s reason=\"not there yet\"",
			  sigabbrev_np((int)info->ssi_signo));
		break;
	}
}

/* ---- the parts' events ---- */

static void handle_suspected(struct receiver *receiver)
{
	heartbeat_suspect(supervisor_child_of(receiver));
}

static void handle_mute(struct receiver *receiver)
{
	child_abort(supervisor_child_of(receiver),
		    "an offer was read, no TAKEN within ping_timeout");
}

static const struct handover_events handover_events = {
	.write = conn_write_offer,
	.waits = conn_waits,
	.passes = conn_passes,
	.taken = conn_taken,
	.answered = conn_answered,
	.failed = conn_failed,
	.suspected = handle_suspected,
	.mute = handle_mute,
};

static void handle_turn_begin(void *data)
{
	(void)data;
	guard_begin();
}

/* Lines of several turns share a write: a busy gateway spends a fifth of a call a connection on
 * it. */
static void handle_turn_end(void *data)
{
	struct gateway *gateway = data;
	guard_end();
	if (log_buffered() >= LOG_WRITE_BYTES) {
		log_flush();
	}
	/* Also of what a pipe did not take: there may be no other turn for a long time. */
	if (log_buffered() > 0 && !loop_timer_is_running(&gateway->log_timer)) {
		loop_timer_start(&gateway->log_lane, &gateway->log_timer, LOG_DELAY_MS);
	}
}

static void handle_log_timer(struct loop_timer *timer)
{
	(void)timer;
	log_flush();
}

/* ---- control commands ---- */

static struct status_view view_of(struct gateway *gateway)
{
	return (struct status_view){
		.now_ms = loop_now_ms(gateway->loop),
		.state = gateway->state == GATEWAY_RUNNING ? "running" : "draining",
		.listeners = &gateway->listeners,
		.supervisor = &gateway->supervisor,
		.ledger = gateway->ledger,
		.limits = &gateway->limits,
		.counters = &gateway->counters,
	};
}

static void command_status(struct gateway *gateway, struct control_reply *reply)
{
	struct status_view view = view_of(gateway);
	reply->text = status_write(&view);
}

static size_t more_connections(void *data, uint32_t *cursor, char *buf, size_t size)
{
	struct status_view view = view_of(data);
	return status_write_connections(&view, cursor, buf, size);
}

static void command_connections(struct gateway *gateway, struct control_reply *reply)
{
	(void)gateway;
	reply->more = more_connections;
}

/* Asked again it changes nothing, unlike a second signal: who repeats it did not say --now. */
static void command_stop(struct gateway *gateway, struct control_reply *reply)
{
	if (gateway->state == GATEWAY_RUNNING) {
		stop_more(gateway, GATEWAY_DRAINING);
	}
	reply->text = strdup("{\"state\": \"draining\"}\n");
}

static void command_stop_now(struct gateway *gateway, struct control_reply *reply)
{
	stop_more(gateway, GATEWAY_STOPPING);
	reply->text = strdup("{\"state\": \"stopping\"}\n");
}

static const struct command {
	const char *name;
	void (*run)(struct gateway *, struct control_reply *);
} commands[] = {
	{"status", command_status},
	{"connections", command_connections},
	{"stop", command_stop},
	{"stop now", command_stop_now},
};

static bool handle_command(void *data, const char *line, struct control_reply *reply)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(commands[i].name, line) == 0) {
			commands[i].run(data, reply);
			return true;
		}
	}
	return false;
}

/* ---- life ---- */

static sigset_t handled_signals(void)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		sigaddset(&set, numbers[i]);
	}
	return set;
}

void gateway_block_signals(void)
{
	sigset_t set = handled_signals();
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int watch_signals(struct gateway *gateway)
{
	sigset_t set = handled_signals();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* inherited as ignored it would let nobody wait for a child */
	return loop_signals(gateway->loop, &set, handle_signal, gateway);
}

/* Each client that no child has yet needs a descriptor here, each connection one in its child: the
 * soft limit of 1024 that many systems start with is for programs that use select(2). */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Whatever can fail for reasons outside does so here, before a client or a child is touched. */
static int gateway_init(struct gateway *gateway, const struct config *config)
{
	*gateway = (struct gateway){.config = config};
	gateway->loop = loop_create();
	if (gateway->loop == NULL || watch_signals(gateway) != 0 || guard_init() != 0) {
		log_event(LOG_ERROR, "loop-failed", "error=\"%s\"", strerror(errno));
		return -1;
	}
	loop_lane_init(&gateway->log_lane, gateway->loop, handle_log_timer);
	loop_on_turn_begin(gateway->loop, handle_turn_begin, gateway);
	loop_on_turn_end(gateway->loop, handle_turn_end, gateway);
	gateway->ledger = ledger_create(config->max_connections + LIMITS_SPARE_SLOTS);
	uint64_t seed[2];
	if (gateway->ledger == NULL || getrandom(seed, sizeof seed, 0) != sizeof seed ||
	    limits_init(&gateway->limits, config, seed) != 0 ||
	    handover_init(&gateway->handover, gateway->loop, &handover_events, config->pools,
			  config->pool_count) != 0 ||
	    supervisor_init(&gateway->supervisor, gateway->loop, config, &gateway->handover,
			    gateway->ledger, &gateway->limits, &gateway->counters) != 0 ||
	    conns_init(&gateway->conns, gateway->loop, config, gateway->ledger, &gateway->limits,
		       &gateway->counters, gateway->supervisor.pools) != 0) {
		log_event(LOG_ERROR, "start-failed", "error=\"%s\"", strerror(errno));
		return -1;
	}
	gateway->control = control_create(gateway->loop, config->control, handle_command, gateway);
	if (gateway->control == NULL) {
		return -1;
	}
	return listeners_open(&gateway->listeners, gateway->loop, config, &conn_listener_events,
			      &gateway->conns);
}

static void gateway_finish(struct gateway *gateway)
{
	listeners_finish(&gateway->listeners);
	control_destroy(gateway->control);
	if (gateway->supervisor.loop != NULL) {
		supervisor_finish(&gateway->supervisor);
	}
	if (gateway->handover.loop != NULL) {
		handover_finish(&gateway->handover); /* its timers are in the slots of the next */
	}
	conns_finish(&gateway->conns);
	limits_finish(&gateway->limits);
	ledger_destroy(gateway->ledger);
	loop_lane_finish(&gateway->log_lane);
	loop_destroy(gateway->loop);
}

int gateway_serve(const struct config *config)
{
	struct gateway gateway;
	log_open(STDERR_FILENO, LOG_INFO);
	raise_descriptor_limit();
	int failed =
		gateway_init(&gateway, config) != 0 || listeners_start(&gateway.listeners) != 0;
	if (!failed) {
		supervisor_start(&gateway.supervisor);
		failed = loop_run(gateway.loop) != 0;
		if (failed) {
			log_event(LOG_ERROR, "loop-failed", "error=\"%s\"", strerror(errno));
		}
	}
	log_event(LOG_INFO, "stopped", "exit=%d", failed ? GATEWAY_FAILED : GATEWAY_OK);
	guard_begin();
	gateway_finish(&gateway);
	log_close();
	return failed ? GATEWAY_FAILED : GATEWAY_OK;
}
