/* SPDX-License-Identifier: MIT */
/*
 * baton-lws-echo: a libwebsockets program as a child of baton. libwebsockets finishes the handshake
 * and speaks with its ws role; every message goes back as it came, in pieces as it came. Not a
 * model for large messages to clients that do not read: it stops reading from such a client.
 */
#include "baton_lws.h"

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_BYTES = 32 * 1024, SEND_BYTES = 1024 * 1024 };

/* The pieces that wait for the client; while there are any, nothing more is read from it. */
struct piece {
	struct piece *next;
	size_t len;
	int flags; /* of lws_write */
	unsigned char bytes[];
};

struct session {
	struct piece *first, **last;
};

static bool is_over;

static int write_flags(struct lws *wsi)
{
	int opcode = lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
	return lws_write_ws_flags(opcode, lws_is_first_fragment(wsi), lws_is_final_fragment(wsi));
}

static int queue_piece(struct session *session, struct lws *wsi, const void *in, size_t len)
{
	struct piece *piece = malloc(sizeof *piece + LWS_PRE + len);
	if (piece == NULL) {
		return -1;
	}
	*piece = (struct piece){.len = len, .flags = write_flags(wsi)};
	if (len > 0) {
		memcpy(piece->bytes + LWS_PRE, in, len);
	}
	if (session->first == NULL) {
		session->last = &session->first;
	}
	*session->last = piece;
	session->last = &piece->next;
	lws_rx_flow_control(wsi, 0);
	return lws_callback_on_writable(wsi) < 0 ? -1 : 0;
}

/* A frame written while output is still buffered would break the stream. */
static int send_pieces(struct session *session, struct lws *wsi)
{
	while (session->first != NULL && !lws_partial_buffered(wsi)) {
		struct piece *piece = session->first;
		int written = lws_write(wsi, piece->bytes + LWS_PRE, piece->len,
					(enum lws_write_protocol)piece->flags);
		session->first = piece->next;
		free(piece);
		if (written < 0) {
			return -1;
		}
	}
	if (session->first != NULL || lws_partial_buffered(wsi)) {
		return lws_callback_on_writable(wsi) < 0 ? -1 : 0;
	}
	lws_rx_flow_control(wsi, 1);
	return 0;
}

static int echo(struct lws *wsi, struct session *session, const void *in, size_t len)
{
	if (session->first != NULL || lws_partial_buffered(wsi)) {
		return queue_piece(session, wsi, in, len);
	}
	static unsigned char frame[LWS_PRE + READ_BYTES + 64];
	if (len > sizeof frame - LWS_PRE) {
		return queue_piece(session, wsi, in, len);
	}
	if (len > 0) {
		memcpy(frame + LWS_PRE, in, len);
	}
	int flags = write_flags(wsi);
	return lws_write(wsi, frame + LWS_PRE, len, (enum lws_write_protocol)flags) < 0 ? -1 : 0;
}

static void discard(struct session *session)
{
	while (session->first != NULL) {
		struct piece *piece = session->first;
		session->first = piece->next;
		free(piece);
	}
}

static int handle_echo(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		       size_t len)
{
	switch (reason) {
	case LWS_CALLBACK_RECEIVE:
		return echo(wsi, user, in, len);
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return send_pieces(user, wsi);
	case LWS_CALLBACK_CLOSED:
		if (user != NULL) { /* an upgrade that failed has no session */
			discard(user);
		}
		return 0;
	default:
		return lws_callback_http_dummy(wsi, reason, user, in, len);
	}
}

static void handle_end(void *data)
{
	(void)data;
	is_over = true;
}

int main(int argc, char **argv)
{
	static const struct lws_protocols protocols[] = {
		{.name = "echo",
		 .callback = handle_echo,
		 .per_session_data_size = sizeof(struct session),
		 .rx_buffer_size = READ_BYTES,
		 .tx_packet_size = SEND_BYTES},
		{.name = NULL},
	};
	struct baton_lws_app app = {.size = sizeof app, .ended = handle_end};
	struct lws_context_creation_info info;
	memset(&info, 0, sizeof info);
	info.protocols = protocols;
	info.uid = info.gid = -1;
	if (argc > 1 && strcmp(argv[1], "--libev") == 0) { /* needs libwebsockets-evlib-ev */
		info.options |= LWS_SERVER_OPTION_LIBEV;
		app.ended = NULL; /* lws_service is the loop itself then, and never returns */
	}
	lws_set_log_level(LLL_ERR | LLL_WARN, NULL);
	if (baton_lws_prepare(&info) != 0) {
		fprintf(stderr, "%s: %s\n", argv[0], baton_lws_explain());
		return 2;
	}
	struct lws_context *context = lws_create_context(&info);
	struct lws_vhost *vhost =
		context != NULL ? lws_get_vhost_by_name(context, "default") : NULL;
	struct baton_lws *baton = baton_lws_create(vhost, &app, NULL);
	if (baton == NULL) {
		fprintf(stderr, "%s: %s\n", argv[0], baton_lws_explain());
	}
	while (baton != NULL && !is_over && lws_service(context, 0) >= 0) {
	}
	lws_context_destroy(context);
	baton_lws_destroy(baton);
	return is_over ? 0 : 1;
}
