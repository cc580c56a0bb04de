/* SPDX-License-Identifier: MIT */
/*
 * The control socket: one line of command in, an answer out, end. Mechanics only: who may speak,
 * how much, how long; what the commands do is the handler's. A client that does not read costs its
 * buffer and, after CONTROL_TIMEOUT_MS without progress, its connection.
 */
#ifndef BATON_CONTROL_H
#define BATON_CONTROL_H

#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CONTROL_CLIENTS = 16, /* at once; the next ones wait in the backlog */
	CONTROL_COMMAND_BYTES = 256,
	CONTROL_TIMEOUT_MS = 5000,
	CONTROL_CHUNK_BYTES = 64 * 1024,
};

struct control;

/* An answer: text (malloc'ed, the control's from then on), or what more writes until it gives 0.
 * With neither, for want of memory, the client gets none. */
struct control_reply {
	char *text;
	size_t (*more)(void *data, uint32_t *cursor, char *buf, size_t size);
};

/* A command line without its newline. False: unknown; the client is told so. */
typedef bool control_fn(void *data, const char *command, struct control_reply *reply);

/*
 * Listens at path (mode 0600; its directory is made when it is missing). Only root and the user
 * that runs the gateway are listened to. NULL with errno and logged.
 */
struct control *control_create(struct loop *, const char *path, control_fn *, void *data);
void control_destroy(struct control *); /* removes the file; NULL is fine */

/*
 * The other half, for the command line: sends command to the gateway at path and gives every piece
 * of the answer to print (NULL: to nobody). 0, or -1 with a sentence on stderr.
 */
int control_ask(const char *path, const char *command,
		void (*print)(void *data, const char *bytes, size_t len), void *data);

#endif
