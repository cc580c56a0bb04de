/* SPDX-License-Identifier: MIT */
/*
 * The configuration's front door: a file, a text or a command line in, struct config out. The
 * work is done behind it: scan.c and confuse.c read, source.c holds what was read, build.c,
 * check.c and routes.c judge it by the table in keys.c. Does not watch files and does not swap
 * anything: main does, on start and on reload.
 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/build.h"
#include "config/problem.h"
#include "config/source.h"
#include "config/words.h"
#include "fdutil.h"

enum { FILE_MAX_BYTES = 1024 * 1024 };

static struct config *parse_bytes(const char *name, const char *text, size_t len, char *error_r)
{
	struct problem problem = {.name = name, .text = error_r};
	struct source source;
	error_r[0] = '\0';
	if (!source_read(text, len, &problem, &source)) {
		return NULL;
	}
	struct config *config = build_config(&source, &problem);
	source_finish(&source);
	return config;
}

/* Reads until the end or until size is full. The length, or -1 with errno. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;
	while (len < size) {
		ssize_t got = read(fd, buf + len, size - len);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got <= 0) {
			return got < 0 ? -1 : (ssize_t)len;
		}
		len += (size_t)got;
	}
	return (ssize_t)len;
}

struct config *config_load(const char *file, char error_r[CONFIG_ERROR_BYTES])
{
	struct problem problem = {.name = file, .text = error_r};
	struct config *config = NULL;
	char *buf = malloc(FILE_MAX_BYTES + 1);
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t len = buf != NULL && fd >= 0 ? read_all(fd, buf, FILE_MAX_BYTES + 1) : -1;
	error_r[0] = '\0';
	if (len < 0) {
		problem_set(&problem, 0, "cannot read the configuration: %s", strerror(errno));
	} else if (len > FILE_MAX_BYTES) {
		problem_set(&problem, 0, "is larger than 1 MiB: this is no configuration");
	} else {
		config = parse_bytes(file, buf, (size_t)len, error_r);
	}
	fd_close(&fd);
	free(buf);
	return config;
}

struct config *config_parse(const char *name, const char *text, char error_r[CONFIG_ERROR_BYTES])
{
	return parse_bytes(name, text, strlen(text), error_r);
}

static bool fill_from_child(struct source *source, const char *listener, char **words)
{
	char name[] = "child";
	char *pool[] = {name};
	struct source_section *section = NULL;
	return source_add(source, KEYS_LISTEN, listener, 0) != NULL &&
	       (section = source_add(source, KEYS_POOL, name, 0)) != NULL &&
	       source_set(section, "command", words, words_count(words), 0) &&
	       (section = source_add(source, KEYS_ROUTE, "/", 0)) != NULL &&
	       source_set(section, "pool", pool, 1, 0);
}

static struct config *build_from_child(const char *listener, char **words, struct problem *problem)
{
	struct source source;
	struct config *config = NULL;
	if (!source_init(&source)) {
		problem_memory(problem);
		return NULL;
	}
	if (fill_from_child(&source, listener, words)) {
		config = build_config(&source, problem);
	} else {
		problem_memory(problem);
	}
	source_finish(&source);
	return config;
}

struct config *config_from_child(const char *address, unsigned port, const char *command,
				 char error_r[CONFIG_ERROR_BYTES])
{
	struct problem problem = {.name = "command line", .text = error_r};
	error_r[0] = '\0';
	char **words = words_split(command);
	if (words == NULL) {
		problem_set(&problem, 0, "--child %.200s: %s", command,
			    errno == EINVAL ? "a quote is not closed, or '\\' is the last character"
					    : strerror(errno));
		return NULL;
	}
	/* An IPv6 address may come without the brackets that a port after it asks for. */
	bool is_bare_ipv6 = strchr(address, ':') != NULL && address[0] != '[';
	char *listener = NULL;
	if (asprintf(&listener, is_bare_ipv6 ? "[%s]:%u" : "%s:%u", address, port) < 0) {
		words_free(words);
		problem_memory(&problem);
		return NULL;
	}
	struct config *config = build_from_child(listener, words, &problem);
	free(listener);
	words_free(words);
	return config;
}

const char *config_default_control(void)
{
	static char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	if (geteuid() == 0) {
		return "/run/baton/control.sock";
	}
	const char *directory = getenv("XDG_RUNTIME_DIR");
	if (directory != NULL && directory[0] == '/') {
		int len = snprintf(path, sizeof(path), "%s/baton.sock", directory);
		if (len < (int)sizeof(path)) {
			return path;
		}
	}
	snprintf(path, sizeof(path), "/tmp/baton-%u.sock", (unsigned)geteuid());
	return path;
}

void config_destroy(struct config *config)
{
	if (config == NULL) {
		return;
	}
	for (size_t i = 0; i < config->listener_count; i++) {
		free(config->listeners[i].name);
		free(config->listeners[i].health);
		free(config->listeners[i].forwarded.trusted);
	}
	for (size_t i = 0; i < config->pool_count; i++) {
		struct config_pool *pool = &config->pools[i];
		free(pool->name);
		words_free(pool->command);
		free(pool->directory);
		free(pool->user);
		free(pool->group);
		words_free(pool->environment);
	}
	for (size_t i = 0; i < config->route_count; i++) {
		struct config_route *route = &config->routes[i];
		free(route->name);
		free(route->host);
		free(route->path);
		free(route->subprotocol);
		words_free(route->query);
		words_free(route->headers);
		free(route->hash_key);
		words_free(route->origins);
		free(route->listeners);
	}
	free(config->listeners);
	free(config->pools);
	free(config->routes);
	free(config->control);
	if (config->written != NULL) {
		source_finish(config->written);
		free(config->written);
	}
	free(config);
}

size_t config_child_count(const struct config *config)
{
	size_t count = 0;
	for (size_t i = 0; i < config->pool_count; i++) {
		count += config->pools[i].children;
	}
	return count;
}
