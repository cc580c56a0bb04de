/* SPDX-License-Identifier: MIT */
/*
 * The load generator's command line, judged whole before anything is opened.
 */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum options_mode {
	OPTIONS_UPGRADE,
	OPTIONS_PACED,
	OPTIONS_ECHO,
	OPTIONS_RAW,
	OPTIONS_IDLE,
	OPTIONS_EARLY,
};

struct options {
	enum options_mode mode;
	const char *mode_name;
	struct sockaddr_storage address;
	socklen_t address_len;
	unsigned sources;     /* how many of 127.0.0.2, .3, ... are used; 0: the kernel chooses */
	const char *host;     /* of the Host line */
	const char *path;     /* request target */
	unsigned connections; /* at a time (upgrade, early), or in all (echo, raw, idle) */
	uint64_t count;       /* stop after so many upgrades or messages; 0: by time alone */
	uint64_t duration_ns; /* start nothing after it; 0: by count alone */
	unsigned inflight;    /* echo: messages under way on a connection */
	size_t bytes;         /* echo: payload */
	double rate;          /* paced: upgrades a second */
	bool hold;            /* paced: keep what was opened to the end */
	bool turns;           /* echo, raw: again for each line on stdin, on the same connections */
	size_t early_bytes;   /* early: at most so much payload behind a head */
	uint64_t seed;
	uint64_t timeout_ns;  /* one connection's whole life, or one message's, at most */
	uint64_t deadline_ns; /* of the whole run: what is still open then is a timeout */
};

/* Exits with 2 and a sentence on stderr when something is wrong. */
void options_parse(struct options *options_r, int argc, char **argv);

#endif
