/* SPDX-License-Identifier: MIT */
/*
 * One message in, messages out: see command.h for the language. Every value that a client sends is
 * checked here before it is used or shown to anybody. Called by chat.c; the rooms are room.c's, the
 * judgement on texts is text.c's.
 */
#include "chat/command.h"

#include "chat/demo.h"
#include "chat/limits.h"
#include "chat/room.h"
#include "chat/text.h"
#include "libbaton/baton.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct command {
	const struct command_context *context;
	struct member *member;
	const json_t *object;
};

/* Each takes message, which may be NULL (no memory: then nothing is said). */
static void tell_one(struct member *member, json_t *message)
{
	char *text = message != NULL ? json_dumps(message, JSON_COMPACT) : NULL;
	room_tell_one(member, text);
	free(text);
	json_decref(message);
}

static void tell_room(struct room *room, const struct member *except, json_t *message)
{
	char *text = message != NULL ? json_dumps(message, JSON_COMPACT) : NULL;
	if (text != NULL) {
		room_tell(room, except, text);
	}
	free(text);
	json_decref(message);
}

static void complain(struct member *member, const char *error, const char *text)
{
	tell_one(member,
		 json_pack("{s:s, s:s, s:s}", "what", "error", "error", error, "text", text));
}

static json_t *names(const struct room *room)
{
	json_t *list = json_array();
	for (const struct member *member = room->first; member != NULL; member = member->next) {
		json_array_append_new(list, json_string(member->name));
	}
	return list;
}

/* ---- the commands ---- */

static const char *explain(enum text_fault fault, const char **error_r)
{
	static char too_long[80];
	switch (fault) {
	case TEXT_GOOD:
		break;
	case TEXT_EMPTY:
	case TEXT_SPACE:
		*error_r = "empty";
		return "There is nothing in that line.";
	case TEXT_LONG:
		snprintf(too_long, sizeof too_long, "A line has at most %d characters.",
			 CHAT_LINE_CHARS);
		*error_r = "too-long";
		return too_long;
	case TEXT_CONTROL:
	case TEXT_NOT_UTF8:
		*error_r = "bad-text";
		return "A line must not have control characters.";
	}
	return NULL;
}

static bool may_say(const struct command *command)
{
	struct member *member = command->member;
	if (room_spend(&member->lines, CHAT_LINES_A_SECOND, command->context->now_ms)) {
		return true;
	}
	char text[80];
	snprintf(text, sizeof text, "Not so fast: at most %d lines a second.", CHAT_LINES_A_SECOND);
	complain(member, "too-fast", text);
	return false;
}

static void say(const struct command *command)
{
	struct member *member = command->member;
	const json_t *value = json_object_get(command->object, "text");
	const char *text = json_string_value(value), *error = NULL;
	if (text == NULL) {
		complain(member, "bad-value", "\"say\" needs \"text\": a string.");
		return;
	}
	const char *why = explain(
		text_check(TEXT_LINE, text, json_string_length(value), CHAT_LINE_CHARS), &error);
	if (why != NULL) {
		complain(member, error, why);
		return;
	}
	if (!may_say(command)) {
		return;
	}
	member->is_typing = false;
	json_t *line = json_pack("{s:s, s:s, s:s, s:I}", "what", "line", "name", member->name,
				 "text", text, "at", (json_int_t)command->context->unix_ms);
	if (line != NULL) {
		room_keep(member->room, line);
		tell_room(member->room, NULL, line);
	}
}

static void typing(const struct command *command)
{
	struct member *member = command->member;
	const json_t *on = json_object_get(command->object, "on");
	if (!json_is_boolean(on)) {
		complain(member, "bad-value", "\"typing\" needs \"on\": true or false.");
		return;
	}
	if (member->is_typing == json_is_true(on)) {
		return; /* nothing new: nothing for the others to read */
	}
	member->is_typing = json_is_true(on);
	tell_room(member->room, member,
		  json_pack("{s:s, s:s, s:b}", "what", "typing", "name", member->name, "on",
			    member->is_typing));
}

static void who(const struct command *command)
{
	tell_one(command->member,
		 json_pack("{s:s, s:o}", "what", "who", "members", names(command->member->room)));
}

static void ping(const struct command *command)
{
	const json_t *id = json_object_get(command->object, "id");
	if (!json_is_integer(id)) {
		complain(command->member, "bad-value", "\"ping\" needs \"id\": a whole number.");
		return;
	}
	tell_one(command->member,
		 json_pack("{s:s, s:I}", "what", "pong", "id", json_integer_value(id)));
}

static void block(const struct command *command)
{
	struct member *member = command->member;
	json_int_t ms = json_integer_value(json_object_get(command->object, "ms"));
	if (ms < 1 || ms > CHAT_BLOCK_MS) {
		char text[80];
		snprintf(text, sizeof text, "\"block\" needs \"ms\": 1 to %d.", CHAT_BLOCK_MS);
		complain(member, "bad-value", text);
		return;
	}
	/* First, so that nobody's answer to the announcement is heard before the block. */
	demo_block(command->context->baton, (unsigned)ms);
	tell_room(member->room, NULL,
		  json_pack("{s:s, s:s, s:I, s:i}", "what", "block", "name", member->name, "ms", ms,
			    "pid", (int)getpid()));
}

static void crash(const struct command *command)
{
	struct member *member = command->member;
	demo_crash(command->context->baton);
	tell_room(member->room, NULL,
		  json_pack("{s:s, s:s, s:i}", "what", "crash", "name", member->name, "pid",
			    (int)getpid()));
}

/* ---- which ---- */

static void obey(const struct command *command, const char *name)
{
	static const struct {
		const char *name;
		void (*fn)(const struct command *);
		bool is_demo;
	} known[] = {
		{"say", say, false},   {"typing", typing, false}, {"who", who, false},
		{"ping", ping, false}, {"block", block, true},    {"crash", crash, true},
	};
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strcmp(known[i].name, name) == 0 &&
		    (command->context->is_demo || !known[i].is_demo)) {
			known[i].fn(command);
			return;
		}
	}
	complain(command->member, "unknown-command",
		 "\"do\" must be \"say\", \"typing\", \"who\" or \"ping\".");
}

void command_handle(const struct command_context *context, struct member *member, int type,
		    const void *data, size_t len)
{
	if (!room_spend(&member->messages, CHAT_MESSAGES_A_SECOND, context->now_ms)) {
		char why[80];
		snprintf(why, sizeof why, "more than %d messages a second", CHAT_MESSAGES_A_SECOND);
		baton_close(member->conn, 1008, why);
		return;
	}
	json_error_t fault;
	json_t *object =
		type == BATON_TEXT ? json_loadb(data, len, JSON_REJECT_DUPLICATES, &fault) : NULL;
	const char *name = json_string_value(json_object_get(object, "do"));
	if (object == NULL) {
		complain(member, "bad-json", "A message must be one JSON object, as text.");
	} else if (name == NULL) {
		complain(member, "bad-json", "The object needs \"do\": the name of a command.");
	} else {
		obey(&(struct command){context, member, object}, name);
	}
	json_decref(object);
}

/* ---- coming and going ---- */

void command_greet(const struct command_context *context, struct member *member)
{
	struct room *room = member->room;
	json_t *limits = json_pack("{s:i, s:i, s:i, s:i}", "name_chars", CHAT_NAME_CHARS,
				   "line_chars", CHAT_LINE_CHARS, "lines_a_second",
				   CHAT_LINES_A_SECOND, "history_lines", CHAT_HISTORY_LINES);
	tell_one(member, json_pack("{s:s, s:s, s:s, s:i, s:b, s:o, s:o, s:O}", "what", "hello",
				   "room", room->name, "name", member->name, "pid", (int)getpid(),
				   "demo", context->is_demo, "limits", limits, "members",
				   names(room), "history", room->history));
	tell_room(room, member, json_pack("{s:s, s:s}", "what", "join", "name", member->name));
}

void command_part(struct member *member)
{
	tell_room(member->room, member,
		  json_pack("{s:s, s:s}", "what", "leave", "name", member->name));
}
