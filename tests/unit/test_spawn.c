/* SPDX-License-Identifier: MIT */
/*
 * Starting, killing and burying processes: what a child finds when it runs, what is told when it
 * does not, and that neither it nor what it started outlives its end. Some children are this very
 * program, called with an argument.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "descriptors.h"
#include "supervise/spawn.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { MAX_EVENTS = 128, CROWD = 32, LIMIT_MS = 10000, SPARE_FD = 4 };

static struct loop *loop;
static struct spawner *spawner;
static int channel[2], output[2]; /* ours, the child's; read, write */
static size_t descriptors_before;

static struct spawn_event events[MAX_EVENTS];
static char stages[MAX_EVENTS][16];
static size_t event_count;

static void note_event(void *data, const struct spawn_event *event)
{
	assert_ptr_equal(data, events);
	assert_true(event_count < MAX_EVENTS);
	events[event_count] = *event;
	if (event->type == SPAWN_FAILED) {
		snprintf(stages[event_count], sizeof stages[0], "%s", event->stage);
	}
	event_count++;
}

static int setup(void **state)
{
	(void)state;
	descriptors_before = descriptors_open();
	event_count = 0;
	loop = loop_create();
	spawner = spawner_create(loop, note_event, events);
	if (spawner == NULL || pipe2(output, O_CLOEXEC) != 0) {
		return -1;
	}
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel);
}

static int teardown(void **state)
{
	(void)state;
	spawner_destroy(spawner);
	loop_destroy(loop);
	for (int i = 0; i < 2; i++) {
		close(channel[i]);
		if (output[i] >= 0) {
			close(output[i]);
		}
	}
	assert_int_equal(descriptors_open(), descriptors_before);
	return 0;
}

static struct spawn_request request_of(char *const *command)
{
	static char *environment[] = {"PATH=/usr/bin:/bin", "MODE=test", NULL};
	return (struct spawn_request){.command = command,
				      .environment = environment,
				      .channel = channel[1],
				      .output = output[1]};
}

static pid_t start(unsigned token, char *const *command)
{
	struct spawn_request request = request_of(command);
	pid_t pid = spawner_start(spawner, token, &request);
	assert_true(pid > 0);
	return pid;
}

static pid_t start_shell(unsigned token, const char *script)
{
	char *const command[] = {"sh", "-c", (char *)script, NULL};
	return start(token, command);
}

/* One of this program's own children, see main. */
static pid_t start_self(unsigned token, const char *what)
{
	char *const command[] = {"/proc/self/exe", (char *)what, NULL};
	return start(token, command);
}

static void wait_for_events(size_t count)
{
	loop_refresh(loop);
	const uint64_t end_ms = loop_now_ms(loop) + LIMIT_MS;
	while (event_count < count && loop_now_ms(loop) < end_ms) {
		assert_int_equal(loop_turn(loop, LIMIT_MS), 0);
	}
	assert_int_equal(event_count, count);
}

/* All that was printed, until nobody is left who could print. */
static const char *printed_to_the_end(void)
{
	static char text[4096];
	size_t len = 0;
	ssize_t got;
	close(output[1]);
	output[1] = -1;
	struct pollfd ready = {.fd = output[0], .events = POLLIN};
	do {
		assert_int_equal(poll(&ready, 1, LIMIT_MS), 1);
		got = read(output[0], text + len, sizeof text - 1 - len);
		len += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	text[len] = '\0';
	return text;
}

static void wait_for_a_word(void)
{
	char byte;
	struct pollfd ready = {.fd = output[0], .events = POLLIN};
	assert_int_equal(poll(&ready, 1, LIMIT_MS), 1);
	while (read(output[0], &byte, 1) == 1 && byte != '\n') {
	}
}

static void assert_exited(size_t at, unsigned token, pid_t pid, int exit_code, int number)
{
	assert_int_equal(events[at].type, SPAWN_EXITED);
	assert_int_equal(events[at].token, token);
	assert_int_equal(events[at].pid, pid);
	assert_int_equal(events[at].exit_code, exit_code);
	assert_int_equal(events[at].signal, number);
}

/* ---- ends ---- */

static void test_spawn_tells_the_exit_status(void **state)
{
	(void)state;
	static const int codes[] = {0, 1, 7, 127, 255};
	for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		char script[32];
		snprintf(script, sizeof script, "exit %d", codes[i]);
		pid_t pid = start_shell(i + 5, script);
		wait_for_events(i + 1);
		assert_exited(i, i + 5, pid, codes[i], 0);
	}
}

static void test_spawn_tells_the_signal(void **state)
{
	(void)state;
	pid_t pid = start_shell(1, "kill -TERM $$");
	wait_for_events(1);
	assert_exited(0, 1, pid, -1, SIGTERM);
	pid = start_shell(1, "exec sleep 1000"); /* the token is free again */
	spawner_kill(spawner, 1, SIGUSR1);
	wait_for_events(2);
	assert_exited(1, 1, pid, -1, SIGUSR1);
	spawner_kill(spawner, 1, SIGKILL); /* nobody there */
}

static void test_spawn_says_what_failed(void **state)
{
	(void)state;
	char *const here[] = {"true", NULL}, *const nowhere[] = {"/nowhere/at-all", NULL};
	char *const unknown[] = {"no-such-command-anywhere", NULL}, *const folder[] = {"/", NULL};
	const struct {
		char *const *command;
		const char *directory, *user, *group;
		const char *stage;
		int error;
	} rows[] = {
		{nowhere, NULL, NULL, NULL, "exec", ENOENT},
		{unknown, NULL, NULL, NULL, "exec", ENOENT},
		{folder, NULL, NULL, NULL, "exec", EACCES},
		{here, "/nowhere", NULL, NULL, "chdir", ENOENT},
		{here, NULL, "no-such-user", NULL, "user", ENOENT},
		{here, NULL, NULL, "no-such-group", "user", ENOENT},
	};
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct spawn_request request = request_of(rows[i].command);
		request.directory = rows[i].directory;
		request.user = rows[i].user;
		request.group = rows[i].group;
		event_count = 0;
		pid_t pid = spawner_start(spawner, i, &request);
		wait_for_events(2);
		if (events[0].type != SPAWN_FAILED || strcmp(stages[0], rows[i].stage) != 0 ||
		    events[0].error != rows[i].error || events[0].pid != pid ||
		    events[0].token != i) {
			fail_msg("row %u: stage %s, error %d", i, stages[0], events[0].error);
		}
		assert_exited(1, i, pid, 127, 0);
	}
}

static void test_spawn_says_so_when_the_child_has_no_descriptors_left(void **state)
{
	(void)state;
	struct rlimit before = descriptors_limit(2); /* the pipe, and the pidfd */
	pid_t pid = start_shell(1, "exit 0");
	descriptors_unlimit(before);
	wait_for_events(2);
	assert_int_equal(events[0].type, SPAWN_FAILED);
	assert_string_equal(stages[0], "dup2");
	assert_exited(1, 1, pid, 127, 0);
}

static void test_spawn_fails_at_once_without_descriptors_here(void **state)
{
	(void)state;
	char *const command[] = {"true", NULL};
	struct spawn_request request = request_of(command);
	for (unsigned more = 0; more < 2; more++) {
		struct rlimit before = descriptors_limit(more);
		pid_t pid = spawner_start(spawner, 1, &request);
		int error = errno;
		descriptors_unlimit(before);
		assert_int_equal(pid, -1);
		assert_int_equal(error, EMFILE);
	}
	assert_int_equal(loop_turn(loop, 0), 0);
	assert_int_equal(event_count, 0);
}

/* ---- what a child finds ---- */

static void test_spawn_gives_four_descriptors_and_no_more(void **state)
{
	(void)state;
	int inherited = dup(channel[0]); /* not close-on-exec: somebody forgot */
	start_self(1, "descriptors");
	wait_for_events(1);
	close(inherited);
	assert_string_equal(printed_to_the_end(), "0 1 2 3 /dev/null");
}

/* Whatever is free here is what the calls between fork and exec get. */
static void test_spawn_gives_four_descriptors_whatever_numbers_are_free_here(void **state)
{
	(void)state;
	static const int numbers[] = {0, 1, SPARE_FD};
	int saved[3];
	for (int i = 0; i < 3; i++) {
		saved[i] = fcntl(numbers[i], F_DUPFD_CLOEXEC, 64);
		close(numbers[i]);
	}
	start_self(1, "descriptors");
	wait_for_events(1);
	for (int i = 0; i < 3; i++) {
		dup3(saved[i], numbers[i], i == 2 ? O_CLOEXEC : 0);
		close(saved[i]);
	}
	assert_string_equal(printed_to_the_end(), "0 1 2 3 /dev/null");
}

static void test_spawn_puts_each_descriptor_in_its_place(void **state)
{
	(void)state;
	char byte = 0;
	struct stat end;
	char expected[64];
	fstat(channel[1], &end);
	snprintf(expected, sizeof expected, "/dev/null\nsocket:[%llu]\nerr\n",
		 (unsigned long long)end.st_ino);
	start_shell(1, "readlink /proc/$$/fd/0 /proc/$$/fd/3; echo err >&2; printf x >&3");
	wait_for_events(1);
	assert_int_equal(recv(channel[0], &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(byte, 'x');
	assert_string_equal(printed_to_the_end(), expected);
}

static void test_spawn_gives_the_environment_and_no_more(void **state)
{
	(void)state;
	setenv("SECRET", "s3cret", 1);
	char *const command[] = {"/usr/bin/env", NULL};
	start(1, command);
	wait_for_events(1);
	unsetenv("SECRET");
	assert_string_equal(printed_to_the_end(), "PATH=/usr/bin:/bin\nMODE=test\n");
}

static void test_spawn_goes_into_the_directory(void **state)
{
	(void)state;
	char *const command[] = {"pwd", NULL};
	struct spawn_request request = request_of(command);
	request.directory = "/usr";
	assert_true(spawner_start(spawner, 1, &request) > 0);
	wait_for_events(1);
	assert_string_equal(printed_to_the_end(), "/usr\n");
}

static void test_spawn_becomes_the_user(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		skip();
	}
	char *const command[] = {"sh", "-c", "id -un; id -Gn", NULL};
	struct spawn_request request = request_of(command);
	request.user = "nobody";
	assert_true(spawner_start(spawner, 1, &request) > 0);
	wait_for_events(1);
	assert_string_equal(printed_to_the_end(), "nobody\nnogroup\n");
}

static void test_spawn_finds_the_children_that_ship_beside_it(void **state)
{
	(void)state;
	char *const command[] = {program_invocation_short_name, "descriptors", NULL};
	start(1, command);
	wait_for_events(1);
	assert_exited(0, 1, events[0].pid, 0, 0);
	assert_string_equal(printed_to_the_end(), "0 1 2 3 /dev/null");
}

static void test_spawn_gives_signals_as_they_were_at_the_beginning(void **state)
{
	(void)state;
	sigset_t set, before;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &before);
	signal(SIGPIPE, SIG_IGN);
	start_shell(1, "grep -E 'Sig(Blk|Ign)' /proc/self/status");
	wait_for_events(1);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_string_equal(printed_to_the_end(),
			    "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

/* ---- whole groups ---- */

static void test_spawn_kills_what_the_child_started(void **state)
{
	(void)state;
	pid_t pid = start_shell(1, "sleep 1000 & sh -c 'sleep 1000 & wait' & echo ready; wait");
	wait_for_a_word();
	spawner_kill(spawner, 1, SIGKILL);
	wait_for_events(1);
	assert_exited(0, 1, pid, -1, SIGKILL);
	assert_string_equal(printed_to_the_end(), "");
}

static void test_spawn_kills_what_the_child_left_behind(void **state)
{
	(void)state;
	pid_t pid = start_shell(1, "trap '' HUP TERM; sleep 1000 & exit 3");
	wait_for_events(1);
	assert_exited(0, 1, pid, 3, 0);
	assert_string_equal(printed_to_the_end(), "");
}

static void test_spawn_kills_a_child_that_has_left_its_group(void **state)
{
	(void)state;
	pid_t pid = start_self(1, "leave");
	wait_for_a_word();
	spawner_kill(spawner, 1, SIGKILL);
	wait_for_events(1);
	assert_exited(0, 1, pid, -1, SIGKILL);
	start_self(2, "leave");
	wait_for_a_word(); /* and the end of the spawner does not wait for one for ever */
}

static void test_spawn_tells_of_all_that_die_at_once(void **state)
{
	(void)state;
	char *const command[] = {"sleep", "1000", NULL};
	bool seen[CROWD] = {false};
	for (unsigned i = 0; i < CROWD; i++) {
		start(i, command);
	}
	for (unsigned i = 0; i < CROWD; i++) {
		spawner_kill(spawner, i, SIGKILL);
	}
	wait_for_events(CROWD);
	for (unsigned i = 0; i < CROWD; i++) {
		assert_int_equal(events[i].type, SPAWN_EXITED);
		assert_int_equal(events[i].signal, SIGKILL);
		assert_false(seen[events[i].token]);
		seen[events[i].token] = true;
	}
	assert_int_equal(loop_turn(loop, 0), 0);
	assert_int_equal(event_count, CROWD);
}

static void test_spawn_destroy_kills_what_still_runs(void **state)
{
	(void)state;
	start_shell(1, "trap '' TERM; sleep 1000 & echo ready; wait");
	wait_for_a_word();
	start_shell(2, "exec sleep 1000");
	spawner_destroy(spawner);
	spawner = NULL;
	assert_int_equal(event_count, 0);
	assert_string_equal(printed_to_the_end(), "");
}

/* ---- this program as a child ---- */

static int print_descriptors(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) >= 0) {
			printf("%d ", fd);
		}
	}
	char input[64] = "";
	ssize_t len = readlink("/proc/self/fd/0", input, sizeof input - 1);
	printf("%.*s", (int)len, input);
	return 0;
}

static int leave_the_group(void)
{
	if (setpgid(0, getpgid(getppid())) != 0) {
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	pause();
	return 0;
}

#define spawn_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		spawn_test(test_spawn_tells_the_exit_status),
		spawn_test(test_spawn_tells_the_signal),
		spawn_test(test_spawn_says_what_failed),
		spawn_test(test_spawn_says_so_when_the_child_has_no_descriptors_left),
		spawn_test(test_spawn_fails_at_once_without_descriptors_here),
		spawn_test(test_spawn_gives_four_descriptors_and_no_more),
		spawn_test(test_spawn_gives_four_descriptors_whatever_numbers_are_free_here),
		spawn_test(test_spawn_puts_each_descriptor_in_its_place),
		spawn_test(test_spawn_gives_the_environment_and_no_more),
		spawn_test(test_spawn_goes_into_the_directory),
		spawn_test(test_spawn_becomes_the_user),
		spawn_test(test_spawn_finds_the_children_that_ship_beside_it),
		spawn_test(test_spawn_gives_signals_as_they_were_at_the_beginning),
		spawn_test(test_spawn_kills_what_the_child_started),
		spawn_test(test_spawn_kills_what_the_child_left_behind),
		spawn_test(test_spawn_kills_a_child_that_has_left_its_group),
		spawn_test(test_spawn_tells_of_all_that_die_at_once),
		spawn_test(test_spawn_destroy_kills_what_still_runs),
	};
	if (argc > 1) {
		return strcmp(argv[1], "leave") == 0 ? leave_the_group() : print_descriptors();
	}
	dup3(STDERR_FILENO, SPARE_FD, O_CLOEXEC); /* so that a test can close it */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
