/* SPDX-License-Identifier: MIT */
/*
 * baton-chat: rooms over WebSocket, /chat?room=NAME&name=NICK. This file is the program: who may
 * come in, and how libbaton's callbacks lead to rooms and commands. What is said is command.c's.
 *
 * A room lives in one process. With several children the route needs hash = "query:room": it sends
 * equal bytes to the same child, so a room's name is taken only in the one spelling that
 * encodeURIComponent gives it.
 */
#include "chat/command.h"
#include "chat/limits.h"
#include "chat/room.h"
#include "chat/text.h"
#include "libbaton/baton.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct chat {
	struct baton *baton;
	bool is_demo;
	struct rooms rooms;
};

static uint64_t clock_ms(clockid_t id)
{
	struct timespec now;
	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct command_context context_of(const struct chat *chat)
{
	return (struct command_context){
		.baton = chat->baton,
		.is_demo = chat->is_demo,
		.now_ms = clock_ms(CLOCK_MONOTONIC),
		.unix_ms = clock_ms(CLOCK_REALTIME),
	};
}

/* ---- coming in ---- */

__attribute__((format(printf, 3, 4))) static int refuse(struct baton_conn *conn, int status,
							const char *format, ...)
{
	char text[300];
	va_list values;
	va_start(values, format);
	vsnprintf(text, sizeof text, format, values);
	va_end(values);
	baton_answer(conn, status, "Content-Type: text/plain; charset=utf-8\r\n", text,
		     strlen(text));
	return BATON_LATER; /* answered already */
}

/* The decoded value, checked, in buf; or why not. */
static enum text_fault take_name(struct text_slice raw, size_t max_chars, char *buf, size_t size)
{
	char decoded[4096];
	long len = text_decode(raw, decoded, sizeof decoded);
	if (len < 0) {
		return raw.len > sizeof decoded ? TEXT_LONG : TEXT_NOT_UTF8;
	}
	enum text_fault fault = text_check(TEXT_NAME, decoded, (size_t)len, max_chars);
	if (fault == TEXT_GOOD) {
		snprintf(buf, size, "%.*s", (int)len, decoded);
	}
	return fault;
}

static int refuse_name(struct baton_conn *conn, enum text_fault fault, const char *key, int chars)
{
	switch (fault) {
	case TEXT_EMPTY:
		return refuse(conn, 400, "%s= is empty: /chat?room=NAME&name=NICK\n", key);
	case TEXT_SPACE:
		return refuse(conn, 400, "%s= must not begin or end with a space\n", key);
	case TEXT_LONG:
		return refuse(conn, 400, "%s= has at most %d characters\n", key, chars);
	case TEXT_CONTROL:
		return refuse(conn, 400, "%s= must not have control characters\n", key);
	case TEXT_NOT_UTF8:
		return refuse(conn, 400, "%s= must be percent-encoded UTF-8\n", key);
	case TEXT_GOOD:
		break;
	}
	return 500;
}

static int enter(struct chat *chat, struct baton_conn *conn, const char *room_name,
		 const char *name)
{
	struct room *room = room_find(&chat->rooms, room_name);
	if (room == NULL) {
		return refuse(conn, 503, "there are people in all %d rooms\n", CHAT_ROOMS);
	}
	struct member *member = room_enter(room, name, conn);
	if (member == NULL) {
		return refuse(conn, 503, "the room is full: %d people\n", CHAT_MEMBERS);
	}
	*baton_user(conn) = member;
	baton_accept(conn, NULL);
	struct command_context context = context_of(chat);
	command_greet(&context, member);
	return BATON_LATER; /* accepted already */
}

static int handle_open(struct baton_conn *conn, void *app)
{
	char room[CHAT_ROOM_BYTES], name[CHAT_NAME_BYTES];
	const char *query = baton_get(conn, "QUERY_STRING");
	struct text_slice raw_room = text_find(query, "room"), raw_name = text_find(query, "name");
	if (raw_room.at == NULL) {
		return refuse(conn, 400, "which room? /chat?room=NAME&name=NICK\n");
	}
	enum text_fault fault = take_name(raw_room, CHAT_ROOM_CHARS, room, sizeof room);
	if (fault != TEXT_GOOD) {
		return refuse_name(conn, fault, "room", CHAT_ROOM_CHARS);
	}
	if (!text_is_canonical(raw_room)) {
		return refuse(conn, 400,
			      "room= must be written as encodeURIComponent does: %%20 for a space, "
			      "upper-case digits, nothing encoded without need\n");
	}
	if (raw_name.at == NULL) {
		raw_name = (struct text_slice){"guest", strlen("guest")};
	}
	fault = take_name(raw_name, CHAT_NAME_CHARS, name, sizeof name);
	if (fault != TEXT_GOOD) {
		return refuse_name(conn, fault, "name", CHAT_NAME_CHARS);
	}
	return enter(app, conn, room, name);
}

/* ---- then ---- */

static void handle_message(struct baton_conn *conn, int type, const void *data, size_t len,
			   void *app)
{
	struct command_context context = context_of(app);
	command_handle(&context, *baton_user(conn), type, data, len);
}

static void handle_close(struct baton_conn *conn, int code, const char *why, void *app)
{
	struct chat *chat = app;
	struct member *member = *baton_user(conn);
	(void)code;
	(void)why;
	if (member != NULL) { /* refused ones have none */
		command_part(member);
		room_leave(&chat->rooms, member);
	}
}

static bool read_options(int argc, char **argv, struct chat *chat)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--demo") != 0) {
			fprintf(stderr, "usage: baton-chat [--demo]\n"
					"rooms, as a child of baton: /?room=ROOM&name=NAME\n"
					"--demo: a client may block and crash this process\n");
			return false;
		}
		chat->is_demo = true;
	}
	return true;
}

int main(int argc, char **argv)
{
	static const struct baton_app app = {
		.size = sizeof app,
		.open = handle_open,
		.message = handle_message,
		.close = handle_close,
	};
	static struct chat chat;
	if (!read_options(argc, argv, &chat)) {
		return 2;
	}
	chat.baton = baton_create(&app, &chat);
	if (chat.baton == NULL) {
		fprintf(stderr, "baton-chat: %s\n", baton_explain());
		return 2;
	}
	int result = baton_run(chat.baton);
	if (result != 0) {
		fprintf(stderr, "baton-chat: the event loop failed: %s\n", strerror(errno));
	}
	baton_destroy(chat.baton);
	rooms_finish(&chat.rooms);
	return result == 0 ? 0 : 1;
}
