/* SPDX-License-Identifier: MIT */
/*
 * permessage-deflate on libbaton's connections: what is agreed on, what is unpacked and packed,
 * what ends a connection, what it costs. The streams themselves are tested in test_deflate*.c.
 */
#include "deflate_client.h"

#include <malloc.h>

#define ON          "MESSAGE_LIMIT=100000\0SEND_LIMIT=200000\0DEFLATE=6"
#define TAKEOVER    ON "\0DEFLATE_TAKEOVER=1"
#define AGREED      "Sec-WebSocket-Extensions: permessage-deflate"
#define NO_TAKEOVER "; server_no_context_takeover; client_no_context_takeover"

enum { CLIENTS = 8, MANY = 400 };

static struct client clients[CLIENTS];
static char words[200]; /* a message that shrinks */

static void start(const char *hello, size_t len)
{
	fake_setup(NULL);
	fake_configure(hello, len);
	fake_app.echoes = true;
	for (size_t i = 0; i < sizeof words - 1; i++) {
		words[i] = "{\"room\":\"lobby\"},"[i % 17];
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		clients[i].fd = -1;
	}
}

static int setup(void **state)
{
	(void)state;
	start(ON, sizeof ON);
	return 0;
}

static int setup_takeover(void **state)
{
	(void)state;
	start(TAKEOVER, sizeof TAKEOVER);
	return 0;
}

static int setup_off(void **state)
{
	(void)state;
	start("DEFLATE=0", 10);
	return 0;
}

static int setup_pieces(void **state)
{
	fake_flags = BATON_PIECES;
	setup(state);
	fake_flags = 0;
	return 0;
}

static int teardown(void **state)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		if (clients[i].fd >= 0) {
			client_finish(&clients[i]);
		}
	}
	return fake_teardown(state);
}

static struct client *connect_one(void)
{
	assert_non_null(strstr(client_connect(&clients[0], 1, "permessage-deflate", false),
			       AGREED NO_TAKEOVER "\r\n"));
	return &clients[0];
}

static void assert_frame(struct client *client, unsigned first_byte, const char *text)
{
	if (!client_hears(client)) {
		fail_msg("there is no frame: %s", text);
	}
	assert_int_equal(frame.first_byte, first_byte);
	assert_string_equal(frame.text, text);
}

static void assert_closed_with(struct client *client, unsigned code)
{
	assert_true(client_hears(client));
	assert_int_equal(frame.first_byte, FAKE_FIN | 8);
	assert_int_equal((uint8_t)frame.text[0] << 8 | (uint8_t)frame.text[1], code);
	assert_false(client_hears(client));
}

/* ---- what is agreed on ---- */

static void test_deflate_is_agreed_on_where_it_is_offered(void **state)
{
	(void)state;
	static const struct {
		const char *offer, *answer; /* NULL: without the field */
	} rows[] = {
		{"permessage-deflate", AGREED NO_TAKEOVER "\r\n"},
		{"permessage-deflate; client_max_window_bits", AGREED NO_TAKEOVER "\r\n"},
		{"permessage-deflate; server_max_window_bits=9",
		 AGREED NO_TAKEOVER "; server_max_window_bits=9\r\n"},
		{"x-other, permessage-deflate", AGREED NO_TAKEOVER "\r\n"},
		{"permessage-deflate; what", NULL},
		{"x-webkit-deflate-frame", NULL},
		{NULL, NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *head = client_connect(&clients[i], i + 1, rows[i].offer, false);
		const char *wanted = rows[i].answer != NULL ? rows[i].answer : "\r\n\r\n";
		bool has_it = strstr(head, "Sec-WebSocket-Extensions") != NULL;
		if (strstr(head, wanted) == NULL || has_it != (rows[i].answer != NULL)) {
			fail_msg("row %zu: %s", i, head);
		}
	}
}

static void test_deflate_is_not_agreed_on_where_the_pool_has_none(void **state)
{
	(void)state;
	const char *head = client_connect(&clients[0], 1, "permessage-deflate", false);
	assert_null(strstr(head, "Extensions"));
	client_say(&clients[0], 1, words, sizeof words - 1);
	assert_closed_with(&clients[0], 1002);
	assert_int_equal(fake_app.messages, 0);
}

static struct baton_conn *waiting;

static void keep_waiting(struct baton_conn *conn)
{
	waiting = conn;
}

static void test_deflate_is_agreed_on_when_the_answer_comes_later(void **state)
{
	(void)state;
	size_t len;
	fake_app.open_result = BATON_LATER;
	fake_app.on_open = keep_waiting;
	assert_string_equal(client_connect(&clients[0], 1, "permessage-deflate", false), "");
	assert_int_equal(baton_accept(waiting, NULL), 0);
	assert_non_null(strstr(fake_read(clients[0].fd, &len), AGREED));
	client_say(&clients[0], 1, words, sizeof words - 1);
	assert_frame(&clients[0], FAKE_FIN | RSV1 | 1, words);
}

/* ---- messages ---- */

static void test_deflate_unpacks_what_comes_and_packs_what_leaves(void **state)
{
	(void)state;
	struct client *client = connect_one();
	for (int i = 0; i < 3; i++) {
		client_say(client, 1, words, sizeof words - 1);
		assert_int_equal(fake_app.last_type, BATON_TEXT);
		assert_string_equal(fake_app.last, words);
		assert_frame(client, FAKE_FIN | RSV1 | 1, words);
		assert_in_range(frame.wire_len, 1, 60);
	}
	fake_write(client->fd, FAKE_FIN | 2, words, sizeof words - 1); /* plain is allowed */
	fake_turns();
	assert_frame(client, FAKE_FIN | RSV1 | 2, words);
	client_say(client, 2, "small", 5); /* not worth it on the way back */
	assert_frame(client, FAKE_FIN | 2, "small");
	fake_write(client->fd, FAKE_FIN | RSV1 | 1, "", 1); /* empty, as 7.2.3.6 has it */
	fake_turns();
	assert_int_equal(fake_app.last_len, 0);
	assert_frame(client, FAKE_FIN | 1, "");
	assert_int_equal(fake_app.messages, 6);
}

static void test_deflate_echoes_large_and_random_messages(void **state)
{
	(void)state;
	struct client *client = connect_one();
	static uint8_t noise[90000];
	uint32_t seed = 4711;
	for (size_t i = 0; i < sizeof noise; i++) {
		seed = seed * 1664525 + 1013904223;
		noise[i] = (uint8_t)(seed >> 24);
	}
	client_say(client, 2, noise, sizeof noise);
	assert_int_equal(fake_app.last_len, sizeof noise);
	assert_true(client_hears(client));
	assert_int_equal(frame.first_byte, FAKE_FIN | 2); /* it does not shrink */
	assert_memory_equal(frame.text, noise, sizeof noise);
	memset(noise, 'x', sizeof noise);
	client_say(client, 2, noise, sizeof noise);
	assert_true(client_hears(client));
	assert_int_equal(frame.first_byte, FAKE_FIN | RSV1 | 2);
	assert_int_equal(frame.len, sizeof noise);
	assert_memory_equal(frame.text, noise, sizeof noise);
}

static void test_deflate_gathers_fragments_of_several_connections(void **state)
{
	(void)state;
	uint8_t packed[2][200];
	size_t len[2];
	char texts[2][sizeof words];
	for (size_t i = 0; i < 2; i++) {
		client_connect(&clients[i], i + 1, "permessage-deflate", false);
		memcpy(texts[i], words, sizeof words);
		memset(texts[i] + 90, 'A' + (int)i, 20);
		const uint8_t *from = client_pack(&clients[i], texts[i], sizeof words - 1, &len[i]);
		memcpy(packed[i], from, len[i]);
	}
	for (size_t at = 0; at < len[0] || at < len[1]; at += 7) { /* in turns, 7 bytes each */
		for (size_t i = 0; i < 2; i++) {
			if (at >= len[i]) {
				continue;
			}
			bool is_last = at + 7 >= len[i];
			unsigned first_byte =
				(at == 0 ? RSV1 | 1u : 0) | (is_last ? (unsigned)FAKE_FIN : 0);
			fake_write(clients[i].fd, FAKE_FIN | 9, "", 0);
			fake_write(clients[i].fd, first_byte, packed[i] + at,
				   is_last ? len[i] - at : 7);
			fake_turns();
			assert_frame(&clients[i], FAKE_FIN | 10, "");
			if (is_last) {
				assert_frame(&clients[i], FAKE_FIN | RSV1 | 1, texts[i]);
			}
		}
	}
	assert_int_equal(fake_app.messages, 2);
}

static void test_deflate_brings_a_packed_message_as_one_piece(void **state)
{
	(void)state;
	struct client *client = connect_one();
	size_t len;
	const uint8_t *packed = client_pack(client, words, sizeof words - 1, &len);
	fake_write(client->fd, RSV1 | 1, packed, 10);
	fake_turns();
	fake_write(client->fd, 0, packed + 10, 5);
	fake_turns();
	assert_int_equal(fake_app.messages, 0);
	fake_write(client->fd, FAKE_FIN, packed + 15, len - 15);
	fake_turns();
	assert_int_equal(fake_app.messages, 1);
	assert_int_equal(fake_app.last_type, BATON_TEXT);
	assert_string_equal(fake_app.last, words);
	fake_write(client->fd, 1, "plain", 5);
	fake_turns();
	assert_int_equal(fake_app.last_type, BATON_TEXT | BATON_MORE);
}

static void test_deflate_leaves_pieces_of_the_authors_alone(void **state)
{
	(void)state;
	struct client *client = connect_one();
	assert_int_equal(baton_send(fake_app.conn, BATON_TEXT | BATON_MORE, words, 100), 0);
	assert_int_equal(baton_send(fake_app.conn, BATON_TEXT, words + 100, 99), 0);
	assert_int_equal(baton_send(fake_app.conn, BATON_TEXT, words, 199), 0);
	assert_true(client_hears(client));
	assert_int_equal(frame.first_byte, 1);
	assert_frame(client, FAKE_FIN, words + 100);
	assert_frame(client, FAKE_FIN | RSV1 | 1, words);
}

/* ---- what ends a connection ---- */

static void test_deflate_ends_a_bomb_with_1009(void **state)
{
	(void)state;
	struct client *client = connect_one();
	char *bomb = calloc(1, MOST_MESSAGE);
	client_say(client, 2, bomb, MOST_MESSAGE);
	assert_closed_with(client, 1009);
	client_connect(&clients[1], 2, "permessage-deflate", false);
	client_say(&clients[1], 2, bomb, 100001); /* the limit is 100,000 */
	assert_closed_with(&clients[1], 1009);
	client_connect(&clients[2], 3, "permessage-deflate", false);
	assert_int_equal(fake_app.messages, 0);
	client_say(&clients[2], 2, bomb, 100000);
	assert_int_equal(fake_app.messages, 1);
	free(bomb);
}

enum { BOMBS = 50 };

/* So many messages of much more than their size, for one read. */
static void send_bombs(struct client *client, int count)
{
	static char zeros[100000];
	size_t len;
	for (int i = 0; i < count; i++) {
		const uint8_t *packed = client_pack(client, zeros, sizeof zeros, &len);
		fake_write(client->fd, FAKE_FIN | RSV1 | 2, packed, len);
	}
	fake_app.echoes = false;
}

static void send_bombs_and_close(struct client *client)
{
	send_bombs(client, BOMBS);
	fake_write(client->fd, FAKE_FIN | 8, "\x03\xe8", 2);
}

static void test_deflate_works_off_many_bombs_in_many_turns(void **state)
{
	(void)state;
	send_bombs_and_close(connect_one());
	assert_int_equal(baton_dispatch(fake_baton), 0);
	assert_in_range(fake_app.messages, 1, BOMBS / 5);
	fake_turns();
	assert_int_equal(fake_app.messages, BOMBS);
	assert_int_equal(fake_app.closed, 1);
	assert_int_equal(fake_app.code, 1000);
}

static void test_deflate_finds_the_close_behind_bombs_at_once(void **state)
{
	(void)state;
	send_bombs_and_close(connect_one());
	baton_dispatch(fake_baton);
	int messages = fake_app.messages;
	baton_close(fake_app.conn, 3000, NULL);
	fake_turns();
	assert_int_equal(fake_app.messages, messages);
	assert_int_equal(fake_app.closed, 1);
	assert_int_equal(fake_app.code, 3000);
}

static void test_deflate_loses_nothing_of_a_client_that_leaves(void **state)
{
	(void)state;
	struct client *client = connect_one();
	send_bombs(client, 6); /* no more in a turn */
	fake_write(client->fd, FAKE_FIN | 1, "bye", 3);
	shutdown(client->fd, SHUT_WR);
	fake_turns();
	assert_int_equal(fake_app.messages, 7);
	assert_int_equal(fake_app.closed, 1);
}

static void test_deflate_leaves_a_paused_connection_alone(void **state)
{
	(void)state;
	send_bombs_and_close(connect_one());
	baton_dispatch(fake_baton);
	int messages = fake_app.messages;
	baton_pause(fake_app.conn, true);
	fake_turns();
	assert_int_equal(fake_app.messages, messages);
	baton_pause(fake_app.conn, false);
	fake_turns();
	assert_int_equal(fake_app.messages, BOMBS);
}

static void test_deflate_ends_what_is_wrong_with_its_code(void **state)
{
	(void)state;
	static const struct {
		unsigned first_byte;
		const char *payload;
		size_t len;
		unsigned code;
	} rows[] = {
		{FAKE_FIN | RSV1 | 1, "\xff\xff\xff", 3, 1007},
		{FAKE_FIN | RSV1 | 2, "\x06", 1, 1007}, /* a block of a type that does not exist */
		{FAKE_FIN | RSV1 | 1, "\xfa\x07\x00", 3, 1007}, /* ff: no text */
		{FAKE_FIN | RSV1 | 1, "\x3a\x0c\x00", 3, 1007}, /* c3: half a character */
		{FAKE_FIN | RSV1 | 9, "", 0, 1002},
		{FAKE_FIN | RSV1 | 0, "", 0, 1002},
		{FAKE_FIN | 0x20 | 1, "", 0, 1002},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		client_connect(&clients[i], i + 1, "permessage-deflate", false);
		fake_write(clients[i].fd, rows[i].first_byte, rows[i].payload, rows[i].len);
		fake_turns();
		if (fake_app.messages != 0) {
			fail_msg("row %zu was delivered", i);
		}
		assert_closed_with(&clients[i], rows[i].code);
	}
}

static void test_deflate_checks_packed_text_and_only_text(void **state)
{
	(void)state;
	struct client *client = connect_one();
	client_say(client, 2, "\xff\xfe", 2);
	assert_int_equal(fake_app.messages, 1);
	client_say(client, 1, "\xc3\xa4", 2);
	assert_string_equal(fake_app.last, "\xc3\xa4");
	client_say(client, 1, "abc\xc3", 4);
	assert_int_equal(fake_app.messages, 2);
	fake_read(client->fd, &(size_t){0});
}

/* ---- context takeover ---- */

static struct client *connect_takeover(void)
{
	const char *head =
		client_connect(&clients[0], 1, "permessage-deflate; client_max_window_bits", true);
	assert_non_null(strstr(head, AGREED "; server_max_window_bits=12; "
					    "client_max_window_bits=12\r\n"));
	deflateEnd(&clients[0].out); /* as it was told to */
	assert_int_equal(deflateInit2(&clients[0].out, 6, Z_DEFLATED, -12, 8, Z_DEFAULT_STRATEGY),
			 0);
	return &clients[0];
}

static void test_deflate_takeover_remembers_what_was_said(void **state)
{
	(void)state;
	struct client *client = connect_takeover();
	size_t first = 0;
	for (int i = 0; i < 3; i++) {
		client_say(client, 1, words, sizeof words - 1);
		assert_frame(client, FAKE_FIN | RSV1 | 1, words);
		first = i == 0 ? frame.wire_len : first;
	}
	assert_true(frame.wire_len < first / 2);
	/* a client that wants none of it is served beside */
	client_connect(&clients[1], 2, "permessage-deflate" NO_TAKEOVER, false);
	client_say(&clients[1], 1, words, sizeof words - 1);
	assert_frame(&clients[1], FAKE_FIN | RSV1 | 1, words);
	client_say(client, 1, words, sizeof words - 1);
	assert_frame(client, FAKE_FIN | RSV1 | 1, words);
}

/* What was refused must not be in the stream that the client does not get. */
static void test_deflate_takeover_survives_a_full_queue(void **state)
{
	(void)state;
	struct client *client = connect_takeover();
	static char text[20000];
	uint32_t seed = 17;
	int sent = 0, full = 0, heard = 0;
	for (int i = 0; full < 20 && i < 10000; i++) {
		for (size_t k = 0; k < sizeof text - 1; k++) {
			seed = seed * 1664525 + 1013904223;
			text[k] = (char)('a' + (seed >> 24) % 26);
		}
		snprintf(text, 16, "%d:", sent);
		int result = baton_send(fake_app.conn, BATON_TEXT, text, sizeof text - 1);
		assert_true(result != BATON_CLOSED);
		sent += result != BATON_FULL;
		full += result == BATON_FULL;
	}
	assert_int_equal(full, 20);
	do {
		fake_turns();
		while (client_hears(client)) {
			assert_int_equal(frame.len, sizeof text - 1);
			assert_int_equal(atoi(frame.text), heard);
			heard++;
		}
	} while (heard < sent);
	client_say(client, 1, words, sizeof words - 1);
	assert_frame(client, FAKE_FIN | RSV1 | 1, words);
}

/* ---- publishing ---- */

static void test_deflate_packs_a_publication_once_for_those_who_share_terms(void **state)
{
	(void)state;
	static const struct {
		const char *offer;
		unsigned first_byte;
		bool has_takeover;
	} rows[] = {
		{"permessage-deflate" NO_TAKEOVER, FAKE_FIN | RSV1 | 1, false},
		{"permessage-deflate" NO_TAKEOVER, FAKE_FIN | RSV1 | 1, false},
		{"permessage-deflate; server_max_window_bits=9" NO_TAKEOVER, FAKE_FIN | RSV1 | 1,
		 false},
		{NULL, FAKE_FIN | 1, false},
		{"permessage-deflate", FAKE_FIN | 1, true},
	};
	enum { COUNT = sizeof rows / sizeof rows[0] };
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; round == 0 && i < COUNT; i++) {
			client_connect(&clients[i], i + 1, rows[i].offer, rows[i].has_takeover);
			assert_int_equal(baton_subscribe(fake_app.conn, "room"), 0);
		}
		assert_int_equal(baton_publish(fake_baton, "room", NULL, BATON_TEXT, words,
					       sizeof words - 1),
				 COUNT);
		assert_int_equal(baton_publish(fake_baton, "room", NULL, BATON_TEXT, "hi", 2),
				 COUNT);
		for (size_t i = 0; i < COUNT; i++) {
			assert_frame(&clients[i], rows[i].first_byte, words);
			assert_frame(&clients[i], FAKE_FIN | 1, "hi");
		}
	}
	client_say(&clients[4], 1, words, sizeof words - 1); /* its own stream is in order */
	assert_frame(&clients[4], FAKE_FIN | RSV1 | 1, words);
}

static void test_deflate_holds_packed_publications_behind_a_message(void **state)
{
	(void)state;
	struct client *client = connect_one();
	baton_subscribe(fake_app.conn, "room");
	baton_send(fake_app.conn, BATON_TEXT | BATON_MORE, "one ", 4);
	assert_int_equal(
		baton_publish(fake_baton, "room", NULL, BATON_TEXT, words, sizeof words - 1), 1);
	baton_send(fake_app.conn, BATON_TEXT, "two", 3);
	assert_frame(client, 1, "one ");
	assert_frame(client, FAKE_FIN, "two");
	assert_frame(client, FAKE_FIN | RSV1 | 1, words);
}

/* ---- cost ---- */

static size_t heap_of_each(bool talks)
{
	static struct client many[MANY];
	client_connect(&many[0], 1000, "permessage-deflate", false);
	client_say(&many[0], 1, words, sizeof words - 1); /* the streams of the process */
	size_t before = mallinfo2().uordblks;
	for (size_t i = 1; i < MANY; i++) {
		many[i].fd = fake_offer(1000 + i, SOCK_STREAM,
					"Sec-WebSocket-Extensions: permessage-deflate\r\n");
		fake_turns();
		fake_hear(HANDOFF_TAKEN);
		if (talks) {
			size_t len;
			const uint8_t *packed = client_pack(&many[0], words, 199, &len);
			fake_write(many[i].fd, FAKE_FIN | RSV1 | 1, packed, len);
			fake_turns();
		}
	}
	size_t each = (mallinfo2().uordblks - before) / (MANY - 1);
	for (size_t i = 1; i < MANY; i++) {
		close(many[i].fd);
	}
	client_finish(&many[0]);
	fake_turns();
	assert_int_equal(fake_app.closed, MANY);
	return each;
}

static void test_deflate_costs_an_idle_connection_nothing(void **state)
{
	(void)state;
	size_t idle = heap_of_each(false);
	print_message("heap of an idle connection with deflate = %zu bytes\n", idle);
	assert_in_range(idle, 0, 200); /* 0 where a sanitizer has its own heap */
}

static void test_deflate_costs_nothing_after_a_message(void **state)
{
	(void)state;
	size_t after = heap_of_each(true);
	print_message("the same after a message = %zu bytes\n", after);
	assert_in_range(after, 0, 200);
}

#define TEST(name, how) cmocka_unit_test_setup_teardown(name, how, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_deflate_is_agreed_on_where_it_is_offered, setup),
		TEST(test_deflate_is_not_agreed_on_where_the_pool_has_none, setup_off),
		TEST(test_deflate_is_agreed_on_when_the_answer_comes_later, setup),
		TEST(test_deflate_unpacks_what_comes_and_packs_what_leaves, setup),
		TEST(test_deflate_echoes_large_and_random_messages, setup),
		TEST(test_deflate_gathers_fragments_of_several_connections, setup),
		TEST(test_deflate_brings_a_packed_message_as_one_piece, setup_pieces),
		TEST(test_deflate_leaves_pieces_of_the_authors_alone, setup),
		TEST(test_deflate_ends_a_bomb_with_1009, setup),
		TEST(test_deflate_works_off_many_bombs_in_many_turns, setup),
		TEST(test_deflate_finds_the_close_behind_bombs_at_once, setup),
		TEST(test_deflate_loses_nothing_of_a_client_that_leaves, setup),
		TEST(test_deflate_leaves_a_paused_connection_alone, setup),
		TEST(test_deflate_ends_what_is_wrong_with_its_code, setup),
		TEST(test_deflate_checks_packed_text_and_only_text, setup),
		TEST(test_deflate_takeover_remembers_what_was_said, setup_takeover),
		TEST(test_deflate_takeover_survives_a_full_queue, setup_takeover),
		TEST(test_deflate_packs_a_publication_once_for_those_who_share_terms,
		     setup_takeover),
		TEST(test_deflate_holds_packed_publications_behind_a_message, setup),
		TEST(test_deflate_costs_an_idle_connection_nothing, setup),
		TEST(test_deflate_costs_nothing_after_a_message, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
