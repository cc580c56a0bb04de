/* SPDX-License-Identifier: MIT */
/*
 * The deferred work of a turn. No callback runs inside a call of the author's: what such a call
 * leads to stands in a list, and the end of the turn works it off. The last that happens to a
 * connection happens here: its close callback, its report, its memory.
 */
#include "libbaton/turn.h"

#include "libbaton/buffer.h"
#include "libbaton/conn.h"
#include "libbaton/host.h"
#include "libbaton/receive.h"

#include <stdlib.h>

void turn_defer(struct baton_conn *conn)
{
	struct baton *baton = conn->baton;
	if (conn->is_deferred) {
		return;
	}
	conn->is_deferred = true;
	conn->next_deferred = NULL;
	if (baton->deferred == NULL) {
		baton->deferred = conn;
	} else {
		baton->last_deferred->next_deferred = conn;
	}
	baton->last_deferred = conn;
	host_nudge(baton);
}

static void bury(struct baton_conn *conn)
{
	struct baton *baton = conn->baton;
	const struct handoff_closed report = {
		.id = conn->id,
		.bytes_in = conn->bytes_in,
		.bytes_out = conn->bytes_out,
		.messages_in = conn->messages_in,
		.messages_out = conn->messages_out,
		.code = conn->code,
		.who = conn->who,
	};
	if (baton->app.close != NULL) {
		const char *why = conn->message != NULL ? (const char *)conn->message->at : "";
		baton->app.close(conn, conn->code, why, baton->data);
	}
	channel_report(baton, &report);
	table_remove(&baton->table, conn);
	buffer_free(&conn->message);
	free(conn);
}

/* A connection that ends while it goes on stands in the list a second time. */
void turn_finish(struct baton *baton)
{
	while (baton->deferred != NULL) {
		struct baton_conn *conn = baton->deferred;
		baton->deferred = conn->next_deferred;
		conn->is_deferred = false;
		if (conn->state == CONN_ENDED) {
			bury(conn);
			continue;
		}
		baton->current = conn;
		receive_kept(conn);
		conn_settle(conn);
		baton->current = NULL;
	}
}
