/* SPDX-License-Identifier: MIT */
/* Asks the gateway's control socket for its state, without ever waiting. */
#ifndef STATUS_ASK_H
#define STATUS_ASK_H

#include <stddef.h>
#include <stdint.h>

struct baton;
struct ask;

/* text: the gateway's JSON, for the call only; NULL when there is none, and errno says why. */
typedef void ask_fn(const char *text, size_t len, void *data);

/* path is copied, cut off where it does not fit a socket's address. NULL without memory. */
struct ask *ask_create(struct baton *, const char *path, ask_fn *, void *data);

/* Asks now; fn is called once, later or within this call. While a question is open another one does
 * nothing, but ends the open one (ETIMEDOUT) when it is older than ASK_TIMEOUT_MS. */
enum { ASK_TIMEOUT_MS = 3000 };
void ask_now(struct ask *, uint64_t now_ms);

void ask_destroy(struct ask *); /* fn is not called any more; NULL is fine */

#endif
