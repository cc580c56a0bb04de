/* SPDX-License-Identifier: MIT */
/*
 * What baton-fault does with an offer: one function for each ?fault=, see fault_child.c. Who breaks
 * the protocol before TAKEN keeps the socket and never acknowledges, so that it is certain what
 * must happen: this child dies and another one gets the connection.
 */
#include "fault.h"

#include "handoff/pairs.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	FLOOD_MESSAGES = 100000,
	HAUNT_MS = 5000, /* for the gateway to shut the channel; it takes a moment */
	GARBAGE_BYTES = 64,
	UNKNOWN_VERSION = 2,
};

struct offer {
	struct fault_child *child;
	const struct handoff_message *message;
	const char *query;
	int fd;
};

typedef void fault_fn(struct offer *);

/* "a=1&b=2": false when the key is absent or its value does not fit. */
static bool query_find(const char *query, const char *key, char *value_r, size_t size)
{
	const size_t key_len = strlen(key);
	while (*query != '\0') {
		size_t len = strcspn(query, "&");
		if (len > key_len && len - key_len <= size && query[key_len] == '=' &&
		    strncmp(query, key, key_len) == 0) {
			memcpy(value_r, query + key_len + 1, len - key_len - 1);
			value_r[len - key_len - 1] = '\0';
			return true;
		}
		query += len + (query[len] == '&');
	}
	return false;
}

static unsigned query_number(const char *query, const char *key, unsigned fallback)
{
	char text[20];
	return query_find(query, key, text, sizeof text) ? (unsigned)strtoul(text, NULL, 10)
							 : fallback;
}

static void say(struct offer *offer, unsigned type, uint64_t id, const void *payload, size_t bytes)
{
	fault_channel_say(offer->child, type, id, payload, bytes);
}

static void send_raw(const struct offer *offer, const void *packet, size_t bytes)
{
	send(offer->child->channel, packet, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void serve(struct offer *offer)
{
	say(offer, HANDOFF_TAKEN, offer->message->id, NULL, 0);
	fault_client_create(offer->child, offer->message, offer->fd);
}

/* ---- death ---- */

static void die_before_taken(struct offer *offer)
{
	(void)offer;
	_exit(1);
}

static void crash_before_taken(struct offer *offer)
{
	(void)offer;
	abort();
}

static void die_after_taken(struct offer *offer)
{
	say(offer, HANDOFF_TAKEN, offer->message->id, NULL, 0);
	_exit(1);
}

static void die_after_101(struct offer *offer)
{
	serve(offer);
	_exit(1);
}

/* The process that stays behind with the channel and nothing else. */
static void haunt(const struct offer *offer, int parent, int told)
{
	const int channel = offer->child->channel;
	setsid(); /* or it would be killed with the group */
	dup2(channel, 3);
	dup2(parent, 4);
	dup2(told, 5);
	syscall(SYS_close_range, 6, ~0u, 0);
	close(5);
	poll(&(struct pollfd){.fd = 4, .events = POLLIN}, 1, -1);
	if (query_number(offer->query, "now", 0) == 0) {
		poll(&(struct pollfd){.fd = 3}, 1, HAUNT_MS);
	}
	handoff_send(3, HANDOFF_TAKEN, offer->message->id, NULL, 0, -1);
	_exit(0);
}

static void leave_grandchild(struct offer *offer)
{
	int pipe_fds[2];
	char none;
	int self = pidfd_open(getpid(), 0);
	if (self < 0 || pipe(pipe_fds) != 0) {
		abort();
	}
	pid_t pid = fork();
	if (pid == 0) {
		/* Numbers above those that haunt uses. */
		haunt(offer, fcntl(self, F_DUPFD, 16), fcntl(pipe_fds[1], F_DUPFD, 16));
	}
	close(pipe_fds[1]);
	/* End of file: it has left the process group. */
	_exit(pid > 0 && read(pipe_fds[0], &none, 1) == 0 ? 1 : 127);
}

/* ---- slowness and refusal ---- */

static void never_take(struct offer *offer)
{
	(void)offer; /* the descriptor stays open: it has read the offer, after all */
}

static void refuse(struct offer *offer)
{
	close(offer->fd);
	say(offer, HANDOFF_REFUSED, offer->message->id, NULL, 0);
}

static void refuse_403(struct offer *offer)
{
	static const char status[] = "STATUS=403";
	close(offer->fd);
	say(offer, HANDOFF_REFUSED, offer->message->id, status, sizeof status);
}

static void slow_take(struct offer *offer)
{
	fault_busy_wait(query_number(offer->query, "ms", 0));
	serve(offer);
}

static void stop_reading(struct offer *offer)
{
	serve(offer);
	offer->child->reads_channel = false;
}

/* ---- breaches of the protocol ---- */

static void taken_twice(struct offer *offer)
{
	serve(offer);
	say(offer, HANDOFF_TAKEN, offer->message->id, NULL, 0);
}

static void taken_foreign(struct offer *offer)
{
	say(offer, HANDOFF_TAKEN, offer->message->id + 1, NULL, 0);
}

static void close_foreign(struct offer *offer)
{
	char wire[HANDOFF_CLOSED_BYTES];
	const struct handoff_closed report = {.id = offer->message->id + 1, .code = SESSION_NORMAL};
	handoff_closed_write(&report, wire);
	serve(offer);
	say(offer, HANDOFF_CLOSED, 0, wire, sizeof wire);
}

static void short_closed(struct offer *offer)
{
	static const char wire[HANDOFF_CLOSED_BYTES - 1];
	serve(offer);
	say(offer, HANDOFF_CLOSED, 0, wire, sizeof wire);
}

static void garbage(struct offer *offer)
{
	unsigned char packet[GARBAGE_BYTES];
	if (getrandom(packet, sizeof packet, 0) == (ssize_t)sizeof packet) {
		packet[0] |= 2; /* the version: never right by chance, and the first that is looked at */
		send_raw(offer, packet, sizeof packet);
	}
}

static void wrong_length(struct offer *offer)
{
	static const unsigned char packet[HANDOFF_HEADER_BYTES] = {
		HANDOFF_VERSION, HANDOFF_LOG, [4] = 100 /* of the payload, and there is none */
	};
	send_raw(offer, packet, sizeof packet);
}

static void wrong_version(struct offer *offer)
{
	static const unsigned char packet[HANDOFF_HEADER_BYTES] = {UNKNOWN_VERSION, HANDOFF_LOG};
	send_raw(offer, packet, sizeof packet);
}

static void send_fd(struct offer *offer)
{
	handoff_send(offer->child->channel, HANDOFF_LOG, 0, NULL, 0, offer->fd);
}

static void flood(struct offer *offer)
{
	static const char text[] = "LEVEL=info\0TEXT=flood";
	const unsigned type = query_number(offer->query, "type", HANDOFF_LOG);
	const bool waits = query_number(offer->query, "wait", 0) != 0;
	struct pollfd room = {.fd = offer->child->channel, .events = POLLOUT};
	for (int i = 0; i < FLOOD_MESSAGES; i++) {
		if (handoff_send(room.fd, type, 0, text, sizeof text, -1) != HANDOFF_OK &&
		    (!waits || poll(&room, 1, -1) != 1)) {
			break;
		}
	}
	serve(offer);
}

/* ---- which one ---- */

static fault_fn *find_fault(const char *query)
{
	static const struct {
		const char *name;
		fault_fn *fn;
	} faults[] = {
		{"die-before-taken", die_before_taken},
		{"crash-before-taken", crash_before_taken},
		{"die-after-taken", die_after_taken},
		{"die-after-101", die_after_101},
		{"grandchild", leave_grandchild},
		{"never-take", never_take},
		{"refuse", refuse},
		{"refuse-403", refuse_403},
		{"slow-take", slow_take},
		{"stop-reading", stop_reading},
		{"taken-twice", taken_twice},
		{"taken-foreign", taken_foreign},
		{"close-foreign", close_foreign},
		{"short-closed", short_closed},
		{"garbage", garbage},
		{"wrong-length", wrong_length},
		{"wrong-version", wrong_version},
		{"send-fd", send_fd},
		{"flood", flood},
	};
	char name[64];
	if (!query_find(query, "fault", name, sizeof name)) {
		return serve;
	}
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		if (strcmp(faults[i].name, name) == 0) {
			return faults[i].fn;
		}
	}
	return refuse_403; /* a mistake in a test must not pass as a served client */
}

/* With once=FILE only he who creates the file has the fault. */
static bool is_my_turn(const char *query)
{
	char path[1024];
	if (!query_find(query, "once", path, sizeof path)) {
		return true;
	}
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0) {
		close(fd);
	}
	return fd >= 0;
}

void fault_offer_handle(struct fault_child *child, const struct handoff_message *message, int fd)
{
	const char *query =
		handoff_pairs_find(message->payload, message->payload_bytes, "QUERY_STRING");
	struct offer offer = {child, message, query != NULL ? query : "", fd};
	fault_fn *fault = find_fault(offer.query);
	(is_my_turn(offer.query) ? fault : serve)(&offer);
}
