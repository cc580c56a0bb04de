/* SPDX-License-Identifier: MIT */
/*
 * A client of fake_gateway.h that speaks permessage-deflate through zlib itself, so that nothing of
 * deflate.c is on both sides of a test.
 */
#ifndef TESTS_DEFLATE_CLIENT_H
#define TESTS_DEFLATE_CLIENT_H

#include "fake_gateway.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

enum { RSV1 = 0x40, MOST_MESSAGE = 2 * 1024 * 1024 };

struct client {
	int fd;
	bool has_takeover; /* both ways */
	z_stream out, in;
	uint8_t *got; /* frames that were read and not looked at */
	size_t got_len, got_at;
};

/* One frame from the child, unpacked where RSV1 is set. */
struct frame {
	unsigned first_byte;
	size_t wire_len; /* of the payload */
	size_t len;
	char text[MOST_MESSAGE + 1]; /* NUL-terminated */
};

static struct frame frame;

static inline void client_init(struct client *client, int fd, bool has_takeover)
{
	*client = (struct client){.fd = fd, .has_takeover = has_takeover};
	assert_int_equal(deflateInit2(&client->out, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), 0);
	assert_int_equal(inflateInit2(&client->in, -15), 0);
}

/* Offers a connection with this Sec-WebSocket-Extensions (NULL: none); the 101 is returned. */
static inline const char *client_connect(struct client *client, uint64_t id, const char *offer,
					 bool has_takeover)
{
	char extra[256] = "";
	size_t len;
	if (offer != NULL) {
		snprintf(extra, sizeof extra, "Sec-WebSocket-Extensions: %s\r\n", offer);
	}
	client_init(client, fake_offer(id, SOCK_STREAM, extra), has_takeover);
	fake_turns();
	fake_hear(HANDOFF_TAKEN);
	return fake_read(client->fd, &len);
}

static inline void client_finish(struct client *client)
{
	deflateEnd(&client->out);
	inflateEnd(&client->in);
	free(client->got);
	close(client->fd);
	*client = (struct client){.fd = -1};
}

/* The payload of a packed message; static. */
static inline const uint8_t *client_pack(struct client *client, const void *data, size_t len,
					 size_t *len_r)
{
	static uint8_t packed[MOST_MESSAGE];
	if (!client->has_takeover) {
		deflateReset(&client->out);
	}
	client->out.next_in = (Bytef *)data;
	client->out.avail_in = (uInt)len;
	client->out.next_out = packed;
	client->out.avail_out = sizeof packed;
	assert_int_equal(deflate(&client->out, Z_SYNC_FLUSH), Z_OK);
	assert_true(client->out.avail_out > 0);
	*len_r = sizeof packed - client->out.avail_out - 4;
	return packed;
}

/* Sends a packed message and runs the child. */
static inline void client_say(struct client *client, unsigned opcode, const void *data, size_t len)
{
	size_t packed_len;
	const uint8_t *packed = client_pack(client, data, len, &packed_len);
	fake_write(client->fd, FAKE_FIN | RSV1 | opcode, packed, packed_len);
	fake_turns();
}

static inline void client_read(struct client *client)
{
	size_t len;
	const char *now = fake_read(client->fd, &len);
	size_t left = client->got_len - client->got_at;
	uint8_t *fresh = malloc(left + len + 1);
	if (left > 0) {
		memcpy(fresh, client->got + client->got_at, left);
	}
	memcpy(fresh + left, now, len);
	free(client->got);
	client->got = fresh;
	client->got_at = 0;
	client->got_len = left + len;
}

static inline void frame_unpack(struct client *client, const uint8_t *payload)
{
	static uint8_t packed[MOST_MESSAGE];
	static const uint8_t tail[] = {0, 0, 0xff, 0xff};
	memcpy(packed, payload, frame.wire_len);
	memcpy(packed + frame.wire_len, tail, sizeof tail);
	if (!client->has_takeover) {
		inflateReset(&client->in);
	}
	client->in.next_in = packed;
	client->in.avail_in = (uInt)(frame.wire_len + sizeof tail);
	client->in.next_out = (Bytef *)frame.text;
	client->in.avail_out = MOST_MESSAGE;
	assert_int_equal(inflate(&client->in, Z_SYNC_FLUSH), Z_OK);
	assert_int_equal(client->in.avail_in, 0);
	frame.len = MOST_MESSAGE - client->in.avail_out;
}

/* The next frame from the child, into frame. False: there is no whole one. */
static inline bool client_hears(struct client *client)
{
	client_read(client);
	const uint8_t *at = client->got + client->got_at;
	size_t left = client->got_len - client->got_at;
	size_t extended = left < 2 ? 0 : at[1] == 126 ? 2 : at[1] == 127 ? 8 : 0;
	if (left < 2 + extended) {
		return false;
	}
	frame.first_byte = at[0];
	frame.wire_len = extended == 0 ? at[1] : 0;
	for (size_t i = 0; i < extended; i++) {
		frame.wire_len = frame.wire_len << 8 | at[2 + i];
	}
	if (left < 2 + extended + frame.wire_len) {
		return false;
	}
	client->got_at += 2 + extended + frame.wire_len;
	if (frame.first_byte & RSV1) {
		frame_unpack(client, at + 2 + extended);
	} else {
		memcpy(frame.text, at + 2 + extended, frame.wire_len);
		frame.len = frame.wire_len;
	}
	frame.text[frame.len] = '\0';
	return true;
}

#endif
