/* SPDX-License-Identifier: MIT */
/* What a token that is signed says: for whom, from whom, how long. */
#ifndef AUTH_JWT_CLAIMS_H
#define AUTH_JWT_CLAIMS_H

#include <jansson.h>
#include <stddef.h>
#include <time.h>

struct claims_rules {
	const char *issuer;   /* iss must be this; NULL: any */
	const char *audience; /* aud must name this; NULL: there must be no aud */
	unsigned leeway_secs; /* for clocks that differ */
};

/* NULL, or a sentence for the client that says why the claims are not good. RFC 7519, 4.1; exp is
 * needed: what never ends cannot be withdrawn. */
const char *claims_judge(const json_t *claims, const struct claims_rules *, time_t now);

/* A claim as text: a string as it is, everything else as JSON. NULL when it is absent or null;
 * else the caller frees it. */
char *claims_text(const json_t *claims, const char *name);

/* "AUTH_CLAIM_" and name in upper case, '_' for all that is no letter or digit. */
void claims_key(const char *name, char *key_r, size_t size);

#endif
