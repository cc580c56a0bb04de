/* SPDX-License-Identifier: MIT */
/*
 * Topics: baton_subscribe, baton_unsubscribe, baton_publish. A published message is framed once
 * and goes to each subscriber with one send from where it stands; what a slow one's kernel does
 * not take waits in its queue by reference. Publishing calls nobody back, so the only thing that
 * can change under its walk is that the connection at hand breaks.
 *
 * Names stand in a balanced tree: clients may choose them, and no choice makes a lookup slow.
 */
#include "libbaton/topics.h"

#include "libbaton/buffer.h"
#include "libbaton/conn.h"
#include "libbaton/host.h"
#include "libbaton/output.h"
#include "libbaton/publication.h"
#include "libbaton/queue.h"

#include <assert.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_MEMBERS = 4 };

struct member {
	struct baton_conn *conn;
	struct membership *membership;
};

struct topic {
	struct member *members; /* in no order; the last one fills the gap of one that leaves */
	size_t count, size;
	bool is_busy; /* it is being published to: is not freed though it be empty */
	char name[];
};

struct membership {
	struct membership *next; /* of the same connection */
	struct topic *topic;
	size_t index; /* in topic->members */
};

struct subscriptions {
	struct membership *first;
	struct buffer *held; /* frames published in the middle of a message of the author's */
	size_t held_messages;
};

/* ---- topics by name ---- */

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static struct topic *find_topic(const struct baton *baton, const char *name)
{
	char *const *node = tfind(name, &baton->topics.root, compare);
	return node != NULL ? loop_owner(*node, struct topic, name) : NULL;
}

static struct topic *create_topic(struct baton *baton, const char *name)
{
	size_t name_bytes = strlen(name) + 1;
	struct topic *topic = calloc(1, sizeof *topic + name_bytes);
	if (topic == NULL) {
		return NULL;
	}
	memcpy(topic->name, name, name_bytes);
	if (tsearch(topic->name, &baton->topics.root, compare) == NULL) {
		free(topic);
		return NULL;
	}
	return topic;
}

static void drop_if_empty(struct baton *baton, struct topic *topic)
{
	if (topic->count == 0 && !topic->is_busy) {
		tdelete(topic->name, &baton->topics.root, compare);
		free(topic->members);
		free(topic);
	}
}

/* ---- members ---- */

static struct membership *find_membership(const struct baton_conn *conn, const struct topic *topic)
{
	struct membership *at = conn->subscriptions != NULL ? conn->subscriptions->first : NULL;
	while (at != NULL && at->topic != topic) {
		at = at->next;
	}
	return at;
}

static bool grow(struct topic *topic)
{
	size_t size = topic->size > 0 ? 2 * topic->size : FIRST_MEMBERS;
	struct member *members = realloc(topic->members, size * sizeof *members);
	if (members == NULL) {
		return false;
	}
	topic->members = members;
	topic->size = size;
	return true;
}

static bool join(struct baton_conn *conn, struct topic *topic)
{
	if (conn->subscriptions == NULL) {
		conn->subscriptions = calloc(1, sizeof *conn->subscriptions);
	}
	struct subscriptions *subscriptions = conn->subscriptions;
	struct membership *membership = malloc(sizeof *membership);
	if (subscriptions == NULL || membership == NULL ||
	    (topic->count == topic->size && !grow(topic))) {
		free(membership);
		return false;
	}
	*membership = (struct membership){subscriptions->first, topic, topic->count};
	subscriptions->first = membership;
	topic->members[topic->count++] = (struct member){conn, membership};
	return true;
}

static void remove_member(struct baton *baton, struct membership *membership)
{
	struct topic *topic = membership->topic;
	struct member *gap = &topic->members[membership->index];
	assert(gap->membership == membership);
	*gap = topic->members[--topic->count];
	gap->membership->index = membership->index;
	free(membership);
	drop_if_empty(baton, topic);
}

/* What was taken for it before it unsubscribed is still sent. */
static void drop_subscriptions(struct baton_conn *conn)
{
	if (conn->subscriptions != NULL && conn->subscriptions->first == NULL &&
	    conn->subscriptions->held == NULL) {
		free(conn->subscriptions);
		conn->subscriptions = NULL;
	}
}

void topics_release_held(struct baton_conn *conn)
{
	struct subscriptions *subscriptions = conn->subscriptions;
	struct buffer *held = subscriptions != NULL ? subscriptions->held : NULL;
	if (held == NULL) {
		return;
	}
	subscriptions->held = NULL;
	if (output_put(conn, held->at, held->length, NULL, 0) >= 0) {
		conn->bytes_out += held->length;
		conn->messages_out += subscriptions->held_messages;
		subscriptions->held_messages = 0;
		conn_settle_unless_current(conn);
	}
	buffer_free(&held);
	drop_subscriptions(conn);
}

void topics_leave(struct baton_conn *conn)
{
	struct subscriptions *subscriptions = conn->subscriptions;
	if (subscriptions == NULL) {
		return;
	}
	for (struct membership *at = subscriptions->first, *next; at != NULL; at = next) {
		next = at->next;
		remove_member(conn->baton, at);
	}
	buffer_free(&subscriptions->held);
	free(subscriptions);
	conn->subscriptions = NULL;
}

/* ---- publishing ---- */

static void handle_slow(struct baton_conn *conn)
{
	static const char why[] = "reads too slowly";
	if (conn->baton->skips_slow) {
		conn->baton->skipped++;
		return;
	}
	conn_fail(conn, SESSION_POLICY, why, sizeof why - 1);
	conn_settle_unless_current(conn);
}

/* Between two pieces of a message no other message may stand (RFC 6455, 5.4). */
static bool hold(struct baton_conn *conn, const struct shared *frame)
{
	struct subscriptions *subscriptions = conn->subscriptions;
	size_t waits = buffer_length(subscriptions->held);
	if ((waits > 0 && waits + frame->length > conn->baton->send_limit) ||
	    !buffer_append(&subscriptions->held, frame->at, frame->length, 0)) {
		handle_slow(conn);
		return false;
	}
	subscriptions->held_messages++;
	return true;
}

/* True when it was taken. */
static bool deliver(struct baton_conn *conn, struct publication *publication)
{
	if (conn->state != CONN_OPEN) {
		return false;
	}
	struct shared *frame = publication_frame(publication, conn);
	if (conn->is_mid_message) {
		return hold(conn, frame);
	}
	if (!output_has_room(conn, frame->length)) {
		if (conn->state == CONN_OPEN) {
			handle_slow(conn);
		}
		return false;
	}
	int result = conn->state == CONN_OPEN ? output_share(conn, frame) : BATON_CLOSED;
	if (result < 0) {
		return false;
	}
	conn->messages_out++;
	if (result == BATON_QUEUED) {
		conn_settle_unless_current(conn);
	}
	return true;
}

/* Backwards: the member at hand may leave, and then one that had its turn takes its place. */
static int deliver_to_all(struct topic *topic, const struct baton_conn *except,
			  struct publication *publication)
{
	int taken = 0;
	for (size_t i = topic->count; i-- > 0;) {
		struct baton_conn *conn = topic->members[i].conn;
		if (conn != except) {
			taken += deliver(conn, publication);
		}
	}
	return taken;
}

/* ---- public ---- */

int baton_subscribe(struct baton_conn *conn, const char *name)
{
	size_t len = strnlen(name, BATON_TOPIC_BYTES + 1);
	if (len == 0 || len > BATON_TOPIC_BYTES) {
		errno = EINVAL;
		return -1;
	}
	if (conn->state > CONN_OPEN) {
		errno = ENOTCONN;
		return -1;
	}
	struct topic *topic = find_topic(conn->baton, name);
	if (topic == NULL) {
		topic = create_topic(conn->baton, name);
	}
	if (topic == NULL) {
		errno = ENOMEM;
		return -1;
	}
	if (find_membership(conn, topic) != NULL || join(conn, topic)) {
		return 0;
	}
	drop_if_empty(conn->baton, topic);
	drop_subscriptions(conn);
	errno = ENOMEM;
	return -1;
}

int baton_unsubscribe(struct baton_conn *conn, const char *name)
{
	const struct topic *topic = find_topic(conn->baton, name);
	struct membership *gone = topic != NULL ? find_membership(conn, topic) : NULL;
	if (gone == NULL) {
		errno = ENOENT;
		return -1;
	}
	struct membership **at = &conn->subscriptions->first;
	while (*at != gone) {
		at = &(*at)->next;
	}
	*at = gone->next;
	remove_member(conn->baton, gone);
	drop_subscriptions(conn);
	return 0;
}

int baton_publish(struct baton *baton, const char *name, struct baton_conn *except, int type,
		  const void *data, size_t len)
{
	if ((type != BATON_TEXT && type != BATON_BINARY) || len > PTRDIFF_MAX) {
		errno = EINVAL;
		return -1;
	}
	struct topic *topic = find_topic(baton, name);
	if (topic == NULL) {
		return 0;
	}
	struct publication publication;
	if (!publication_init(&publication, type == BATON_TEXT, data, len)) {
		errno = ENOMEM;
		return -1;
	}
	topic->is_busy = true;
	int taken = deliver_to_all(topic, except, &publication);
	topic->is_busy = false;
	drop_if_empty(baton, topic);
	publication_finish(&publication);
	return taken;
}
