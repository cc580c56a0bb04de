/* SPDX-License-Identifier: MIT */
/* What one early client sends, drawn at random: head, frames, perhaps Close; and its cuts. */
#ifndef LOAD_PLAN_H
#define LOAD_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frames.h"
#include "peer.h"

enum {
	PLAN_FRAMES = 16,
	PLAN_CUTS = 8,
	PLAN_EARLY_BYTES = 65536,
	PLAN_CLOSE_CODE = 1000,
	PLAN_BYTES = PEER_REQUEST_BYTES + PLAN_EARLY_BYTES + (PLAN_FRAMES + 1) * FRAMES_HEAD_MAX,
};

struct plan {
	size_t len;
	size_t cuts[PLAN_CUTS + 1]; /* where a send ends, ascending; the last used one is len */
	unsigned frame_count;
	struct {
		size_t offset, len; /* of the payload, for frames_plain */
	} frames[PLAN_FRAMES];
	bool closes_early; /* the Close frame is in the stream */
	uint8_t stream[PLAN_BYTES];
};

/* random is the state of the generator, never 0. */
void plan_make(struct plan *, const struct peer *, size_t early_bytes, uint64_t *random);

#endif
