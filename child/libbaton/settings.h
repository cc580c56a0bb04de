/* SPDX-License-Identifier: MIT */
/* The settings of the pool that this process is a child of. They stand in struct baton. */
#ifndef BATON_SETTINGS_H
#define BATON_SETTINGS_H

struct baton;
struct handoff_message;

/* Those that hold until HELLO says otherwise, in a zeroed struct. */
void settings_init(struct baton *);

/* HELLO's, and the capacity that READY is to tell. */
void settings_take(struct baton *, const struct handoff_message *hello);

#endif
