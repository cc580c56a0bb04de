/* SPDX-License-Identifier: MIT */
/*
 * One connection's life: connect, upgrade, one 64-byte echo, Close both ways, end of file. The
 * caller owns the epoll set and decides when the next step is taken, so that the same life serves
 * closed loops, open loops and connections that are held.
 */
#ifndef LOAD_LIFE_H
#define LOAD_LIFE_H

#include <stdint.h>

#include "frames.h"
#include "peer.h"
#include "tally.h"

/*
 * FREE -> BACKLOG -> CONNECT -> HEAD -> OPEN -> ECHO -> OPEN -> CLOSE -> END_OF_FILE -> FREE
 *             (only Unix sockets wait in BACKLOG; from every state a failure leads to FREE)
 */
enum life_state {
	LIFE_FREE,
	LIFE_BACKLOG,
	LIFE_CONNECT,
	LIFE_HEAD,
	LIFE_OPEN,
	LIFE_ECHO,
	LIFE_CLOSE,
	LIFE_END_OF_FILE,
};

enum life_event {
	LIFE_WAITS,    /* nothing to decide */
	LIFE_UPGRADED, /* the 101 is there: now OPEN */
	LIFE_ECHOED,   /* the echo is there, whole and right: OPEN again */
	LIFE_ENDED,    /* now FREE; outcome and status say how. The fd is closed */
};

struct life {
	struct peer peer;
	enum life_state state;
	enum tally_outcome outcome; /* with LIFE_ENDED */
	unsigned status;            /* with TALLY_REFUSED */
	unsigned messages;          /* echoes so far */
	uint64_t begin_ns;          /* when it was due: times count from here */
	uint64_t step_ns;           /* when the present step began */
	struct frames_reader reader;
};

/*
 * epfd: where the sockets are watched, with id as epoll's data.u64. The tally gets messages and
 * times as they happen; ends are the caller's to count.
 */
struct life_context {
	int epfd;
	struct tally *tally;
	uint64_t now_ns; /* the caller sets it once a turn */
};

/* Begins a life that was due at begin_ns. WAITS or ENDED. */
enum life_event life_start(struct life *, struct life_context *, uint64_t id, uint64_t begin_ns);

/* What epoll saw. */
enum life_event life_handle(struct life *, struct life_context *, uint64_t id, uint32_t events);

/* Tries a full Unix backlog again. WAITS or ENDED. */
enum life_event life_retry(struct life *, struct life_context *, uint64_t id);

/* From OPEN: sends the one message, or the Close frame. WAITS or ENDED. */
enum life_event life_echo(struct life *, struct life_context *, uint64_t id);
enum life_event life_close(struct life *, struct life_context *);

/* Gives up with this outcome. */
void life_abandon(struct life *, enum tally_outcome outcome);

/* The outcome that an errno of a socket call means. */
enum tally_outcome life_outcome(int error);

#endif
