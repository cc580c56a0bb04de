/* SPDX-License-Identifier: MIT */
/*
 * A gateway for one child in the same process: the other end of the channel, clients as
 * socketpairs, an app that writes down what it is told, and a clock that tests move.
 */
#ifndef FAKE_GATEWAY_H
#define FAKE_GATEWAY_H

#include "handoff/handoff.h"
#include "libbaton/baton.h"

#include <stddef.h>
#include <stdint.h>

enum { FAKE_FIN = 0x80, FAKE_BYTES = 256 * 1024 };

/* What the app was told, and what it shall do. Cleared by fake_start. */
struct fake_app {
	int open_result;
	int opened, closed, writable, messages, drained;
	int code;      /* of the last close */
	char why[128]; /* of the last close */
	int last_type;
	size_t last_len;
	char last[256];          /* the beginning of the last message */
	struct baton_conn *conn; /* of the last open; NULL once it is closed */
	bool echoes;
	int nested; /* callbacks that ran inside a call of the app's */
	void (*on_data)(struct baton_conn *, int type, const void *data, size_t len);
	void (*on_message)(struct baton_conn *);
	void (*on_writable)(struct baton_conn *);
	void (*on_open)(struct baton_conn *);
};

extern struct fake_app fake_app;
extern struct baton *fake_baton;
extern int fake_channel;   /* the gateway's end */
extern int fake_child_end; /* a duplicate of the child's end, as the gateway keeps one */

extern const char *fake_method; /* of the offers to come; fake_start makes it "GET" */
extern uint64_t fake_flags;                                   /* of the app that fake_start makes */
extern void (*fake_auth)(struct baton_question *, void *app); /* the same; app is &fake_app */

void fake_start(void); /* creates the child and reads nothing */
void fake_stop(void);  /* destroys it and closes the channel; a test may have done parts of it */

/* The same as cmocka wants it; the second asserts that no descriptor is left over. */
int fake_setup(void **state);
int fake_teardown(void **state);

/* Runs turns until nothing is ready. Returns what the last baton_dispatch said. */
int fake_turns(void);
void fake_pass_ms(unsigned ms); /* moves the clock */

/* Sends a message of pairs ("A=1\0B=2\0"; the literal's own NUL counts) and runs turns. */
void fake_say(unsigned type, uint64_t id, const char *pairs, size_t bytes);
/* The pool's settings, and the READY that answers them. */
void fake_configure(const char *hello, size_t bytes);
/* The next message from the child; asserts its type. Payload lives until the next call. */
struct handoff_message fake_hear(unsigned type);
int fake_hears_nothing(void);
struct handoff_closed fake_hear_report(void); /* a CLOSED of one connection */
const char *fake_pair(const struct handoff_message *, const char *key); /* NULL when absent */

/* Fills the child's sending direction to the last byte; reads all that is in it. */
void fake_fill_channel(void);
void fake_empty_channel(void);

/* Offers this socket; extra: head lines. It stays the caller's. */
void fake_offer_socket(uint64_t id, int fd, const char *extra);
/* Offers one end of a new socketpair of this type; the other end is returned. */
int fake_offer(uint64_t id, int type, const char *extra);
/* The same with everything after it: TAKEN and a correct 101 are read. */
int fake_connect(uint64_t id, int type);

void fake_write(int client, unsigned first_byte, const void *payload, size_t len); /* one frame */
size_t fake_frame(uint8_t *to, unsigned first_byte, const void *payload, size_t len);
/* All that can be read now, NUL-terminated in a static buffer; len_r 0 at the end of file or when
 * nothing is there. */
const char *fake_read(int client, size_t *len_r);
int fake_is_at_end(int client);

size_t fake_descriptors(void); /* how many this process has open */

#endif
