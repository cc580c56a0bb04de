/* SPDX-License-Identifier: MIT */
/* What a chat must never offer outside of a demonstration: to stop or kill its process. */
#ifndef CHAT_DEMO_H
#define CHAT_DEMO_H

struct baton;

/* From the loop's next turn on the process computes for so long, and hears nothing meanwhile. What
 * is sent in this turn leaves first. */
void demo_block(struct baton *, unsigned ms);

/* The process aborts, likewise. */
void demo_crash(struct baton *);

#endif
