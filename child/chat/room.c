/* SPDX-License-Identifier: MIT */
/*
 * The memory of baton-chat: a fixed table of rooms, a list of members each, the last lines. It
 * parses nothing. A room lives in one process and dies with it: who wants more keeps the lines in a
 * database. Called by chat.c (coming and going) and command.c (what is said).
 */
#include "chat/room.h"

#include "libbaton/baton.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BURST = 2 }; /* seconds' worth of tokens that a bucket holds */

struct room *room_find(struct rooms *rooms, const char *name)
{
	struct room *place = NULL;
	for (struct room *room = rooms->rooms; room < rooms->rooms + CHAT_ROOMS; room++) {
		if (room->history != NULL && strcmp(room->name, name) == 0) {
			return room;
		}
		if (room->count == 0 && (place == NULL || room->left_at < place->left_at)) {
			place = room; /* free places have 0, so they come first */
		}
	}
	json_t *history = place != NULL ? json_array() : NULL;
	if (history == NULL) {
		return NULL;
	}
	json_decref(place->history);
	*place = (struct room){.history = history, .left_at = ++rooms->clock};
	snprintf(place->name, sizeof place->name, "%s", name);
	return place;
}

static bool is_taken(const struct room *room, const char *name)
{
	for (const struct member *member = room->first; member != NULL; member = member->next) {
		if (strcasecmp(member->name, name) == 0) {
			return true;
		}
	}
	return false;
}

static void choose_name(const struct room *room, const char *wanted, char name[CHAT_NAME_BYTES])
{
	snprintf(name, CHAT_NAME_BYTES, "%s", wanted);
	for (unsigned i = 2; is_taken(room, name); i++) { /* ends: the room has a last member */
		snprintf(name, CHAT_NAME_BYTES, "%.*s (%u)", CHAT_NAME_CHARS * CHAT_UTF8_BYTES,
			 wanted, i);
	}
}

struct member *room_enter(struct room *room, const char *name, struct baton_conn *conn)
{
	struct member *member = room->count < CHAT_MEMBERS ? calloc(1, sizeof *member) : NULL;
	if (member == NULL) {
		return NULL;
	}
	choose_name(room, name, member->name);
	member->conn = conn;
	member->room = room;
	member->prev = room->last;
	if (room->last != NULL) {
		room->last->next = member;
	} else {
		room->first = member;
	}
	room->last = member;
	room->count++;
	return member;
}

void room_leave(struct rooms *rooms, struct member *member)
{
	struct room *room = member->room;
	if (member->prev != NULL) {
		member->prev->next = member->next;
	} else {
		room->first = member->next;
	}
	if (member->next != NULL) {
		member->next->prev = member->prev;
	} else {
		room->last = member->prev;
	}
	room->count--;
	room->left_at = ++rooms->clock;
	free(member);
}

void room_keep(struct room *room, json_t *line)
{
	json_array_append(room->history, line);
	if (json_array_size(room->history) > CHAT_HISTORY_LINES) {
		json_array_remove(room->history, 0);
	}
}

void room_tell_one(struct member *member, const char *text)
{
	if (text != NULL &&
	    baton_send(member->conn, BATON_TEXT, text, strlen(text)) == BATON_FULL) {
		/* Rather out than in a room with holes in its talk. */
		baton_close(member->conn, 1008, "you read too slowly");
	}
}

void room_tell(struct room *room, const struct member *except, const char *text)
{
	for (struct member *member = room->first; member != NULL; member = member->next) {
		if (member != except) {
			room_tell_one(member, text);
		}
	}
}

bool room_spend(struct room_bucket *bucket, unsigned a_second, uint64_t now_ms)
{
	double most = (double)a_second * BURST;
	if (bucket->filled_ms == 0) {
		bucket->tokens = most;
	} else {
		bucket->tokens += (double)(now_ms - bucket->filled_ms) * a_second / 1000;
	}
	bucket->tokens = bucket->tokens < most ? bucket->tokens : most;
	bucket->filled_ms = now_ms;
	if (bucket->tokens < 1) {
		return false;
	}
	bucket->tokens -= 1;
	return true;
}

void rooms_finish(struct rooms *rooms)
{
	for (struct room *room = rooms->rooms; room < rooms->rooms + CHAT_ROOMS; room++) {
		json_decref(room->history);
		room->history = NULL;
	}
}
