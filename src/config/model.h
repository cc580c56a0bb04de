/* SPDX-License-Identifier: MIT */
/*
 * What a configuration says (config.h reads it): one struct, immutable while the gateway runs. All
 * strings are its own.
 */
#ifndef BATON_CONFIG_MODEL_H
#define BATON_CONFIG_MODEL_H

#include "admit/forwarded.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct source;
struct source_section;

/* What a pool's children get: connections, or questions (may this client in?). */
enum config_kind { CONFIG_KIND_SOCKET, CONFIG_KIND_AUTH };

/* What a pool's affinity looks at. */
enum config_hash {
	CONFIG_HASH_NONE, /* least connections */
	CONFIG_HASH_IP,
	CONFIG_HASH_PATH,
	CONFIG_HASH_HEADER, /* hash_key names the field, cookie or query key */
	CONFIG_HASH_COOKIE,
	CONFIG_HASH_QUERY,
};

/* What a published message does at send_limit. */
enum config_slow_client { CONFIG_SLOW_CLOSE, CONFIG_SLOW_SKIP };

/* How a WebSocket client is refused. */
enum config_refuse_as {
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

#endif
