/* SPDX-License-Identifier: MIT */
/*
 * The faults that the demo page shows: a child that is blocked and a child that crashes. Both begin
 * with the loop's next turn, because the messages that announce them leave at the end of this one.
 * Called by command.c, in a baton-chat that was started with --demo.
 */
#include "chat/demo.h"

#include "libbaton/baton.h"

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static uint64_t clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool is_announced; /* of several that come in one turn the first counts */

/* A busy loop, as a bug or a long computation would be: not even a signal handler helps. */
static void block_now(void *data)
{
	is_announced = false;
	uint64_t end_ms = clock_ms() + (uintptr_t)data;
	while (clock_ms() < end_ms) {
	}
}

static void crash_now(void *data)
{
	(void)data;
	abort();
}

void demo_block(struct baton *baton, unsigned ms)
{
	if (!is_announced) {
		is_announced = baton_post(baton, block_now, (void *)(uintptr_t)ms) == 0;
	}
}

void demo_crash(struct baton *baton)
{
	baton_post(baton, crash_now, NULL);
}
