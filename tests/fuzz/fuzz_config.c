/* SPDX-License-Identifier: MIT */
/*
 * config.c: any text is a configuration that holds to config.h, or one printable line that says
 * where and what; either way the same one again. Input: the bytes of a file; what stands behind a
 * NUL reaches source.c alone.
 */
#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/problem.h"
#include "config/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* "f:LINE: sentence" or "f: sentence". */
static void check_error(const char *error)
{
	size_t len = strnlen(error, CONFIG_ERROR_BYTES);
	assert(len < CONFIG_ERROR_BYTES && strncmp(error, "f:", 2) == 0);
	const char *rest = error + 2;
	assert(*rest != '0');
	while (isdigit((unsigned char)*rest)) {
		rest++;
	}
	rest += rest > error + 2 && *rest == ':' ? 1 : 0;
	assert(rest[0] == ' ' && rest[1] != '\0');
	for (size_t i = 0; i < len; i++) {
		assert((unsigned char)error[i] >= ' ' && error[i] != 0x7f);
	}
}

static void check_config(const struct config *config)
{
	assert(config->listener_count > 0 && config->pool_count > 0 && config->route_count > 0);
	assert(config->control != NULL && config->max_connections > 0);
	assert(config->head_limit_bytes > 0 && config->head_limit_bytes <= 16 * 1024);
	for (size_t i = 0; i < config->listener_count; i++) {
		const struct config_listener *listener = &config->listeners[i];
		assert(listener->name != NULL && listener->address_len > 0);
		assert(listener->address_len <= sizeof listener->address);
	}
	for (size_t i = 0; i < config->pool_count; i++) {
		const struct config_pool *pool = &config->pools[i];
		assert(pool->name != NULL && pool->command[0] != NULL);
		assert(pool->children > 0 && pool->capacity > 0);
	}
	for (size_t i = 0; i < config->route_count; i++) {
		const struct config_route *route = &config->routes[i];
		assert(route->pool < config->pool_count && route->path[0] == '/');
		assert((route->hash < CONFIG_HASH_HEADER) == (route->hash_key == NULL));
		assert(route->origins[route->origin_count] == NULL);
	}
	assert(config_child_count(config) >= config->pool_count);
}

/* What a file may hold and a string may not. */
static void read_source(const uint8_t *data, size_t len)
{
	char error[CONFIG_ERROR_BYTES] = "";
	struct problem problem = {.name = "f", .text = error};
	struct source source;
	if (source_read((const char *)data, len, &problem, &source)) {
		assert(error[0] == '\0' && memchr(data, '\0', len) == NULL);
		source_finish(&source);
	} else {
		check_error(error);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char errors[2][CONFIG_ERROR_BYTES];
	char *text = malloc(len + 1);
	assert(text != NULL);
	memcpy(text, data, len);
	text[len] = '\0';
	for (int i = 0; i < 2; i++) {
		struct config *config = config_parse("f", text, errors[i]);
		if (config != NULL) {
			assert(errors[i][0] == '\0');
			check_config(config);
		} else {
			check_error(errors[i]);
		}
		config_destroy(config);
	}
	assert(strcmp(errors[0], errors[1]) == 0);
	if (memchr(data, '\0', len) != NULL) {
		read_source(data, len);
	}
	free(text);
	return 0;
}
