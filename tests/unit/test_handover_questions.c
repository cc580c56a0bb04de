/* SPDX-License-Identifier: MIT */
/*
 * The hand-over to an auth pool: tickets there are questions, without a socket, and end in an
 * answer. What they share with offers (choice, queue) is tested in test_handover.c and
 * test_handover_queue.c.
 */
#include "handover_rig.h"

enum { SHORT_MS = 2, LATE_MS = 8, MANY = POOL_MAX_QUESTIONS + 2, DENIED = 401 };

static int setup(void **state)
{
	(void)state;
	rig_start_kind(2, CONFIG_KIND_AUTH);
	return 0;
}

static int setup_one(void **state)
{
	(void)state;
	rig_start_kind(1, CONFIG_KIND_AUTH);
	return 0;
}

static bool allow(unsigned i, uint64_t id, const char *grant)
{
	const struct handover_answer answer = {.grant = grant, .grant_bytes = strlen(grant) + 1};
	return handover_answered(&rig.children[i], id, &answer);
}

static bool deny(unsigned i, uint64_t id)
{
	const struct handover_answer answer = {.status = DENIED};
	return handover_answered(&rig.children[i], id, &answer);
}

/* ---- answered ---- */

static void test_question_is_answered_with_what_is_granted(void **state)
{
	(void)state;
	struct rig_client client;
	rig_submit(&client, 7);
	assert_int_equal(rig_read(0), 7); /* an AUTH, without a descriptor */
	assert_int_equal(rig.children[0].seat.offered, 1);
	assert_true(allow(0, 7, "REMOTE_USER=ann"));
	assert_int_equal(client.answered, 1);
	assert_int_equal(client.status, 0);
	assert_string_equal(client.grant, "REMOTE_USER=ann");
	assert_int_equal(rig.children[0].seat.offered, 0);
	assert_int_equal(rig.children[0].seat.live, 0);
	assert_int_equal(rig.children[0].taken, 1);
	assert_int_equal(rig.pool.asked, 1);
	assert_int_equal(rig.pool.allowed, 1);
	assert_int_equal(rig.pool.denied, 0);
}

static void test_question_is_answered_with_a_denial(void **state)
{
	(void)state;
	struct rig_client client;
	rig_submit(&client, 7);
	assert_int_equal(rig_read(0), 7);
	assert_true(deny(0, 7));
	assert_int_equal(client.answered, 1);
	assert_int_equal(client.status, DENIED);
	assert_int_equal(rig.pool.allowed, 0);
	assert_int_equal(rig.pool.denied, 1);
}

static void test_answers_that_nobody_waits_for_are_counted_and_change_nothing(void **state)
{
	(void)state;
	struct rig_client client;
	rig_submit(&client, 7);
	assert_int_equal(rig_read(0), 7);
	assert_false(allow(1, 7, "A"));
	assert_false(deny(0, 8));
	assert_int_equal(client.answered, 0);
	assert_true(allow(0, 7, "A"));
	assert_false(allow(0, 7, "A"));
	assert_int_equal(rig.pool.ignored, 3);
	assert_int_equal(rig.pool.allowed, 1);
	assert_int_equal(rig.pool.denied, 0);
}

static void test_one_child_has_64_questions_at_most_and_the_rest_wait(void **state)
{
	(void)state;
	static struct rig_client clients[MANY];
	for (unsigned i = 0; i < MANY; i++) {
		rig_submit(&clients[i], i + 1);
		assert_int_equal(clients[i].ticket.state,
				 i < POOL_MAX_QUESTIONS ? TICKET_OFFERED : TICKET_WAITING);
	}
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(rig_read(0), i + 1);
		assert_true(allow(0, i + 1, "A")); /* makes room for one of those that wait */
	}
	assert_int_equal(rig.pool.asked, MANY);
	assert_int_equal(rig.pool.allowed, MANY);
}

static void test_one_child_has_no_more_questions_than_its_capacity(void **state)
{
	(void)state;
	struct rig_client clients[3];
	rig.children[0].seat.capacity = 2;
	for (unsigned i = 0; i < 3; i++) {
		rig_submit(&clients[i], i + 1);
	}
	assert_int_equal(clients[1].ticket.state, TICKET_OFFERED);
	assert_int_equal(clients[2].ticket.state, TICKET_WAITING);
	assert_true(deny(0, 1));
	assert_true(rig_is_offered_to(&clients[2], 0));
	assert_true(deny(0, 2));
	assert_true(deny(0, 3));
}

/* ---- not answered ---- */

static void test_question_that_a_blocked_child_has_not_read_is_put_to_another(void **state)
{
	(void)state;
	struct rig_client client;
	rig.config.offer_timeout_ms = SHORT_MS;
	native_ping(&rig.children[0].link);
	rig_submit(&client, 7);
	rig_until_offered_to(&client, 1);
	assert_int_equal(rig.children[0].seat.state, SEAT_SUSPECT);
	assert_int_equal(rig.handover.taken_back, 1);
	assert_int_equal(rig_read(0), 0);
	assert_int_equal(rig.other_messages[0], 1); /* the PING is still there */
	assert_int_equal(rig_read(1), 7);
	assert_true(allow(1, 7, "A"));
	assert_int_equal(rig.pool.asked, 1); /* one client, however often it was put */
}

static void test_question_that_is_read_and_not_answered_fails_at_the_deadline(void **state)
{
	(void)state;
	struct rig_client client, next;
	rig.config.offer_timeout_ms = rig.config.ping_timeout_ms = SHORT_MS;
	rig.config.handover_timeout_ms = LATE_MS;
	rig_submit(&client, 7);
	assert_int_equal(rig_read(0), 7);
	uint64_t start_ms = loop_now_ms(rig.loop);
	rig_until(&client.failed, 1);
	assert_true(loop_now_ms(rig.loop) >= start_ms + LATE_MS);
	assert_int_equal(client.refusal, REFUSAL_HANDOVER_TIMEOUT);
	assert_int_equal(rig.mute[0] + rig.mute[1], 0); /* no child dies of it */
	assert_int_equal(rig.children[0].seat.state, SEAT_OPEN);
	assert_int_equal(rig.children[0].seat.offered, 0);
	assert_int_equal(rig.children[0].unanswered, 1);
	assert_false(allow(0, 7, "A")); /* too late, and no fault */
	rig_submit(&next, 8);
	assert_true(rig_is_offered_to(&next, 0));
	assert_true(allow(0, 8, "A"));
}

static void test_question_that_fails_makes_room_for_one_that_waits(void **state)
{
	(void)state;
	struct rig_client client, next;
	rig.config.offer_timeout_ms = SHORT_MS;
	rig.config.handover_timeout_ms = LATE_MS;
	rig.children[0].seat.capacity = 1;
	rig_submit(&client, 7);
	rig_submit(&next, 8);
	assert_int_equal(rig_read(0), 7);
	rig_until(&client.failed, 1);
	assert_true(rig_is_offered_to(&next, 0));
	assert_int_equal(rig_read(0), 8);
	assert_true(deny(0, 8));
}

static void test_question_that_nobody_reads_fails_at_the_deadline(void **state)
{
	(void)state;
	struct rig_client client;
	rig.config.offer_timeout_ms = SHORT_MS;
	rig.config.handover_timeout_ms = LATE_MS;
	rig_submit(&client, 7);
	rig_until(&client.failed, 1);
	assert_int_equal(client.refusal, REFUSAL_HANDOVER_TIMEOUT);
	assert_int_equal(rig_read(0), 0);
	assert_int_equal(rig.children[0].unanswered, 0);
}

static void test_answer_has_its_time_alone_where_the_offer_timeout_is_longer(void **state)
{
	(void)state;
	struct rig_client client;
	rig.config.handover_timeout_ms = LATE_MS;
	rig_submit(&client, 7);
	uint64_t start_ms = loop_now_ms(rig.loop);
	assert_int_equal(rig_read(0), 7);
	rig_until(&client.failed, 1);
	assert_int_equal(client.refusal, REFUSAL_HANDOVER_TIMEOUT);
	assert_in_range(loop_now_ms(rig.loop), start_ms + LATE_MS, start_ms + 2 * LATE_MS);
}

/* ---- deaths ---- */

static void test_questions_of_a_dead_child_are_put_to_another_read_or_not(void **state)
{
	(void)state;
	struct rig_client read, unread;
	rig.children[1].seat.state = SEAT_SHUT;
	rig_submit(&read, 7);
	rig_submit(&unread, 8);
	assert_int_equal(rig_read(0), 7);
	rig.children[1].seat.state = SEAT_OPEN;
	rig_die(0);
	assert_true(rig_is_offered_to(&read, 1));
	assert_true(rig_is_offered_to(&unread, 1));
	assert_int_equal(rig_read(1) + rig_read(1), 7 + 8);
	assert_true(allow(1, 7, "A"));
	assert_true(deny(1, 8));
}

static void test_question_that_kills_three_children_fails(void **state)
{
	(void)state;
	rig_expect_an_end_after_three_deaths();
}

static void test_read_questions_of_a_child_that_drains_stay_its_own(void **state)
{
	(void)state;
	struct rig_client read, unread;
	rig.children[1].seat.state = SEAT_SHUT;
	rig_submit(&read, 7);
	assert_int_equal(rig_read(0), 7);
	rig_submit(&unread, 8);
	rig.children[1].seat.state = SEAT_OPEN;
	handover_shut(&rig.children[0]);
	assert_true(rig_is_offered_to(&read, 0));
	assert_true(rig_is_offered_to(&unread, 1));
	assert_true(allow(0, 7, "A"));
	assert_true(allow(1, 8, "A"));
}

/* A connection's head is consumed by then, and it must fail; a question is written anew. */
static void test_question_that_comes_back_to_a_long_queue_waits_without_its_message(void **state)
{
	(void)state;
	static struct rig_client clients[MESSAGES_SPARE];
	struct rig_client client;
	rig.config.queue = MESSAGES_SPARE;
	rig_submit(&client, 1000);
	assert_int_equal(rig_read(0), 1000);
	rig.children[0].seat.state = SEAT_SUSPECT;
	for (unsigned i = 0; i < MESSAGES_SPARE; i++) {
		rig_submit(&clients[i], i + 1);
	}
	assert_int_equal(rig.handover.messages.spare_used, MESSAGES_SPARE);
	rig_die(0);
	assert_int_equal(client.ticket.state, TICKET_WAITING);
	assert_null(client.ticket.message);
	rig_open(0);
	handover_serve(&rig.children[0]);
	assert_int_equal(rig_read(0), 1000);
	assert_int_equal(client.written, 2);
	assert_true(allow(0, 1000, "A"));
	for (unsigned i = 0; i < MESSAGES_SPARE; i++) {
		assert_int_equal(rig_read(0), i + 1);
		assert_true(deny(0, i + 1));
	}
}

#define question_test(name)  cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
#define one_child_test(name) cmocka_unit_test_setup_teardown(name, setup_one, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		question_test(test_question_is_answered_with_what_is_granted),
		question_test(test_question_is_answered_with_a_denial),
		question_test(test_answers_that_nobody_waits_for_are_counted_and_change_nothing),
		one_child_test(test_one_child_has_64_questions_at_most_and_the_rest_wait),
		one_child_test(test_one_child_has_no_more_questions_than_its_capacity),
		question_test(test_question_that_a_blocked_child_has_not_read_is_put_to_another),
		question_test(test_question_that_is_read_and_not_answered_fails_at_the_deadline),
		one_child_test(test_question_that_fails_makes_room_for_one_that_waits),
		one_child_test(test_question_that_nobody_reads_fails_at_the_deadline),
		question_test(test_answer_has_its_time_alone_where_the_offer_timeout_is_longer),
		question_test(test_questions_of_a_dead_child_are_put_to_another_read_or_not),
		question_test(test_question_that_kills_three_children_fails),
		question_test(test_read_questions_of_a_child_that_drains_stay_its_own),
		one_child_test(
			test_question_that_comes_back_to_a_long_queue_waits_without_its_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
