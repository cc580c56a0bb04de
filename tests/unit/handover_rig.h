/* SPDX-License-Identifier: MIT */
/*
 * A pool at work without processes: the test is the owner of the tickets (conn.c), the owner of the
 * receivers (child.c) and every child, whose end of the channel it reads itself. Time is the test's
 * own: it passes in rig_pass_ms and rig_until, a millisecond a turn, however slow the machine is.
 */
#ifndef TESTS_HANDOVER_RIG_H
#define TESTS_HANDOVER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"
#include "descriptors.h"
#include "loop/loop.h"
#include "pool/handover.h"
#include "pool/hash.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { RIG_CHILDREN = 4, RIG_LONG_MS = 60000, RIG_MAX_TICKS = 10000 };

/* A client, and what its owner was told. */
struct rig_client {
	struct ticket ticket;
	int peer;    /* the client's own end */
	bool leaves; /* write finds it gone */
	int written, waits, passes, taken, failed, answered;
	enum refusal refusal;
	int status;
	struct receiver *owner;
	char grant[32];
};

static struct {
	struct loop *loop;
	struct handover handover;
	struct config_pool config;
	struct pool pool;
	struct receiver children[RIG_CHILDREN];
	int suspected[RIG_CHILDREN], mute[RIG_CHILDREN];
	int other_messages[RIG_CHILDREN]; /* that were read and no CONNECTION */
	char order[64];                   /* ids in the order in which they ended or were read */
	size_t descriptors_before;
} rig;

/* ---- events ---- */

static inline struct rig_client *rig_client_of(struct ticket *ticket)
{
	return loop_owner(ticket, struct rig_client, ticket);
}

static inline void rig_client_end(struct rig_client *client)
{
	assert_int_equal(client->ticket.state, TICKET_IDLE);
	assert_int_equal(client->taken + client->failed + client->answered, 1);
	assert_false(loop_timer_is_running(&client->ticket.timer));
	close(client->ticket.fd);
	close(client->peer);
	client->ticket.fd = client->peer = -1;
}

static inline size_t rig_write(struct ticket *ticket, char *buf, size_t size)
{
	struct rig_client *client = rig_client_of(ticket);
	if (client->leaves) {
		client->failed++;
		rig_client_end(client);
		return 0;
	}
	client->written++; /* the head can be consumed once only */
	assert_true(client->written == 1 || rig.config.kind == CONFIG_KIND_AUTH);
	int len = snprintf(buf, size, "ID=%llu", (unsigned long long)ticket->id);
	return (size_t)len + 1;
}

static inline void rig_waits(struct ticket *ticket)
{
	rig_client_of(ticket)->waits++;
}

static inline void rig_passes(struct ticket *ticket)
{
	rig_client_of(ticket)->passes++;
}

static inline void rig_taken(struct ticket *ticket, struct receiver *receiver)
{
	struct rig_client *client = rig_client_of(ticket);
	client->taken++;
	client->owner = receiver;
	rig_client_end(client);
}

static inline void rig_answered(struct ticket *ticket, const struct handover_answer *answer)
{
	struct rig_client *client = rig_client_of(ticket);
	client->answered++;
	client->status = answer->status;
	snprintf(client->grant, sizeof client->grant, "%s",
		 answer->grant != NULL ? answer->grant : "");
	rig_client_end(client);
}

static inline void rig_failed(struct ticket *ticket, enum refusal refusal, int status)
{
	struct rig_client *client = rig_client_of(ticket);
	client->failed++;
	client->refusal = refusal;
	client->status = status;
	rig_client_end(client);
}

static inline void rig_suspected(struct receiver *receiver)
{
	rig.suspected[receiver->seat.index]++;
}

/* As child.c does, which kills it. */
static inline void rig_mute(struct receiver *receiver)
{
	handover_shut(receiver);
	rig.mute[receiver->seat.index]++;
}

static const struct handover_events rig_events = {
	.write = rig_write,
	.waits = rig_waits,
	.passes = rig_passes,
	.taken = rig_taken,
	.answered = rig_answered,
	.failed = rig_failed,
	.suspected = rig_suspected,
	.mute = rig_mute,
};

/* ---- set-up ---- */

/* A fresh process sits down. */
static inline void rig_open(unsigned i)
{
	assert_int_equal(native_open(&rig.children[i].link), 0);
	rig.children[i].seat.state = SEAT_OPEN;
	rig.children[i].seat.is_full = false;
}

/* All fields that a test may change are long or large; children: how many are there. */
static inline void rig_start_kind(unsigned children, enum config_kind kind)
{
	memset(&rig, 0, sizeof rig);
	rig.descriptors_before = descriptors_open();
	rig.loop = loop_create();
	assert_non_null(rig.loop);
	rig.config = (struct config_pool){.name = "pool",
					  .kind = kind,
					  .children = children,
					  .queue = 100,
					  .queue_timeout_ms = RIG_LONG_MS,
					  .offer_timeout_ms = RIG_LONG_MS,
					  .handover_timeout_ms = RIG_LONG_MS,
					  .ping_timeout_ms = RIG_LONG_MS};
	assert_int_equal(handover_init(&rig.handover, rig.loop, &rig_events, &rig.config, 1), 0);
	assert_int_equal(handover_pool_init(&rig.pool, &rig.handover, &rig.config, 0), 0);
	for (unsigned i = 0; i < children; i++) {
		handover_receiver_init(&rig.children[i], &rig.pool, i);
		assert_int_equal(rig.children[i].seat.state, SEAT_SHUT);
		rig.children[i].seat.capacity = 1000;
		rig_open(i);
	}
}

static inline void rig_start(unsigned children)
{
	rig_start_kind(children, CONFIG_KIND_SOCKET);
}

/* Every ticket must have ended: nothing is left of them, no message and no descriptor. */
static inline void rig_stop(void)
{
	const struct messages *messages = &rig.handover.messages;
	assert_int_equal(messages->free_count, messages->count);
	assert_int_equal(messages->spare_used, 0);
	assert_int_equal(rig.pool.waiting_count, 0);
	assert_int_equal(loop_wait_ms(rig.loop), -1);
	for (unsigned i = 0; i < rig.config.children; i++) {
		assert_int_equal(rig.children[i].seat.offered, 0);
		native_close(&rig.children[i].link);
	}
	handover_pool_finish(&rig.pool);
	handover_finish(&rig.handover);
	loop_destroy(rig.loop);
	assert_int_equal(descriptors_open(), rig.descriptors_before);
}

/* As cmocka wants it, with one, two and three children. */

static inline int rig_setup_one(void **state)
{
	(void)state;
	rig_start(1);
	return 0;
}

static inline int rig_setup(void **state)
{
	(void)state;
	rig_start(2);
	return 0;
}

static inline int rig_setup_three(void **state)
{
	(void)state;
	rig_start(3);
	return 0;
}

static inline int rig_teardown(void **state)
{
	(void)state;
	rig_stop();
	return 0;
}

/* ---- clients ---- */

static inline struct rig_client rig_client(uint64_t id)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	return (struct rig_client){.ticket = {.id = id, .fd = pair[0], .pool = &rig.pool},
				   .peer = pair[1]};
}

static inline void rig_submit(struct rig_client *client, uint64_t id)
{
	*client = rig_client(id);
	assert_int_equal(handover_submit(&client->ticket), REFUSAL_NONE);
}

/* A client whose key belongs to this one of two children while both live. */
static inline void rig_submit_by_hash(struct rig_client *client, uint64_t id, unsigned home)
{
	*client = rig_client(id);
	client->ticket.by_hash = true;
	while (hash_weight(client->ticket.key_hash, home) <
	       hash_weight(client->ticket.key_hash, 1 - home)) {
		client->ticket.key_hash++;
	}
	assert_int_equal(handover_submit(&client->ticket), REFUSAL_NONE);
}

static inline bool rig_is_offered_to(const struct rig_client *client, unsigned i)
{
	return client->ticket.state == TICKET_OFFERED &&
	       client->ticket.receiver == &rig.children[i];
}

/* The client ends here, whatever becomes of it: for what a test need not follow. */
static inline void rig_forget(struct rig_client *client)
{
	if (client->ticket.state == TICKET_WAITING) {
		handover_withdraw(&client->ticket);
		client->failed++;
		rig_client_end(client);
	} else if (client->ticket.state == TICKET_OFFERED) {
		assert_true(handover_refused(client->ticket.receiver, client->ticket.id, 503));
	}
}

/* ---- children ---- */

/* The id of the next offer that the child reads, 0: there is none. */
static inline uint64_t rig_read(unsigned i)
{
	static char buf[HANDOFF_MAX_BYTES];
	struct handoff_message message;
	int fd;
	while (handoff_receive(rig.children[i].link.child_end, buf, &message, &fd) == HANDOFF_OK) {
		const bool asks = rig.config.kind == CONFIG_KIND_AUTH;
		if (message.type == (asks ? HANDOFF_AUTH : HANDOFF_CONNECTION)) {
			char expected[32];
			snprintf(expected, sizeof expected, "ID=%llu",
				 (unsigned long long)message.id);
			assert_string_equal(message.payload, expected);
			assert_int_equal(fd < 0, asks);
			close(fd);
			return message.id;
		}
		rig.other_messages[i]++;
	}
	return 0;
}

static inline void rig_take(unsigned i, uint64_t id)
{
	assert_true(handover_taken(&rig.children[i], id));
}

/* What child.c does when the process has died; its receipts have been read. */
static inline void rig_die(unsigned i)
{
	native_shut(&rig.children[i].link);
	handover_died(&rig.children[i]);
	native_close(&rig.children[i].link);
}

/* A client whose request kills one child after the other, question or connection. */
static inline void rig_expect_an_end_after_three_deaths(void)
{
	struct rig_client client;
	rig_submit(&client, 7);
	for (unsigned death = 1; death <= 3; death++) {
		assert_int_equal(client.failed, 0);
		unsigned at = client.ticket.receiver->seat.index;
		assert_int_equal(rig_read(at), 7);
		rig_die(at);
		rig_open(at);
	}
	assert_int_equal(client.failed, 1);
	assert_int_equal(client.refusal, REFUSAL_CHILDREN_DIED);
}

static inline void rig_fill(unsigned i)
{
	while (native_ping(&rig.children[i].link) == HANDOFF_OK) {
	}
}

/* ---- time ---- */

static uint64_t rig_clock_ms = 1000;

/* In place of libc's, for the loop: time passes when a test says so. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	(void)clock;
	*now = (struct timespec){.tv_sec = (time_t)(rig_clock_ms / 1000),
				 .tv_nsec = (long)(rig_clock_ms % 1000) * 1000000};
	return 0;
}

/* One turn, a millisecond later. */
static inline void rig_tick(void)
{
	rig_clock_ms++;
	assert_int_equal(loop_turn(rig.loop, 0), 0);
}

static inline void rig_pass_ms(unsigned ms)
{
	while (ms-- > 0) {
		rig_tick();
	}
}

/* Until *counter is value. */
static inline void rig_until(const int *counter, int value)
{
	for (int i = 0; i < RIG_MAX_TICKS && *counter != value; i++) {
		rig_tick();
	}
	assert_int_equal(*counter, value);
}

static inline void rig_until_offered_to(const struct rig_client *client, unsigned i)
{
	for (int n = 0; n < RIG_MAX_TICKS && !rig_is_offered_to(client, i); n++) {
		rig_tick();
	}
	assert_true(rig_is_offered_to(client, i));
}

#endif
