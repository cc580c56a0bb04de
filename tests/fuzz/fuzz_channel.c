/* SPDX-License-Identifier: MIT */
/*
 * What a gateway may say to a child of libbaton: channel.c and what stands behind it, while clients
 * come, talk and go, the channel is full or lost, and time passes. Every connection that the app
 * was asked about is closed once, no callback runs inside a call, the child never spins, and
 * nothing stays behind (fake_stop looks). Input: one byte of options, then steps, see `steps`.
 */
#include "fake_gateway.c" /* its clock must not get into the other targets */

#include <assert.h>
#include <fcntl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { CLIENTS = 8, MOST_BYTES = 1000 };

struct input {
	const uint8_t *at, *end;
};

static int clients[CLIENTS];
static bool is_over;

static unsigned take(struct input *input)
{
	return input->at < input->end ? *input->at++ : 0;
}

/* So many bytes of the input as the next one says, or what there is. */
static const void *take_bytes(struct input *input, size_t *len_r)
{
	const void *bytes = input->at;
	size_t left;
	*len_r = take(input);
	bytes = input->at;
	left = (size_t)(input->end - input->at);
	*len_r = *len_r < left ? *len_r : left;
	input->at += *len_r;
	return bytes;
}

static int new_client(struct input *input, int *child_end_r)
{
	int pair[2], *client = &clients[take(input) % CLIENTS];
	int failed = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
	assert(failed == 0);
	close_one(client);
	*client = pair[0];
	*child_end_r = pair[1];
	return pair[0];
}

/* ---- the gateway ---- */

static void step_offer(struct input *input)
{
	static const char good[] =
		"HEAD=GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
	int child_end;
	new_client(input, &child_end);
	handoff_send(fake_channel, HANDOFF_CONNECTION, take(input), good, sizeof good, child_end);
	close(child_end);
}

static void step_say(struct input *input)
{
	static const unsigned types[] = {HANDOFF_HELLO, HANDOFF_CONNECTION, HANDOFF_CLOSE,
					 HANDOFF_PING,  HANDOFF_DRAIN,      HANDOFF_AUTH};
	const unsigned type = types[take(input) % (sizeof types / sizeof types[0])];
	const uint64_t id = take(input);
	size_t len;
	int child_end = -1;
	if (type == HANDOFF_CONNECTION) {
		new_client(input, &child_end);
	}
	const void *payload = take_bytes(input, &len);
	handoff_send(fake_channel, type, id, payload, len, child_end);
	close_one(&child_end);
}

/* Any packet, an empty one too. */
static void step_raw(struct input *input)
{
	size_t len;
	const void *bytes = take_bytes(input, &len);
	send(fake_channel, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void step_fill(struct input *input)
{
	(void)input;
	fake_fill_channel();
}

static void step_hear(struct input *input)
{
	(void)input;
	fake_empty_channel();
}

static void step_lose(struct input *input)
{
	(void)input;
	shutdown(fake_channel, SHUT_RDWR); /* as when it dies: its end of file, and no more room */
}

/* ---- the clients ---- */

static void step_write(struct input *input)
{
	const int client = clients[take(input) % CLIENTS];
	size_t len;
	const void *bytes = take_bytes(input, &len);
	if (client >= 0) {
		send(client, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

static void step_frame(struct input *input)
{
	static uint8_t frame[512];
	const int client = clients[take(input) % CLIENTS];
	const unsigned first = take(input);
	size_t len;
	const void *bytes = take_bytes(input, &len);
	if (client >= 0) {
		send(client, frame, fake_frame(frame, first, bytes, len),
		     MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

static void step_leave(struct input *input)
{
	close_one(&clients[take(input) % CLIENTS]);
}

/* ---- the app, and time ---- */

static void step_act(struct input *input)
{
	struct baton_conn *conn = fake_app.conn;
	if (conn == NULL) {
		return;
	}
	in_app_call = true;
	switch (take(input) % 8) {
	case 0:
		baton_accept(conn, NULL);
		break;
	case 1:
		baton_answer(conn, 404, "A: b\r\n", "no", 2);
		break;
	case 2:
		baton_close(conn, (int)take(input) * 16, "why");
		break;
	case 3:
		baton_pause(conn, (take(input) & 1) != 0);
		break;
	case 4:
		baton_subscribe(conn, "topic");
		break;
	case 5:
		baton_publish(fake_baton, "topic", NULL, BATON_TEXT, "text", 4);
		break;
	case 6:
		baton_send(conn, BATON_BINARY | ((take(input) & 1) != 0 ? BATON_MORE : 0), "piece",
			   5);
		break;
	case 7:
		baton_get(conn, "HTTP_HOST");
		break;
	}
	in_app_call = false;
}

static void step_turns(struct input *input)
{
	(void)input;
	is_over = is_over || fake_turns() == -2;
}

static void step_pass(struct input *input)
{
	fake_pass_ms(100 * take(input));
	is_over = is_over || fake_turns() == -2;
}

static void (*const steps[])(struct input *) = {
	step_offer, step_turns, step_say,   step_turns, step_raw, step_fill, step_hear,
	step_lose,  step_write, step_frame, step_leave, step_act, step_pass, step_turns,
};

/* ---- an input ---- */

static int next_descriptor(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	assert(fd >= 0);
	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const int open_results[] = {BATON_ACCEPT, BATON_LATER, 404, BATON_ACCEPT};
	if (len < 1 || len > MOST_BYTES) {
		return 0;
	}
	struct input input = {data, data + len};
	const int descriptor = next_descriptor();
	memset(clients, -1, sizeof clients);
	const unsigned options = take(&input);
	fake_flags = (options & 4) != 0 ? BATON_PIECES : 0;
	fake_start();
	fake_app.open_result = open_results[options & 3];
	fake_app.echoes = (options & 8) != 0;
	is_over = false;
	while (input.at < input.end && !is_over) {
		steps[take(&input) % (sizeof steps / sizeof steps[0])](&input);
	}
	fake_stop();
	for (int i = 0; i < CLIENTS; i++) {
		close_one(&clients[i]);
	}
	moved_ms = 0; /* libFuzzer looks at the clock too */
	assert(next_descriptor() == descriptor);
	return 0;
}
