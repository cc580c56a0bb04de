/* SPDX-License-Identifier: MIT */
/*
 * The table behind keys.h. A new key is one line here, one field in config.h and one row in
 * docs/configuration.md (a test compares them); only what is no plain number, text, list or one of
 * some words needs code in build.c or routes.c too.
 */
#include "config/keys.h"

#include <assert.h>
#include <string.h>

#include "config/config.h"

#define SECOND (UINT64_C(1000))
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define KIB    (UINT64_C(1024))
#define GIB    (KIB * KIB * KIB)

#define COUNT(s, n, d, lo, hi, f)                    \
	{                                            \
		s, n, KEYS_COUNT, d, lo, hi, f, NULL \
	}
#define DURATION(s, n, d, lo, hi, f)                    \
	{                                               \
		s, n, KEYS_DURATION, d, lo, hi, f, NULL \
	}
#define SIZE(s, n, d, lo, hi, f)                    \
	{                                           \
		s, n, KEYS_SIZE, d, lo, hi, f, NULL \
	}
#define OTHER(s, n, kind, d, f)              \
	{                                    \
		s, n, kind, d, 0, 0, f, NULL \
	}
#define ONE_OF(s, n, d, f, ...)                                      \
	{                                                            \
		s, n, KEYS_ONE_OF, d, 0, 0, f, (const char *const[]) \
		{                                                    \
			__VA_ARGS__, NULL                            \
		}                                                    \
	}

#define TOP(field)      offsetof(struct config, field)
#define LISTENER(field) offsetof(struct config_listener, field)
#define POOL(field)     offsetof(struct config_pool, field)
#define ROUTE(field)    offsetof(struct config_route, field)

/* clang-format off */
const struct keys_entry keys_table[] = {
	OTHER(KEYS_TOP, "control", KEYS_TEXT, NULL, TOP(control)),

	COUNT(KEYS_LIMITS, "connections", "100000", 1, 1000000, TOP(max_connections)),
	DURATION(KEYS_LIMITS, "proxy_timeout", "5s", 1, 5 * MINUTE, TOP(proxy_timeout_ms)),
	DURATION(KEYS_LIMITS, "head_timeout", "5s", 1, 5 * MINUTE, TOP(head_timeout_ms)),
	SIZE(KEYS_LIMITS, "head_limit", "16k", KIB, 16 * KIB, TOP(head_limit_bytes)),
	DURATION(KEYS_LIMITS, "linger_timeout", "2s", 1, MINUTE, TOP(linger_timeout_ms)),
	COUNT(KEYS_LIMITS, "address_connections", "0", 0, 1000000, TOP(address_connections)),
	OTHER(KEYS_LIMITS, "address_rate", KEYS_RATE, NULL, TOP(address_interval_us)),
	COUNT(KEYS_LIMITS, "address_burst", "20", 1, 1000000, TOP(address_burst)),

	OTHER(KEYS_LISTEN, "mode", KEYS_MODE, "0660", LISTENER(mode)),
	OTHER(KEYS_LISTEN, "health", KEYS_TEXT, NULL, LISTENER(health)),
	OTHER(KEYS_LISTEN, "proxy", KEYS_FLAG, "false", LISTENER(proxy)),
	OTHER(KEYS_LISTEN, "trusted_proxies", KEYS_CHOICES, NULL, LISTENER(forwarded.trusted)),
	ONE_OF(KEYS_LISTEN, "client_header", "X-Forwarded-For", LISTENER(forwarded.header),
		[FORWARDED_X_FORWARDED_FOR] = "X-Forwarded-For", [FORWARDED_FORWARDED] = "Forwarded",
		[FORWARDED_X_REAL_IP] = "X-Real-IP"),

	ONE_OF(KEYS_POOL, "kind", "socket", POOL(kind),
		[CONFIG_KIND_SOCKET] = "socket", [CONFIG_KIND_AUTH] = "auth"),
	OTHER(KEYS_POOL, "command", KEYS_WORDS, NULL, POOL(command)),
	COUNT(KEYS_POOL, "children", "2", 1, 1000, POOL(children)),
	COUNT(KEYS_POOL, "capacity", "15000", 1, 1000000, POOL(capacity)),
	COUNT(KEYS_POOL, "queue", "4096", 0, 1000000, POOL(queue)),
	DURATION(KEYS_POOL, "queue_timeout", "5s", 1, 10 * MINUTE, POOL(queue_timeout_ms)),
	DURATION(KEYS_POOL, "start_timeout", "10s", 1, 10 * MINUTE, POOL(start_timeout_ms)),
	DURATION(KEYS_POOL, "offer_timeout", "50ms", 1, MINUTE, POOL(offer_timeout_ms)),
	DURATION(KEYS_POOL, "handover_timeout", "5s", 1, 10 * MINUTE, POOL(handover_timeout_ms)),
	DURATION(KEYS_POOL, "ping_interval", "5s", 1, HOUR, POOL(ping_interval_ms)),
	DURATION(KEYS_POOL, "ping_timeout", "20s", 1, HOUR, POOL(ping_timeout_ms)),
	DURATION(KEYS_POOL, "drain_timeout", "30s", 0, 24 * HOUR, POOL(drain_timeout_ms)),
	DURATION(KEYS_POOL, "stop_timeout", "5s", 1, 10 * MINUTE, POOL(stop_timeout_ms)),
	SIZE(KEYS_POOL, "message_limit", "1M", 1, GIB, POOL(message_limit_bytes)),
	SIZE(KEYS_POOL, "send_limit", "1M", 1, GIB, POOL(send_limit_bytes)),
	ONE_OF(KEYS_POOL, "slow_client", "close", POOL(slow_client),
		[CONFIG_SLOW_CLOSE] = "close", [CONFIG_SLOW_SKIP] = "skip"),
	DURATION(KEYS_POOL, "keepalive", "25s", 0, HOUR, POOL(keepalive_ms)),
	OTHER(KEYS_POOL, "deflate", KEYS_FLAG, "false", POOL(deflate)),
	COUNT(KEYS_POOL, "deflate_level", "6", 1, 9, POOL(deflate_level)),
	OTHER(KEYS_POOL, "deflate_takeover", KEYS_FLAG, "false", POOL(deflate_takeover)),
	OTHER(KEYS_POOL, "directory", KEYS_TEXT, NULL, POOL(directory)),
	OTHER(KEYS_POOL, "user", KEYS_TEXT, NULL, POOL(user)),
	OTHER(KEYS_POOL, "group", KEYS_TEXT, NULL, POOL(group)),
	OTHER(KEYS_POOL, "environment", KEYS_WORDS, NULL, POOL(environment)),

	OTHER(KEYS_ROUTE, "pool", KEYS_CHOICE, NULL, ROUTE(pool)),
	OTHER(KEYS_ROUTE, "exact", KEYS_FLAG, "false", ROUTE(exact)),
	OTHER(KEYS_ROUTE, "subprotocol", KEYS_TEXT, NULL, ROUTE(subprotocol)),
	OTHER(KEYS_ROUTE, "query", KEYS_WORDS, NULL, ROUTE(query)),
	OTHER(KEYS_ROUTE, "headers", KEYS_WORDS, NULL, ROUTE(headers)),
	OTHER(KEYS_ROUTE, "auth", KEYS_CHOICE, NULL, ROUTE(auth)),
	OTHER(KEYS_ROUTE, "hash", KEYS_CHOICE, NULL, ROUTE(hash)),
	OTHER(KEYS_ROUTE, "origins", KEYS_WORDS, NULL, ROUTE(origins)),
	OTHER(KEYS_ROUTE, "listen", KEYS_CHOICES, NULL, ROUTE(listeners)),
	OTHER(KEYS_ROUTE, "http", KEYS_FLAG, "false", ROUTE(http)),
	COUNT(KEYS_ROUTE, "connections", "0", 0, 1000000, ROUTE(connections)),
	ONE_OF(KEYS_ROUTE, "refuse_as", "status", ROUTE(refuse_as),
		[CONFIG_REFUSE_STATUS] = "status", [CONFIG_REFUSE_CLOSE] = "close"),
};
/* clang-format on */
const size_t keys_table_len = sizeof(keys_table) / sizeof(keys_table[0]);

static const char *const section_names[KEYS_SECTIONS] = {
	[KEYS_TOP] = "",      [KEYS_LIMITS] = "limits", [KEYS_LISTEN] = "listen",
	[KEYS_POOL] = "pool", [KEYS_ROUTE] = "route",
};

const char *keys_section_name(enum keys_section section)
{
	return section_names[section];
}

enum keys_section keys_section_find(const char *name)
{
	for (unsigned section = KEYS_TOP + 1; section < KEYS_SECTIONS; section++) {
		if (strcmp(section_names[section], name) == 0) {
			return (enum keys_section)section;
		}
	}
	return KEYS_TOP;
}

const struct keys_entry *keys_of(enum keys_section section, size_t *count_r)
{
	size_t first = 0;
	while (keys_table[first].section != section) {
		first++;
	}
	size_t end = first;
	while (end < keys_table_len && keys_table[end].section == section) {
		end++;
	}
	assert(end - first <= KEYS_PER_SECTION);
	*count_r = end - first;
	return &keys_table[first];
}

const struct keys_entry *keys_find(enum keys_section section, const char *name)
{
	size_t count = 0;
	const struct keys_entry *entries = keys_of(section, &count);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(entries[i].name, name) == 0) {
			return &entries[i];
		}
	}
	return NULL;
}
