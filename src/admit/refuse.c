/* SPDX-License-Identifier: MIT */
/*
 * Refusing a client: the answer, the log line, the count, and a close that lets the client read
 * the answer first. Why somebody is refused is decided elsewhere; the bytes are reply.c's. Called
 * by conn.c and arrive.c.
 */
#include "admit/conn_private.h"
#include "admit/limits.h"
#include "admit/peek.h"
#include "admit/reply.h"
#include "config/config.h"
#include "counters.h"
#include "journal.h"

#include <string.h>
#include <sys/socket.h>

/* A close with unread bytes would be a reset (RFC 9112, 9.6). */
void refuse_answer(struct conn *conn, const char *bytes, size_t len)
{
	struct conns *self = conn->conns;
	limits_leave(self->limits, conn->record); /* it takes nobody's place while it lingers */
	ssize_t sent = send(conn->ticket.fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent != (ssize_t)len || shutdown(conn->ticket.fd, SHUT_WR) != 0) {
		conn_close(conn);
		return;
	}
	if (self->lingering >= self->most_lingering) {
		/* What has come is read, so only what comes later can turn this into a reset. */
		peek_drop(conn->ticket.fd);
		conn_close(conn);
		return;
	}
	conn->state = CONN_LINGER;
	self->lingering++;
	if (!conn_watch(conn, LOOP_READ)) {
		conn_close(conn);
		return;
	}
	loop_timer_start(&self->linger_lane, &conn->timer, self->config->linger_timeout_ms);
}

static void note(struct conn *conn, enum refusal refusal, int status, const char *text)
{
	struct journal_refusal told = {.refusal = refusal, .status = status};
	const struct head *head = peek_head(conn);
	const struct request *request = peek_request(conn);
	if (head != NULL) {
		told.target = head->target;
	}
	if (refusal == REFUSAL_ORIGIN && request != NULL) {
		told.origin = request->origin;
	}
	if (text != NULL) {
		told.text = (struct slice){text, strlen(text)};
	}
	conn->conns->counters->refusals[refusal]++;
	journal_refuse(conn->conns->config, conn->record, &told);
}

/* By a Close frame where the route wants it and this is an upgrade, else by the status. */
static void answer(struct conn *conn, int status, const char *text, const char *challenge)
{
	char bytes[REPLY_MAX_BYTES];
	_Static_assert((int)CLOSING_MAX_BYTES <= (int)REPLY_MAX_BYTES, "bytes is for either");
	const struct reply reply = {.status = status,
				    .text = text,
				    .challenge = challenge,
				    .retry_secs = conn->retry_secs,
				    .now = time(NULL),
				    .no_body = conn->is_head};
	refuse_answer(conn, bytes,
		      conn->closing.accept[0] != '\0'
			      ? closing_write(&conn->closing, status, text, bytes)
			      : reply_write(&reply, bytes));
}

void refuse(struct conn *conn, enum refusal refusal, int status)
{
	status = status != 0 ? status : refusal_status(refusal);
	note(conn, refusal, status, NULL);
	answer(conn, status, refusal_text(refusal), NULL);
}

void refuse_denied(struct conn *conn, const struct handover_answer *denial)
{
	char reason[HANDOFF_MAX_REASON_BYTES + 1];
	reply_clean_reason(denial->reason != NULL ? denial->reason : refusal_text(REFUSAL_AUTH),
			   reason);
	note(conn, REFUSAL_AUTH, denial->status, reason);
	answer(conn, denial->status, reason, denial->challenge);
}

void refuse_linger(struct conn *conn)
{
	if (!peek_drop(conn->ticket.fd)) {
		conn_close(conn);
	}
}

void refuse_handle_timer(struct loop_timer *timer)
{
	conn_close(loop_owner(timer, struct conn, timer));
}
