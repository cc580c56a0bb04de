/* SPDX-License-Identifier: MIT */
/*
 * Draws what an early client sends. Frames of many lengths (empty ones among them), each with its
 * own mask; cuts anywhere, half of them in or near the head. Sends nothing. Called by early.
 */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

static uint64_t draw(uint64_t *random, uint64_t below)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (*random >> 11) % below;
}

static int compare_sizes(const void *a, const void *b)
{
	size_t left = *(const size_t *)a, right = *(const size_t *)b;
	return left < right ? -1 : left > right;
}

/* How long each frame is: the gaps between random points of the whole. */
static void draw_frames(struct plan *plan, uint64_t *random, size_t early_bytes)
{
	size_t total = draw(random, early_bytes + 1);
	size_t points[PLAN_FRAMES];
	plan->frame_count = (unsigned)draw(random, PLAN_FRAMES + 1);
	for (unsigned i = 0; i + 1 < plan->frame_count; i++) {
		points[i] = draw(random, total + 1);
	}
	if (plan->frame_count > 0) {
		points[plan->frame_count - 1] = total;
		qsort(points, plan->frame_count, sizeof points[0], compare_sizes);
	}
	for (unsigned i = 0; i < plan->frame_count; i++) {
		plan->frames[i].offset = draw(random, FRAMES_WINDOW_BYTES / 4) * 4;
		plan->frames[i].len = points[i] - (i > 0 ? points[i - 1] : 0);
	}
}

/* Gives the frame just written a mask of its own. */
static void change_mask(uint64_t *random, uint8_t *frame, size_t size, size_t payload)
{
	uint8_t change[4];
	uint32_t drawn = (uint32_t)draw(random, UINT32_MAX);
	memcpy(change, &drawn, sizeof change);
	uint8_t *masked = frame + size - payload;
	for (size_t i = 0; i < 4; i++) {
		masked[(ptrdiff_t)i - 4] ^= change[i];
	}
	for (size_t i = 0; i < payload; i++) {
		masked[i] ^= change[i % 4];
	}
}

static void draw_cuts(struct plan *plan, uint64_t *random, size_t head_len)
{
	unsigned count = (unsigned)draw(random, PLAN_CUTS + 1);
	for (unsigned i = 0; i < count; i++) {
		/* Half of the cuts are in the head or just behind it. */
		size_t near = head_len + 16 < plan->len ? head_len + 16 : plan->len;
		plan->cuts[i] = 1 + draw(random, draw(random, 2) == 0 ? near : plan->len);
	}
	plan->cuts[count] = plan->len;
	qsort(plan->cuts, count, sizeof plan->cuts[0], compare_sizes);
}

void plan_make(struct plan *plan, const struct peer *peer, size_t early_bytes, uint64_t *random)
{
	size_t head_len = peer_request(peer, (char *)plan->stream);
	plan->len = head_len;
	draw_frames(plan, random, early_bytes);
	for (unsigned i = 0; i < plan->frame_count; i++) {
		size_t payload = plan->frames[i].len;
		uint8_t *frame = plan->stream + plan->len;
		size_t size = frames_copy(frame, PLAN_BYTES - plan->len, FRAMES_BINARY,
					  plan->frames[i].offset, payload, 0);
		change_mask(random, frame, size, payload);
		plan->len += size;
	}
	plan->closes_early = draw(random, 4) == 0;
	if (plan->closes_early) {
		plan->len += frames_close(plan->stream + plan->len, PLAN_CLOSE_CODE);
	}
	draw_cuts(plan, random, head_len);
}
