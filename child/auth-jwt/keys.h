/* SPDX-License-Identifier: MIT */
/* The files with keys. A key is good for one algorithm, whatever a token says. */
#ifndef AUTH_JWT_KEYS_H
#define AUTH_JWT_KEYS_H

#include <jwt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { KEYS_MOST = 16, KEYS_FILE_BYTES = 8 * 1024, KEYS_SECRET_BYTES = 32, KEYS_RSA_BITS = 2048 };

struct key {
	const char *path;
	bool is_secret; /* HS256; else the PEM says which */
	jwt_alg_t alg;
	unsigned char text[KEYS_FILE_BYTES]; /* the secret, or the PEM; NUL behind it */
	int len;
	struct stat seen; /* of the file when it was last read, whether that went well or not */
};

struct keys {
	struct key at[KEYS_MOST];
	size_t count;
	uint64_t looked_secs;
};

/* Reads a key of at least KEYS_SECRET_BYTES (without a newline at its end), or a file with one PEM
 * block, a public key. 0, or -1, and stderr says why. Asks nobody for a pass phrase. path must live
 * on. */
int keys_add(struct keys *, const char *path, bool is_secret);

/* Reads files again that have changed; looks at most once a second. A file that has become
 * unreadable or wrong leaves the key as it was; stderr tells it, once a change. */
void keys_refresh(struct keys *, uint64_t now_secs);

#endif
