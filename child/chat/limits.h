/* SPDX-License-Identifier: MIT */
/* Every limit of baton-chat. What exceeds one gets a sentence that names the number. */
#ifndef CHAT_LIMITS_H
#define CHAT_LIMITS_H

enum {
	CHAT_ROOMS = 256,   /* a child; an empty one is forgotten when its place is needed */
	CHAT_MEMBERS = 200, /* a room */
	CHAT_ROOM_CHARS = 64,
	CHAT_NAME_CHARS = 32, /* as asked for; a suffix " (2)" may make it longer */
	CHAT_LINE_CHARS = 1000,
	CHAT_HISTORY_LINES = 50,     /* what a newcomer is told */
	CHAT_LINES_A_SECOND = 5,     /* a client, in the long run; twice as many at once */
	CHAT_MESSAGES_A_SECOND = 50, /* of any kind, likewise; beyond it the connection ends */
	CHAT_BLOCK_MS = 10000,       /* of the demo's "block" */

	CHAT_UTF8_BYTES = 4, /* that one character may have */
	CHAT_SUFFIX_BYTES = 8,
	CHAT_ROOM_BYTES = CHAT_ROOM_CHARS * CHAT_UTF8_BYTES + 1,
	CHAT_NAME_BYTES = CHAT_NAME_CHARS * CHAT_UTF8_BYTES + CHAT_SUFFIX_BYTES + 1,
};

#endif
