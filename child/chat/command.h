/* SPDX-License-Identifier: MIT */
/*
 * What is said between a client and baton-chat once it is in its room: JSON objects in text
 * messages, one each.
 *
 *	to the child                            what it does
 *	{"do":"say","text":"..."}               a line for all in the room, its author too
 *	{"do":"typing","on":true}               the others see it
 *	{"do":"who"}                            the list of those who are here
 *	{"do":"ping","id":1}                    a pong, with the same id
 *	{"do":"block","ms":5000}                --demo: this process computes for so long
 *	{"do":"crash"}                          --demo: this process aborts
 *
 *	from the child
 *	{"what":"hello","room":"r","name":"ada","pid":12,"demo":false,"limits":{...},
 *	 "members":["ada"],"history":[{"what":"line",...}]}               first, once
 *	{"what":"join","name":"bob"}            {"what":"leave","name":"bob"}
 *	{"what":"line","name":"bob","text":"...","at":1700000000000}      at: ms since 1970
 *	{"what":"typing","name":"bob","on":true}
 *	{"what":"who","members":["ada","bob"]}  {"what":"pong","id":1}
 *	{"what":"block","name":"bob","ms":5000,"pid":12}
 *	{"what":"crash","name":"bob","pid":12}
 *	{"what":"error","error":"too-fast","text":"a sentence"}   the others: bad-json, unknown-command,
 *	                                        bad-value, empty, too-long, bad-text
 */
#ifndef CHAT_COMMAND_H
#define CHAT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct baton;
struct member;

struct command_context {
	struct baton *baton;
	bool is_demo;
	uint64_t now_ms;  /* of a clock that never jumps */
	uint64_t unix_ms; /* since 1970 */
};

/* Obeys one message of a client, or answers what is wrong with it. */
void command_handle(const struct command_context *, struct member *, int type, const void *data,
		    size_t len);

/* The first message to a new member, and the word to the others that it came or went. */
void command_greet(const struct command_context *, struct member *);
void command_part(struct member *);

#endif
