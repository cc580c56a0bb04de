/* SPDX-License-Identifier: MIT */
/*
 * Commands to baton-fault in text messages, see fault_child.c. Each is echoed before it is done, so
 * that a test knows when it begins. Called by fault_client.c for every text message.
 */
#include "fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_COMMAND_BYTES = 1000 };

typedef void command_fn(struct fault_client *, const char *argument);

static uint64_t number(const char *argument)
{
	return strtoull(argument, NULL, 10);
}

static void do_block(struct fault_client *client, const char *argument)
{
	(void)client;
	fault_busy_wait(number(argument));
}

static void do_crash(struct fault_client *client, const char *argument)
{
	(void)client;
	(void)argument;
	abort();
}

static void do_exit(struct fault_client *client, const char *argument)
{
	(void)client;
	_exit((int)number(argument));
}

static void do_stop_reading(struct fault_client *client, const char *argument)
{
	(void)argument;
	client->child->reads_channel = false;
}

static void do_resume(struct fault_client *client, const char *argument)
{
	(void)argument;
	client->child->reads_channel = true;
}

static void do_pid(struct fault_client *client, const char *argument)
{
	char text[20];
	(void)argument;
	int len = snprintf(text, sizeof text, "%d", (int)getpid());
	fault_client_send(client, SESSION_TEXT, text, (size_t)len);
}

static void do_big(struct fault_client *client, const char *argument)
{
	const size_t bytes = number(argument);
	char *text = malloc(bytes + 1);
	if (text == NULL) {
		abort();
	}
	memset(text, 'x', bytes);
	fault_client_send(client, SESSION_TEXT, text, bytes);
	free(text);
}

static void do_stderr(struct fault_client *client, const char *argument)
{
	(void)client;
	fprintf(stderr, "%s\n", argument);
}

static void do_stderr_flood(struct fault_client *client, const char *argument)
{
	(void)client;
	const uint64_t lines = number(argument);
	for (uint64_t i = 0; i < lines; i++) {
		fprintf(stderr, "line %llu of a flood\n", (unsigned long long)i);
	}
}

static const struct command {
	const char *name;
	command_fn *fn;
	bool answers; /* by itself; the others are echoed */
} commands[] = {
	{"block", do_block, false},
	{"crash", do_crash, false},
	{"exit", do_exit, false},
	{"stop-reading", do_stop_reading, false},
	{"resume", do_resume, false},
	{"pid", do_pid, true},
	{"big", do_big, true},
	{"stderr", do_stderr, false},
	{"stderr-flood", do_stderr_flood, false},
};

static const struct command *find_command(const char *text)
{
	const size_t len = strcspn(text, " ");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strlen(commands[i].name) == len && strncmp(commands[i].name, text, len) == 0) {
			return &commands[i];
		}
	}
	return NULL;
}

bool fault_command_run(struct fault_client *client, const char *text, size_t len)
{
	char line[MAX_COMMAND_BYTES + 1];
	if (len == 0 || len > MAX_COMMAND_BYTES) {
		return false;
	}
	memcpy(line, text, len);
	line[len] = '\0';
	const struct command *command = find_command(line);
	if (command == NULL) {
		return false;
	}
	if (!command->answers) {
		fault_client_send(client, SESSION_TEXT, text, len);
	}
	const char *space = strchr(line, ' ');
	command->fn(client, space != NULL ? space + 1 : "");
	return true;
}
