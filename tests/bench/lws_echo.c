/* SPDX-License-Identifier: MIT */
/*
 * What people have today: libwebsockets with its ws role on libev, its own listener and nothing of
 * baton. As good as it can be made: large buffers, none of its timers, frames of its own that leave
 * in one write a connection and turn (several times cheaper than one lws_write a message), pieces
 * of a message put together. Checks no UTF-8 and holds back no client. Run by bench.py.
 *
 *	lws_echo [--port P] [--publish] [--deflate LEVEL]
 *
 * --publish: sends each message to all, framed anew for each (a copy costs less than its send).
 * --deflate: takes permessage-deflate by libwebsockets' own extension: one lws_write a message, and
 * only short ones, since it cuts what is longer. Without context takeover it makes zlib's streams
 * anew for each message, which nothing can change here.
 */
#include <ev.h>
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
	READ_BYTES = 32 * 1024,
	SEND_BYTES = 1024 * 1024,
	HEAD_BYTES = 16 * 1024,
	BATCH_BYTES = 256 * 1024,
	HEADER_BYTES = 10,
	PACK_POWER = 12, /* of 2: what the extension packs and unpacks at once */
	PACK_BYTES = 1 << PACK_POWER,
	DESCRIPTORS = 11000, /* libwebsockets scans a table of this size at each close */
};

struct session {
	struct lws *wsi;
	struct session *previous, *next; /* in sessions */
	unsigned char *message;          /* its pieces so far */
	size_t message_len;
	unsigned char *waiting; /* LWS_PRE bytes, then frames for the time when there is room */
	size_t waiting_len;
	bool packs;
};

static struct lws_context *context;
static const char *level; /* of the extension; NULL: it is off */
static bool publishes;
static struct session *sessions; /* all that are open */
static struct session *owner;    /* of batch */
static unsigned char batch[LWS_PRE + BATCH_BYTES];
static size_t batch_len;

static void drop(struct session *session)
{
	lws_set_timeout(session->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

static void wait_with(struct session *session, const unsigned char *frames, size_t len)
{
	unsigned char *grown = realloc(session->waiting, LWS_PRE + session->waiting_len + len);
	if (grown == NULL) {
		drop(session);
		return;
	}
	memcpy(grown + LWS_PRE + session->waiting_len, frames, len);
	session->waiting = grown;
	session->waiting_len += len;
	lws_callback_on_writable(session->wsi);
}

/* A write while output is still buffered would break the stream. */
static void flush(void)
{
	struct session *session = owner;
	size_t len = batch_len;
	owner = NULL;
	batch_len = 0;
	if (session == NULL) {
		return;
	}
	if (session->waiting_len > 0 || lws_partial_buffered(session->wsi)) {
		wait_with(session, batch + LWS_PRE, len);
	} else if (lws_write(session->wsi, batch + LWS_PRE, len, LWS_WRITE_RAW) < 0) {
		drop(session);
	}
}

static size_t write_header(unsigned char *to, unsigned opcode, size_t len)
{
	size_t extended = len > 65535 ? 8 : len > 125 ? 2 : 0;
	to[0] = (unsigned char)(0x80 | opcode);
	to[1] = (unsigned char)(extended == 8 ? 127 : extended == 2 ? 126 : len);
	for (size_t i = 0; i < extended; i++) {
		to[2 + i] = (unsigned char)((unsigned long long)len >> 8 * (extended - 1 - i));
	}
	return 2 + extended;
}

static int echo(struct session *session, unsigned opcode, const void *message, size_t len)
{
	if (owner != session || batch_len + HEADER_BYTES + len > BATCH_BYTES) {
		flush();
	}
	owner = session;
	if (HEADER_BYTES + len > BATCH_BYTES) {
		unsigned char header[HEADER_BYTES];
		wait_with(session, header, write_header(header, opcode, len));
		wait_with(session, message, len);
		return 0;
	}
	batch_len += write_header(batch + LWS_PRE + batch_len, opcode, len);
	memcpy(batch + LWS_PRE + batch_len, message, len);
	batch_len += len;
	return 0;
}

/* The extension packs into a buffer of its own. No queue: what does not leave stops the reading. */
static int echo_packed(struct session *session, unsigned opcode, const void *message, size_t len)
{
	if (len > PACK_BYTES / 2 ||
	    lws_write(session->wsi, (unsigned char *)message, len,
		      opcode == 2 ? LWS_WRITE_BINARY : LWS_WRITE_TEXT) < 0) {
		return -1;
	}
	if (lws_partial_buffered(session->wsi)) {
		lws_rx_flow_control(session->wsi, 0);
		lws_callback_on_writable(session->wsi);
	}
	return 0;
}

static int answer(struct session *session, unsigned opcode, const void *message, size_t len)
{
	if (!publishes) {
		return (session->packs ? echo_packed : echo)(session, opcode, message, len);
	}
	for (struct session *each = sessions; each != NULL; each = each->next) {
		echo(each, opcode, message, len);
	}
	return 0;
}

static int receive(struct session *session, const void *in, size_t len)
{
	bool is_last = lws_is_final_fragment(session->wsi) &&
		       lws_remaining_packet_payload(session->wsi) == 0;
	unsigned opcode = lws_frame_is_binary(session->wsi) ? 2 : 1;
	if (is_last && session->message == NULL) {
		return answer(session, opcode, in, len);
	}
	unsigned char *grown = realloc(session->message, session->message_len + len + 1);
	if (grown == NULL) {
		return -1;
	}
	memcpy(grown + session->message_len, in, len);
	session->message = grown;
	session->message_len += len;
	if (!is_last) {
		return 0;
	}
	int result = answer(session, opcode, grown, session->message_len);
	free(grown);
	session->message = NULL;
	session->message_len = 0;
	return result;
}

static int send_waiting(struct session *session)
{
	if (session->packs && !lws_partial_buffered(session->wsi)) {
		lws_rx_flow_control(session->wsi, 1);
	} else if (session->packs) {
		lws_callback_on_writable(session->wsi);
	}
	if (session->waiting_len == 0) {
		return 0;
	}
	if (lws_partial_buffered(session->wsi)) {
		return lws_callback_on_writable(session->wsi) < 0 ? -1 : 0;
	}
	unsigned char *frames = session->waiting;
	size_t len = session->waiting_len;
	session->waiting = NULL;
	session->waiting_len = 0;
	int written = lws_write(session->wsi, frames + LWS_PRE, len, LWS_WRITE_RAW);
	free(frames);
	return written < 0 ? -1 : 0;
}

static int set_option(struct lws *wsi, const char *name, const char *value)
{
	return lws_set_extension_option(wsi, "permessage-deflate", name, value);
}

static void begin(struct session *session, struct lws *wsi)
{
	session->wsi = wsi;
	session->next = sessions;
	if (sessions != NULL) {
		sessions->previous = session;
	}
	sessions = session;
	char power[16];
	snprintf(power, sizeof power, "%d", PACK_POWER);
	session->packs = level != NULL && set_option(wsi, "compression_level", level) == 0 &&
			 set_option(wsi, "rx_buf_size", power) == 0 &&
			 set_option(wsi, "tx_buf_size", power) == 0;
}

static void end(struct session *session)
{
	*(session->previous != NULL ? &session->previous->next : &sessions) = session->next;
	if (session->next != NULL) {
		session->next->previous = session->previous;
	}
	if (owner == session) {
		owner = NULL;
		batch_len = 0;
	}
	free(session->message);
	free(session->waiting);
}

static int handle(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		  size_t len)
{
	struct session *session = user;
	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
		begin(session, wsi);
		return 0;
	case LWS_CALLBACK_RECEIVE:
		return receive(session, in, len);
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return send_waiting(session);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		flush();
		return 0;
	case LWS_CALLBACK_CLOSED:
		if (session != NULL && session->wsi != NULL) { /* not one that never opened */
			end(session);
		}
		return 0;
	default:
		return lws_callback_http_dummy(wsi, reason, user, in, len);
	}
}

static void handle_turn_end(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	(void)loop;
	(void)watcher;
	(void)events;
	flush();
}

/* Without it the plugin's timers are late by up to half a minute. */
static void handle_tick(struct ev_loop *loop, ev_timer *watcher, int events)
{
	(void)loop;
	(void)watcher;
	(void)events;
	lws_cancel_service(context);
}

static struct lws_vhost *create_server(struct ev_loop *loop, int port)
{
	static const struct lws_protocols protocols[] = {
		{.name = "echo",
		 .callback = handle,
		 .per_session_data_size = sizeof(struct session),
		 .rx_buffer_size = READ_BYTES,
		 .tx_packet_size = SEND_BYTES},
		{.name = NULL},
	};
	static const struct lws_extension extensions[] = {
		{.name = "permessage-deflate", .callback = lws_extension_callback_pm_deflate},
		{.name = NULL},
	};
	static const lws_retry_bo_t no_keepalive; /* its timers stand in one sorted list */
	void *loops[] = {loop};
	struct lws_context_creation_info info;
	memset(&info, 0, sizeof info);
	info.port = port;
	info.iface = "127.0.0.1";
	info.vhost_name = "echo";
	info.protocols = protocols;
	info.extensions = level != NULL ? extensions : NULL;
	info.uid = info.gid = -1;
	info.options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
	info.foreign_loops = loops;
	info.pt_serv_buf_size = READ_BYTES + 64;
	info.max_http_header_data2 = HEAD_BYTES;
	info.retry_and_idle_policy = &no_keepalive;
	context = lws_create_context(&info); /* NULL too without libwebsockets-evlib-ev */
	return context != NULL ? lws_create_vhost(context, &info) : NULL;
}

int main(int argc, char **argv)
{
	int port = 0;
	for (int i = 1; i < argc; i++) {
		publishes = publishes || strcmp(argv[i], "--publish") == 0;
		level = i + 1 < argc && strcmp(argv[i], "--deflate") == 0 ? argv[i + 1] : level;
		port = i + 1 < argc && strcmp(argv[i], "--port") == 0 ? atoi(argv[i + 1]) : port;
	}
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	setrlimit(RLIMIT_NOFILE, &limit);
	lws_set_log_level(LLL_ERR | LLL_WARN, NULL);
	struct ev_loop *loop = ev_default_loop(0);
	struct lws_vhost *vhost = create_server(loop, port);
	if (vhost == NULL) {
		fprintf(stderr, "%s: libwebsockets does not start\n", argv[0]);
		return 1;
	}
	ev_prepare turn_end;
	ev_prepare_init(&turn_end, handle_turn_end);
	ev_prepare_start(loop, &turn_end);
	ev_timer tick;
	ev_timer_init(&tick, handle_tick, 0.1, 0.1);
	ev_timer_start(loop, &tick);
	printf("port=%d\n", lws_get_vhost_listen_port(vhost));
	fflush(stdout);
	ev_run(loop, 0);
	lws_context_destroy(context);
	return 0;
}
