/* SPDX-License-Identifier: MIT */
/*
 * Builds masked frames and takes a server's frames apart, in pieces, as they come. Judges nothing:
 * the modes know what they expect. No I/O.
 */
#include "frames.h"

#include <string.h>

static uint8_t plain[FRAMES_WINDOW_BYTES + FRAMES_PAYLOAD_MAX];
static uint8_t masked[FRAMES_WINDOW_BYTES + FRAMES_PAYLOAD_MAX];
static uint8_t mask[4];

void frames_init(uint64_t seed)
{
	uint64_t state = seed * 2 + 0x9e3779b97f4a7c15U;
	for (size_t i = 0; i < sizeof plain; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		plain[i] = (uint8_t)(state >> 32);
	}
	for (size_t i = 0; i < sizeof mask; i++) {
		mask[i] = (uint8_t)(plain[i] |
				    1U); /* zero would hide a server that does not unmask */
	}
	for (size_t i = 0; i < sizeof masked; i++) {
		masked[i] = plain[i] ^ mask[i % 4];
	}
}

const uint8_t *frames_plain(size_t offset)
{
	return plain + offset;
}

static size_t head_size(size_t payload)
{
	return payload < 126 ? 6 : payload < 65536 ? 8 : 14;
}

size_t frames_size(size_t payload)
{
	return head_size(payload) + payload;
}

static size_t put_head(uint8_t *out, int opcode, size_t payload)
{
	size_t size = head_size(payload);
	out[0] = (uint8_t)(FRAMES_FIN | opcode);
	out[1] = (uint8_t)(0x80 | (size == 6 ? payload : size == 8 ? 126 : 127));
	for (size_t i = 2; i < size - 4; i++) {
		out[i] = (uint8_t)(payload >> (8 * (size - 5 - i)));
	}
	memcpy(out + size - 4, mask, 4);
	return size;
}

size_t frames_copy(uint8_t *out, size_t room, int opcode, size_t offset, size_t len, size_t from)
{
	uint8_t head[FRAMES_HEAD_MAX];
	size_t head_len = put_head(head, opcode, len);
	size_t written = 0;
	if (from < head_len) {
		written = head_len - from < room ? head_len - from : room;
		memcpy(out, head + from, written);
		from += written;
	}
	if (written < room && from >= head_len) {
		size_t done = from - head_len;
		size_t more = len - done < room - written ? len - done : room - written;
		memcpy(out + written, masked + offset + done, more);
		written += more;
	}
	return written;
}

size_t frames_close(uint8_t *out, unsigned code)
{
	size_t size = put_head(out, FRAMES_CLOSE, 2);
	out[size] = (uint8_t)(code >> 8) ^ mask[0];
	out[size + 1] = (uint8_t)code ^ mask[1];
	return size + 2;
}

static unsigned head_want(const struct frames_reader *reader)
{
	if (reader->have < 2) {
		return 2;
	}
	unsigned length = reader->head[1] & 0x7fU;
	return length < 126 ? 2 : length == 126 ? 4 : 10;
}

static bool read_head(struct frames_reader *reader, const uint8_t **data, const uint8_t *end)
{
	while (reader->have < head_want(reader)) {
		if (*data == end) {
			return false;
		}
		reader->head[reader->have++] = *(*data)++;
	}
	reader->length = reader->head[1] & 0x7fU;
	if (reader->length >= 126) {
		reader->length = 0;
		for (unsigned i = 2; i < reader->have; i++) {
			reader->length = reader->length << 8 | reader->head[i];
		}
	}
	reader->done = 0;
	reader->in_payload = true;
	return true;
}

bool frames_read(struct frames_reader *reader, const uint8_t **data, const uint8_t *end,
		 struct frames_piece *piece_r)
{
	if (!reader->in_payload && !read_head(reader, data, end)) {
		return false;
	}
	uint64_t left = reader->length - reader->done;
	size_t len = left < (uint64_t)(end - *data) ? (size_t)left : (size_t)(end - *data);
	if (len == 0 && left > 0) {
		return false;
	}
	*piece_r = (struct frames_piece){
		.first = reader->head[0],
		.masked = (reader->head[1] & 0x80) != 0,
		.length = reader->length,
		.offset = reader->done,
		.data = *data,
		.len = len,
		.last = len == left,
	};
	*data += len;
	reader->done += len;
	if (piece_r->last) {
		reader->have = 0;
		reader->in_payload = false;
	}
	return true;
}
