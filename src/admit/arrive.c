/* SPDX-License-Identifier: MIT */
/*
 * What a client sends before it is judged: the PROXY header where the listener expects one, then
 * the head, each with a deadline of its own, which no further byte extends. Consumes the header and
 * nothing else; judges nothing. Called by conn.c.
 */
#include "admit/conn_private.h"
#include "admit/limits.h"
#include "admit/listener.h"
#include "admit/peek.h"
#include "pool/ledger.h"

/* The head says who the client is, if the peer (or who it speaks for already) is trusted. */
static void identify(struct conn *conn, const struct head *head)
{
	struct forwarded found;
	forwarded_find(head, &conn->record->client, &conn->listener->config->forwarded, &found);
	conn->record->client = found.client;
	conn->scheme = found.scheme;
}

/* Speaks for others, as far as is known. */
static bool is_proxy(const struct conn *conn)
{
	const struct config_listener *listener = conn->listener->config;
	const struct address *client = &conn->record->client;
	return (listener->proxy && address_same(client, &conn->peer)) ||
	       forwarded_trusts(&listener->forwarded, client);
}

/*
 * Once the client is known it is counted by its address: a direct one at once, others when the
 * PROXY header or the head has named them; a proxy itself never, since all its clients would share
 * its limits.
 */
static void count_client(struct conn *conn)
{
	struct conns *self = conn->conns;
	if (!conn->is_known && !is_proxy(conn)) {
		conn->is_known = true;
		if (conn->over == REFUSAL_NONE) {
			conn->over =
				limits_enter_address(self->limits, conn->record,
						     loop_now_ms(self->loop), &conn->retry_secs);
		}
	}
}

/* Edge-triggered: a level would report the half that has been seen for ever. */
static void wait_for_more(struct conn *conn)
{
	struct conns *self = conn->conns;
	bool in_head = conn->state == CONN_HEAD;
	if (!conn_watch(conn, LOOP_READ | LOOP_URGENT | LOOP_LEFT | LOOP_EDGE)) {
		conn_close(conn);
		return;
	}
	loop_timer_start(in_head ? &self->head_lane : &self->proxy_lane, &conn->timer,
			 in_head ? self->config->head_timeout_ms : self->config->proxy_timeout_ms);
}

/* What has come is right so far, but not all. */
static void need_more(struct conn *conn, unsigned events, bool left)
{
	if (left) {
		conn_left(conn);
	} else if (refusal_status(conn->over) == 429) {
		refuse(conn, conn->over, 0); /* no slow head may hold a descriptor besides */
	} else if (events & LOOP_URGENT) {
		refuse(conn, REFUSAL_URGENT_DATA, 0);
	} else if (events & LOOP_LEFT) {
		refuse(conn, REFUSAL_HALF_HEAD, 0);
	} else if (!loop_timer_is_running(&conn->timer)) {
		wait_for_more(conn);
	}
}

static void look_for_head(struct conn *conn, unsigned events)
{
	enum refusal refusal = REFUSAL_NONE;
	bool left;
	enum head_result result = peek_look(conn, conn->ticket.fd,
					    conn->conns->config->head_limit_bytes, &refusal, &left);
	const struct head *head = peek_head(conn);
	conn->is_head = peek_is_head();
	if (head != NULL) {
		identify(conn, head);
	}
	count_client(conn);
	switch (result) {
	case HEAD_OK:
		conn_judge(conn);
		break;
	case HEAD_BAD:
		refuse(conn, refusal, 0);
		break;
	case HEAD_NEED_MORE:
		need_more(conn, events, left);
		break;
	}
}

/* The header is all there: it goes, and the head may be right behind it. */
static void leave_proxy(struct conn *conn, const struct proxy_header *header, unsigned events)
{
	if (!peek_consume(conn->ticket.fd, conn_is_unix(conn), header->bytes)) {
		conn_left(conn);
		return;
	}
	if (!header->is_local) {
		conn->record->client = header->client;
		conn->server_port = header->server.port;
	}
	loop_timer_stop(&conn->timer);
	conn->state = CONN_HEAD;
	look_for_head(conn, events);
}

static void look_for_proxy(struct conn *conn, unsigned events)
{
	struct proxy_header header;
	bool left;
	switch (peek_proxy(conn->ticket.fd, &header, &left)) {
	case PROXY_OK:
		leave_proxy(conn, &header, events);
		break;
	case PROXY_BAD:
		refuse(conn, REFUSAL_PROXY, 0);
		break;
	case PROXY_NEED_MORE:
		need_more(conn, events, left);
		break;
	}
}

void arrive_look(struct conn *conn, unsigned events)
{
	if (conn->state == CONN_PROXY) {
		look_for_proxy(conn, events);
	} else {
		look_for_head(conn, events);
	}
}

void arrive_handle_timer(struct loop_timer *timer)
{
	struct conn *conn = loop_owner(timer, struct conn, timer);
	refuse(conn, conn->state == CONN_PROXY ? REFUSAL_PROXY_TIMEOUT : REFUSAL_HEAD_TIMEOUT, 0);
}
