/* SPDX-License-Identifier: MIT */
/*
 * The gateway's state as JSON, by jansson: see status.h. Called by gateway.c for control clients.
 */
#include "control/status.h"

#include "admit/limits.h"
#include "admit/listener.h"
#include "config/config.h"
#include "counters.h"
#include "log.h"
#include "pool/ledger.h"
#include "supervise/supervisor.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *write_listeners(const struct status_view *view)
{
	json_t *list = json_array();
	for (size_t i = 0; i < view->listeners->count; i++) {
		json_array_append_new(list,
				      json_pack("{s:s}", "address", view->listeners->all[i].name));
	}
	return list;
}

static json_t *write_refusals(const struct counters *counters)
{
	json_t *object = json_object();
	for (int i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
		if (counters->refusals[i] > 0) {
			json_object_set_new(object, refusal_name((enum refusal)i),
					    number(counters->refusals[i]));
		}
	}
	return object;
}

static json_t *write_connections(const struct status_view *view)
{
	const struct supervisor *supervisor = view->supervisor;
	size_t waiting = 0, offered = 0, live = 0;
	for (size_t i = 0; i < supervisor->config->pool_count; i++) {
		waiting += supervisor->pools[i].waiting_count;
	}
	for (size_t i = 0; i < supervisor->child_count; i++) {
		live += supervisor->children[i].receiver.seat.live;
		offered += supervisor->children[i].receiver.seat.offered;
	}
	json_t *object = json_object();
	json_object_set_new(object, "open", number(live));
	json_object_set_new(object, "admitting", number(ledger_count(view->ledger) - live));
	json_object_set_new(object, "waiting", number(waiting));
	json_object_set_new(object, "offered", number(offered));
	json_object_set_new(object, "accepted", number(view->counters->accepted));
	json_object_set_new(object, "handed_over", number(view->counters->handed_over));
	json_object_set_new(object, "closed", number(view->counters->closed));
	json_object_set_new(object, "left", number(view->counters->left));
	json_object_set_new(object, "taken_back", number(supervisor->handover->taken_back));
	json_object_set_new(object, "dealt_again", number(supervisor->handover->dealt_again));
	return object;
}

static json_t *write_child(const struct status_view *view, const struct child *child)
{
	const struct receiver *receiver = &child->receiver;
	bool runs = child->state != CHILD_DOWN;
	json_t *object = json_object();
	json_object_set_new(object, "index", number(receiver->seat.index));
	json_object_set_new(object, "pid", number((uint64_t)receiver->pid));
	json_object_set_new(object, "state", json_string(child_state_name(child)));
	json_object_set_new(object, "connections", number(receiver->seat.live));
	json_object_set_new(object, "offered", number(receiver->seat.offered));
	json_object_set_new(object, "taken", number(receiver->taken));
	json_object_set_new(object, "capacity", number(receiver->seat.capacity));
	json_object_set_new(object, "restarts", number(child->restarts));
	json_object_set_new(object, "lag_ms", number(child->lag_ms));
	json_object_set_new(object, "skipped", number(child->skipped));
	json_object_set_new(object, "uptime_ms",
			    number(runs ? view->now_ms - child->started_ms : 0));
	return object;
}

static const char *pool_state(const struct pool *pool, size_t ready)
{
	return pool->is_stopping ? "stopping"
	       : pool->is_failed ? "failed"
	       : ready > 0       ? "ready"
				 : "starting";
}

static json_t *write_pool(const struct status_view *view, const struct pool *pool)
{
	json_t *object = json_object(), *children = json_array();
	size_t ready = 0, restarts = 0;
	for (unsigned i = 0; i < pool->count; i++) {
		const struct child *child = supervisor_child_at(view->supervisor, pool->index, i);
		ready += child->state == CHILD_READY ? 1 : 0;
		restarts += child->restarts;
		json_array_append_new(children, write_child(view, child));
	}
	const bool asks = pool->config->kind == CONFIG_KIND_AUTH;
	json_object_set_new(object, "name", json_string(pool->config->name));
	json_object_set_new(object, "kind", json_string(asks ? "auth" : "socket"));
	json_object_set_new(object, "state", json_string(pool_state(pool, ready)));
	json_object_set_new(object, "waiting", number(pool->waiting_count));
	json_object_set_new(object, "restarts", number(restarts));
	if (asks) {
		json_object_set_new(object, "asked", number(pool->asked));
		json_object_set_new(object, "allowed", number(pool->allowed));
		json_object_set_new(object, "denied", number(pool->denied));
		json_object_set_new(object, "ignored", number(pool->ignored));
	}
	json_object_set_new(object, "children", children);
	return object;
}

char *status_write(const struct status_view *view)
{
	json_t *object = json_object(), *pools = json_array();
	for (size_t i = 0; i < view->supervisor->config->pool_count; i++) {
		json_array_append_new(pools, write_pool(view, &view->supervisor->pools[i]));
	}
	uint64_t pauses = 0;
	for (size_t i = 0; i < view->listeners->count; i++) {
		pauses += view->listeners->all[i].pauses;
	}
	json_object_set_new(object, "version", json_string(BATON_VERSION));
	json_object_set_new(object, "state", json_string(view->state));
	json_object_set_new(object, "uptime_ms",
			    number(view->now_ms - view->supervisor->started_ms));
	json_object_set_new(object, "listeners", write_listeners(view));
	json_object_set_new(object, "accept_pauses", number(pauses));
	json_object_set_new(object, "connections", write_connections(view));
	json_object_set_new(object, "refusals", write_refusals(view->counters));
	json_object_set_new(object, "limits",
			    json_pack("{s:I, s:I}", "addresses",
				      (json_int_t)view->limits->addresses, "untracked",
				      (json_int_t)view->limits->untracked));
	json_object_set_new(object, "log",
			    json_pack("{s:I}", "dropped", (json_int_t)log_dropped()));
	json_object_set_new(object, "pools", pools);
	char *json = json_dumps(object, JSON_INDENT(2)), *text = NULL;
	json_decref(object);
	if (json != NULL && asprintf(&text, "%s\n", json) < 0) {
		text = NULL;
	}
	free(json);
	return text;
}

static json_t *write_record(const struct status_view *view, const struct record *record)
{
	const struct config *config = view->supervisor->config;
	char client[ADDRESS_TEXT_BYTES];
	address_write(&record->client, client);
	json_t *object = json_object();
	json_object_set_new(object, "id", number(record->id));
	json_object_set_new(object, "client", json_string(client));
	json_object_set_new(object, "age_ms", number(view->now_ms - record->opened_ms));
	if (record->seat != LEDGER_NO_SEAT) {
		const struct child *child =
			supervisor_child_at(view->supervisor, record->pool, record->seat);
		json_object_set_new(object, "route",
				    json_string(config->routes[record->route].name));
		json_object_set_new(object, "pool", json_string(config->pools[record->pool].name));
		json_object_set_new(object, "child", number(record->seat));
		json_object_set_new(object, "pid", number((uint64_t)child->receiver.pid));
	}
	return object;
}

size_t status_write_connections(const struct status_view *view, uint32_t *cursor, char *buf,
				size_t size)
{
	size_t len = 0;
	struct record *record;
	while ((record = ledger_next(view->ledger, *cursor)) != NULL) {
		json_t *object = write_record(view, record);
		size_t need = json_dumpb(object, buf + len, size - len, JSON_COMPACT);
		json_decref(object);
		if (need == 0 || need + 1 > size - len) {
			break;
		}
		len += need;
		buf[len++] = '\n';
		*cursor = ledger_slot(record) + 1;
	}
	return len;
}
