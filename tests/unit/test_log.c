/* SPDX-License-Identifier: MIT */
/*
 * The log: how its lines look, what a stranger's bytes become in them, and that a reader who has
 * stopped reading stops nobody: lines are dropped and counted then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "descriptors.h"
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { PREFIX_BYTES = sizeof "time=2026-01-31T12:00:00.000Z" - 1, READ_BYTES = 8 << 20 };

#define ROWS(table) (sizeof(table) / sizeof(table)[0])

static int reader, writer;
static size_t descriptors_before;
static char text[READ_BYTES];

static int setup(void **state)
{
	(void)state;
	int ends[2];
	descriptors_before = descriptors_open();
	if (pipe2(ends, O_CLOEXEC) != 0) {
		return -1;
	}
	reader = ends[0];
	writer = ends[1];
	fcntl(reader, F_SETFL, O_NONBLOCK);
	log_open(writer, LOG_INFO);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_close();
	if (reader >= 0) {
		close(reader);
	}
	close(writer);
	assert_int_equal(descriptors_open(), descriptors_before);
	return 0;
}

/* All that has been written so far. */
static const char *written(int fd)
{
	ssize_t got = read(fd, text, sizeof text - 1);
	text[got > 0 ? got : 0] = '\0';
	return text;
}

static void assert_is_time(const char *line)
{
	static const char pattern[] = "time=dddd-dd-ddTdd:dd:dd.dddZ";
	for (size_t i = 0; i < PREFIX_BYTES; i++) {
		bool digit = line[i] >= '0' && line[i] <= '9';
		if (pattern[i] == 'd' ? !digit : line[i] != pattern[i]) {
			fail_msg("byte %zu of %.40s", i, line);
		}
	}
}

/* ---- lines ---- */

static void test_log_writes_one_line_an_event(void **state)
{
	(void)state;
	log_event(LOG_INFO, "open", "id=%d peer=%s", 7, "192.0.2.1");
	log_event(LOG_ERROR, "broken", "reason=\"%s\"", "none");
	assert_string_equal(written(reader), ""); /* buffered */
	assert_true(log_buffered() > 0);
	log_flush();
	assert_int_equal(log_buffered(), 0);
	written(reader);
	assert_is_time(text);
	assert_string_equal(strchr(text, ' '), strstr(text, " level=info event=open "));
	char *second = strchr(text, '\n') + 1;
	assert_is_time(second);
	assert_string_equal(second + PREFIX_BYTES, " level=error event=broken reason=\"none\"\n");
	second[-1] = '\0';
	assert_string_equal(text + PREFIX_BYTES, " level=info event=open id=7 peer=192.0.2.1");
}

static void test_log_skips_what_is_below_its_level(void **state)
{
	(void)state;
	static const struct {
		enum log_level least;
		const char *seen;
	} rows[] = {{LOG_DEBUG, "diwe"}, {LOG_INFO, "iwe"}, {LOG_WARN, "we"}, {LOG_ERROR, "e"}};
	for (size_t i = 0; i < ROWS(rows); i++) {
		char seen[8] = "";
		log_close();
		log_event(LOG_ERROR, "nobody-listens", "n=%d", 0);
		log_open(writer, rows[i].least);
		log_event(LOG_DEBUG, "d", "n=%d", 1);
		log_event(LOG_INFO, "i", "n=%d", 1);
		log_event(LOG_WARN, "w", "n=%d", 1);
		log_event(LOG_ERROR, "e", "n=%d", 1);
		log_flush();
		written(reader);
		for (char *at = text; (at = strstr(at, " event=")) != NULL; at++) {
			strncat(seen, at + 7, 1);
		}
		if (strcmp(seen, rows[i].seen) != 0) {
			fail_msg("row %zu: %s", i, seen);
		}
	}
}

static void test_log_cuts_a_line_that_is_too_long(void **state)
{
	(void)state;
	char *long_text = malloc(5001);
	memset(long_text, 'x', 5000);
	long_text[5000] = '\0';
	log_event(LOG_INFO, "long", "text=%s", long_text);
	log_event(LOG_INFO, "next", "n=%d", 1);
	log_flush();
	written(reader);
	char *end = strchr(text, '\n');
	assert_in_range(end - text, 1900, 2048);
	assert_int_equal(end[-1], 'x');
	assert_is_time(end + 1);
	free(long_text);
}

static void test_log_keeps_errno(void **state)
{
	(void)state;
	errno = EDOM;
	log_event(LOG_INFO, "x", "n=%d", 1);
	assert_int_equal(errno, EDOM);
	log_flush();
	assert_int_equal(errno, EDOM);
	log_flush();
	assert_int_equal(errno, EDOM);
}

/* ---- quoting ---- */

static void test_log_quotes_what_a_stranger_chose(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		const char *quoted;
	} rows[] = {
		{"", 0, "\"\""},
		{"plain, text", 11, "\"plain, text\""},
		{"say \"hi\"", 8, "\"say \\\"hi\\\"\""},
		{"a\\b", 3, "\"a\\\\b\""},
		{"a\nb\r\tc", 6, "\"a\\nb\\r\\tc\""},
		{"\0x", 2, "\"\\x00x\""},
		{"\x1b[31m", 5, "\"\\x1b[31m\""},
		{"\x7f", 1, "\"\\x7f\""},
		{"\xc3\xa9", 2, "\"\\xc3\\xa9\""},
		{"\xff", 1, "\"\\xff\""},
		{"cut here", 3, "\"cut\""},
		{" ~", 2, "\" ~\""},
	};
	for (size_t i = 0; i < ROWS(rows); i++) {
		char quoted[LOG_TEXT_BYTES];
		const char *result = log_quote(quoted, rows[i].bytes, rows[i].len);
		if (result != quoted || strcmp(quoted, rows[i].quoted) != 0) {
			fail_msg("row %zu: %s instead of %s", i, quoted, rows[i].quoted);
		}
	}
}

static void test_log_quotes_any_length_within_its_limit(void **state)
{
	(void)state;
	static const char fillers[] = {'x', '\n', '\xff'};
	static const size_t widths[] = {1, 2, 4};
	for (size_t kind = 0; kind < sizeof fillers; kind++) {
		for (size_t len = 0; len < 2 * LOG_TEXT_BYTES; len++) {
			char *bytes = malloc(len + 1), *quoted = malloc(LOG_TEXT_BYTES);
			memset(bytes, fillers[kind], len);
			log_quote(quoted, bytes, len);
			size_t out = strlen(quoted);
			bool cut = out > 5 && strcmp(quoted + out - 4, "...\"") == 0;
			if (out >= LOG_TEXT_BYTES || (!cut && out != 2 + len * widths[kind]) ||
			    (cut && out < LOG_TEXT_BYTES - 16)) {
				fail_msg("row %zu, %zu bytes: %zu long", kind, len, out);
			}
			free(bytes);
			free(quoted);
		}
	}
}

/* ---- many lines at once ---- */

/* A line of a thousand bytes and more. */
static void log_long_line(const char *event)
{
	char filler[1000];
	memset(filler, 'x', sizeof filler);
	filler[sizeof filler - 1] = '\0';
	log_event(LOG_INFO, event, "text=%s", filler);
}

static void log_many(int count)
{
	for (int i = 0; i < count; i++) {
		log_long_line("one");
	}
}

/* As when a child with many connections dies: all in one turn, before anybody flushes. */
static void test_log_keeps_what_a_file_takes_however_much_it_is(void **state)
{
	(void)state;
	enum { COUNT = 12000 };
	FILE *file = tmpfile();
	assert_non_null(file);
	log_close();
	log_open(fileno(file), LOG_INFO);
	log_many(COUNT);
	log_flush();
	assert_int_equal(log_dropped(), 0);
	assert_true(lseek(fileno(file), 0, SEEK_CUR) > COUNT * 1000L);
	log_close();
	fclose(file);
	log_open(writer, LOG_INFO);
}

static void test_log_keeps_four_megabytes_for_a_reader_that_comes_late(void **state)
{
	(void)state;
	log_many(4000);
	assert_int_equal(log_dropped(), 0);
	while (log_buffered() > 0) {
		log_flush();
		written(reader);
	}
}

/* ---- readers that do not read ---- */

static unsigned long long logged; /* lines since the test began */

static void log_until_dropped(void)
{
	logged = 0;
	while (log_dropped() < 10) {
		log_long_line("flood");
		log_flush();
		logged++;
		assert_true(logged < 100000);
	}
}

/* Reads until nothing is left. Returns how many flood lines came; told_r: dropped, as it was
 * told. */
static unsigned long long read_flood(int fd, unsigned long long *told_r)
{
	static const char told[] = " event=log-dropped lines=";
	unsigned long long lines = 0;
	char *all = calloc(1, READ_BYTES);
	size_t len = 0;
	for (int quiet = 0; quiet < 3; quiet++) {
		log_flush();
		size_t got = strlen(written(fd));
		assert_true(len + got < READ_BYTES);
		memcpy(all + len, text, got);
		len += got;
		quiet = got > 0 ? 0 : quiet;
	}
	*told_r = 0;
	for (char *at = all; (at = strstr(at, " event=flood ")) != NULL; at++) {
		lines++;
	}
	for (char *at = all; (at = strstr(at, told)) != NULL; at++) {
		*told_r += strtoull(at + sizeof told - 1, NULL, 10);
	}
	free(all);
	return lines;
}

static void assert_flood_is_accounted_for(int fd)
{
	unsigned long long told;
	log_until_dropped();
	unsigned long long lines = read_flood(fd, &told);
	assert_int_equal(told, log_dropped());
	assert_int_equal(lines + told, logged);
	log_event(LOG_INFO, "after", "n=%d", 1);
	log_flush();
	assert_non_null(strstr(written(fd), " event=after n=1\n"));
}

static void test_log_never_waits_for_a_pipe(void **state)
{
	(void)state;
	assert_flood_is_accounted_for(reader);
	assert_int_equal(fcntl(writer, F_GETFL) & O_NONBLOCK, 0); /* others may share it */
}

static void test_log_never_waits_for_a_socket(void **state)
{
	(void)state;
	int pair[2];
	log_close();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fcntl(pair[1], F_SETFL, O_NONBLOCK);
	log_open(pair[0], LOG_INFO);
	assert_flood_is_accounted_for(pair[1]);
	assert_int_equal(fcntl(pair[0], F_GETFL) & O_NONBLOCK, 0);
	log_close();
	close(pair[0]);
	close(pair[1]);
}

/* The second open of the pipe is refused, for want of a descriptor here. */
static void test_log_never_waits_for_a_pipe_it_cannot_open_again(void **state)
{
	(void)state;
	log_close();
	struct rlimit before = descriptors_limit(0);
	log_open(writer, LOG_INFO);
	descriptors_unlimit(before);
	assert_flood_is_accounted_for(reader);
}

static void test_log_outlives_its_reader(void **state)
{
	(void)state;
	close(reader);
	reader = -1;
	for (int i = 0; i < 1000; i++) {
		log_event(LOG_INFO, "x", "n=%d", i);
		log_event(LOG_INFO, "y", "n=%d", i);
		log_flush();
	}
	assert_int_equal(log_dropped(), 2000);
	assert_int_equal(log_buffered(), 0);
}

static void test_log_starts_anew_when_opened_again(void **state)
{
	(void)state;
	log_until_dropped();
	log_close();
	while (*written(reader) != '\0') {
	}
	log_open(writer, LOG_INFO);
	assert_int_equal(log_dropped(), 0);
	assert_int_equal(log_buffered(), 0);
	log_event(LOG_INFO, "first", "n=%d", 1);
	log_flush();
	assert_string_equal(written(reader) + PREFIX_BYTES, " level=info event=first n=1\n");
}

static void test_log_appends_to_a_file(void **state)
{
	(void)state;
	char path[] = "/tmp/baton-test-XXXXXX";
	log_close();
	int file = mkostemp(path, O_CLOEXEC | O_APPEND);
	unlink(path);
	log_open(file, LOG_INFO);
	log_event(LOG_INFO, "x", "n=%d", 1);
	log_close(); /* writes what is left */
	lseek(file, 0, SEEK_SET);
	assert_string_equal(written(file) + PREFIX_BYTES, " level=info event=x n=1\n");
	close(file);
}

#define log_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		log_test(test_log_writes_one_line_an_event),
		log_test(test_log_skips_what_is_below_its_level),
		log_test(test_log_cuts_a_line_that_is_too_long),
		log_test(test_log_keeps_errno),
		log_test(test_log_quotes_what_a_stranger_chose),
		log_test(test_log_quotes_any_length_within_its_limit),
		log_test(test_log_keeps_what_a_file_takes_however_much_it_is),
		log_test(test_log_keeps_four_megabytes_for_a_reader_that_comes_late),
		log_test(test_log_never_waits_for_a_pipe),
		log_test(test_log_never_waits_for_a_socket),
		log_test(test_log_never_waits_for_a_pipe_it_cannot_open_again),
		log_test(test_log_outlives_its_reader),
		log_test(test_log_starts_anew_when_opened_again),
		log_test(test_log_appends_to_a_file),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
