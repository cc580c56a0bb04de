/* SPDX-License-Identifier: MIT */
/*
 * Makes a libwebsockets program a child of baton: baton accepts and judges the clients, and every
 * socket goes into the program's own context as if libwebsockets had accepted it.
 *
 *	baton_lws_prepare(&info);                       before lws_create_context
 *	context = lws_create_context(&info);
 *	baton_lws_create(vhost, NULL, NULL);            vhost: lws_get_vhost_by_name(context, "default")
 *
 * The channel to the gateway is polled by libwebsockets itself, so this works on each of its event
 * loops. What the program does in its protocols' callbacks stays as it is: handshake, ws role,
 * mounts. One adapter a process, all calls from the thread that services the context.
 *
 * Plain HTTP requests come on routes with http = true, one a connection. A target with an encoded
 * line end or NUL (%0D, %0A, %00) is refused with 400, since libwebsockets would take what follows
 * for header fields: a client could forge those that the gateway drops. The adapter keeps to the
 * pool's message_limit (1009), passes nothing on that a client sends behind its Close frame, drains
 * with 1001 spread over the time, wakes the timers of libwebsockets on libev (they sleep there),
 * and silences errors and notices while a socket is adopted, for each is logged as an error.
 *
 * libwebsockets gets the head with three changes. A + in the path is written %2B, for it would be
 * decoded as a space. The others are there because it would leave clients without an answer:
 * Sec-WebSocket-Protocol has one name, the first of the client's that the program has a protocol
 * for, or is not there: a client that offers only others gets the first protocol, and a 101 that
 * names none. Sec-WebSocket-Extensions is never there. So lws_hdr_copy does not see what else the
 * client offered, a token beside its subprotocol, say: that is in the HEAD of an offer. All other
 * fields it gives as before.
 *
 * The pool's keepalive is kept too: who is silent gets Pings of one byte, between two calls of
 * lws_write, so what a program frames itself (LWS_WRITE_RAW) it must write a frame a call. No Ping
 * goes to a client for which libwebsockets holds output back, and none is cut off while the program
 * leaves unread what it has sent. send_limit, slow_client and deflate mean nothing: libwebsockets
 * keeps what is written without a limit. A program can write only when it is asked to
 * (LWS_CALLBACK_SERVER_WRITEABLE), count what waits for a client, and end one that has too much.
 *
 * What libwebsockets 4.1 and later do and this cannot mend: a client's unmasked frames are taken,
 * of several pings in one segment the first is answered, bytes and messages sent are not known
 * (the gateway's log shows 0), nor the code with which the program closes (it shows 1005). On libuv
 * a Close frame that the server begins may be lost where the library was built without NDEBUG, as
 * Debian's is: choose libev or the default loop. An idle connection costs some 2 to 6 KB, and each
 * close the more the more connections there are: rather more children than bigger ones.
 */
#ifndef BATON_LWS_H
#define BATON_LWS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lws;
struct lws_context_creation_info;
struct lws_vhost;

struct baton_lws;
struct baton_lws_offer;

struct baton_lws_app {
	size_t size; /* sizeof, so that it can grow */

	/*
	 * Optional. Before a client is taken: 0 takes it, an HTTP status from 400 to 599 lets the
	 * gateway refuse it with that status. Ask baton_lws_offer_get.
	 */
	int (*offered)(const struct baton_lws_offer *, void *data);

	/*
	 * Optional. The process is to end now: the drain is over, or the gateway is gone and its
	 * last client too. Called once, from the context's service; leave the loop. NULL: exit(0).
	 */
	void (*ended)(void *data);
};

/*
 * Finds the channel in the environment and makes info what a child needs:
 *	port                    CONTEXT_PORT_NO_LISTEN_SERVER: the gateway listens
 *	protocols               a copy with the adapter's own behind the last; callbacks are called
 *	                        through the adapter, which watches for connections' ends
 *	extensions              NULL: permessage-deflate of libwebsockets can be made to abort()
 *	retry_and_idle_policy   none, if NULL: the default costs O(connections) at each new one
 *	fd_limit_per_thread     0: anything else makes every event a linear search
 *	max_http_header_data2   16 KiB if 0, the largest head that the gateway lets pass
 *	max_http_header_pool*   0: a small pool lets slow clients lock others out
 *	pt_serv_buf_size        32 KiB if 0: at most so much is read at once
 * The same info is to be used for the context and its one vhost: with several the client's Host
 * would choose. A protocol's name decides which of them a client's subprotocol gets; none, or none
 * that is known, means the first. Callbacks should pass on to lws_callback_http_dummy() what they
 * do not know.
 *
 * SIGPIPE is ignored from then on, unless the program has an action of its own for it: stderr is a
 * pipe to the gateway, and its clients shall outlive that.
 *
 * 0, or -1: baton_lws_explain says why, and info is unchanged. In a process that the gateway did
 * not start this is how to find out, and the program can go on to listen by itself.
 */
int baton_lws_prepare(struct lws_context_creation_info *info);

/*
 * Begins to talk with the gateway, which offers clients as soon as the context is serviced. app may
 * be NULL; it is copied. NULL on failure: baton_lws_explain says why. The result lives until
 * baton_lws_destroy; the vhost must be the one that was made from the prepared info.
 */
struct baton_lws *baton_lws_create(struct lws_vhost *, const struct baton_lws_app *, void *data);

/* After lws_context_destroy. NULL is fine. */
void baton_lws_destroy(struct baton_lws *);

/*
 * What the gateway says of a client: "REMOTE_ADDR", "REQUEST_URI", ... (docs/protocol.md); not the
 * head, which lws_hdr_copy gives, but for the changes above. NULL when absent, or when wsi did
 * not come from the gateway. Valid until the wsi ends; to be asked in any callback that gets the
 * wsi, LWS_CALLBACK_WSI_CREATE to LWS_CALLBACK_WSI_DESTROY.
 */
const char *baton_lws_get(struct lws *wsi, const char *key);

/* The gateway's number for the connection, as in its log; 0 when wsi did not come from it. */
uint64_t baton_lws_id(struct lws *wsi);

/* The same of a client that is offered; "HEAD" too: the canonical head as one text. */
const char *baton_lws_offer_get(const struct baton_lws_offer *, const char *key);

/* Why the last call that failed did so, one line. Static storage. */
const char *baton_lws_explain(void);

#ifdef __cplusplus
}
#endif

#endif
