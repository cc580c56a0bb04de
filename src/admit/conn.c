/* SPDX-License-Identifier: MIT */
/*
 * One client until it is handed over or refused: see conn.h. How its head arrives is arrive.c's; it
 * is peeked, so whatever a client sends behind it stays in the kernel for the child. No call here
 * sets O_NONBLOCK on a client's socket: the flag would be the child's too. Reached from listener.c
 * and handover.c.
 */
#include "admit/conn_private.h"
#include "admit/judge.h"
#include "admit/limits.h"
#include "admit/listener.h"
#include "admit/offer.h"
#include "admit/peek.h"
#include "admit/reply.h"
#include "config/config.h"
#include "counters.h"
#include "fdutil.h"
#include "journal.h"
#include "log.h"
#include "pool/hash.h"
#include "pool/ledger.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void handle_event(struct loop_io *io, unsigned events);

/* ---- life ---- */

void conn_close(struct conn *conn)
{
	loop_io_remove(conn->conns->loop, &conn->io);
	fd_close(&conn->ticket.fd);
	limits_leave(conn->conns->limits, conn->record);
	ledger_close(conn->conns->ledger, conn->record);
	conns_remove(conn);
}

bool conn_is_unix(const struct conn *conn)
{
	return conn->peer.family == ADDRESS_UNIX;
}

void conn_left(struct conn *conn)
{
	conn->conns->counters->left++;
	conn_close(conn);
}

bool conn_watch(struct conn *conn, unsigned events)
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

/* ---- judging ---- */

static const struct config_route *route_of(const struct conn *conn)
{
	return &conn->conns->config->routes[conn->record->route];
}

/* To the auth pool (AUTH) or to the route's own (HANDOVER), with a ticket as new. */
static void submit(struct conn *conn, enum conn_state state)
{
	const struct config_route *route = route_of(conn);
	const bool asks = state == CONN_AUTH;
	conn->state = state;
	conn->ticket =
		(struct ticket){.id = conn->ticket.id,
				.fd = conn->ticket.fd,
				.by_hash = conn->by_hash && !asks,
				.key_hash = conn->ticket.key_hash,
				.pool = &conn->conns->pools[asks ? route->auth : route->pool]};
	enum refusal refusal = handover_submit(&conn->ticket);
	if (refusal != REFUSAL_NONE) {
		conn_failed(&conn->ticket, refusal, 0);
	}
}

static void admit(struct conn *conn, const struct request *request,
		  const struct config_route *route)
{
	struct slice key = judge_affinity_key(route, request, &conn->record->client);
	conn->is_plain = !request->is_upgrade;
	loop_timer_stop(&conn->timer);
	conn->by_hash = key.at != NULL;
	conn->ticket.key_hash = key.at != NULL ? hash_bytes(key.at, key.len) : 0;
	submit(conn, route->has_auth ? CONN_AUTH : CONN_HANDOVER);
}

/* The limits come first: who is beyond one learns nothing else. */
static enum refusal refusal_of(struct conn *conn, const struct verdict *verdict)
{
	struct conns *self = conn->conns;
	if (conn->over != REFUSAL_NONE) {
		return conn->over;
	}
	if (verdict->kind == VERDICT_REFUSE) {
		return verdict->refusal;
	}
	return self->is_draining ? REFUSAL_STOPPING
				 : limits_enter_route(self->limits, conn->record);
}

static void answer_health_check(struct conn *conn)
{
	char bytes[REPLY_MAX_BYTES];
	refuse_answer(
		conn, bytes,
		reply_write_health(conn->conns->is_draining, time(NULL), conn->is_head, bytes));
}

void conn_judge(struct conn *conn)
{
	const struct conns *self = conn->conns;
	const struct request *request = peek_request(conn);
	struct verdict verdict =
		judge_request(self->config, conn->listener->index, request, conn->scheme);
	if (verdict.kind == VERDICT_HEALTH) {
		answer_health_check(conn);
		return;
	}
	if (verdict.route != NULL) {
		conn->record->route = (uint16_t)(verdict.route - self->config->routes);
		if (request->is_upgrade && verdict.route->refuse_as == CONFIG_REFUSE_CLOSE) {
			closing_prepare(request, &conn->closing);
		}
	}
	enum refusal refusal = refusal_of(conn, &verdict);
	if (refusal != REFUSAL_NONE) {
		refuse(conn, refusal, 0);
	} else {
		admit(conn, request, verdict.route);
	}
}

static void handle_event(struct loop_io *io, unsigned events)
{
	struct conn *conn = loop_owner(io, struct conn, io);
	switch (conn->state) {
	case CONN_PROXY:
	case CONN_HEAD:
		arrive_look(conn, events);
		break;
	case CONN_AUTH:
	case CONN_HANDOVER:
		/* A plain client may have ended its side: the watch for its head still tells. */
		if (events & (conn->is_plain ? LOOP_HANGUP : LOOP_LEFT | LOOP_HANGUP)) {
			handover_withdraw(&conn->ticket);
			conn_left(conn);
		}
		break;
	case CONN_LINGER:
		refuse_linger(conn);
		break;
	}
}

static const char *why_full(void *data)
{
	return conns_why_full(data);
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
	struct conn *conn = conns_add(self, fd, record);
	conn->listener = listener;
	conn->peer = record->client;
	conn->server_port = listener->port;
	conn->state = listener->config->proxy ? CONN_PROXY : CONN_HEAD;
	conn->over = limits_enter(self->limits, record);
	handle_event(&conn->io, 0); /* mostly all is there */
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
	/* Who waited for room is looked at again: nothing was consumed, the verdict is the same. */
	if (peek_request(conn) == NULL &&
	    peek_look(conn, ticket->fd, conn->conns->config->head_limit_bytes, &refusal, &left) !=
		    HEAD_OK) {
		conn_left(conn);
		return 0;
	}
	const struct address *client = &conn->record->client;
	const struct offer offer = {.request = peek_request(conn),
				    .route = route_of(conn),
				    .client = {*client, conn->scheme},
				    .proxy = address_same(client, &conn->peer) ? NULL : &conn->peer,
				    .server_port = conn->server_port};
	size_t len = offer_write(&offer, buf, size);
	bool ok = len > 0 && conn->grant_bytes <= size - len;
	if (ok && conn->grant_bytes > 0) {
		memcpy(buf + len, conn->grant, conn->grant_bytes);
	}
	if (!ok || (conn->state == CONN_HANDOVER &&
		    !peek_consume(ticket->fd, conn_is_unix(conn), offer.request->head->bytes))) {
		conn_left(conn);
		return 0;
	}
	return len + conn->grant_bytes;
}

void conn_waits(struct ticket *ticket)
{
	struct conn *conn = loop_owner(ticket, struct conn, ticket);
	/* If it cannot be watched it waits all the same, and is found gone when it is dealt. */
	conn_watch(conn, LOOP_LEFT | LOOP_EDGE);
}

void conn_passes(struct ticket *ticket)
{
	struct conn *conn = loop_owner(ticket, struct conn, ticket);
	loop_io_remove(conn->conns->loop, &conn->io);
}

/* The child's message dies with this call, and the client may have to wait for room. */
static bool keep_grant(struct conn *conn, const struct handover_answer *answer)
{
	if (answer->grant_bytes > 0) {
		conn->grant = malloc(answer->grant_bytes);
		if (conn->grant == NULL) {
			return false;
		}
		memcpy(conn->grant, answer->grant, answer->grant_bytes);
		conn->grant_bytes = answer->grant_bytes;
	}
	return true;
}

void conn_answered(struct ticket *ticket, const struct handover_answer *answer)
{
	struct conn *conn = loop_owner(ticket, struct conn, ticket);
	if (answer->status != 0) {
		refuse_denied(conn, answer);
	} else if (!keep_grant(conn, answer)) {
		refuse(conn, REFUSAL_AUTH_BUSY, 0);
	} else {
		submit(conn, CONN_HANDOVER);
	}
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
	conns_remove(conn);
}

/* What kept a question from its answer is told apart from the same fate of a connection. */
static enum refusal refusal_of_question(enum refusal refusal)
{
	if (refusal == REFUSAL_STOPPING) {
		return refusal;
	}
	const bool is_down = refusal == REFUSAL_POOL_FAILED || refusal == REFUSAL_CHILDREN_DIED;
	return is_down ? REFUSAL_AUTH_DOWN : REFUSAL_AUTH_BUSY;
}

void conn_failed(struct ticket *ticket, enum refusal refusal, int status)
{
	struct conn *conn = loop_owner(ticket, struct conn, ticket);
	refuse(conn, conn->state == CONN_AUTH ? refusal_of_question(refusal) : refusal, status);
}
