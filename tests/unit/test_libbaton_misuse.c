/* SPDX-License-Identifier: MIT */
/* What an author says wrongly: calls of baton.h that are refused, and do no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const size_t bad_lens[] = {SIZE_MAX, SIZE_MAX - 10, (size_t)PTRDIFF_MAX + 1};

enum { BAD_LENS = sizeof bad_lens / sizeof bad_lens[0] };

/* ---- sending ---- */

static void test_send_refuses_what_is_no_type(void **state)
{
	(void)state;
	static const int types[] = {-1, 0, 3,         BATON_MORE, BATON_MORE | 3,
				    8,  9, INT32_MAX, INT32_MIN};
	size_t len;
	int client = fake_connect(1, SOCK_STREAM);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		errno = 0;
		assert_int_equal(baton_send(fake_app.conn, types[i], "x", 1), BATON_INVALID);
		assert_int_equal(errno, EINVAL);
	}
	assert_int_equal(baton_send(fake_app.conn, BATON_TEXT | BATON_MORE, "a", 1), BATON_SENT);
	assert_int_equal(baton_send(fake_app.conn, BATON_MORE, "x", 1), BATON_INVALID);
	assert_int_equal(baton_send(fake_app.conn, BATON_BINARY, "b", 1), BATON_SENT);
	fake_turns();
	assert_memory_equal(fake_read(client, &len),
			    "\x01\x01"
			    "a"
			    "\x80\x01"
			    "b",
			    6);
	close(client);
}

static void test_no_length_overflows(void **state)
{
	(void)state;
	size_t len;
	int client = fake_connect(1, SOCK_STREAM);
	assert_int_equal(baton_subscribe(fake_app.conn, "t"), 0);
	for (size_t i = 0; i < BAD_LENS; i++) {
		errno = 0;
		assert_int_equal(baton_send(fake_app.conn, BATON_TEXT, "x", bad_lens[i]),
				 BATON_INVALID);
		assert_int_equal(errno, EINVAL);
		errno = 0;
		assert_int_equal(baton_publish(fake_baton, "t", NULL, BATON_TEXT, "x", bad_lens[i]),
				 -1);
		assert_int_equal(errno, EINVAL);
	}
	fake_turns();
	fake_read(client, &len);
	assert_int_equal(len, 0);
	assert_int_equal(fake_app.closed, 0);
	close(client);
}

/* ---- answers ---- */

static const char *const bad_headers[] = {
	"Content-Length: 5\r\n",
	"X: 1\r\ncontent-length: 5\r\n",
	"Transfer-Encoding: chunked\r\n",
	"Connection: keep-alive\r\n",
	"UPGRADE: websocket\r\n",
	"Sec-WebSocket-Accept: x\r\n",
	"sec-websocket-protocol: x\r\n",
	"X\x01: 1\r\n",
	"X\x7f: 1\r\n",
	"X: a\x01!\r\n",
	"X: a\x7f\r\n",
	"X : 1\r\n",
	"X Y: 1\r\n",
	": 1\r\n",
	"X\r\n",
	"X: 1",
	"X: 1\n",
	"X: 1\r",
	"X: 1\rY: 2\r\n",
	"X: 1\nY: 2\r\n",
	"X: 1\r\n folded\r\n",
	"X: 1\r\n\r\n",
	"\r\n",
};

static void answer_badly(struct baton_conn *conn)
{
	for (size_t i = 0; i < sizeof bad_headers / sizeof bad_headers[0]; i++) {
		errno = 0;
		if (baton_answer(conn, 404, bad_headers[i], NULL, 0) != -1 || errno != EINVAL) {
			fail_msg("row %zu is taken: %s", i, bad_headers[i]);
		}
	}
	for (size_t i = 0; i < BAD_LENS; i++) {
		errno = 0;
		assert_int_equal(baton_answer(conn, 404, NULL, "x", bad_lens[i]), -1);
		assert_int_equal(errno, EINVAL);
	}
	assert_int_equal(baton_answer(conn, 404,
				      "Connections: 1\r\nContent-Type: text/plain;\tq=\xc3\xa4\r\n"
				      "Empty:\r\n",
				      NULL, 5),
			 0);
}

static void test_answer_keeps_its_framing(void **state)
{
	(void)state;
	size_t len;
	fake_app.open_result = BATON_LATER;
	fake_app.on_open = answer_badly;
	int client = fake_offer(1, SOCK_STREAM, "");
	fake_turns();
	assert_string_equal(fake_read(client, &len),
			    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n"
			    "Connections: 1\r\nContent-Type: text/plain;\tq=\xc3\xa4\r\n"
			    "Empty:\r\n\r\n");
	close(client);
}

static void accept_plainly(struct baton_conn *conn)
{
	assert_int_equal(baton_accept(conn, NULL), 0);
}

static void test_open_that_has_accepted_may_return_anything(void **state)
{
	(void)state;
	fake_app.on_open = accept_plainly;
	fake_app.open_result = 403;
	fake_app.echoes = true;
	size_t len;
	int client = fake_connect(1, SOCK_STREAM);
	fake_write(client, FAKE_FIN | 1, "in", 2);
	fake_turns();
	assert_memory_equal(fake_read(client, &len), "\x81\x02in", 4);
	close(client);
}

static void test_open_that_returns_nonsense_refuses_with_500(void **state)
{
	(void)state;
	static const int results[] = {-1, 2, 200, 399, 600};
	for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
		size_t len;
		fake_app.open_result = results[i];
		int client = fake_offer(i + 1, SOCK_STREAM, "");
		fake_turns();
		assert_memory_equal(fake_read(client, &len), "HTTP/1.1 500 ", 13);
		close(client);
	}
}

/* ---- the rest ---- */

static void test_close_leaves_out_a_reason_that_is_not_utf8(void **state)
{
	(void)state;
	static const char *const reasons[] = {"\xff", "caf\xe9", "\xc3", "\xed\xa0\x80"};
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
		size_t len;
		int client = fake_connect(i + 1, SOCK_STREAM);
		baton_close(fake_app.conn, 4000, reasons[i]);
		assert_memory_equal(fake_read(client, &len), "\x88\x02\x0f\xa0", 4);
		assert_int_equal(len, 4);
		fake_write(client, FAKE_FIN | 8, "\x0f\xa0", 2);
		fake_turns();
		assert_string_equal(fake_app.why, "");
		assert_int_equal(fake_hear_report().code, 4000);
		close(client);
	}
}

static void test_nothing_is_to_be_called(void **state)
{
	(void)state;
	errno = 0;
	assert_null(baton_timer(fake_baton, 0, 0, NULL, NULL));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(baton_watch(fake_baton, fake_channel, BATON_READ, NULL, NULL));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_int_equal(baton_post(fake_baton, NULL, NULL), -1);
	assert_int_equal(errno, EINVAL);
	fake_turns();
}

static void ignore_event(int fd, int events, void *data)
{
	(void)fd, (void)events, (void)data;
}

static void test_watch_takes_a_descriptor_once_and_no_file(void **state)
{
	(void)state;
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_null(baton_watch(fake_baton, file, BATON_READ, ignore_event, NULL));
	assert_int_equal(errno, EPERM);
	close(file);
	int fd = dup(fake_child_end);
	assert_non_null(baton_watch(fake_baton, fd, BATON_READ, ignore_event, NULL));
	assert_null(baton_watch(fake_baton, fd, BATON_WRITE, ignore_event, NULL));
	assert_int_equal(errno, EEXIST);
	baton_destroy(fake_baton);
	fake_baton = NULL;
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, fake_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_send_refuses_what_is_no_type),
		TEST(test_no_length_overflows),
		TEST(test_answer_keeps_its_framing),
		TEST(test_open_that_has_accepted_may_return_anything),
		TEST(test_open_that_returns_nonsense_refuses_with_500),
		TEST(test_close_leaves_out_a_reason_that_is_not_utf8),
		TEST(test_nothing_is_to_be_called),
		TEST(test_watch_takes_a_descriptor_once_and_no_file),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
