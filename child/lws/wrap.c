/* SPDX-License-Identifier: MIT */
/*
 * Stands between libwebsockets and the program's callbacks: learns when a connection opens and
 * when it is over (LWS_CALLBACK_WSI_DESTROY, which the vhost's first protocol gets for every wsi
 * in whatever role), sends the Close frames that the gateway wants, and stops what libwebsockets
 * would let through. All else goes to the program untouched.
 */
#include "lws/adapter.h"

#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
	CLOSE_SECS = 10,    /* a client that is not writable for so long is cut off */
	REASON_BYTES = 123, /* of a Close frame (RFC 6455, 5.5) */
	REPORTS_AT_ONCE = 64,
	NO_CODE = 1005, /* RFC 6455, 7.4.1, and the next */
	NO_CLOSE_FRAME = 1006,
};

/* ---- beginning and end ---- */

static void end_member(struct member *member)
{
	if (member->was_open && member->report.code == 0) {
		member->report.code = NO_CLOSE_FRAME;
	}
	if (!member->was_open) {
		member->report.who = 1; /* answered; with which status is not known */
	}
	if (adapter.channel >= 0 && !reports_add(&adapter.reports, &member->report)) {
		talk_tell("no memory for the report of a closed connection, dropping it");
	}
	member_destroy(member);
	if (adapter.reports.count >= REPORTS_AT_ONCE) {
		talk_flush();
	}
	leave_wake(ADAPTER_REPORT_MS);
}

static void handle_created(struct lws *wsi)
{
	if (adapter.adopted != NULL) {
		members_add(&adapter.members, adapter.adopted, wsi);
		adapter.adopted = NULL;
	}
}

static void handle_destroyed(const struct lws *wsi)
{
	struct member *member = members_find(&adapter.members, wsi);
	if (member != NULL) {
		members_remove(&adapter.members, member);
		end_member(member);
	}
}

/* libwebsockets logs each adoption as an error, its libev plugin as a notice besides. */
static int quiet_levels(void)
{
	int levels = 0;
	for (int i = 0; i < LLL_COUNT; i++) {
		levels |= lwsl_visible(1 << i) ? 1 << i : 0;
	}
	lws_set_log_level(levels & ~(LLL_ERR | LLL_NOTICE), NULL);
	return levels;
}

void wrap_adopt(struct member *member, int fd, const char *head)
{
	adapter.adopted = member;
	int levels = quiet_levels();
	const char *rewritten = rewrite_head(head);
	/* NULL says little: it also means that the connection is in the middle of its end. */
	lws_adopt_socket_vhost_readbuf(adapter.vhost, fd, rewritten, strlen(rewritten));
	lws_set_log_level(levels, NULL);
	if (adapter.adopted != NULL) { /* no wsi was made, the socket is closed */
		adapter.adopted = NULL;
		end_member(member);
	}
}

/* ---- closing ---- */

void wrap_close(struct member *member, unsigned code, const char *reason)
{
	switch (member->state) {
	case MEMBER_HTTP:
		lws_set_timeout(member->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
		break;
	case MEMBER_OPEN:
		if (member->is_deaf) {
			break; /* the client has closed already */
		}
		member->state = MEMBER_ASKED;
		member->report.code = (uint16_t)code;
		member->report.who = 1;
		member->reason = reason != NULL ? strndup(reason, REASON_BYTES) : NULL;
		lws_callback_on_writable(member->wsi);
		break;
	case MEMBER_ASKED:
	case MEMBER_CLOSING:
		break;
	}
}

static int send_close(struct member *member)
{
	size_t len = member->reason != NULL ? strlen(member->reason) : 0;
	member->state = MEMBER_CLOSING;
	lws_close_reason(member->wsi, (enum lws_close_status)member->report.code,
			 (unsigned char *)member->reason, len);
	return -1;
}

/* ---- what the program gets ---- */

enum verdict {
	VERDICT_PASS,
	VERDICT_KEEP, /* not for the program; the connection goes on */
	VERDICT_END,  /* not for the program; the connection ends */
};

static enum verdict judge_data(struct member *member, struct lws *wsi, size_t len)
{
	if (member->is_deaf || member->state != MEMBER_OPEN) {
		return VERDICT_KEEP; /* nothing counts behind a Close frame; libwebsockets passes it on */
	}
	member->report.bytes_in += len;
	member->message_bytes += len;
	size_t limit = adapter.message_limit_bytes;
	if (member->message_bytes > limit ||
	    lws_remaining_packet_payload(wsi) > limit - member->message_bytes) {
		member->report.code = LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE;
		member->report.who = 1;
		send_close(member);
		return VERDICT_END;
	}
	if (lws_is_final_fragment(wsi)) {
		member->message_bytes = 0;
		member->report.messages_in++;
	}
	return VERDICT_PASS;
}

static void note_client_close(struct member *member, const unsigned char *payload, size_t len)
{
	member->is_deaf = true;
	if (member->report.code == 0) {
		member->report.code = len >= 2 ? (uint16_t)(payload[0] << 8 | payload[1]) : NO_CODE;
	}
}

/* A second head in the same connection was judged by nobody. */
static enum verdict judge_request(struct member *member)
{
	bool is_second = member->has_asked;
	member->has_asked = true;
	return is_second ? VERDICT_END : VERDICT_PASS;
}

static enum verdict judge_writable(struct member *member)
{
	switch (member->state) {
	case MEMBER_HTTP:
	case MEMBER_OPEN:
		return VERDICT_PASS;
	case MEMBER_ASKED:
		send_close(member);
		return VERDICT_END;
	case MEMBER_CLOSING: /* comes again while the client's answer is awaited */
		break;
	}
	return VERDICT_KEEP;
}

static enum verdict judge(struct member *member, struct lws *wsi, enum lws_callback_reasons reason,
			  const void *in, size_t len)
{
	switch (reason) {
	case LWS_CALLBACK_FILTER_HTTP_CONNECTION:
		return judge_request(member);
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return member->has_asked ? VERDICT_END : VERDICT_PASS;
	case LWS_CALLBACK_ESTABLISHED:
		member->state = MEMBER_OPEN;
		member->was_open = true;
		sweep_note_heard(member);
		return VERDICT_PASS;
	case LWS_CALLBACK_RECEIVE:
		sweep_note_heard(member);
		return judge_data(member, wsi, len);
	case LWS_CALLBACK_RECEIVE_PONG:
		sweep_note_heard(member);
		return VERDICT_PASS;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return judge_writable(member);
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		note_client_close(member, in, len);
		return VERDICT_PASS;
	default: /* a hundred others */
		return VERDICT_PASS;
	}
}

/* The program's own wish to close shows in what it returns; the code that it chose does not. */
static void note_own_close(struct lws *wsi, enum lws_callback_reasons reason, int result)
{
	bool is_one = reason == LWS_CALLBACK_RECEIVE || reason == LWS_CALLBACK_SERVER_WRITEABLE;
	struct member *member = is_one && result != 0 ? members_find(&adapter.members, wsi) : NULL;
	if (member != NULL && member->state == MEMBER_OPEN && member->report.code == 0) {
		member->report.code = NO_CODE;
		member->report.who = 1;
	}
}

static int handle(unsigned slot, struct lws *wsi, enum lws_callback_reasons reason, void *user,
		  void *in, size_t len)
{
	if (reason == LWS_CALLBACK_WSI_CREATE) {
		handle_created(wsi);
	}
	struct member *member = members_find(&adapter.members, wsi);
	enum verdict verdict = member != NULL ? judge(member, wsi, reason, in, len) : VERDICT_PASS;
	if (verdict != VERDICT_PASS) {
		return verdict == VERDICT_END ? -1 : 0;
	}
	int result = adapter.callbacks[slot](wsi, reason, user, in, len);
	if (member != NULL) {
		note_own_close(wsi, reason, result);
	}
	if (reason == LWS_CALLBACK_WSI_DESTROY) {
		handle_destroyed(wsi);
	}
	return result;
}

/* A callback has no pointer of ours, and not always the wsi's protocol: one function a slot. */
#define SLOT(n)                                                                              \
	static int handle_##n(struct lws *wsi, enum lws_callback_reasons reason, void *user, \
			      void *in, size_t len)                                          \
	{                                                                                    \
		return handle(n, wsi, reason, user, in, len);                                \
	}
SLOT(0)
SLOT(1)
SLOT(2)
SLOT(3)
SLOT(4)
SLOT(5)
SLOT(6)
SLOT(7)
SLOT(8)
SLOT(9)
SLOT(10)
SLOT(11)
SLOT(12)
SLOT(13)
SLOT(14)
SLOT(15)

static lws_callback_function *const slots[ADAPTER_MAX_PROTOCOLS] = {
	handle_0, handle_1, handle_2,  handle_3,  handle_4,  handle_5,  handle_6,  handle_7,
	handle_8, handle_9, handle_10, handle_11, handle_12, handle_13, handle_14, handle_15,
};

/* ---- the adapter's own protocol: channel and timer ---- */

static void forget(const struct lws *wsi)
{
	if (wsi == adapter.channel_wsi) {
		adapter.channel_wsi = NULL;
		adapter.channel = -1;
		leave_wake(0);
	} else if (wsi == adapter.timer_wsi) {
		adapter.timer_wsi = NULL;
		adapter.timer = -1;
	}
}

static int handle_own(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		      size_t len)
{
	uint64_t expirations;
	(void)user, (void)in, (void)len;
	switch (reason) {
	case LWS_CALLBACK_RAW_RX_FILE:
		if (wsi == adapter.channel_wsi) {
			return talk_receive();
		}
		if (wsi == adapter.timer_wsi &&
		    read(adapter.timer, &expirations, sizeof expirations) > 0) {
			leave_handle_timer();
		}
		return 0;
	case LWS_CALLBACK_RAW_CLOSE_FILE:
		forget(wsi);
		return 0;
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return -1; /* no client may have it */
	default:
		return 0;
	}
}

bool wrap_protocols(const struct lws_protocols *given)
{
	size_t count = 0;
	while (given != NULL && given[count].callback != NULL) {
		if (count == ADAPTER_MAX_PROTOCOLS) {
			return false;
		}
		adapter.protocols[count] = given[count];
		adapter.protocols[count].callback = slots[count];
		adapter.callbacks[count] = given[count].callback;
		count++;
	}
	adapter.protocols[count] =
		(struct lws_protocols){.name = ADAPTER_PROTOCOL, .callback = handle_own};
	adapter.protocols[count + 1] = (struct lws_protocols){.name = NULL};
	return count > 0;
}
