/* SPDX-License-Identifier: MIT */
/*
 * All clients that no child has yet: their slots, and how many there may be. What happens to one
 * of them is conn.c's. Called by gateway.c and conn.c.
 */
#include "admit/conn_private.h"
#include "admit/limits.h"
#include "admit/peek.h"
#include "config/config.h"
#include "fdutil.h"
#include "pages.h"
#include "pool/ledger.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
	RESERVED_FDS = 32,        /* standard ones, loop, signals, control and its clients */
	RESERVED_FDS_A_CHILD = 6, /* four while it runs, the others at its start */
	LEAST_CLIENTS = 8,        /* however low the limit is */
};

/*
 * Strangers with half a head must not use up the descriptors that restarting a child takes: its
 * channel's ends, its pidfd, its output, and what exists while it starts.
 */
static size_t most_clients(const struct config *config)
{
	struct rlimit limit;
	const size_t reserve = RESERVED_FDS + config->listener_count +
			       config_child_count(config) * RESERVED_FDS_A_CHILD;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
		return config->max_connections + LIMITS_SPARE_SLOTS;
	}
	return limit.rlim_cur > reserve + LEAST_CLIENTS ? limit.rlim_cur - reserve : LEAST_CLIENTS;
}

int conns_init(struct conns *self, struct loop *loop, const struct config *config,
	       struct ledger *ledger, struct limits *limits, struct counters *counters,
	       struct pool *pools)
{
	*self = (struct conns){.loop = loop,
			       .config = config,
			       .ledger = ledger,
			       .limits = limits,
			       .counters = counters,
			       .pools = pools,
			       .max = config->max_connections + LIMITS_SPARE_SLOTS};
	self->most = most_clients(config);
	/* Who is refused is not counted any more and may come again at once: without a bound one
	 * address could hold all slots, or all descriptors, by lingering. */
	self->most_lingering =
		LIMITS_SPARE_SLOTS / 2 < self->most / 2 ? LIMITS_SPARE_SLOTS / 2 : self->most / 2;
	self->slots = pages_create(self->max * sizeof *self->slots);
	if (self->slots == NULL) {
		return -1;
	}
	loop_lane_init(&self->proxy_lane, loop, arrive_handle_timer);
	loop_lane_init(&self->head_lane, loop, arrive_handle_timer);
	loop_lane_init(&self->linger_lane, loop, refuse_handle_timer);
	return 0;
}

void conns_finish(struct conns *self)
{
	for (size_t i = 0; i < self->used_end; i++) {
		fd_close(&self->slots[i].ticket.fd);
		free(self->slots[i].grant);
	}
	if (self->slots != NULL) {
		loop_lane_finish(&self->proxy_lane);
		loop_lane_finish(&self->head_lane);
		loop_lane_finish(&self->linger_lane);
		pages_free(self->slots, self->max * sizeof *self->slots);
		self->slots = NULL;
	}
}

const char *conns_why_full(const struct conns *self)
{
	if (ledger_count(self->ledger) >= self->max) {
		return "limits.connections";
	}
	return self->count >= self->most ? "descriptors are kept for children" : NULL;
}

struct conn *conns_add(struct conns *self, int fd, struct record *record)
{
	struct conn *conn = self->free;
	if (conn != NULL) {
		self->free = conn->next_free;
	} else {
		assert(self->used_end < self->max); /* there is a slot for each record */
		conn = &self->slots[self->used_end++];
	}
	self->count++;
	*conn = (struct conn){.ticket = {.id = record->id, .fd = fd},
			      .conns = self,
			      .record = record,
			      .io = {.fd = -1}};
	return conn;
}

void conns_remove(struct conn *conn)
{
	loop_timer_stop(&conn->timer);
	conn->conns->count--;
	conn->conns->lingering -= conn->state == CONN_LINGER ? 1 : 0;
	conn->next_free = conn->conns->free;
	conn->conns->free = conn;
	peek_forget(conn);
	free(conn->grant);
	conn->grant = NULL;
}
