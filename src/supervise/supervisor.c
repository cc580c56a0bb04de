/* SPDX-License-Identifier: MIT */
/*
 * All children of all pools: see supervisor.h. It knows every child and no socket; what one child
 * does is child.c's.
 */
#include "supervise/supervisor.h"

#include "config/config.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void handle_timer(struct loop_timer *timer)
{
	child_handle_timer(loop_owner(timer, struct child, timer));
}

static void handle_spawn_event(void *data, const struct spawn_event *event)
{
	struct supervisor *self = data;
	child_handle_spawn_event(&self->children[event->token], event);
}

static int create_children(struct supervisor *self)
{
	unsigned token = 0;
	self->child_count = config_child_count(self->config);
	self->pools = calloc(self->config->pool_count, sizeof *self->pools);
	self->children = calloc(self->child_count, sizeof *self->children);
	if (self->pools == NULL || self->children == NULL) {
		return -1;
	}
	for (unsigned p = 0; p < self->config->pool_count; p++) {
		struct pool *pool = &self->pools[p];
		if (handover_pool_init(pool, self->handover, &self->config->pools[p], p) != 0) {
			return -1;
		}
		for (unsigned i = 0; i < pool->count; i++, token++) {
			child_init(&self->children[token], self, pool, i, token);
		}
	}
	return 0;
}

int supervisor_init(struct supervisor *self, struct loop *loop, const struct config *config,
		    struct handover *handover, struct ledger *ledger, struct limits *limits,
		    struct counters *counters)
{
	*self = (struct supervisor){.loop = loop,
				    .config = config,
				    .handover = handover,
				    .ledger = ledger,
				    .limits = limits,
				    .counters = counters};
	loop_lane_init(&self->lane, loop, handle_timer);
	self->spawner = spawner_create(loop, handle_spawn_event, self);
	if (self->spawner == NULL || create_children(self) != 0) {
		log_event(LOG_ERROR, "supervisor-failed", "error=\"%s\"", strerror(errno));
		return -1;
	}
	return 0;
}

void supervisor_finish(struct supervisor *self)
{
	spawner_destroy(self->spawner);
	self->spawner = NULL;
	for (size_t i = 0; self->children != NULL && i < self->child_count; i++) {
		child_finish(&self->children[i]);
	}
	for (size_t i = 0; self->pools != NULL && i < self->config->pool_count; i++) {
		handover_pool_finish(&self->pools[i]);
	}
	free(self->children);
	free(self->pools);
	self->children = NULL;
	self->pools = NULL;
	loop_lane_finish(&self->lane);
}

void supervisor_start(struct supervisor *self)
{
	self->started_ms = loop_now_ms(self->loop);
	for (size_t i = 0; i < self->child_count; i++) {
		child_start(&self->children[i]);
	}
}

/* ---- how a pool is ---- */

struct tally {
	size_t ready, failed, began; /* began: the last run came to be ready */
};

static struct tally tally_pool(const struct supervisor *self, const struct pool *pool)
{
	struct tally tally = {0};
	for (unsigned i = 0; i < pool->count; i++) {
		const struct child *child = supervisor_child_at(self, pool->index, i);
		tally.ready += child->state == CHILD_READY ? 1 : 0;
		tally.failed +=
			child->state != CHILD_READY && child->failures >= POOL_FAILED_RUNS ? 1 : 0;
		tally.began += child->was_ready ? 1 : 0;
	}
	return tally;
}

static void judge_pool(struct supervisor *self, struct pool *pool)
{
	bool was_failed = pool->is_failed;
	struct tally tally = tally_pool(self, pool);
	pool->is_failed = tally.failed == pool->count;
	if (pool->is_failed == was_failed) {
		return;
	}
	if (pool->is_failed) {
		log_event(LOG_ERROR, "pool-failed",
			  "pool=%s reason=\"every child died %d times in a row\"%s action=refuse",
			  pool->config->name, POOL_FAILED_RUNS,
			  tally.began == 0
				  ? " hint=\"none was ready: is the command a baton child? "
				    "See docs/children.md\""
				  : "");
		handover_refuse_waiting(pool, REFUSAL_POOL_FAILED);
	} else {
		log_event(LOG_INFO, "pool-recovered", "pool=%s", pool->config->name);
	}
}

static void tell_ready(struct supervisor *self)
{
	size_t failed = 0; /* a pool that cannot start holds up none of the others */
	for (size_t i = 0; i < self->config->pool_count; i++) {
		if (!self->pools[i].is_failed && tally_pool(self, &self->pools[i]).ready == 0) {
			return;
		}
		failed += self->pools[i].is_failed ? 1 : 0;
	}
	self->was_ready = true;
	log_event(failed > 0 ? LOG_WARN : LOG_INFO, "ready",
		  "pools=%zu failed=%zu children=%zu took_ms=%llu", self->config->pool_count,
		  failed, self->child_count,
		  (unsigned long long)(loop_now_ms(self->loop) - self->started_ms));
}

static void stop_loop(struct supervisor *self)
{
	for (size_t i = 0; i < self->child_count; i++) {
		if (self->children[i].state != CHILD_DOWN) {
			return;
		}
	}
	loop_stop(self->loop);
}

void supervisor_child_changed(struct supervisor *self, struct child *child)
{
	if (self->is_stopping) {
		stop_loop(self);
		return;
	}
	judge_pool(self, child->receiver.pool);
	if (!self->was_ready) {
		tell_ready(self);
	}
}

/* ---- the end ---- */

static void begin_stopping(struct supervisor *self)
{
	self->is_stopping = true;
	for (size_t i = 0; i < self->config->pool_count; i++) {
		self->pools[i].is_stopping = true;
		handover_refuse_waiting(&self->pools[i], REFUSAL_STOPPING);
	}
	for (size_t i = 0; i < self->child_count; i++) {
		if (self->children[i].state == CHILD_DOWN) {
			loop_timer_stop(&self->children[i].timer); /* no restart any more */
		}
	}
}

static void end_all(struct supervisor *self, void (*end)(struct child *))
{
	begin_stopping(self);
	for (size_t i = 0; i < self->child_count; i++) {
		end(&self->children[i]);
	}
	stop_loop(self);
}

void supervisor_drain(struct supervisor *self)
{
	end_all(self, child_drain);
}

void supervisor_stop(struct supervisor *self)
{
	end_all(self, child_stop);
}

void supervisor_kill(struct supervisor *self)
{
	end_all(self, child_kill);
}

struct child *supervisor_child_of(struct receiver *receiver)
{
	return loop_owner(receiver, struct child, receiver);
}

const struct child *supervisor_child_at(const struct supervisor *self, unsigned pool, unsigned seat)
{
	const struct seat *found = self->pools[pool].seats[seat];
	const struct receiver *receiver = loop_owner(found, struct receiver, seat);
	return loop_owner(receiver, struct child, receiver);
}
