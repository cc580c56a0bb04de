/* SPDX-License-Identifier: MIT */
/*
 * `baton status`, `connections` and `stop`: the gateway's JSON made readable. See commands.h.
 * Called by main.c in a process of its own.
 */
#include "control/commands.h"

#include "control/control.h"
#include "gateway.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
	char *bytes;
	size_t len;
};

static void append(void *data, const char *bytes, size_t len)
{
	struct text *text = data;
	char *bigger = realloc(text->bytes, text->len + len + 1);
	if (bigger == NULL) {
		return;
	}
	memcpy(bigger + text->len, bytes, len);
	text->bytes = bigger;
	text->len += len;
	text->bytes[text->len] = '\0';
}

static void print_raw(void *data, const char *bytes, size_t len)
{
	(void)data;
	fwrite(bytes, 1, len, stdout);
}

static long long number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *word(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "-";
}

static void print_duration(long long ms, char text[32])
{
	if (ms < 10000) {
		snprintf(text, 32, "%.1fs", (double)ms / 1000);
	} else if (ms < 3600000) {
		snprintf(text, 32, "%lldm%02llds", ms / 60000, ms / 1000 % 60);
	} else {
		snprintf(text, 32, "%lldh%02lldm", ms / 3600000, ms / 60000 % 60);
	}
}

static void print_pool(const json_t *pool)
{
	size_t i;
	json_t *child;
	const bool asks = json_object_get(pool, "asked") != NULL;
	const bool has_failed = strcmp(word(pool, "state"), "failed") == 0;
	printf("\npool %s: %s%s, %lld waiting\n", word(pool, "name"), word(pool, "state"),
	       has_failed ? " (its children do not stay up; the gateway's log says why)" : "",
	       number(pool, "waiting"));
	if (asks) {
		printf("  %lld asked, %lld allowed, %lld denied\n", number(pool, "asked"),
		       number(pool, "allowed"), number(pool, "denied"));
	}
	printf("  %5s  %8s  %-9s  %11s  %8s  %8s  %9s\n", "child", "pid", "state",
	       asks ? "questions" : "connections", asks ? "answered" : "taken", "restarts", "up");
	json_array_foreach(json_object_get(pool, "children"), i, child)
	{
		char up[32] = "-", pid[32] = "-"; /* there is no process */
		if (number(child, "pid") > 0) {
			print_duration(number(child, "uptime_ms"), up);
			snprintf(pid, sizeof pid, "%lld", number(child, "pid"));
		}
		printf("  %5lld  %8s  %-9s  %11lld  %8lld  %8lld  %9s\n", number(child, "index"),
		       pid, word(child, "state"), number(child, asks ? "offered" : "connections"),
		       number(child, "taken"), number(child, "restarts"), up);
	}
}

static void print_status(const json_t *status)
{
	const json_t *connections = json_object_get(status, "connections");
	const char *reason;
	json_t *value;
	size_t i;
	char up[32];
	print_duration(number(status, "uptime_ms"), up);
	printf("baton %s: %s, up %s\n", word(status, "version"), word(status, "state"), up);
	json_array_foreach(json_object_get(status, "listeners"), i, value)
	{
		printf("listens on %s\n", word(value, "address"));
	}
	printf("connections: %lld open, %lld waiting, %lld accepted, %lld handed over, %lld closed\n",
	       number(connections, "open"), number(connections, "waiting"),
	       number(connections, "accepted"), number(connections, "handed_over"),
	       number(connections, "closed"));
	json_object_foreach(json_object_get(status, "refusals"), reason, value)
	{
		printf("refused: %s %lld\n", reason, (long long)json_integer_value(value));
	}
	if (number(json_object_get(status, "log"), "dropped") > 0) {
		printf("log lines dropped: %lld\n",
		       number(json_object_get(status, "log"), "dropped"));
	}
	json_array_foreach(json_object_get(status, "pools"), i, value)
	{
		print_pool(value);
	}
}

int commands_status(const char *control_path, bool json)
{
	struct text text = {0};
	json_error_t error;
	if (json) {
		return control_ask(control_path, "status", print_raw, NULL) == 0 ? GATEWAY_OK
										 : GATEWAY_FAILED;
	}
	if (control_ask(control_path, "status", append, &text) != 0) {
		free(text.bytes);
		return GATEWAY_FAILED;
	}
	json_t *status = text.bytes != NULL ? json_loads(text.bytes, 0, &error) : NULL;
	free(text.bytes);
	if (status == NULL) {
		fprintf(stderr, "baton: the gateway's answer is no JSON; is it another version?\n");
		return GATEWAY_FAILED;
	}
	print_status(status);
	json_decref(status);
	return GATEWAY_OK;
}

static void print_connection(const json_t *object)
{
	char age[32];
	print_duration(number(object, "age_ms"), age);
	if (json_object_get(object, "pid") == NULL) {
		printf("%-20lld %-28s %9s  not handed over yet\n", number(object, "id"),
		       word(object, "client"), age);
		return;
	}
	printf("%-20lld %-28s %9s  route %s, pool %s, child %lld, pid %lld\n", number(object, "id"),
	       word(object, "client"), age, word(object, "route"), word(object, "pool"),
	       number(object, "child"), number(object, "pid"));
}

/* Prints every whole line that has come and keeps the rest. */
static void print_lines(void *data, const char *bytes, size_t len)
{
	struct text *text = data;
	append(text, bytes, len);
	char *line = text->bytes, *end;
	while (line != NULL && (end = strchr(line, '\n')) != NULL) {
		json_error_t error;
		json_t *object = json_loadb(line, (size_t)(end - line), 0, &error);
		if (object != NULL) {
			print_connection(object);
			json_decref(object);
		}
		line = end + 1;
	}
	if (line != NULL) {
		text->len -= (size_t)(line - text->bytes);
		memmove(text->bytes, line, text->len + 1);
	}
}

int commands_connections(const char *control_path, bool json)
{
	struct text text = {0};
	int failed =
		control_ask(control_path, "connections", json ? print_raw : print_lines, &text);
	free(text.bytes);
	return failed == 0 ? GATEWAY_OK : GATEWAY_FAILED;
}

int commands_stop(const char *control_path, bool now)
{
	if (control_ask(control_path, now ? "stop now" : "stop", NULL, NULL) != 0) {
		return GATEWAY_FAILED;
	}
	puts(now ? "stopping now" : "draining, then stopping; `baton stop --now` does not wait");
	return GATEWAY_OK;
}
