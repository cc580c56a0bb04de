/* SPDX-License-Identifier: MIT */
/*
 * What children print: lines, long ones in pieces, too many dropped and counted, and the last words
 * of the dead. The environment that children get is here too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/words.h"
#include "descriptors.h"
#include "supervise/environment.h"
#include "supervise/output.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOME_MORE = 100, REFILL_MS = 1000 / OUTPUT_LINES_A_SECOND };

static struct loop *loop;
static struct output *output;
static int child; /* the end that a child writes to */
static size_t descriptors_before;

/* What was told. */
static size_t lines, bytes;
static uint64_t dropped;
static char text[4 * OUTPUT_LINE_BYTES]; /* all lines, a '|' behind each */

static void note_line(void *data, const char *line, size_t len, uint64_t left_out)
{
	assert_ptr_equal(data, &lines);
	assert_true(len <= OUTPUT_LINE_BYTES);
	lines++;
	bytes += len;
	dropped += left_out;
	if (strlen(text) + len + 2 < sizeof text) {
		snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s|", (int)len, line);
	}
}

static int setup(void **state)
{
	(void)state;
	descriptors_before = descriptors_open();
	lines = bytes = 0;
	dropped = 0;
	text[0] = '\0';
	loop = loop_create();
	output = output_create(loop, note_line, &lines, &child);
	return output != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	output_destroy(output);
	loop_destroy(loop);
	if (child >= 0) {
		close(child);
	}
	assert_int_equal(descriptors_open(), descriptors_before);
	return 0;
}

static void print(const char *what)
{
	assert_int_equal(write(child, what, strlen(what)), strlen(what));
}

static void print_lines(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		print("line\n");
	}
}

static void turn(void)
{
	assert_int_equal(loop_turn(loop, 0), 0);
}

static void end_child(void)
{
	close(child);
	child = -1;
}

static void destroy(void)
{
	output_destroy(output);
	output = NULL;
}

/* ---- lines ---- */

static void test_output_makes_lines_of_whatever_pieces(void **state)
{
	(void)state;
	static const char *const pieces[] = {"one\ntw", "o\n",           "\n", "thr", "e",
					     "e",       "\nfour\nfive\n"};
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		print(pieces[i]);
		turn();
	}
	assert_string_equal(text, "one|two||three|four|five|");
	assert_int_equal(dropped, 0);
}

static void test_output_cuts_long_lines(void **state)
{
	(void)state;
	static const struct {
		size_t len, lines;
	} rows[] = {
		{OUTPUT_LINE_BYTES - 1, 1},     {OUTPUT_LINE_BYTES, 1},
		{OUTPUT_LINE_BYTES + 1, 2},     {3 * OUTPUT_LINE_BYTES, 3},
		{3 * OUTPUT_LINE_BYTES + 1, 4},
	};
	char line[4 * OUTPUT_LINE_BYTES];
	memset(line, 'x', sizeof line);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		lines = bytes = 0;
		line[rows[i].len] = '\n';
		assert_int_equal(write(child, line, rows[i].len + 1), rows[i].len + 1);
		turn();
		line[rows[i].len] = 'x';
		if (lines != rows[i].lines || bytes != rows[i].len) {
			fail_msg("row %zu: %zu bytes became %zu lines of %zu", i, rows[i].len,
				 lines, bytes);
		}
	}
}

static void test_output_write_end_is_for_a_child_alone(void **state)
{
	(void)state;
	assert_true(descriptor_is_close_on_exec(child));
	assert_int_equal(fcntl(child, F_GETFL) & O_NONBLOCK, 0);
}

/* ---- too many ---- */

static void test_output_drops_what_floods_and_says_how_much(void **state)
{
	(void)state;
	print_lines(OUTPUT_BURST_LINES + SOME_MORE);
	turn();
	assert_int_equal(lines, OUTPUT_BURST_LINES);
	assert_int_equal(dropped, 0);

	const uint64_t end_ms = loop_now_ms(loop) + 2 * REFILL_MS;
	while (loop_now_ms(loop) < end_ms) {
		assert_int_equal(loop_turn(loop, REFILL_MS), 0);
	}
	print("again\n");
	turn();
	assert_int_equal(lines, OUTPUT_BURST_LINES + 1);
	assert_int_equal(dropped, SOME_MORE);
	print("and again\n");
	turn();
	assert_int_equal(dropped, SOME_MORE); /* told once */
}

/* ---- the end ---- */

static void test_output_tells_last_words_when_it_is_destroyed(void **state)
{
	(void)state;
	print("fatal: no\nreason");
	destroy();
	assert_string_equal(text, "fatal: no|reason|");
}

static void test_output_tells_last_words_however_much_is_in_the_pipe(void **state)
{
	(void)state;
	char word[64];
	memset(word, '.', sizeof word);
	word[sizeof word - 1] = '\n';
	size_t written = 0;
	struct pollfd room = {.fd = child, .events = POLLOUT};
	while (written < 60 * 1024 && poll(&room, 1, 0) == 1) {
		assert_int_equal(write(child, word, sizeof word), sizeof word);
		written += sizeof word;
	}
	end_child();
	destroy();
	assert_int_equal(lines, OUTPUT_BURST_LINES);
}

static void test_output_tells_a_line_that_only_the_end_ended(void **state)
{
	(void)state;
	print("fatal: no reason");
	end_child();
	turn();
	turn();
	assert_string_equal(text, "fatal: no reason|");
	assert_int_equal(loop_turn(loop, 0), 0);
	destroy();
	assert_string_equal(text, "fatal: no reason|");
}

static void test_output_does_not_spin_when_every_writer_has_gone(void **state)
{
	(void)state;
	struct pollfd ready = {.fd = loop_fd(loop), .events = POLLIN};
	end_child();
	turn();
	assert_int_equal(poll(&ready, 1, 0), 0);
	assert_int_equal(lines, 0);
}

static void test_output_create_fails_without_a_descriptor(void **state)
{
	(void)state;
	int end = 99;
	struct rlimit before = descriptors_limit(1);
	struct output *none = output_create(loop, note_line, &lines, &end);
	descriptors_unlimit(before);
	assert_null(none);
	assert_int_equal(end, -1);
	output_destroy(NULL);
}

/* ---- the environment ---- */

static const char *value_of(char **environment, const char *name)
{
	const char *value = NULL;
	for (size_t i = 0; environment[i] != NULL; i++) {
		if (strncmp(environment[i], name, strlen(name)) == 0 &&
		    environment[i][strlen(name)] == '=') {
			assert_null(value); /* each name once */
			value = environment[i] + strlen(name) + 1;
		}
	}
	return value;
}

static void test_environment_is_an_allow_list_and_the_pools(void **state)
{
	(void)state;
	char *const extra[] = {"MODE=fast", "LANG=C", "EMPTY=", "BATON_FD=9", "MODE=slow", NULL};
	setenv("SECRET", "s3cret", 1);
	setenv("PATH_LIKE", "x", 1);
	setenv("LANG", "de_DE", 1);
	setenv("TZ", "UTC", 1);
	char **environment = environment_create(extra);
	assert_null(value_of(environment, "SECRET"));
	assert_null(value_of(environment, "PATH_LIKE"));
	assert_string_equal(value_of(environment, "TZ"), "UTC");
	assert_string_equal(value_of(environment, "PATH"), getenv("PATH"));
	assert_string_equal(value_of(environment, "LANG"), "C");
	assert_string_equal(value_of(environment, "MODE"), "slow");
	assert_string_equal(value_of(environment, "EMPTY"), "");
	assert_string_equal(value_of(environment, "BATON_FD"),
			    "3"); /* the protocol's own are fixed */
	assert_string_equal(value_of(environment, "BATON_PROTOCOL"), "1");
	words_free(environment);
	unsetenv("SECRET");
	unsetenv("PATH_LIKE");
}

static void test_environment_without_anything_extra(void **state)
{
	(void)state;
	char *const nothing[] = {NULL};
	char **environment = environment_create(nothing);
	assert_string_equal(value_of(environment, "BATON_FD"), "3");
	words_free(environment);
}

#define output_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		output_test(test_output_makes_lines_of_whatever_pieces),
		output_test(test_output_cuts_long_lines),
		output_test(test_output_write_end_is_for_a_child_alone),
		output_test(test_output_drops_what_floods_and_says_how_much),
		output_test(test_output_tells_last_words_when_it_is_destroyed),
		output_test(test_output_tells_last_words_however_much_is_in_the_pipe),
		output_test(test_output_tells_a_line_that_only_the_end_ended),
		output_test(test_output_does_not_spin_when_every_writer_has_gone),
		output_test(test_output_create_fails_without_a_descriptor),
		cmocka_unit_test(test_environment_is_an_allow_list_and_the_pools),
		cmocka_unit_test(test_environment_without_anything_extra),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
