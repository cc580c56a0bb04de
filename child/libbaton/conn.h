/* SPDX-License-Identifier: MIT */
/*
 * One connection, from its TAKEN to its close callback. The struct is all that an idle one costs:
 * every buffer is made when it is needed and freed when it is empty.
 */
#ifndef BATON_CONN_H
#define BATON_CONN_H

#include "libbaton/baton.h"
#include "libbaton/deflate.h"
#include "libbaton/session.h"
#include "loop/loop.h"
#include "loop/timers.h"

struct buffer;
struct queue;
struct subscriptions;

/*
 *	OPENING -> OPEN -> CLOSING -> FLUSHING -> LINGERING -> ENDED
 *
 * Forward only; states may be skipped, and every one may go to ENDED. ENDED is left for the close
 * callback and free, at the end of the turn.
 */
enum conn_state {
	CONN_OPENING,   /* inside open, or BATON_LATER: nothing was written or read */
	CONN_OPEN,      /* 101 was written */
	CONN_CLOSING,   /* our Close was written: the client's is awaited, all else is discarded */
	CONN_FLUSHING,  /* the last words wait in queue (or in the batch); nothing is read */
	CONN_LINGERING, /* the last words are with the kernel, our direction is shut: until the
			   client's end of file what comes is discarded */
	CONN_ENDED,     /* fd is closed */
};

struct baton_conn {
	struct loop_io io; /* io.fd is -1 while nobody watches; the descriptor is fd */
	struct loop_timer timer;
	struct session session;
	struct baton *baton;
	struct baton_conn *next_in_table;
	struct baton_conn *next_deferred;
	struct buffer *kept; /* OPENING: the offer's payload (BATON_LATER); then: bytes that were
				   read and not used; more than SESSION_MAX_TAIL only after a pause
				   or before conn_go_on_later has gone on */
	struct buffer
		*message; /* OPEN: the message that is not complete; then: the reason, with NUL */
	struct queue *queue;                 /* output that the kernel did not take */
	struct subscriptions *subscriptions; /* topics.c; NULL until the first */
	void *user;
	uint64_t id;
	uint64_t bytes_in, bytes_out, messages_in, messages_out; /* as handoff_closed counts them */
	int fd;                                                  /* owned; -1 from ENDED on */
	uint16_t code;                                           /* for the close callback */
	uint8_t heard, sent;        /* keepalive.c: the rounds of the last byte in, and out */
	uint8_t state : 3;          /* enum conn_state */
	uint8_t who : 2;            /* enum conn_by: who ended it */
	bool is_deferred : 1;       /* stands in baton->deferred */
	bool is_paused : 1;         /* baton_pause */
	bool is_throttled : 1;      /* too much is queued: not read until all of it has left */
	uint8_t interest : 6;       /* the loop_events that io is watched for */
	bool has_more : 1;          /* the socket may have more than this event took or wrote */
	bool lingers : 1;           /* LINGERING follows on FLUSHING */
	bool is_mid_message : 1;    /* baton_send has sent pieces, and not the last one */
	struct deflate_terms terms; /* set with the 101 */
	struct deflate_context *takeover[]; /* one where the pool has takeover, else none */
};

enum conn_by { CONN_BY_CLIENT, CONN_BY_CHILD, CONN_BY_KEEPALIVE }; /* as handoff_closed.who */

enum { CONN_INTERESTS = LOOP_READ | LOOP_WRITE | LOOP_LEFT | LOOP_URGENT };

/* NULL without memory. Owns fd on success; the connection is in no table yet. */
struct baton_conn *conn_create(struct baton *, uint64_t id, int fd);

/* Undoes conn_create for a connection whose open never ran: closes fd and frees. */
void conn_discard(struct baton_conn *);

/* Sets code and reason for the close callback. */
void conn_set_end(struct baton_conn *, unsigned code, const void *why, size_t len);

/* Begins the closing handshake; OPENING: refuses with 503; later states: nothing. */
void conn_close(struct baton_conn *, unsigned code, const char *why);

/* Ends it here: closes fd and frees all but the struct. The close callback runs at the end of the
 * turn, with 1006 unless the last words were already said. */
void conn_break(struct baton_conn *);

/* The same with what close is to tell, whatever was said before. */
void conn_end_with(struct baton_conn *, unsigned code, const char *why);

/* Says the last words of an open connection that this side fails, RFC 6455, 7.1.7: a Close whose
 * answer nobody waits for. conn_settle is the caller's. */
void conn_fail(struct baton_conn *, unsigned code, const char *why, size_t len);

/* Writes a Close that nobody waits for, and ends it. */
void conn_close_now(struct baton_conn *, unsigned code);

/*
 * Brings the system in line with the state: what is batched leaves, FLUSHING goes on when the
 * queue is empty, the loop watches for what is wanted. At the end of every event, and of every
 * call of the author's that comes from elsewhere (conn_settle_unless_current).
 */
void conn_settle(struct baton_conn *);
void conn_settle_unless_current(struct baton_conn *);

/* Looks at what is kept in the next turn (perhaps once more in this one), unless it is paused then.
 * OPEN only: no other wait runs. */
void conn_go_on_later(struct baton_conn *);

/* The handlers of the lanes baton->closing and baton->lingering, and of baton->later. */
void conn_handle_timeout(struct loop_timer *);
void conn_handle_later(struct loop_timer *);

#endif
