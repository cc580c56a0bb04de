/* SPDX-License-Identifier: MIT */
/* Rooms, who is in them and what was last said there. */
#ifndef CHAT_ROOM_H
#define CHAT_ROOM_H

#include "chat/limits.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct baton_conn;

/* So many at once, and a rate a second in the long run. Time is an argument. */
struct room_bucket {
	uint64_t filled_ms;
	double tokens;
};

struct member {
	struct member *prev, *next;
	struct room *room;
	struct baton_conn *conn;
	struct room_bucket lines, messages;
	bool is_typing;
	char name
		[CHAT_NAME_BYTES]; /* unique within the room, letters of ASCII compared without case */
};

struct room {
	struct member *first, *last;
	unsigned count;
	uint64_t
		left_at; /* when it got empty: a counter, the lowest is the first to be forgotten */
	json_t *history; /* array of lines, the oldest first; NULL: the place is free */
	char name[CHAT_ROOM_BYTES];
};

struct rooms {
	uint64_t clock;
	struct room rooms[CHAT_ROOMS];
};

/* The room of that name, made when it is not there yet; NULL: all places are taken by rooms with
 * people in them, or no memory. */
struct room *room_find(struct rooms *, const char *name);

/* A new member, with a suffix to its name where that is taken. conn stays the caller's. NULL: the
 * room is full, or no memory. */
struct member *room_enter(struct room *, const char *name, struct baton_conn *conn);

/* Frees the member. The room and its history stay, for those who come back. */
void room_leave(struct rooms *, struct member *);

/* Keeps line (a reference of its own) as the last of CHAT_HISTORY_LINES. */
void room_keep(struct room *, json_t *line);

/* Sends a message to all in the room but one (or NULL). Who does not read it is closed. */
void room_tell(struct room *, const struct member *except, const char *text);
void room_tell_one(struct member *, const char *text);

/* One token less. False: there is none. */
bool room_spend(struct room_bucket *, unsigned a_second, uint64_t now_ms);

void rooms_finish(struct rooms *);

#endif
