/* SPDX-License-Identifier: MIT */
/*
 * baton-auth-jwt: an auth child. It lets in whoever brings a JSON Web Token that one of the keys
 * has signed, and tells the route's child who that is. Arguments, and the one path of a question:
 * token.c finds the token, verify.c looks at its signature, claims.c at what it says. It keeps no
 * sessions, fetches no keys and asks nobody. docs/auth.md is for those who use it.
 */
#include "auth-jwt/claims.h"
#include "auth-jwt/keys.h"
#include "auth-jwt/token.h"
#include "auth-jwt/verify.h"
#include "libbaton/baton.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	CLAIMS_MOST = 16,
	CLAIM_NAME_BYTES = 100,
	CLAIM_KEY_BYTES = sizeof "AUTH_CLAIM_" + CLAIM_NAME_BYTES,
	DEFAULT_LEEWAY_SECS = 10,
	MOST_LEEWAY_SECS = 600,
};

struct program {
	struct keys keys;
	struct token_places places;
	struct claims_rules rules;
	const char *claims[CLAIMS_MOST]; /* to be passed on */
	size_t claim_count;
};

/* ---- questions ---- */

/* A value with control bytes, or without room, is left out: the child must not mistake it. */
static void tell(struct baton_question *question, const json_t *claims, const char *name,
		 const char *key)
{
	char *text = claims_text(claims, name);
	if (text != NULL && baton_question_tell(question, key, text) != 0) {
		fprintf(stderr, "baton-auth-jwt: claim %s is not passed on: %s\n", name,
			errno == ENOSPC ? "too long" : "control bytes");
	}
	free(text);
}

static void allow(struct baton_question *question, const struct program *program,
		  const json_t *claims)
{
	char key[CLAIM_KEY_BYTES];
	baton_question_tell(question, "AUTH_TYPE", "jwt");
	tell(question, claims, "sub", "REMOTE_USER");
	for (size_t i = 0; i < program->claim_count; i++) {
		claims_key(program->claims[i], key, sizeof key);
		tell(question, claims, program->claims[i], key);
	}
	baton_allow(question);
}

static void judge(struct baton_question *question, const struct program *program, const char *token)
{
	json_t *claims = NULL;
	const char *why = verify_token(&program->keys, token, &claims);
	if (why == NULL) {
		why = claims_judge(claims, &program->rules, time(NULL));
	}
	if (why == NULL) {
		allow(question, program, claims);
	} else {
		baton_deny(question, 401, why, "Bearer error=\"invalid_token\"");
	}
	json_decref(claims);
}

static void handle_auth(struct baton_question *question, void *app)
{
	struct program *program = app;
	char token[TOKEN_BYTES];
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	keys_refresh(&program->keys, (uint64_t)now.tv_sec);
	switch (token_find(question, &program->places, token)) {
	case TOKEN_FOUND:
		judge(question, program, token);
		break;
	case TOKEN_ABSENT: /* RFC 6750, 3.1: no error code then */
		baton_deny(question, 401, "a token is needed", "Bearer realm=\"baton\"");
		break;
	case TOKEN_TWO:
		baton_deny(question, 400, "there is more than one token", NULL);
		break;
	case TOKEN_BAD:
		baton_deny(question, 401, "the token cannot be read",
			   "Bearer error=\"invalid_token\"");
		break;
	}
}

/* ---- start ---- */

static void print_usage(FILE *to)
{
	fprintf(to,
		"usage: baton-auth-jwt [OPTION...] [PUBLIC-KEY.pem...]\n"
		"lets in who brings a good JSON Web Token, as an auth child of baton:\n"
		"  pool \"jwt\"    { kind = \"auth\"  command = {\"baton-auth-jwt\", \"/etc/baton/jwt.pem\"} }\n"
		"  route \"/chat\" { pool = \"chat\"  auth = \"jwt\" }\n"
		"A public key of RSA is for RS256, one of P-256 for ES256; 16 keys at most.\n"
		"  --hs256 FILE          a key for HS256: the secret, 32 bytes or more\n"
		"  --issuer TEXT         iss must be this\n"
		"  --audience TEXT       aud must name this (without it there must be no aud)\n"
		"  --leeway SECS         for clocks that differ: 0 to 600 (10)\n"
		"  --cookie NAME         the token may stand in this cookie,\n"
		"  --query NAME          in this key of the query,\n"
		"  --subprotocol PREFIX  in an offered subprotocol, behind this prefix\n"
		"  --claim NAME          tell the child this claim, as AUTH_CLAIM_NAME\n");
}

static int fail(const char *what)
{
	fprintf(stderr, "baton-auth-jwt: %s (--help)\n", what);
	return -1;
}

/* Of two that were meant both, one would not count. */
static int set_text(const char **text, const char *value)
{
	if (*text != NULL) {
		return fail("an option stands twice: only --hs256 and --claim may");
	}
	*text = value;
	return 0;
}

static int set_leeway(struct program *program, const char *text)
{
	char *end;
	errno = 0;
	long secs = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || secs < 0 || secs > MOST_LEEWAY_SECS) {
		return fail("--leeway must be a number of seconds from 0 to 600");
	}
	program->rules.leeway_secs = (unsigned)secs;
	return 0;
}

static int add_claim(struct program *program, const char *name)
{
	if (program->claim_count == CLAIMS_MOST || strlen(name) > CLAIM_NAME_BYTES) {
		return fail("--claim stands more than 16 times, or its name is too long");
	}
	program->claims[program->claim_count++] = name;
	return 0;
}

static const struct option options[] = {
	{"help", no_argument, NULL, 'h'},         {"hs256", required_argument, NULL, 'k'},
	{"issuer", required_argument, NULL, 'i'}, {"audience", required_argument, NULL, 'a'},
	{"leeway", required_argument, NULL, 'l'}, {"cookie", required_argument, NULL, 'c'},
	{"query", required_argument, NULL, 'q'},  {"subprotocol", required_argument, NULL, 'p'},
	{"claim", required_argument, NULL, 'n'},  {NULL, 0, NULL, 0},
};

/* 0, or -1, and stderr says why. */
static int set_option(struct program *program, int option, const char *value)
{
	if (value != NULL && *value == '\0') {
		return fail("an option has an empty value");
	}
	switch (option) {
	case 'k':
		return keys_add(&program->keys, value, true);
	case 'i':
		return set_text(&program->rules.issuer, value);
	case 'a':
		return set_text(&program->rules.audience, value);
	case 'l':
		return set_leeway(program, value);
	case 'c':
		return set_text(&program->places.cookie, value);
	case 'q':
		return set_text(&program->places.query, value);
	case 'p':
		return set_text(&program->places.subprotocol, value);
	case 'n':
		return add_claim(program, value);
	default: /* '?': getopt has said what is wrong */
		return -1;
	}
}

static int read_arguments(struct program *program, int argc, char **argv)
{
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h') {
			print_usage(stdout);
			exit(0);
		}
		if (set_option(program, option, optarg) != 0) {
			return -1;
		}
	}
	for (; optind < argc; optind++) {
		if (keys_add(&program->keys, argv[optind], false) != 0) {
			return -1;
		}
	}
	return program->keys.count > 0 ? 0
				       : fail("there is no key: name a PEM file or --hs256 FILE");
}

int main(int argc, char **argv)
{
	static struct program program = {.rules.leeway_secs = DEFAULT_LEEWAY_SECS};
	static const struct baton_app app = {.size = sizeof app, .auth = handle_auth};
	if (read_arguments(&program, argc, argv) != 0) {
		return 2;
	}
	struct baton *baton = baton_create(&app, &program);
	if (baton == NULL) {
		/* Not baton serve --child, which baton_explain would say: that needs no auth
		 * child. */
		fprintf(stderr, "baton-auth-jwt: %s\n",
			errno == ENOTCONN
				? "this is the command of a pool that a route names as auth, "
				  "and baton starts it (--help)"
				: baton_explain());
		return 2;
	}
	int result = baton_run(baton);
	if (result != 0) {
		fprintf(stderr, "baton-auth-jwt: the event loop failed: %s\n", strerror(errno));
	}
	baton_destroy(baton);
	return result == 0 ? 0 : 1;
}
