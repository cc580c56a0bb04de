/* SPDX-License-Identifier: MIT */
/*
 * baton.h: WebSocket children in C.
 *
 * The gateway accepts and judges a client's upgrade request, then passes the connected socket to
 * a child: this process. The library speaks the hand-over protocol (docs/protocol.md), finishes
 * the handshake, and owns the connections; an author writes callbacks.
 *
 *	static void message(struct baton_conn *conn, int type, const void *data, size_t len, void *app)
 *	{
 *		baton_send(conn, type, data, len);
 *	}
 *
 *	int main(void)
 *	{
 *		static const struct baton_app echo = {.size = sizeof echo, .message = message};
 *		struct baton *baton = baton_create(&echo, NULL);
 *		int failed = baton == NULL || baton_run(baton) != 0;
 *		baton_destroy(baton);
 *		return failed;
 *	}
 *
 * Threads: all calls belong to the thread that runs the loop, except baton_post.
 * Order: for each connection open runs once, then messages, then close once, always; also for a
 * connection that open refused. No callback ever runs inside a call of the author's.
 * Lifetime: a struct baton_conn * dies when its close callback returns; keep its id elsewhere.
 */
#ifndef BATON_H
#define BATON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default) /* the library is built with all else hidden */

struct baton;
struct baton_conn;
struct baton_question;
struct baton_watch;

/* The type of a message; BATON_MORE is added to it for every piece of a message but the last. */
enum { BATON_TEXT = 1, BATON_BINARY = 2, BATON_MORE = 4 };

/* What open returns; a value from 400 to 599 refuses with that HTTP status, any other with 500.
 * After baton_accept or baton_answer it does not matter. */
enum { BATON_ACCEPT = 0, BATON_LATER = 1 };

/* What baton_send returns. */
enum {
	BATON_SENT = 0,     /* with the kernel, or leaves with this turn's write */
	BATON_QUEUED = 1,   /* taken; waits for the client to read. writable follows */
	BATON_FULL = -1,    /* not taken: send_limit is reached. writable follows */
	BATON_CLOSED = -2,  /* not taken: the connection closes, or is not yet open */
	BATON_INVALID = -3, /* not taken: no such type, or a len beyond PTRDIFF_MAX. errno EINVAL */
};

/* Flags of struct baton_app. */
enum { BATON_PIECES = 1 }; /* messages come in pieces, as they arrive */

enum { BATON_TOPIC_BYTES = 255 }; /* the longest name of a topic */

/* What baton_watch waits for. */
enum { BATON_READ = 1, BATON_WRITE = 2 };

typedef void baton_fn(void *data);
typedef void baton_fd_fn(int fd, int events, void *data);

struct baton_app {
	size_t size; /* sizeof(struct baton_app), so that it can grow: new members come at its end */

	/* A client asks to come in. baton_get tells who and what. BATON_ACCEPT answers 101 without
	 * a subprotocol; BATON_LATER leaves it to baton_accept or baton_answer, now or later (a
	 * client that leaves meanwhile, or ends its side, gets close with 1006); a status refuses.
	 * NULL: accept all. */
	int (*open)(struct baton_conn *, void *app);

	/* A whole message, at most message_limit of the pool (1009 beyond it). data lives for the
	 * callback. Text is valid UTF-8, not NUL-terminated. With BATON_PIECES: what has come of a
	 * message, as soon as it has; type has BATON_MORE until the last piece, which may be empty.
	 * Nothing is gathered, so no message costs memory (but a compressed one, which comes in one
	 * piece); message_limit holds for all its pieces together. A piece of text may end inside
	 * of a character; a message whose text turns out invalid gets no last piece but close
	 * (1007), as does one that its client breaks off (1006). */
	void (*message)(struct baton_conn *, int type, const void *data, size_t len, void *app);

	/* The end, exactly once. code: RFC 6455, 7.4; 1006: no Close frame came (why "no pong": nor
	 * anything else, for the pool's keepalive); an HTTP status where the connection was
	 * refused. why: the peer's or our reason, UTF-8, never NULL. baton_find still gives the
	 * connection, baton_count counts it, and it has no topics any more. */
	void (*close)(struct baton_conn *, int code, const char *why, void *app);

	/* What was queued has left; baton_queued is 0. */
	void (*writable)(struct baton_conn *, void *app);

	/* The gateway wants this process to end, within ms. When this has returned connections get
	 * 1001 as by baton_close, and those that BATON_LATER left without an answer 503: ten at
	 * once, the others evenly over four fifths of ms, but never slower than 100 a second. The
	 * rest of ms is for the clients' answers; then 1006. */
	void (*drain)(struct baton *, unsigned ms, void *app);

	uint64_t flags; /* BATON_PIECES, or 0 */

	/* May this client in? Asked in a pool that a route names as auth; baton_allow or baton_deny
	 * answers, now or later. NULL: everybody is denied with 500. An app with auth and without
	 * open takes no connections (500). */
	void (*auth)(struct baton_question *, void *app);
};

/*
 * Connects to the gateway over the channel it was started with (BATON_FD). app is copied, data is
 * what its callbacks get. NULL on failure with errno: EINVAL for a wrong app, ENOTCONN when this
 * process was not started by baton (baton_explain says what to do).
 * SIGPIPE is ignored from then on, unless the program has an action of its own for it: stderr is a
 * pipe to the gateway, and its clients shall outlive that. Programs that are started inherit it.
 */
struct baton *baton_create(const struct baton_app *app, void *data);

/* A sentence on why baton_create failed, for the author's stderr. Static. */
const char *baton_explain(void);

/*
 * Serves until drained, stopped, or (gateway gone) the last connection has closed. 0, or -1 with
 * errno. Not from a callback.
 * SIGTERM, to whichever thread, drains within a second while it runs, unless the program has an
 * action of its own for it. After a drain it stays ignored, so that there is time to save things:
 * the gateway's SIGTERM comes drain_timeout after the drain began, SIGKILL stop_timeout later.
 * After baton_stop or without a gateway it has its old action again.
 */
int baton_run(struct baton *);

/* Ends baton_run soon, without closing handshakes; allowed in every callback. baton_destroy then
 * says 1001, or 503 to those that BATON_LATER left without an answer. */
void baton_stop(struct baton *);

/* Closes everything (close callbacks run with 1001) and frees. NULL is fine. Not from a
 * callback. */
void baton_destroy(struct baton *);

/*
 * Inside another loop: poll baton_fd for reading; when it is readable, or the milliseconds that
 * the last baton_dispatch gave have passed, call baton_dispatch (not from a callback). It gives the
 * milliseconds to the next call (-1: only when readable), or -2 when there is nothing left to
 * serve: destroy then. SIGTERM is the author's there. child/examples has libev and libuv.
 */
int baton_fd(const struct baton *);
int baton_dispatch(struct baton *);

/* Answers 101 after BATON_LATER. subprotocol: one that the client offered, at most 512 bytes, or
 * NULL. 0, or -1 with errno: EINVAL (not offered, or longer), EALREADY (answered before). The
 * connection stays as it was then. */
int baton_accept(struct baton_conn *, const char *subprotocol);

/* Refuses after BATON_LATER (or inside open, which then returns BATON_LATER): status 400..599,
 * headers "Name: value\r\n..." or NULL, body or NULL (a HEAD request gets its length alone, RFC
 * 9110, 9.3.2). Copies all. 0, or -1 with errno: EINVAL (status; a len beyond PTRDIFF_MAX; headers:
 * a line without a name or its \r\n, control bytes, Connection, Content-Length, Transfer-Encoding,
 * Upgrade, Sec-WebSocket-...), EALREADY, ENOMEM. */
int baton_answer(struct baton_conn *, int status, const char *headers, const void *body,
		 size_t len);

/*
 * Sends one message. Copies only what the kernel does not take. BATON_SENT and so on above.
 * With the pool's deflate, and a client that has agreed to it, the message leaves compressed.
 * With BATON_MORE: a piece of one, sent as a fragment at once, never compressed; all pieces up to
 * the first without BATON_MORE are one message, of the first one's type. A piece that was not taken
 * (BATON_FULL) is to be sent again before the next. What is published meanwhile follows behind the
 * last piece.
 * When nothing waits a message is taken even if it is larger than send_limit. Text is not checked:
 * a client fails with 1007 for what is not UTF-8. (A piece of text may end inside of a character:
 * do not publish it as a message.)
 */
int baton_send(struct baton_conn *, int type, const void *data, size_t len);

/* Starts the closing handshake; close follows when the client has answered, or after 5 s in which
 * its system took nothing of what was queued. Nothing that the client still says reaches message.
 * Before the answer: refuses with 503. code: one that may be sent (1000, 1001, 3000-4999, ...),
 * why: at most 123 bytes of UTF-8, or NULL. An invalid code becomes 1011, a why that is not UTF-8
 * is left out. A second call does nothing. */
void baton_close(struct baton_conn *, int code, const char *why);

/* No message callbacks until it is called with false; the kernel slows the client down. */
void baton_pause(struct baton_conn *, bool);

/* Bytes that wait for the client to read; without what was published behind an unfinished message
 * (BATON_MORE), which waits elsewhere, within a send_limit of its own. */
size_t baton_queued(const struct baton_conn *);

/* What is known of the request: REMOTE_ADDR, REQUEST_URI, QUERY_STRING, ..., HTTP_COOKIE and every
 * other HTTP_<FIELD>. NULL when absent, and once the connection is answered (101 or refusal). The
 * value lives until the next baton_get, the answer, or the callback's return: copy what is needed
 * later. */
const char *baton_get(struct baton_conn *, const char *key);

/* The same about a client that asks to come in. The value lives until the next call. */
const char *baton_question_get(struct baton_question *, const char *key);

/* Tells the child that will get the client: its baton_get knows key then. Before baton_allow. key:
 * "REMOTE_USER", or one that begins with "AUTH_"; value: no control bytes. 0, or -1 with errno:
 * EINVAL (key or value), ENOSPC (more than 4 KiB in all). */
int baton_question_tell(struct baton_question *, const char *key, const char *value);

/*
 * The answer, exactly one, which ends the question; the client may have left meanwhile. A question
 * without an answer when the process ends is put to another child.
 * status: 400..599, else it becomes 500. reason: what the client reads, up to 200 bytes, or NULL.
 * challenge: the value of WWW-Authenticate, with status 401; NULL, or what is no field value of at
 * most 512 bytes, is left out.
 */
void baton_allow(struct baton_question *);
void baton_deny(struct baton_question *, int status, const char *reason, const char *challenge);

/* A pointer of the author's, NULL at first. */
void **baton_user(struct baton_conn *);

/* The id that the gateway's log shows. Unique for the life of a gateway. */
uint64_t baton_id(const struct baton_conn *);
struct baton_conn *baton_find(struct baton *, uint64_t id); /* NULL: gone */

/* How many connections this process has. */
size_t baton_count(const struct baton *);

/*
 * Topics, within this process. The names are yours: 1 to BATON_TOPIC_BYTES bytes. A topic is there
 * as long as somebody is subscribed.
 *
 * Subscribing is allowed from open on (messages come from the 101 on) until the connection closes,
 * and ends with it; doing it twice changes nothing. 0, or -1 with errno: EINVAL (the name),
 * ENOTCONN (it closes), ENOMEM. Unsubscribing: 0, or -1 with ENOENT. Both take time with the number
 * of topics that the connection has. Allowed in every callback, as is all of this.
 */
int baton_subscribe(struct baton_conn *, const char *topic);
int baton_unsubscribe(struct baton_conn *, const char *topic);

/*
 * Sends a whole message to all subscribers but except (NULL: to all). It is framed once and copied
 * once at most, however many wait for it. Nobody waits for a slow one: a subscriber whose queue
 * would exceed send_limit is closed (1008) or, with the pool's slow_client = "skip", misses the
 * message. What fills the queue may be one large baton_send of just before: who sends such a thing
 * subscribes the client in writable. Where nothing waits the size does not matter.
 * Returns how many have taken it, or -1 with errno: EINVAL (type, or a len beyond PTRDIFF_MAX),
 * ENOMEM (nobody has got it).
 */
int baton_publish(struct baton *, const char *topic, struct baton_conn *except, int type,
		  const void *data, size_t len);

/* Calls fn after first_ms, then every every_ms (0: once, and the watch is gone after the call).
 * NULL with errno: EINVAL (no fn), ENOMEM. */
struct baton_watch *baton_timer(struct baton *, unsigned first_ms, unsigned every_ms, baton_fn *,
				void *data);

/* Calls fn whenever fd is ready for events. fd stays the author's: cancel, then close it. NULL with
 * errno: EINVAL (no fn), EEXIST (fd has a watch: one serves both events), EPERM (a regular file:
 * it is always ready), EBADF, ENOMEM. */
struct baton_watch *baton_watch(struct baton *, int fd, int events, baton_fd_fn *, void *data);

/* Ends a timer or a watch, also from its own callback. NULL is fine. */
void baton_cancel(struct baton_watch *);

/* From any thread: calls fn(data) in the loop's thread, in order; what has not run when baton_run
 * ends never runs. 0, or -1 with errno: EINVAL (no fn), ENOMEM. */
int baton_post(struct baton *, baton_fn *, void *data);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
