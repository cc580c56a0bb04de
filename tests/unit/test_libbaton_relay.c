/* SPDX-License-Identifier: MIT */
/*
 * Messages that an author sends on as they came: back, to others, twice, in part. A large one gets
 * its new header where its old one stood; whatever the author does, what he was given stays as it
 * was, and every client gets it whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_gateway.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGE = 20000, HEADER = 4, OTHERS = 3 };

static size_t len;
static int client, others[OTHERS];
static struct baton_conn *conns[OTHERS];
static uint8_t large[LARGE];

static int setup(void **state)
{
	fake_setup(state);
	for (size_t i = 0; i < sizeof large; i++) {
		large[i] = (uint8_t)(i % 251);
	}
	client = fake_connect(1, SOCK_STREAM);
	for (int i = 0; i < OTHERS; i++) {
		others[i] = fake_connect(2 + (uint64_t)i, SOCK_STREAM);
		conns[i] = fake_app.conn;
	}
	return 0;
}

static int teardown(void **state)
{
	close(client);
	for (int i = 0; i < OTHERS; i++) {
		close(others[i]);
	}
	return fake_teardown(state);
}

static void assert_gets(int fd, const uint8_t *payload, size_t size)
{
	const uint8_t header[HEADER] = {0x82, 126, (uint8_t)(size >> 8), (uint8_t)size};
	const char *got = fake_read(fd, &len);
	assert_int_equal(len, sizeof header + size);
	assert_memory_equal(got, header, sizeof header);
	assert_memory_equal(got + sizeof header, payload, size);
}

/* A frame, and a small one before and behind it: all three in one read. */
static void write_between_small_ones(void)
{
	uint8_t frames[LARGE + 100];
	size_t total = fake_frame(frames, FAKE_FIN | 9, "before", 6);
	total += fake_frame(frames + total, FAKE_FIN | 2, large, sizeof large);
	total += fake_frame(frames + total, FAKE_FIN | 9, "behind", 6);
	assert_int_equal(send(client, frames, total, 0), total);
	fake_turns();
}

static void test_relay_back_stands_between_what_came_around_it(void **state)
{
	(void)state;
	fake_app.echoes = true;
	write_between_small_ones();
	const char *got = fake_read(client, &len);
	assert_int_equal(len, 8 + HEADER + LARGE + 8);
	assert_memory_equal(got, "\x8a\x06" "before", 8);
	assert_memory_equal(got + 8, "\x82\x7e\x4e\x20", HEADER);
	assert_memory_equal(got + 8 + HEADER, large, LARGE);
	assert_memory_equal(got + 8 + HEADER + LARGE, "\x8a\x06" "behind", 8);
}

static void send_everywhere(struct baton_conn *conn, int type, const void *data, size_t size)
{
	for (int i = 0; i < OTHERS; i++) {
		assert_int_equal(baton_send(conns[i], type, data, size), BATON_SENT);
	}
	assert_int_equal(baton_send(conn, type, data, size), BATON_SENT);
	assert_memory_equal(data, large, size);
}

static void test_relay_reaches_many(void **state)
{
	(void)state;
	fake_app.on_data = send_everywhere;
	fake_write(client, FAKE_FIN | 2, large, sizeof large);
	fake_turns();
	assert_gets(client, large, sizeof large);
	for (int i = 0; i < OTHERS; i++) {
		assert_gets(others[i], large, sizeof large);
	}
}

static void send_parts(struct baton_conn *conn, int type, const void *data, size_t size)
{
	const uint8_t *at = data;
	assert_int_equal(baton_send(conns[0], type, at + 1, size - 1), BATON_SENT);
	assert_int_equal(baton_send(conns[1], type, at, size - 1), BATON_SENT);
	assert_int_equal(baton_send(conns[2], type, at + HEADER, size - HEADER), BATON_SENT);
	assert_int_equal(baton_send(conn, type, at, size), BATON_SENT);
	assert_memory_equal(data, large, size);
}

static void test_relay_of_a_part_leaves_the_rest_alone(void **state)
{
	(void)state;
	fake_app.on_data = send_parts;
	fake_write(client, FAKE_FIN | 2, large, sizeof large);
	fake_turns();
	assert_gets(others[0], large + 1, sizeof large - 1);
	assert_gets(others[1], large, sizeof large - 1);
	assert_gets(others[2], large + HEADER, sizeof large - HEADER);
	assert_gets(client, large, sizeof large);
}

/* One that was put together from fragments stands elsewhere, and nothing is in front of it. */
static void test_relay_of_fragments_is_whole(void **state)
{
	(void)state;
	fake_app.on_data = send_everywhere;
	fake_write(client, 2, large, 15000);
	fake_turns();
	fake_write(client, FAKE_FIN | 0, large + 15000, sizeof large - 15000);
	fake_turns();
	assert_gets(client, large, sizeof large);
	assert_gets(others[0], large, sizeof large);
}

static void send_to_all(struct baton_conn *conn, int type, const void *data, size_t size)
{
	for (int i = 0; i < OTHERS; i++) {
		assert_true(baton_send(conns[i], type, data, size) >= 0);
	}
	assert_true(baton_send(conn, type, data, size) >= 0);
}

/* Half of it does not fit: what waits is a copy, since the place is used again. */
static void test_relay_to_a_slow_client_is_whole_in_the_end(void **state)
{
	(void)state;
	size_t count = 0, total = 0;
	fake_app.on_data = send_to_all;
	while (baton_queued(conns[0]) == 0 && count < 100) {
		fake_write(client, FAKE_FIN | 2, large, sizeof large);
		baton_dispatch(fake_baton);
		count++;
		assert_gets(client, large, sizeof large);
		assert_gets(others[1], large, sizeof large);
		assert_gets(others[2], large, sizeof large);
	}
	fake_app.on_data = NULL;
	fake_write(client, FAKE_FIN | 2, "other bytes there", 17);
	fake_turns();
	do {
		const char *got = fake_read(others[0], &len);
		for (size_t i = 0; i < len; i++, total++) {
			size_t at = total % (HEADER + LARGE);
			if (at >= HEADER) {
				assert_int_equal((uint8_t)got[i], large[at - HEADER]);
			}
		}
		fake_turns();
	} while (len > 0);
	assert_int_equal(total, count * (HEADER + LARGE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_relay_back_stands_between_what_came_around_it,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_relay_reaches_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_relay_of_a_part_leaves_the_rest_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_relay_of_fragments_is_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_relay_to_a_slow_client_is_whole_in_the_end,
						setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
