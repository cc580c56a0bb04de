/* SPDX-License-Identifier: MIT */
/*
 * One client until it is handed over or refused: see conn.h. The head is peeked, so whatever a
 * client sends behind it stays in the kernel for the child. No call here sets O_NONBLOCK on a
 * client's socket: the flag would be the child's too. Reached from listener.c and handover.c.
 */
#include "admit/conn.h"

#include "admit/head.h"
#include "admit/listener.h"
#include "admit/offer.h"
#include "admit/origin.h"
#include "admit/reply.h"
#include "admit/request.h"
#include "config/config.h"
#include "counters.h"
#include "fdutil.h"
#include "journal.h"
#include "log.h"
#include "pool/hash.h"
#include "pool/ledger.h"
#include "route/route.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum {
	RESERVED_FDS = 32,        /* standard ones, loop, signals, control and its clients */
	RESERVED_FDS_A_CHILD = 6, /* four while it runs, the others at its start */
	LEAST_CLIENTS = 8,        /* however low the limit is */
};

enum { PEEK_BYTES = 16 * 1024 + 1 }; /* the largest head_limit, and one to see that it is passed */

/*
 * The head that was looked at last: bytes, slices, verdict. One buffer for the process, since a
 * head is used in the turn in which it is complete; who comes back later looks again.
 */
static struct {
	const struct conn *conn;
	char bytes[PEEK_BYTES];
	struct head head;
	struct request request;
} seen;

static void handle_event(struct loop_io *io, unsigned events);

/* ---- life ---- */

static void handle_head_timer(struct loop_timer *timer);
static void handle_linger_timer(struct loop_timer *timer);

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
		return config->max_connections;
	}
	return limit.rlim_cur > reserve + LEAST_CLIENTS ? limit.rlim_cur - reserve : LEAST_CLIENTS;
}

int conns_init(struct conns *self, struct loop *loop, const struct config *config,
	       struct ledger *ledger, struct counters *counters, struct pool *pools)
{
	*self = (struct conns){.loop = loop,
			       .config = config,
			       .ledger = ledger,
			       .counters = counters,
			       .pools = pools,
			       .max = config->max_connections};
	self->most = most_clients(config);
	self->slots = mmap(NULL, self->max * sizeof *self->slots, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (self->slots == MAP_FAILED) {
		self->slots = NULL;
		return -1;
	}
	loop_lane_init(&self->head_lane, loop, handle_head_timer);
	loop_lane_init(&self->linger_lane, loop, handle_linger_timer);
	return 0;
}

void conns_finish(struct conns *self)
{
	for (size_t i = 0; i < self->used_end; i++) {
		fd_close(&self->slots[i].ticket.fd);
	}
	if (self->slots != NULL) {
		loop_lane_finish(&self->head_lane);
		loop_lane_finish(&self->linger_lane);
		munmap(self->slots, self->max * sizeof *self->slots);
		self->slots = NULL;
	}
}

static struct conn *conn_create(struct conns *self, int fd, struct record *record)
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

/* The slot is free again; the socket is somebody else's, or closed. */
static void conn_free(struct conn *conn)
{
	loop_timer_stop(&conn->timer);
	conn->conns->count--;
	conn->next_free = conn->conns->free;
	conn->conns->free = conn;
	if (seen.conn == conn) {
		seen.conn = NULL;
	}
}

static void conn_close(struct conn *conn)
{
	loop_io_remove(conn->conns->loop, &conn->io);
	fd_close(&conn->ticket.fd);
	ledger_close(conn->conns->ledger, conn->record);
	conn_free(conn);
}

static void conn_left(struct conn *conn)
{
	conn->conns->counters->left++;
	conn_close(conn);
}

/* Watches, or watches for something else. False: the kernel has no memory for it, said so. */
static bool watch(struct conn *conn, unsigned events)
{
	struct loop *loop = conn->conns->loop;
	int failed = conn->io.fd >= 0
			     ? loop_io_change(loop, &conn->io, events)
			     : loop_io_add(loop, &conn->io, conn->ticket.fd, events, handle_event);
	if (failed != 0) {
		log_event(LOG_ERROR, "watch-failed", "id=%llu error=\"%s\"",
			  (unsigned long long)conn->ticket.id, strerror(errno));
	}
	return failed == 0;
}

/* ---- refusing ---- */

/* Sends the answer and lets the client read it: a close with unread bytes would be a reset
 * (RFC 9112, 9.6). */
static void answer(struct conn *conn, const char *bytes, size_t len)
{
	ssize_t sent = send(conn->ticket.fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent != (ssize_t)len || shutdown(conn->ticket.fd, SHUT_WR) != 0) {
		conn_close(conn);
		return;
	}
	conn->state = CONN_LINGER;
	if (!watch(conn, LOOP_READ)) {
		conn_close(conn);
		return;
	}
	loop_timer_start(&conn->conns->linger_lane, &conn->timer,
			 conn->conns->config->linger_timeout_ms);
}

static void refuse(struct conn *conn, enum refusal refusal, int status)
{
	char bytes[REPLY_MAX_BYTES];
	struct slice target = seen.conn == conn ? seen.head.target : (struct slice){NULL, 0};
	status = status != 0 ? status : refusal_status(refusal);
	conn->conns->counters->refusals[refusal]++;
	journal_refuse(conn->record, refusal, status, target.at, target.len);
	answer(conn, bytes, reply_write_refusal(refusal, status, conn->is_head, bytes));
}

static void linger(struct conn *conn)
{
	ssize_t got = recv(conn->ticket.fd, seen.bytes, sizeof seen.bytes, MSG_DONTWAIT);
	seen.conn = NULL; /* the buffer is used */
	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
		conn_close(conn);
	}
}

/* ---- judging ---- */

/* What the route's affinity looks at; .at == NULL: nothing, any child will do. */
static struct slice affinity_key(const struct config_route *route, const struct conn *conn)
{
	static char ip[ADDRESS_TEXT_BYTES];
	const struct request *request = &seen.request;
	switch (route->hash) {
	case CONFIG_HASH_NONE:
		break;
	case CONFIG_HASH_IP:
		return (struct slice){ip, address_write_ip(&conn->record->client, ip)};
	case CONFIG_HASH_PATH:
		return request->path;
	case CONFIG_HASH_HEADER:
		return head_find(&seen.head, route->hash_key, NULL);
	case CONFIG_HASH_COOKIE:
		return request_cookie(request, slice_of(route->hash_key));
	case CONFIG_HASH_QUERY:
		return request_query(request, slice_of(route->hash_key));
	}
	return (struct slice){NULL, 0};
}

static void submit(struct conn *conn, const struct config_route *route)
{
	struct conns *self = conn->conns;
	struct slice key = affinity_key(route, conn);
	conn->state = CONN_HANDOVER;
	conn->is_plain = !seen.request.is_upgrade;
	loop_timer_stop(&conn->timer);
	conn->record->route = (uint16_t)(route - self->config->routes);
	conn->ticket.pool = &self->pools[route->pool];
	conn->ticket.by_hash = key.at != NULL;
	conn->ticket.key_hash = key.at != NULL ? hash_bytes(key.at, key.len) : 0;
	enum refusal refusal = handover_submit(&conn->ticket);
	if (refusal != REFUSAL_NONE) {
		refuse(conn, refusal, 0);
	}
}

static bool is_health_check(const struct conn *conn)
{
	const char *path = conn->listener->config->health;
	const struct request *request = &seen.request;
	return path != NULL && !request->is_upgrade && slice_equals(request->path, path) &&
	       (slice_equals(request->head->method, "GET") ||
		slice_equals(request->head->method, "HEAD"));
}

static enum refusal plain_refusal(const struct request *request)
{
	bool reads = slice_equals(request->head->method, "GET") ||
		     slice_equals(request->head->method, "HEAD");
	return reads ? REFUSAL_NOT_UPGRADE : REFUSAL_METHOD;
}

/* The whole head is there. */
static void judge(struct conn *conn)
{
	struct conns *self = conn->conns;
	const struct request *request = &seen.request;
	seen.conn = conn;
	conn->is_head = slice_equals(seen.head.method, "HEAD");
	enum refusal refusal = request_judge(&seen.head, &seen.request);
	if (refusal != REFUSAL_NONE) {
		refuse(conn, refusal, 0);
		return;
	}
	if (is_health_check(conn)) {
		char bytes[REPLY_MAX_BYTES];
		answer(conn, bytes, reply_write_health(self->is_draining, conn->is_head, bytes));
		return;
	}
	const struct config_route *route =
		route_find(self->config, conn->listener->index, request->host_name, request->path);
	if (route == NULL) {
		refusal = REFUSAL_NO_ROUTE;
	} else if (!request->is_upgrade && !route->http) {
		refusal = plain_refusal(request);
	} else if (request->is_upgrade &&
		   !origin_is_allowed(request->origin, request->host,
				      (const char *const *)route->origins, route->origin_count)) {
		refusal = REFUSAL_ORIGIN;
	} else if (self->is_draining) {
		refusal = REFUSAL_STOPPING;
	} else {
		submit(conn, route);
		return;
	}
	refuse(conn, refusal, 0);
}

/* ---- the head ---- */

/* Peeks and parses into `seen`. HEAD_NEED_MORE also when nothing is there. *left_r: it is gone. */
static enum head_result peek(const struct conn *conn, enum refusal *refusal_r, bool *left_r)
{
	ssize_t got;
	do {
		got = recv(conn->ticket.fd, seen.bytes, sizeof seen.bytes, MSG_PEEK | MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	seen.conn = NULL;
	*left_r = got == 0 || (got < 0 && errno != EAGAIN);
	if (got <= 0) {
		return HEAD_NEED_MORE;
	}
	return head_parse(seen.bytes, (size_t)got, conn->conns->config->head_limit_bytes,
			  &seen.head, refusal_r);
}

/* Edge-triggered: a level would report the half that has been seen for ever. */
static void wait_for_head(struct conn *conn)
{
	if (!watch(conn, LOOP_READ | LOOP_URGENT | LOOP_LEFT | LOOP_EDGE)) {
		conn_close(conn);
		return;
	}
	loop_timer_start(&conn->conns->head_lane, &conn->timer,
			 conn->conns->config->head_timeout_ms);
}

static void look(struct conn *conn, unsigned events)
{
	enum refusal refusal = REFUSAL_NONE;
	bool left;
	switch (peek(conn, &refusal, &left)) {
	case HEAD_OK:
		judge(conn);
		return;
	case HEAD_BAD:
		refuse(conn, refusal, 0);
		return;
	case HEAD_NEED_MORE:
		break;
	}
	if (left) {
		conn_left(conn);
	} else if (events & LOOP_URGENT) {
		refuse(conn, REFUSAL_URGENT_DATA, 0);
	} else if (events & LOOP_LEFT) {
		refuse(conn, REFUSAL_HALF_HEAD, 0);
	} else if (conn->io.fd < 0) {
		wait_for_head(conn);
	}
}

static void handle_event(struct loop_io *io, unsigned events)
{
	struct conn *conn = loop_owner(io, struct conn, io);
	switch (conn->state) {
	case CONN_HEAD:
		look(conn, events);
		break;
	case CONN_HANDOVER:
		if (events & (LOOP_LEFT | LOOP_HANGUP)) {
			handover_withdraw(&conn->ticket);
			conn_left(conn);
		}
		break;
	case CONN_LINGER:
		linger(conn);
		break;
	}
}

static void handle_head_timer(struct loop_timer *timer)
{
	refuse(loop_owner(timer, struct conn, timer), REFUSAL_HEAD_TIMEOUT, 0);
}

static void handle_linger_timer(struct loop_timer *timer)
{
	conn_close(loop_owner(timer, struct conn, timer));
}

static const char *why_full(void *data)
{
	const struct conns *self = data;
	if (ledger_count(self->ledger) >= self->max) {
		return "limits.connections";
	}
	return self->count >= self->most ? "descriptors are kept for children" : NULL;
}

static void handle_accepted(struct listener *listener, int fd, const struct sockaddr_storage *peer)
{
	struct conns *self = listener->data;
	struct record *record = ledger_open(self->ledger);
	assert(record != NULL); /* why_full said so */
	self->counters->accepted++;
	record->opened_ms = loop_now_ms(self->loop);
	record->listener = (uint16_t)listener->index;
	address_from_sockaddr(&record->client, peer);
	struct conn *conn = conn_create(self, fd, record);
	conn->listener = listener;
	look(conn, 0);
}

const struct listener_events conn_listener_events = {
	.why_full = why_full,
	.accepted = handle_accepted,
};

/* ---- what handover.c asks and tells ---- */

size_t conn_write_offer(struct ticket *ticket, char *buf, size_t size)
{
	struct conn *conn = loop_owner(ticket, struct conn, ticket);
	enum refusal refusal;
	bool left;
	/* Who waited for room is looked at again; nothing was consumed, so the verdict is the same. */
	if (seen.conn != conn && (peek(conn, &refusal, &left) != HEAD_OK ||
				  request_judge(&seen.head, &seen.request) != REFUSAL_NONE)) {
		conn_left(conn);
		return 0;
	}
	size_t len = offer_write(&seen.request, conn->record,
				 &conn->conns->config->routes[conn->record->route],
				 conn->listener->port, buf, size);
	if (len == 0 || !offer_consume(ticket->fd, conn->record, seen.head.bytes)) {
		conn_left(conn);
		return 0;
	}
	return len;
}

void conn_waits(struct ticket *ticket)
{
	struct conn *conn = loop_owner(ticket, struct conn, ticket);
	/* If it cannot be watched it waits all the same, and is found gone when it is dealt. */
	watch(conn, conn->is_plain ? LOOP_EDGE : LOOP_LEFT | LOOP_EDGE);
}

void conn_passes(struct ticket *ticket)
{
	struct conn *conn = loop_owner(ticket, struct conn, ticket);
	loop_io_remove(conn->conns->loop, &conn->io);
}

void conn_taken(struct ticket *ticket, struct receiver *receiver)
{
	struct conn *conn = loop_owner(ticket, struct conn, ticket);
	struct conns *self = conn->conns;
	struct record *record = conn->record;
	/* At once: a copy that lives on would keep the child's close from reaching the client. */
	fd_close(&conn->ticket.fd);
	record->pool = (uint16_t)receiver->pool->index;
	record->seat = (uint16_t)receiver->seat.index;
	ledger_link(self->ledger, &receiver->records, record);
	self->counters->handed_over++;
	journal_open(self->config, record, receiver->pid, loop_now_ms(self->loop));
	conn_free(conn);
}

void conn_failed(struct ticket *ticket, enum refusal refusal, int status)
{
	refuse(loop_owner(ticket, struct conn, ticket), refusal, status);
}
