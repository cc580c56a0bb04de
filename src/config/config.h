/* SPDX-License-Identifier: MIT */
/*
 * The configuration: text in, one immutable struct out, or "file:line: sentence".
 * Everything is validated before anybody sees it; the running configuration is const. Uses
 * libconfuse; nothing of it shows here. Every default and limit has its name in keys.c's
 * table and its line in docs/configuration.md.
 */
#ifndef BATON_CONFIG_H
#define BATON_CONFIG_H

#include "admit/forwarded.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct source;
struct source_section;

enum config_kind {                     /* what a pool's children get */
		   CONFIG_KIND_SOCKET, /* connections */
		   CONFIG_KIND_AUTH,   /* questions: may this client in? */
};

enum config_hash {                   /* what a pool's affinity looks at */
		   CONFIG_HASH_NONE, /* least connections */
		   CONFIG_HASH_IP,
		   CONFIG_HASH_PATH,
		   CONFIG_HASH_HEADER, /* hash_key names the field, cookie or query key */
		   CONFIG_HASH_COOKIE,
		   CONFIG_HASH_QUERY,
};

enum config_slow_client { /* what a published message does at send_limit */
			  CONFIG_SLOW_CLOSE,
			  CONFIG_SLOW_SKIP,
};

enum config_refuse_as { /* how a WebSocket client is refused */
			CONFIG_REFUSE_STATUS,
			CONFIG_REFUSE_CLOSE, /* 101, then Close: browsers show no status */
};

struct config_listener {
	char *name; /* as written: "127.0.0.1:8080", "[::1]:0", "*:8080", "unix:/run/x.sock" */
	struct sockaddr_storage address;
	socklen_t address_len;
	mode_t mode;  /* of a Unix socket's file */
	char *health; /* path, or NULL */
	bool proxy;   /* every connection begins with a PROXY header */
	struct forwarded_rule forwarded;
	const struct source_section *written; /* within the config's */
};

struct config_pool {
	char *name;
	enum config_kind kind;
	char **command; /* argv, NULL-terminated, at least one word */
	unsigned children;
	unsigned capacity; /* connections a child, at most */
	unsigned queue;    /* connections that may wait for room */
	unsigned queue_timeout_ms;
	unsigned start_timeout_ms;
	unsigned offer_timeout_ms;    /* an offer not read by then goes to another child */
	unsigned handover_timeout_ms; /* no child took it by then: 503 */
	unsigned ping_interval_ms;
	unsigned ping_timeout_ms;
	unsigned drain_timeout_ms; /* connections get 1001 spread over this */
	unsigned stop_timeout_ms;  /* between SIGTERM (or SIGABRT) and SIGKILL */
	size_t message_limit_bytes;
	size_t send_limit_bytes;
	unsigned keepalive_ms; /* pings to clients; 0: none */
	enum config_slow_client slow_client;
	bool deflate;           /* permessage-deflate for clients that offer it */
	unsigned deflate_level; /* as zlib's */
	bool deflate_takeover;  /* a connection keeps its compressors between messages */
	char *directory;        /* or NULL: the gateway's */
	char *user, *group;     /* or NULL: the gateway's */
	char **environment;     /* "NAME=VALUE", NULL-terminated; added to a small inherited set */
	const struct source_section *written; /* within the config's */
};

struct config_route {
	char *name; /* the title as written; "TITLE#2" and so on where it stands again: unique */
	char *host; /* lower case, "*.example.org": every name below that; or NULL: any */
	char *path; /* begins with '/'; no trailing slash but for "/" itself, or if exact */
	bool exact; /* the path alone, nothing below it */
	/* Conditions, all of which must hold. */
	char *subprotocol; /* among those that the client offers; or NULL */
	char **query;      /* NULL-terminated: "KEY" (present) or "KEY=VALUE", as URLs spell them */
	char **headers; /* NULL-terminated: "name" (present) or "name: value"; name in lower case */
	unsigned pool;  /* index, of kind CONFIG_KIND_SOCKET */
	bool has_auth;
	unsigned auth; /* index, of kind CONFIG_KIND_AUTH, if has_auth */
	enum config_hash hash;
	char *hash_key; /* for header, cookie, query */
	char **origins; /* NULL-terminated list; empty: same origin */
	size_t origin_count;
	bool *listeners;                      /* one flag a listener: is the route there? */
	const struct source_section *written; /* within the config's */
	bool http;                            /* plain HTTP requests are handed over too */
	unsigned connections;                 /* at a time; 0: any number */
	enum config_refuse_as refuse_as;
};

struct config {
	char *control;             /* path of the control socket */
	unsigned max_connections;  /* limits { connections } */
	unsigned proxy_timeout_ms; /* for PROXY headers; head_timeout_ms begins behind them */
	unsigned head_timeout_ms;
	size_t head_limit_bytes;
	unsigned linger_timeout_ms;
	unsigned address_connections; /* of one address at a time; 0: any number */
	uint64_t
		address_interval_us; /* address_rate: one in each of these; 0: as fast as it likes */
	unsigned address_burst;
	size_t listener_count, pool_count, route_count;
	struct config_listener *listeners;
	struct config_pool *pools;
	struct source *written;      /* sections, keys and lines as in the file, for people */
	struct config_route *routes; /* in matching order, see docs/configuration.md */
};

enum { CONFIG_ERROR_BYTES = 512 };

/*
 * Reads and validates a file. NULL on error, and error_r holds "FILE:LINE: sentence" (or
 * "FILE: sentence" where no line applies). The caller frees with config_destroy.
 */
struct config *config_load(const char *file, char error_r[CONFIG_ERROR_BYTES]);

/* The same from memory; name stands for the file in messages. */
struct config *config_parse(const char *name, const char *text, char error_r[CONFIG_ERROR_BYTES]);

/*
 * What `serve --child CMD` means: one listener at address:port, one pool "child" of two children
 * running CMD (split at spaces; quotes as the shell's single and double ones), one route "/".
 */
struct config *config_from_child(const char *address, unsigned port, const char *command,
				 char error_r[CONFIG_ERROR_BYTES]);

/* Where the control socket is when nobody says: /run/baton/control.sock for root, else
 * $XDG_RUNTIME_DIR/baton.sock, else /tmp/baton-UID.sock. Static storage. */
const char *config_default_control(void);

/* The children of all pools. */
size_t config_child_count(const struct config *);

void config_destroy(struct config *); /* NULL is fine */

#endif
