/* SPDX-License-Identifier: MIT */
/*
 * session.c: any bytes, in one piece, in every two pieces and byte by byte, give the same events,
 * and the decoder of session_plain.h sees the same where no message may be packed. Input: two bytes
 * of options, then the bytes of a client.
 */
#include <assert.h>

#include "session_plain.h"

enum { MOST_BYTES = 6 * (HOST_MAX_EVENTS - 1) }; /* no frame is shorter than six bytes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void begin(struct host *host, const struct session_limits *limits, bool may_pack)
{
	host_begin(host, limits);
	host->session.may_pack = may_pack;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct plain plain;
	static struct host whole, cut;
	if (len < 2 || len - 2 > MOST_BYTES) {
		return 0;
	}
	bool may_pack = (data[0] & 1) != 0;
	struct session_limits limits = {data[0] & 0xfe, (uint64_t)2 * data[1]};
	data += 2;
	len -= 2;
	begin(&whole, &limits, may_pack);
	host_feed(&whole, data, len);
	plain_decode(&plain, data, len, &limits);
	assert(may_pack || record_equals(&whole.record, &plain.record));
	for (size_t at = 1; at < len; at++) {
		begin(&cut, &limits, may_pack);
		host_feed(&cut, data, at);
		assert(record_precedes(&cut.record, &whole.record));
		host_feed(&cut, data + at, len - at);
		assert(record_equals(&cut.record, &whole.record));
	}
	begin(&cut, &limits, may_pack);
	for (size_t at = 0; at < len; at++) {
		host_feed(&cut, data + at, 1);
	}
	assert(record_equals(&cut.record, &whole.record));
	return 0;
}
