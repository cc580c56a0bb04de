/* SPDX-License-Identifier: MIT */
/* The environment of a child: few names of the gateway's own, the pool's, and the protocol's. */
#ifndef BATON_ENVIRONMENT_H
#define BATON_ENVIRONMENT_H

/* extra: "NAME=VALUE", NULL-terminated, stronger than what is inherited. For words_free; NULL with
 * errno (ENOMEM). */
char **environment_create(char *const *extra);

#endif
