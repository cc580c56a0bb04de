/* SPDX-License-Identifier: MIT */
/*
 * What children may say to the gateway: supervisor.c, child.c, talk.c, handover.c, takeback.c and
 * native.c over real channels, with processes that do not exist and clients that are only sockets;
 * with an auth pool where the options say so. Whatever a child sends or omits, each client ends
 * exactly once, the counts agree after every step, the child is served or killed, and nothing stays
 * behind. Input: one byte of options, then steps, see `steps`.
 */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "admit/limits.h"
#include "config/config.h"
#include "counters.h"
#include "pool/ledger.h"
#include "supervise/heartbeat.h"
#include "supervise/supervisor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { MOST_CHILDREN = 4, CLIENTS = 8, MOST_BYTES = 1000, RECORDS = 16 };
enum { OPTION_FEW = 1, OPTION_AUTH = 2 }; /* room for one connection a child; ask first */
enum { POOL_SOCKETS, POOL_AUTH };         /* indices */

struct client {
	struct ticket ticket;
	struct record *record;
};

static struct {
	struct loop *loop;
	struct config *config;
	struct ledger *ledger;
	struct counters counters;
	struct limits limits;
	struct handover handover;
	struct supervisor supervisor;
	struct client clients[CLIENTS];
	bool runs[MOST_CHILDREN];
	uint64_t passed_ms;
} rig;

/* In place of libc's, for the loop's clock alone: time passes when the input says so. By the other
 * one libFuzzer judges what takes too long. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	long result = syscall(SYS_clock_gettime, clock, now);
	now->tv_sec += clock == CLOCK_MONOTONIC ? (time_t)(rig.passed_ms / 1000) : 0;
	return (int)result;
}

/* ---- in place of spawn.c ---- */

struct spawner {
	spawn_fn *fn;
	void *data;
};

struct spawner *spawner_create(struct loop *loop, spawn_fn *fn, void *data)
{
	static struct spawner spawner;
	(void)loop;
	spawner = (struct spawner){fn, data};
	return &spawner;
}

void spawner_destroy(struct spawner *spawner)
{
	(void)spawner;
}

pid_t spawner_start(struct spawner *spawner, unsigned token, const struct spawn_request *request)
{
	(void)spawner;
	(void)request;
	assert(!rig.runs[token]);
	rig.runs[token] = true;
	return 1000 + (pid_t)token;
}

/* It dies when the input, or the end, says so. */
void spawner_kill(struct spawner *spawner, unsigned token, int number)
{
	(void)spawner;
	(void)token;
	assert(number == SIGTERM || number == SIGABRT || number == SIGKILL);
}

static void die(unsigned token)
{
	struct spawner *spawner = rig.supervisor.spawner;
	const struct spawn_event exited = {
		.type = SPAWN_EXITED, .token = token, .pid = 1000 + (pid_t)token, .signal = 9};
	if (rig.runs[token]) {
		rig.runs[token] = false;
		spawner->fn(spawner->data, &exited);
	}
}

/* ---- the owner of the clients ---- */

static void end_client(struct ticket *ticket, bool closes_record)
{
	struct client *client = loop_owner(ticket, struct client, ticket);
	assert(client->record != NULL && ticket->state == TICKET_IDLE);
	close(ticket->fd);
	if (closes_record) {
		limits_leave(&rig.limits, client->record);
		ledger_close(rig.ledger, client->record);
	}
	client->record = NULL;
}

static size_t handle_write(struct ticket *ticket, char *buf, size_t size)
{
	return (size_t)snprintf(buf, size, "ID=%llu", (unsigned long long)ticket->id) + 1;
}

static void handle_nothing(struct ticket *ticket)
{
	assert(loop_owner(ticket, struct client, ticket)->record != NULL);
}

static void handle_taken(struct ticket *ticket, struct receiver *receiver)
{
	struct record *record = loop_owner(ticket, struct client, ticket)->record;
	end_client(ticket, false);
	record->pool = (uint16_t)receiver->pool->index;
	record->seat = (uint16_t)receiver->seat.index;
	ledger_link(rig.ledger, &receiver->records, record);
}

static void submit(struct client *client, unsigned pool, unsigned how);

static void handle_answered(struct ticket *ticket, const struct handover_answer *answer)
{
	struct client *client = loop_owner(ticket, struct client, ticket);
	assert(ticket->state == TICKET_IDLE && ticket->pool->index == POOL_AUTH);
	assert(answer->grant_bytes <= HANDOFF_MAX_GRANT_BYTES);
	if (answer->status == 0) {
		submit(client, POOL_SOCKETS, (unsigned)answer->grant_bytes);
		return;
	}
	assert(answer->status >= 400 && answer->status <= 599);
	end_client(ticket, true);
}

static void handle_failed(struct ticket *ticket, enum refusal refusal, int status)
{
	assert(refusal != REFUSAL_NONE && (status == 0 || (status >= 400 && status <= 599)));
	end_client(ticket, true);
}

static void handle_suspected(struct receiver *receiver)
{
	heartbeat_suspect(supervisor_child_of(receiver));
}

static void handle_mute(struct receiver *receiver)
{
	child_abort(supervisor_child_of(receiver), "mute");
}

static const struct handover_events handover_events = {
	.write = handle_write,
	.waits = handle_nothing,
	.passes = handle_nothing,
	.taken = handle_taken,
	.answered = handle_answered,
	.failed = handle_failed,
	.suspected = handle_suspected,
	.mute = handle_mute,
};

/* ---- what must be so after every step ---- */

static void check_child(const struct child *child)
{
	const struct receiver *receiver = &child->receiver;
	unsigned offered = 0, live = 0;
	for (size_t i = 0; i < receiver->seat.max_offers; i++) {
		const struct ticket *ticket = receiver->offers[i];
		offered += ticket != NULL ? 1 : 0;
		assert(ticket == NULL || ticket->state == TICKET_OFFERED);
		assert(ticket == NULL || ticket->receiver == receiver);
	}
	for (const struct record *record = ledger_at(rig.ledger, receiver->records); record != NULL;
	     record = ledger_at(rig.ledger, record->next)) {
		assert(record->seat == receiver->seat.index &&
		       record->pool == receiver->pool->index);
		live++;
	}
	assert(offered == receiver->seat.offered && live == receiver->seat.live);
	assert((child->state == CHILD_READY) == (receiver->seat.state != SEAT_SHUT));
	assert((child->state != CHILD_DOWN) == rig.runs[child->token]);
}

static void check_counts(void)
{
	unsigned waiting = 0, clients = 0, live = 0;
	for (unsigned i = 0; i < rig.config->pool_count; i++) {
		waiting += rig.supervisor.pools[i].waiting_count;
	}
	for (unsigned i = 0; i < rig.supervisor.child_count; i++) {
		check_child(&rig.supervisor.children[i]);
		live += rig.supervisor.children[i].receiver.seat.live;
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		const struct client *client = &rig.clients[i];
		clients += client->record != NULL ? 1 : 0;
		waiting -= client->ticket.state == TICKET_WAITING ? 1 : 0;
		assert((client->record != NULL) == (client->ticket.state != TICKET_IDLE));
	}
	assert(waiting == 0 && clients + live == ledger_count(rig.ledger));
}

/* ---- the steps ---- */

struct input {
	const uint8_t *at, *end;
};

static unsigned take(struct input *input)
{
	return input->at < input->end ? *input->at++ : 0;
}

static void turn(void)
{
	int result = loop_turn(rig.loop, 0);
	assert(result == 0);
}

static struct child *take_child(struct input *input)
{
	return &rig.supervisor.children[take(input) % rig.supervisor.child_count];
}

static void submit(struct client *client, unsigned pool, unsigned how)
{
	client->ticket = (struct ticket){.id = client->record->id,
					 .fd = client->ticket.fd,
					 .by_hash = (how & 1) != 0 && pool == POOL_SOCKETS,
					 .key_hash = how * 0x9e3779b97f4a7c15,
					 .pool = &rig.supervisor.pools[pool]};
	enum refusal refusal = handover_submit(&client->ticket);
	if (refusal != REFUSAL_NONE) {
		handle_failed(&client->ticket, refusal, 0);
	}
}

static void step_submit(struct input *input)
{
	struct client *client = &rig.clients[take(input) % CLIENTS];
	unsigned how = take(input);
	if (client->record == NULL && ledger_count(rig.ledger) < RECORDS) {
		client->record = ledger_open(rig.ledger);
		client->record->route = 0; /* as whoever judged its head says */
		limits_enter(&rig.limits, client->record);
		client->ticket.fd = dup(STDERR_FILENO);
		submit(client, rig.config->pool_count > 1 ? POOL_AUTH : POOL_SOCKETS, how);
	}
}

static void step_withdraw(struct input *input)
{
	struct client *client = &rig.clients[take(input) % CLIENTS];
	if (client->ticket.state == TICKET_WAITING) {
		handover_withdraw(&client->ticket);
		handle_failed(&client->ticket, REFUSAL_QUEUE_FULL, 0);
	}
}

static void step_read(struct input *input)
{
	static char buf[HANDOFF_MAX_BYTES];
	struct handoff_message message;
	int fd = -1, end = take_child(input)->receiver.link.child_end;
	if (end >= 0) {
		handoff_receive(end, buf, &message, &fd);
	}
	if (fd >= 0) {
		close(fd);
	}
}

/* The id of one of the clients, or of a record, or any number. */
static uint64_t take_id(struct input *input)
{
	unsigned choice = take(input);
	struct record *record;
	if (choice < 0x80) {
		return rig.clients[choice % CLIENTS].ticket.id;
	}
	record = ledger_at(rig.ledger, choice % RECORDS);
	return choice < 0xf0 && record != NULL ? record->id : choice;
}

/* A message as the protocol has it; CLOSED has reports for its payload. */
static void step_say(struct input *input)
{
	static const unsigned types[] = {HANDOFF_READY,  HANDOFF_TAKEN, HANDOFF_REFUSED,
					 HANDOFF_CLOSED, HANDOFF_PONG,  HANDOFF_LOG,
					 HANDOFF_ALLOW,  HANDOFF_DENY};
	const int end = take_child(input)->receiver.link.child_end;
	const unsigned type = types[take(input) % (sizeof types / sizeof types[0])];
	const uint64_t id = take_id(input);
	size_t len = take(input);
	char reports[3 * HANDOFF_CLOSED_BYTES];
	const char *payload = (const char *)input->at;
	len = len < (size_t)(input->end - input->at) ? len : (size_t)(input->end - input->at);
	if (type == HANDOFF_CLOSED && len % 4 != 3) {
		len = len % 4;
		for (size_t i = 0; i < len; i++) {
			handoff_closed_write(
				&(struct handoff_closed){.id = i == 0 ? id : take_id(input)},
				reports + i * HANDOFF_CLOSED_BYTES);
		}
		payload = reports;
		len *= HANDOFF_CLOSED_BYTES;
	} else {
		input->at += len;
	}
	if (end >= 0) {
		handoff_send(end, type, id, payload, len, -1);
	}
}

/* Any packet, an empty one too. */
static void step_raw(struct input *input)
{
	const int end = take_child(input)->receiver.link.child_end;
	size_t len = take(input);
	len = len < (size_t)(input->end - input->at) ? len : (size_t)(input->end - input->at);
	if (end >= 0) {
		send(end, input->at, len, MSG_DONTWAIT | MSG_NOSIGNAL); /* or it is full, or shut */
	}
	input->at += len;
}

static void step_pass(struct input *input)
{
	rig.passed_ms += 1000 * take(input);
	turn();
}

static void step_die(struct input *input)
{
	die(take_child(input)->token);
}

static void step_turn(struct input *input)
{
	(void)input;
	turn();
}

static void step_drain(struct input *input)
{
	(void)input;
	if (!rig.supervisor.is_stopping) {
		supervisor_drain(&rig.supervisor);
	}
}

static void (*const steps[])(struct input *) = {
	step_submit, step_say, step_read,     step_turn, step_pass,  step_die,
	step_raw,    step_say, step_withdraw, step_turn, step_drain, step_submit,
};

/* ---- an input ---- */

/* Which number would the next descriptor get? It changes with any that was left open. */
static int next_descriptor(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	assert(fd >= 0);
	close(fd);
	return fd;
}

static struct config *config_for(unsigned options)
{
	static struct config *configs[2];
	static const char *const texts[] = {
		"listen \"127.0.0.1:0\" {} route \"/\" { pool = \"p\" }"
		"pool \"p\" { command = {\"p\"} children = 2 queue = 4 }\n",
		"listen \"127.0.0.1:0\" {} route \"/\" { pool = \"p\" auth = \"q\" }"
		"pool \"p\" { command = {\"p\"} children = 2 queue = 4 }"
		"pool \"q\" { kind = auth command = {\"q\"} children = 2 queue = 4 }\n",
	};
	char error[CONFIG_ERROR_BYTES];
	const unsigned which = (options & OPTION_AUTH) != 0 ? 1 : 0;
	if (configs[which] == NULL) {
		configs[which] = config_parse("f", texts[which], error);
	}
	assert(configs[which] != NULL && config_child_count(configs[which]) <= MOST_CHILDREN);
	for (size_t i = 0; i < configs[which]->pool_count; i++) {
		configs[which]->pools[i].capacity = (options & OPTION_FEW) != 0 ? 1 : 100;
	}
	return configs[which];
}

static void begin(unsigned options)
{
	memset(&rig, 0, sizeof rig);
	rig.config = config_for(options);
	rig.loop = loop_create();
	rig.ledger = ledger_create(RECORDS);
	assert(rig.loop != NULL && rig.ledger != NULL);
	int failed = handover_init(&rig.handover, rig.loop, &handover_events, rig.config->pools,
				   rig.config->pool_count);
	failed |= limits_init(&rig.limits, rig.config, (const uint64_t[2]){0});
	failed |= supervisor_init(&rig.supervisor, rig.loop, rig.config, &rig.handover, rig.ledger,
				  &rig.limits, &rig.counters);
	assert(failed == 0);
	supervisor_start(&rig.supervisor);
	for (unsigned i = 0; i < rig.supervisor.child_count; i++) {
		handoff_send(rig.supervisor.children[i].receiver.link.child_end, HANDOFF_READY, 0,
			     NULL, 0, -1);
	}
	turn();
}

/* Once all processes have died nobody waits, nothing is held and no timer runs. */
static void end(void)
{
	supervisor_kill(&rig.supervisor);
	for (unsigned i = 0; i < rig.supervisor.child_count; i++) {
		die(i);
		assert(rig.supervisor.children[i].state == CHILD_DOWN);
	}
	assert(ledger_count(rig.ledger) == 0);
	assert(rig.handover.messages.free_count == rig.handover.messages.count);
	assert(rig.handover.messages.spare_used == 0);
	assert(loop_wait_ms(rig.loop) == -1);
	supervisor_finish(&rig.supervisor);
	handover_finish(&rig.handover);
	assert(rig.limits.all == 0);
	limits_finish(&rig.limits);
	ledger_destroy(rig.ledger);
	loop_destroy(rig.loop);
	rig.passed_ms = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1 || len > MOST_BYTES) {
		return 0;
	}
	struct input input = {data, data + len};
	const int descriptor = next_descriptor();
	begin(take(&input));
	while (input.at < input.end) {
		steps[take(&input) % (sizeof steps / sizeof steps[0])](&input);
		check_counts();
	}
	end();
	assert(next_descriptor() == descriptor);
	return 0;
}
