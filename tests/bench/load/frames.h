/* SPDX-License-Identifier: MIT */
/*
 * WebSocket frames as a client writes and reads them. Payload comes from one random pattern, of
 * which a masked copy is made at the start: the generator pays no masking for a message, and every
 * byte that comes back can be compared.
 */
#ifndef LOAD_FRAMES_H
#define LOAD_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FRAMES_BINARY = 2,
	FRAMES_CLOSE = 8,
	FRAMES_PING = 9,
	FRAMES_PONG = 10,
	FRAMES_FIN = 0x80,

	FRAMES_HEAD_MAX = 14,
	FRAMES_PAYLOAD_MAX = 1 << 20,
	FRAMES_WINDOW_BYTES = 1 << 16, /* payload begins at a multiple of 4 below this */
};

void frames_init(uint64_t seed);

/* The payload that begins at offset, unmasked. */
const uint8_t *frames_plain(size_t offset);

/* Where the payload of a connection's message number seq begins: always a multiple of 4. */
static inline size_t frames_offset(uint64_t connection, uint64_t seq)
{
	return (size_t)(connection * 4100 + seq * 68) & (FRAMES_WINDOW_BYTES - 4);
}

/* Length of the whole masked frame. */
size_t frames_size(size_t payload);

/*
 * Writes what a masked frame with len payload bytes from offset has behind its first `from` bytes,
 * at most room of it; how much it wrote.
 */
size_t frames_copy(uint8_t *out, size_t room, int opcode, size_t offset, size_t len, size_t from);

/* A masked Close with this code: 8 bytes. */
size_t frames_close(uint8_t *out, unsigned code);

struct frames_reader { /* all zero: between two frames */
	uint8_t head[10];
	unsigned have;
	uint64_t length, done;
	bool in_payload;
};

struct frames_piece {
	uint8_t first;           /* the frame's first byte: FIN, RSV and opcode */
	bool masked;             /* a server must not */
	uint64_t length, offset; /* the frame's payload, and where in it this piece begins */
	const uint8_t *data;
	size_t len;
	bool last; /* the frame ends with this piece, which may be empty */
};

/* Takes the next piece of a frame from *data, which moves on. False: nothing whole is left. */
bool frames_read(struct frames_reader *, const uint8_t **data, const uint8_t *end,
		 struct frames_piece *piece_r);

#endif
