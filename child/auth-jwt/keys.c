/* SPDX-License-Identifier: MIT */
/*
 * Reads keys, and reads them again when their files change. The algorithm comes from the kind of
 * the key, so that no token can choose: a public key used as a secret is the oldest attack on
 * JWT. Says on stderr what it does; judges no token. auth_jwt.c calls it.
 */
#include "auth-jwt/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- one file ---- */

/* Sets text, len and seen. NULL, or what is wrong. */
static const char *read_text(struct key *key)
{
	/* O_NONBLOCK: a FIFO must not stop us. */
	int fd = open(key->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		const char *why = strerror(errno);
		stat(key->path, &key->seen); /* so that this is told once */
		return why;
	}
	ssize_t len = -1;
	const char *why = "is no regular file";
	if (fstat(fd, &key->seen) == 0 && S_ISREG(key->seen.st_mode)) {
		len = read(fd, key->text, sizeof key->text);
		why = len < 0 ? strerror(errno) : NULL;
	}
	close(fd);
	if (len >= KEYS_FILE_BYTES) {
		return "is too long for a key";
	}
	if (why == NULL) {
		key->text[len] = '\0';
		key->len = (int)len;
	}
	return why;
}

static size_t count_pem_blocks(const struct key *key)
{
	static const char begin[] = "-----BEGIN ";
	const unsigned char *at = key->text, *end = key->text + key->len;
	size_t count = 0;
	while ((at = memmem(at, (size_t)(end - at), begin, strlen(begin))) != NULL) {
		at++;
		count++;
	}
	return count;
}

static const char *judge_secret(struct key *key)
{
	const char *text = (const char *)key->text;
	key->alg = JWT_ALG_HS256;
	if (count_pem_blocks(key) > 0) {
		return "is a PEM file, and no secret: everybody may know it (leave out --hs256)";
	}
	/* An editor's newline is not meant. */
	key->len -= key->len > 0 && text[key->len - 1] == '\n';
	key->len -= key->len > 0 && text[key->len - 1] == '\r';
	return key->len < KEYS_SECRET_BYTES
		       ? "is shorter than 32 bytes (openssl rand -hex 32 makes a good one)"
		       : NULL;
}

static const char *judge_public(struct key *key)
{
	if (count_pem_blocks(key) > 1) { /* only the first would count */
		return "has more than one PEM block: name a file for each key";
	}
	BIO *bio = BIO_new_mem_buf(key->text, key->len);
	/* A pass phrase, the empty one: without, that of a private key is asked for at the
	 * terminal. */
	EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, NULL, (char[]){""}) : NULL;
	char curve[32] = "";
	const char *why = NULL;
	if (pkey == NULL) {
		why = "has no PEM public key (openssl pkey -in PRIVATE -pubout makes one, "
		      "of a certificate openssl x509 -in CERTIFICATE -noout -pubkey)";
	} else if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA) {
		key->alg = JWT_ALG_RS256;
		why = EVP_PKEY_get_bits(pkey) < KEYS_RSA_BITS
			      ? "has an RSA key of less than 2048 bits"
			      : NULL;
	} else {
		key->alg = JWT_ALG_ES256;
		EVP_PKEY_get_group_name(pkey, curve, sizeof curve, NULL);
		why = strcmp(curve, "prime256v1") != 0 ? "has neither an RSA nor a P-256 key"
						       : NULL;
	}
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	ERR_clear_error();
	return why;
}

/* Changes nothing but seen unless the file is good. NULL, or what is wrong with it. */
static const char *read_key(struct key *key)
{
	struct key fresh = {.path = key->path, .is_secret = key->is_secret};
	const char *why = read_text(&fresh);
	if (why == NULL) {
		why = key->is_secret ? judge_secret(&fresh) : judge_public(&fresh);
	}
	key->seen = fresh.seen;
	if (why == NULL) {
		*key = fresh;
		if (key->is_secret && (key->seen.st_mode & S_IROTH) != 0) {
			fprintf(stderr,
				"baton-auth-jwt: %s: warning: everybody on this machine may read "
				"this secret (chmod o=)\n",
				key->path);
		}
	}
	return why;
}

/* ---- all of them ---- */

int keys_add(struct keys *keys, const char *path, bool is_secret)
{
	const char *why = "is one key too many: 16 are the most";
	if (keys->count < KEYS_MOST) {
		struct key *key = &keys->at[keys->count];
		*key = (struct key){.path = path, .is_secret = is_secret};
		why = read_key(key);
	}
	if (why != NULL) {
		fprintf(stderr, "baton-auth-jwt: %s: %s\n", path, why);
		return -1;
	}
	keys->count++;
	return 0;
}

static bool has_changed(const struct key *key)
{
	struct stat now;
	const struct stat *seen = &key->seen;
	if (stat(key->path, &now) != 0) {
		return seen->st_ino != 0; /* 0: it was not there before either */
	}
	return now.st_ino != seen->st_ino || now.st_dev != seen->st_dev ||
	       now.st_size != seen->st_size || now.st_mtim.tv_sec != seen->st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != seen->st_mtim.tv_nsec;
}

void keys_refresh(struct keys *keys, uint64_t now_secs)
{
	if (now_secs == keys->looked_secs) {
		return;
	}
	keys->looked_secs = now_secs;
	for (size_t i = 0; i < keys->count; i++) {
		struct key *key = &keys->at[i];
		if (has_changed(key)) {
			const char *why = read_key(key);
			fprintf(stderr, "baton-auth-jwt: %s: %s%s\n", key->path,
				why != NULL ? why : "has changed: the new key counts",
				why != NULL ? "; the old key still counts" : "");
		}
	}
}
