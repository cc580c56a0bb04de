/* SPDX-License-Identifier: MIT */
/* What waits for the end of a turn: close callbacks, and paused connections that go on. */
#ifndef BATON_TURN_H
#define BATON_TURN_H

struct baton;
struct baton_conn;

/* Goes on with kept bytes (or the close callback) at the end of the turn. */
void turn_defer(struct baton_conn *);

/* Does it, and whatever it leads to. */
void turn_finish(struct baton *);

#endif
