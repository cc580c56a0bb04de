/* SPDX-License-Identifier: MIT */
/*
 * The adapter's interface: see baton_lws.h. Turns the program's info into a child's, lets
 * libwebsockets poll the channel and the timer, and answers questions about clients. What then
 * happens comes in through wrap.c and talk.c.
 */
#include "lws/baton_lws.h"

#include "handoff/pairs.h"
#include "libbaton/startup.h"
#include "lws/adapter.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	HEADER_DATA_BYTES = 16 * 1024, /* the gateway's largest head_limit */
	SERVICE_BUFFER_BYTES = 32 * 1024 + 64,
};

struct baton_lws adapter = {.channel = -1, .timer = -1};

static char explanation[160];

const char *baton_lws_explain(void)
{
	return explanation;
}

static void explain(const char *text)
{
	snprintf(explanation, sizeof explanation, "%s", text);
}

/* ---- before the context ---- */

static bool find_channel(void)
{
	switch (startup_find_channel(&adapter.channel)) {
	case STARTUP_OK:
		return true;
	case STARTUP_NOT_A_CHILD:
		explain("this program was not started by baton: there is no BATON_FD "
			"(baton serve --child PROGRAM starts it)");
		break;
	case STARTUP_WRONG_PROTOCOL:
		explain("BATON_PROTOCOL is not 1: the gateway speaks another version");
		break;
	case STARTUP_BAD_FD:
		explain("BATON_FD is not the channel of a gateway");
		break;
	}
	return false;
}

int baton_lws_prepare(struct lws_context_creation_info *info)
{
	static const lws_retry_bo_t no_policy;
	if (adapter.channel >= 0) {
		explain("baton_lws_prepare was called before");
		return -1;
	}
	if (!wrap_protocols(info->protocols)) {
		explain("info.protocols must have 1 to 16 protocols");
		return -1;
	}
	if (!find_channel()) {
		return -1;
	}
	adapter.needs_tick = (info->options & LWS_SERVER_OPTION_LIBEV) != 0;
	info->port = CONTEXT_PORT_NO_LISTEN_SERVER;
	info->protocols = adapter.protocols;
	info->extensions = NULL;
	info->fd_limit_per_thread = 0;
	info->max_http_header_pool = 0;
	info->max_http_header_pool2 = 0;
	if (info->retry_and_idle_policy == NULL) {
		info->retry_and_idle_policy = &no_policy;
	}
	if (info->max_http_header_data2 == 0) {
		info->max_http_header_data2 = HEADER_DATA_BYTES;
	}
	if (info->pt_serv_buf_size == 0) {
		info->pt_serv_buf_size = SERVICE_BUFFER_BYTES;
	}
	return 0;
}

/* ---- after it ---- */

/* libwebsockets owns fd afterwards. NULL: it is still ours. */
static struct lws *poll_with_lws(int fd)
{
	lws_sock_file_fd_type descriptor = {.filefd = fd};
	return lws_adopt_descriptor_vhost(adapter.vhost, LWS_ADOPT_RAW_FILE_DESC, descriptor,
					  ADAPTER_PROTOCOL, NULL);
}

static bool is_prepared(struct lws_vhost *vhost)
{
	if (adapter.channel < 0 || adapter.vhost != NULL) {
		explain("baton_lws_prepare must be called before the context is created, and "
			"baton_lws_create once after it");
		return false;
	}
	const struct lws_protocols *own =
		vhost != NULL ? lws_vhost_name_to_protocol(vhost, ADAPTER_PROTOCOL) : NULL;
	if (own == NULL) {
		explain("the vhost was not created from the prepared info");
		return false;
	}
	return true;
}

static bool start(void)
{
	if (!leave_open_timer() || (adapter.timer_wsi = poll_with_lws(adapter.timer)) == NULL ||
	    (adapter.channel_wsi = poll_with_lws(adapter.channel)) == NULL) {
		explain("libwebsockets does not take the channel's descriptor");
		return false;
	}
	return true;
}

struct baton_lws *baton_lws_create(struct lws_vhost *vhost, const struct baton_lws_app *app,
				   void *data)
{
	if (!is_prepared(vhost)) {
		return NULL;
	}
	if (app != NULL && app->size != sizeof *app) {
		explain("baton_lws_app.size is not its sizeof");
		return NULL;
	}
	adapter.vhost = vhost;
	adapter.app = app != NULL ? *app : (struct baton_lws_app){.size = 0};
	adapter.data = data;
	adapter.message_limit_bytes = SIZE_MAX;
	return start() ? &adapter : NULL;
}

/* What libwebsockets never got; what it got it has closed with its context. */
static void close_fd(int fd)
{
	if (fd >= 0) {
		close(fd);
	}
}

void baton_lws_destroy(struct baton_lws *self)
{
	if (self != NULL) {
		close_fd(self->channel);
		close_fd(self->timer);
		members_finish(&self->members);
		member_destroy(self->adopted);
		reports_free(&self->reports);
		memset(self, 0, sizeof *self);
		self->channel = self->timer = -1;
	}
}

/* ---- questions ---- */

const char *baton_lws_get(struct lws *wsi, const char *key)
{
	const struct member *member = members_find(&adapter.members, wsi);
	return member != NULL ? handoff_pairs_find(member->pairs, member->pairs_bytes, key) : NULL;
}

uint64_t baton_lws_id(struct lws *wsi)
{
	const struct member *member = members_find(&adapter.members, wsi);
	return member != NULL ? member->report.id : 0;
}
