/* SPDX-License-Identifier: MIT */
/* See fake_gateway.h. Used by the tests of libbaton only; it never waits for anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_gateway.h"

#include "handoff/pairs.h"
#include "libbaton/channel.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct fake_app fake_app;
struct baton *fake_baton;
const char *fake_method;
uint64_t fake_flags;
void (*fake_auth)(struct baton_question *, void *app);
int fake_channel = -1, fake_child_end = -1;

static uint64_t moved_ms;
static char packet[HANDOFF_MAX_BYTES];
static bool in_app_call;

/* In place of libc's, for the loop's clock alone: time passes when a test says so. By the other one
 * libFuzzer judges what takes too long. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	long result = syscall(SYS_clock_gettime, clock, now);
	if (clock != CLOCK_MONOTONIC) {
		return (int)result;
	}
	now->tv_sec += (time_t)(moved_ms / 1000);
	now->tv_nsec += (long)(moved_ms % 1000) * 1000000;
	now->tv_sec += now->tv_nsec / 1000000000;
	now->tv_nsec %= 1000000000;
	return (int)result;
}

void fake_pass_ms(unsigned ms)
{
	moved_ms += ms;
}

/* ---- the app ---- */

static int app_open(struct baton_conn *conn, void *data)
{
	assert_ptr_equal(data, &fake_app);
	fake_app.opened++;
	fake_app.conn = conn;
	fake_app.nested += in_app_call;
	if (fake_app.on_open != NULL) {
		in_app_call = true;
		fake_app.on_open(conn);
		in_app_call = false;
	}
	return fake_app.open_result;
}

static void app_message(struct baton_conn *conn, int type, const void *data, size_t len, void *app)
{
	assert_ptr_equal(app, &fake_app);
	fake_app.messages++;
	fake_app.nested += in_app_call;
	fake_app.last_type = type;
	fake_app.last_len = len;
	size_t most = len < sizeof fake_app.last - 1 ? len : sizeof fake_app.last - 1;
	memcpy(fake_app.last, data, most);
	fake_app.last[most] = '\0';
	in_app_call = true;
	if (fake_app.echoes) {
		baton_send(conn, type, data, len);
	}
	if (fake_app.on_data != NULL) {
		fake_app.on_data(conn, type, data, len);
	}
	if (fake_app.on_message != NULL) {
		fake_app.on_message(conn);
	}
	in_app_call = false;
}

static void app_close(struct baton_conn *conn, int code, const char *why, void *app)
{
	assert_ptr_equal(app, &fake_app);
	fake_app.closed++;
	fake_app.nested += in_app_call;
	fake_app.code = code;
	snprintf(fake_app.why, sizeof fake_app.why, "%s", why);
	assert_int_equal(baton_send(conn, BATON_TEXT, "x", 1), BATON_CLOSED);
	assert_ptr_equal(baton_find(fake_baton, baton_id(conn)), conn);
	if (fake_app.conn == conn) {
		fake_app.conn = NULL;
	}
}

static void app_writable(struct baton_conn *conn, void *app)
{
	assert_ptr_equal(app, &fake_app);
	assert_int_equal(baton_queued(conn), 0);
	fake_app.nested += in_app_call;
	fake_app.writable++;
	if (fake_app.on_writable != NULL) {
		in_app_call = true;
		fake_app.on_writable(conn);
		in_app_call = false;
	}
}

static void app_drain(struct baton *baton, unsigned ms, void *app)
{
	(void)ms;
	assert_ptr_equal(app, &fake_app);
	assert_ptr_equal(baton, fake_baton);
	fake_app.drained++;
}

void fake_start(void)
{
	const struct baton_app app = {
		.size = sizeof app,
		.open = app_open,
		.message = app_message,
		.close = app_close,
		.writable = app_writable,
		.drain = app_drain,
		.flags = fake_flags,
		.auth = fake_auth,
	};
	int pair[2];
	char number[16];
	memset(&fake_app, 0, sizeof fake_app);
	fake_method = "GET";
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	fake_channel = pair[0];
	fake_child_end = dup(pair[1]);
	snprintf(number, sizeof number, "%d", pair[1]);
	setenv("BATON_FD", number, 1);
	setenv("BATON_PROTOCOL", "1", 1);
	fake_baton = baton_create(&app, &fake_app);
	assert_non_null(fake_baton);
	assert_null(getenv("BATON_FD"));
	assert_null(getenv("BATON_PROTOCOL"));
}

static void close_one(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
		*fd = -1;
	}
}

void fake_stop(void)
{
	baton_destroy(fake_baton);
	fake_baton = NULL;
	close_one(&fake_channel);
	close_one(&fake_child_end);
	assert_int_equal(fake_app.nested, 0);
	assert_int_equal(fake_app.opened, fake_app.closed);
}

static size_t descriptors_before;

int fake_setup(void **state)
{
	(void)state;
	descriptors_before = fake_descriptors();
	fake_start();
	return 0;
}

int fake_teardown(void **state)
{
	(void)state;
	fake_stop();
	assert_int_equal(fake_descriptors(), descriptors_before);
	return 0;
}

int fake_turns(void)
{
	int result = baton_dispatch(fake_baton);
	struct pollfd ready = {.fd = baton_fd(fake_baton), .events = POLLIN};
	for (int i = 0; i < 10000; i++) {
		if (result == -2 || (result != 0 && poll(&ready, 1, 0) == 0)) {
			return result;
		}
		result = baton_dispatch(fake_baton);
	}
	fail_msg("the child spins");
	return result;
}

/* ---- the channel ---- */

void fake_say(unsigned type, uint64_t id, const char *pairs, size_t bytes)
{
	assert_int_equal(handoff_send(fake_channel, type, id, pairs, bytes, -1), HANDOFF_OK);
	fake_turns();
}

static int has_message(void)
{
	struct pollfd ready = {.fd = fake_channel, .events = POLLIN};
	return poll(&ready, 1, 0) == 1;
}

struct handoff_message fake_hear(unsigned type)
{
	struct handoff_message message;
	if (type == HANDOFF_CLOSED && !has_message()) {
		fake_pass_ms(REPORT_DELAY_MS); /* reports wait a little for company */
		fake_turns();
	}
	assert_int_equal(handoff_receive(fake_channel, packet, &message, NULL), HANDOFF_OK);
	assert_int_equal(message.type, type);
	return message;
}

void fake_configure(const char *hello, size_t bytes)
{
	fake_say(HANDOFF_HELLO, 0, hello, bytes);
	fake_hear(HANDOFF_READY);
}

int fake_hears_nothing(void)
{
	struct handoff_message message;
	return handoff_receive(fake_channel, packet, &message, NULL) == HANDOFF_AGAIN;
}

struct handoff_closed fake_hear_report(void)
{
	struct handoff_closed report;
	struct handoff_message message = fake_hear(HANDOFF_CLOSED);
	assert_int_equal(message.payload_bytes, HANDOFF_CLOSED_BYTES);
	handoff_closed_read(message.payload, &report);
	return report;
}

const char *fake_pair(const struct handoff_message *message, const char *key)
{
	return handoff_pairs_find(message->payload, message->payload_bytes, key);
}

void fake_fill_channel(void)
{
	static char zeros[4096];
	while (handoff_send(fake_child_end, HANDOFF_PONG, 0, zeros, sizeof zeros, -1) ==
	       HANDOFF_OK) {
	}
	while (handoff_send(fake_child_end, HANDOFF_PONG, 0, NULL, 0, -1) == HANDOFF_OK) {
	}
}

void fake_empty_channel(void)
{
	struct handoff_message message;
	while (handoff_receive(fake_channel, packet, &message, NULL) == HANDOFF_OK) {
	}
}

void fake_offer_socket(uint64_t id, int fd, const char *extra)
{
	char head[2048], payload[4096];
	snprintf(head, sizeof head,
		 "GET /chat?room=1 HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n"
		 "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
		 extra);
	struct handoff_pairs pairs;
	handoff_pairs_init(&pairs, payload, sizeof payload);
	handoff_pairs_add(&pairs, "REMOTE_ADDR", "192.0.2.7", 9);
	handoff_pairs_add(&pairs, "REQUEST_METHOD", fake_method, strlen(fake_method));
	handoff_pairs_add(&pairs, "QUERY_STRING", "room=1", 6);
	handoff_pairs_add(&pairs, "HEAD", head, strlen(head));
	assert_false(pairs.overflow);
	assert_int_equal(
		handoff_send(fake_channel, HANDOFF_CONNECTION, id, payload, pairs.length, fd),
		HANDOFF_OK);
}

int fake_offer(uint64_t id, int type, const char *extra)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
	fake_offer_socket(id, pair[1], extra);
	close(pair[1]);
	return pair[0];
}

int fake_connect(uint64_t id, int type)
{
	int client = fake_offer(id, type, "");
	size_t len;
	fake_turns();
	assert_int_equal(fake_hear(HANDOFF_TAKEN).id, id);
	assert_string_equal(fake_read(client, &len),
			    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			    "Connection: Upgrade\r\n"
			    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
	return client;
}

/* ---- clients ---- */

size_t fake_frame(uint8_t *to, unsigned first_byte, const void *payload, size_t len)
{
	static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	size_t at = 0;
	to[at++] = (uint8_t)first_byte;
	if (len < 126) {
		to[at++] = (uint8_t)(0x80 | len);
	} else if (len <= UINT16_MAX) {
		to[at++] = 0x80 | 126;
		to[at++] = (uint8_t)(len >> 8);
		to[at++] = (uint8_t)len;
	} else {
		to[at++] = 0x80 | 127;
		for (int i = 7; i >= 0; i--) {
			to[at++] = (uint8_t)((uint64_t)len >> (8 * i));
		}
	}
	memcpy(to + at, mask, sizeof mask);
	at += sizeof mask;
	for (size_t i = 0; i < len; i++) {
		to[at + i] = ((const uint8_t *)payload)[i] ^ mask[i % 4];
	}
	return at + len;
}

void fake_write(int client, unsigned first_byte, const void *payload, size_t len)
{
	static uint8_t frame[FAKE_BYTES + 16];
	size_t total = fake_frame(frame, first_byte, payload, len);
	assert_int_equal(send(client, frame, total, MSG_DONTWAIT | MSG_NOSIGNAL), total);
}

const char *fake_read(int client, size_t *len_r)
{
	static char got[FAKE_BYTES + 1];
	*len_r = 0;
	for (;;) {
		ssize_t now = recv(client, got + *len_r, FAKE_BYTES - *len_r, MSG_DONTWAIT);
		if (now <= 0) {
			got[*len_r] = '\0';
			return got;
		}
		*len_r += (size_t)now;
	}
}

int fake_is_at_end(int client)
{
	char byte;
	return recv(client, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

size_t fake_descriptors(void)
{
	size_t count = 0;
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir) != NULL) {
		count++;
	}
	closedir(dir);
	return count;
}
