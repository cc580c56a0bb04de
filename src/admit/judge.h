/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a request that is well-formed: the configuration's word on it. Pure. conn.c does
 * what it says; `baton check --route` prints it.
 */
#ifndef BATON_JUDGE_H
#define BATON_JUDGE_H

#include "admit/forwarded.h"
#include "admit/request.h"

struct config;
struct config_route;

enum verdict_kind {
	VERDICT_REFUSE,    /* .refusal says why; .route may be known */
	VERDICT_HEALTH,    /* the listener's health check */
	VERDICT_HAND_OVER, /* to a child of .route's pool */
};

struct verdict {
	enum verdict_kind kind;
	enum refusal refusal;
	const struct config_route *route; /* NULL when none was found, and for VERDICT_HEALTH */
};

/* listener: index into the configuration's; scheme: by which the client is known to have come. */
struct verdict judge_request(const struct config *, size_t listener, const struct request *,
			     enum forwarded_scheme scheme);

/* What the route's affinity looks at; .at == NULL: nothing, any child will do. Lives until the next
 * call, and no longer than the request. */
struct slice judge_affinity_key(const struct config_route *, const struct request *,
				const struct address *client);

#endif
