/* SPDX-License-Identifier: MIT */
/*
 * The hand-over, offers: to whom, and what becomes of one that its child does not read, does not
 * acknowledge, refuses, or takes into its grave. The queue: test_handover_queue.c.
 */
#include "handover_rig.h"

enum { SHORT_MS = 2, NONE_OF_ITS_OWN = 404 };

/* ---- offered and taken ---- */

static void test_handover_offers_and_hears_taken(void **state)
{
	(void)state;
	struct rig_client client;
	const size_t descriptors = descriptors_open();
	rig_submit(&client, 7);
	assert_true(rig_is_offered_to(&client, 0));
	assert_int_equal(client.passes, 1);
	assert_int_equal(rig.children[0].seat.offered, 1);
	assert_int_equal(rig_read(0), 7);
	assert_int_equal(client.taken, 0);
	rig_take(0, 7);
	assert_int_equal(client.taken, 1);
	assert_ptr_equal(client.owner, &rig.children[0]);
	assert_int_equal(rig.children[0].seat.offered, 0);
	assert_int_equal(rig.children[0].seat.live, 1);
	assert_int_equal(rig.children[0].taken, 1);
	assert_int_equal(descriptors_open(), descriptors);
}

static void test_handover_spreads_and_offers_four_at_most_to_each(void **state)
{
	(void)state;
	struct rig_client clients[9];
	for (unsigned i = 0; i < 8; i++) {
		rig_submit(&clients[i], i + 1);
		assert_true(rig_is_offered_to(&clients[i], i % 2));
	}
	rig_submit(&clients[8], 9);
	assert_int_equal(clients[8].ticket.state, TICKET_WAITING);
	assert_int_equal(rig_read(1), 2);
	rig_take(1, 2);
	assert_true(rig_is_offered_to(&clients[8], 1));
	for (unsigned i = 0; i < 9; i++) {
		rig_forget(&clients[i]);
	}
}

static void test_handover_knows_what_it_offered_to_whom(void **state)
{
	(void)state;
	struct rig_client client;
	rig_submit(&client, 7);
	assert_false(handover_taken(&rig.children[1], 7));
	assert_false(handover_taken(&rig.children[0], 8));
	assert_false(handover_refused(&rig.children[1], 7, 503));
	rig_take(0, 7);
	assert_false(handover_taken(&rig.children[0], 7));
	assert_false(handover_refused(&rig.children[0], 7, 0));
	assert_int_equal(client.taken, 1);
}

static void test_handover_forgets_a_client_that_left_before_its_offer(void **state)
{
	(void)state;
	struct rig_client client = rig_client(7);
	client.leaves = true;
	assert_int_equal(handover_submit(&client.ticket), REFUSAL_NONE);
	assert_int_equal(client.ticket.state, TICKET_IDLE);
	assert_int_equal(rig_read(0), 0);
}

static void test_handover_submits_nothing_to_a_pool_that_failed_or_stops(void **state)
{
	(void)state;
	struct rig_client client = rig_client(7);
	rig.pool.is_failed = true;
	assert_int_equal(handover_submit(&client.ticket), REFUSAL_POOL_FAILED);
	rig.pool.is_stopping = true;
	assert_int_equal(handover_submit(&client.ticket), REFUSAL_STOPPING);
	assert_int_equal(client.written + client.passes, 0);
	client.failed++;
	rig_client_end(&client);
}

/* ---- not read ---- */

static void test_handover_takes_an_unread_offer_back_and_deals_it_to_the_prompt(void **state)
{
	(void)state;
	struct rig_client client;
	const size_t descriptors = descriptors_open();
	rig.config.offer_timeout_ms = SHORT_MS;
	native_ping(&rig.children[0].link);
	rig_submit(&client, 7);
	assert_true(rig_is_offered_to(&client, 0));
	rig_until_offered_to(&client, 1);
	assert_int_equal(rig.children[0].seat.state, SEAT_SUSPECT);
	assert_int_equal(rig.suspected[0], 1);
	assert_int_equal(rig.suspected[1], 0);
	assert_int_equal(rig.handover.taken_back, 1);
	assert_int_equal(rig.handover.dealt_again, 1);
	assert_int_equal(rig_read(0), 0);
	assert_int_equal(rig.other_messages[0], 1); /* the PING is still there */
	assert_false(handover_taken(&rig.children[0], 7));
	assert_int_equal(rig_read(1), 7);
	rig_take(1, 7);
	assert_int_equal(descriptors_open(), descriptors);
}

static void test_handover_gives_nothing_new_to_a_suspect_until_it_speaks(void **state)
{
	(void)state;
	struct rig_client clients[3];
	rig.children[0].seat.state = SEAT_SUSPECT;
	rig_submit(&clients[0], 1);
	rig_submit(&clients[1], 2);
	assert_true(rig_is_offered_to(&clients[0], 1));
	assert_true(rig_is_offered_to(&clients[1], 1));
	rig.children[0].seat.state = SEAT_OPEN;
	rig_submit(&clients[2], 3);
	assert_true(rig_is_offered_to(&clients[2], 0));
	for (int i = 0; i < 3; i++) {
		rig_forget(&clients[i]);
	}
}

/* By the counts the blocked child is the better one; it is not prompt, and that decides. */
static void test_handover_takes_back_although_the_prompt_child_has_more(void **state)
{
	(void)state;
	struct rig_client client, other;
	rig.config.offer_timeout_ms = SHORT_MS;
	rig.children[1].seat.live = 5;
	rig_submit(&client, 7);
	rig_submit(&other, 8);
	assert_true(rig_is_offered_to(&other, 1));
	assert_int_equal(rig_read(1), 8);
	rig_until_offered_to(&client, 1);
	rig_forget(&client);
	rig_forget(&other);
}

static void test_handover_leaves_an_unread_offer_where_nobody_else_is_prompt(void **state)
{
	(void)state;
	struct rig_client client;
	rig.config.offer_timeout_ms = SHORT_MS;
	rig.children[1].seat.state = SEAT_SUSPECT;
	rig_submit(&client, 7);
	rig_pass_ms(5 * SHORT_MS);
	assert_true(rig_is_offered_to(&client, 0));
	assert_int_equal(rig.suspected[0], 0);
	assert_int_equal(rig.handover.taken_back, 0);
	rig.children[1].seat.state = SEAT_OPEN; /* but somebody may become so */
	rig_until_offered_to(&client, 1);
	assert_int_equal(rig_read(0), 0);
	rig_forget(&client);
}

static void test_handover_leaves_an_unread_offer_by_hash(void **state)
{
	(void)state;
	struct rig_client client;
	rig.config.offer_timeout_ms = SHORT_MS;
	rig_submit_by_hash(&client, 7, 0);
	rig_pass_ms(5 * SHORT_MS);
	assert_true(rig_is_offered_to(&client, 0));
	assert_int_equal(rig.handover.taken_back, 0);
	assert_int_equal(rig_read(0), 7);
	rig_forget(&client);
}

static void test_handover_fails_an_offer_that_nobody_reads_in_time(void **state)
{
	(void)state;
	struct rig_client client;
	rig.config.offer_timeout_ms = SHORT_MS;
	rig.config.handover_timeout_ms = 4 * SHORT_MS;
	rig_submit(&client, 7);
	uint64_t start_ms = loop_now_ms(rig.loop);
	rig_until(&client.failed, 1);
	assert_int_equal(client.refusal, REFUSAL_HANDOVER_TIMEOUT);
	assert_int_equal(client.status, 0);
	assert_true(loop_now_ms(rig.loop) >= start_ms + 4 * SHORT_MS);
	assert_int_equal(rig.children[0].seat.state, SEAT_SUSPECT);
	assert_int_equal(rig_read(0), 0);
	assert_false(handover_taken(&rig.children[0], 7));
}

static void test_handover_timeout_holds_where_the_offer_timeout_is_longer(void **state)
{
	(void)state;
	struct rig_client client;
	rig.config.handover_timeout_ms = SHORT_MS;
	rig_submit(&client, 7);
	uint64_t start_ms = loop_now_ms(rig.loop);
	rig_until(&client.failed, 1);
	assert_int_equal(client.refusal, REFUSAL_HANDOVER_TIMEOUT);
	assert_in_range(loop_now_ms(rig.loop), start_ms + SHORT_MS, start_ms + 2 * SHORT_MS);
}

/* ---- read, and not acknowledged ---- */

static void test_handover_never_moves_what_a_living_child_has_read(void **state)
{
	(void)state;
	struct rig_client read, unread;
	rig.config.offer_timeout_ms = SHORT_MS;
	rig.config.handover_timeout_ms = 4 * SHORT_MS;
	rig.children[1].seat.state = SEAT_SUSPECT;
	rig_submit(&read, 7);
	assert_int_equal(rig_read(0), 7);
	rig_submit(&unread, 8);
	rig.children[1].seat.state = SEAT_OPEN;
	rig_until_offered_to(&unread, 1);
	assert_int_equal(rig_read(1), 8);
	rig_pass_ms(8 * SHORT_MS);
	assert_true(rig_is_offered_to(&read, 0));
	assert_true(rig_is_offered_to(&unread, 1));
	assert_int_equal(rig.mute[0] + rig.mute[1], 0);
	handover_shut(&rig.children[0]);
	assert_true(rig_is_offered_to(&read, 0));
	rig_take(0, 7);
	rig_take(1, 8);
	assert_int_equal(read.taken + unread.taken, 2);
}

static void test_handover_tells_of_a_child_that_reads_and_stays_mute(void **state)
{
	(void)state;
	struct rig_client client;
	rig.config.offer_timeout_ms = SHORT_MS;
	rig.config.ping_timeout_ms = 5 * SHORT_MS;
	rig_submit(&client, 7);
	assert_int_equal(rig_read(0), 7);
	uint64_t start_ms = loop_now_ms(rig.loop);
	rig_until(&rig.mute[0], 1);
	assert_true(loop_now_ms(rig.loop) >= start_ms + 5 * SHORT_MS);
	assert_true(rig_is_offered_to(&client, 0)); /* its death will move it */
	rig_die(0);
	assert_true(rig_is_offered_to(&client, 1));
	rig_forget(&client);
}

static void test_handover_leaves_nothing_with_a_child_that_stayed_mute(void **state)
{
	(void)state;
	struct rig_client read, by_hash;
	rig.config.offer_timeout_ms = rig.config.ping_timeout_ms = SHORT_MS;
	rig.children[1].seat.state = SEAT_SUSPECT;
	rig_submit(&read, 7);
	assert_int_equal(rig_read(0), 7);
	rig_submit_by_hash(&by_hash, 8, 0);
	rig.children[1].seat.state = SEAT_OPEN;
	rig_until(&rig.mute[0], 1);
	assert_true(rig_is_offered_to(&read, 0));
	assert_true(rig_is_offered_to(&by_hash, 1));
	rig_forget(&read);
	rig_forget(&by_hash);
}

/* ---- shut and dead ---- */

static void test_handover_shut_sends_the_unread_elsewhere(void **state)
{
	(void)state;
	struct rig_client read, unread;
	rig.children[1].seat.state = SEAT_SHUT;
	rig_submit(&read, 7);
	rig_submit(&unread, 8);
	assert_int_equal(rig_read(0), 7);
	rig.children[1].seat.state = SEAT_OPEN;
	native_ping(&rig.children[0].link);
	handover_shut(&rig.children[0]);
	assert_true(rig_is_offered_to(&read, 0));
	assert_true(rig_is_offered_to(&unread, 1));
	assert_int_equal(rig_read(0), 0);
	assert_int_equal(rig.other_messages[0], 1);
	rig_forget(&read);
	rig_forget(&unread);
}

static void test_handover_death_sends_all_that_is_unacknowledged_elsewhere(void **state)
{
	(void)state;
	struct rig_client taken, read, unread;
	rig.children[1].seat.state = SEAT_SHUT;
	rig_submit(&taken, 1);
	rig_submit(&read, 2);
	rig_submit(&unread, 3);
	assert_int_equal(rig_read(0), 1);
	assert_int_equal(rig_read(0), 2);
	rig_take(0, 1);
	rig.children[1].seat.state = SEAT_OPEN;
	rig_die(0);
	assert_int_equal(rig.children[0].seat.state, SEAT_SHUT);
	assert_int_equal(rig.children[0].seat.offered, 0);
	assert_int_equal(taken.taken + taken.failed, 1);
	assert_true(rig_is_offered_to(&read, 1));
	assert_true(rig_is_offered_to(&unread, 1));
	uint64_t first = rig_read(1), second = rig_read(1);
	assert_int_equal(first + second, 2 + 3);
	rig_take(1, 2);
	rig_take(1, 3);
	assert_int_equal(read.written + unread.written, 2);
}

static void test_handover_gives_up_after_three_deaths(void **state)
{
	(void)state;
	rig_expect_an_end_after_three_deaths();
}

static void test_handover_death_in_a_failed_or_stopping_pool_ends_in_a_refusal(void **state)
{
	(void)state;
	struct rig_client client;
	rig_submit(&client, 7);
	rig.pool.is_failed = true;
	rig_die(0);
	assert_int_equal(client.refusal, REFUSAL_POOL_FAILED);
	rig.pool.is_failed = false;
	rig_submit(&client, 8);
	rig.pool.is_stopping = true;
	rig_die(1);
	assert_int_equal(client.refusal, REFUSAL_STOPPING);
}

/* ---- refused ---- */

static void test_handover_refused_with_a_status_ends_there(void **state)
{
	(void)state;
	struct rig_client client;
	rig_submit(&client, 7);
	assert_int_equal(rig_read(0), 7);
	assert_true(handover_refused(&rig.children[0], 7, NONE_OF_ITS_OWN));
	assert_int_equal(client.refusal, REFUSAL_BY_CHILD);
	assert_int_equal(client.status, NONE_OF_ITS_OWN);
	assert_false(rig.children[0].seat.is_full);
}

static void test_handover_refused_without_status_goes_elsewhere(void **state)
{
	(void)state;
	struct rig_client client;
	rig_submit(&client, 7);
	const uint64_t deadline_ms = client.ticket.deadline_ms;
	assert_int_equal(rig_read(0), 7);
	rig_pass_ms(SHORT_MS);
	assert_true(handover_refused(&rig.children[0], 7, 0));
	assert_true(rig.children[0].seat.is_full);
	assert_true(rig_is_offered_to(&client, 1));
	assert_true(client.ticket.deadline_ms == deadline_ms); /* of the first offer */
	assert_int_equal(rig_read(1), 7);
	rig_take(1, 7);
}

static void test_handover_gives_up_after_three_children_refused(void **state)
{
	(void)state;
	struct rig_client client;
	rig_submit(&client, 7);
	for (unsigned refusal = 1; refusal <= 3; refusal++) {
		assert_int_equal(client.failed, 0);
		unsigned at = client.ticket.receiver->seat.index;
		assert_int_equal(rig_read(at), 7);
		assert_true(handover_refused(&rig.children[at], 7, 0));
	}
	assert_int_equal(client.failed, 1);
	assert_int_equal(client.refusal, REFUSAL_CHILDREN_FULL);
	assert_int_equal(client.status, 0);
}

static void test_handover_waits_for_the_only_child_however_often_it_refuses(void **state)
{
	(void)state;
	struct rig_client client;
	rig_submit(&client, 7);
	for (unsigned refusal = 1; refusal <= 5; refusal++) {
		assert_int_equal(rig_read(0), 7);
		assert_true(handover_refused(&rig.children[0], 7, 0));
		assert_int_equal(client.failed, 0);
		assert_int_equal(client.ticket.state, TICKET_WAITING);
		rig.children[0].seat.is_full = false;
		handover_serve(&rig.children[0]);
	}
	assert_int_equal(rig_read(0), 7);
	assert_true(handover_taken(&rig.children[0], 7));
}

/* ---- full channels ---- */

static void test_handover_passes_over_a_child_whose_channel_is_full(void **state)
{
	(void)state;
	struct rig_client client;
	rig_fill(0);
	rig_submit(&client, 7);
	assert_true(rig_is_offered_to(&client, 1));
	assert_int_equal(rig.children[0].seat.state, SEAT_SUSPECT);
	assert_int_equal(rig.suspected[0], 1);
	assert_int_equal(rig_read(1), 7);
	rig_take(1, 7);
	assert_int_equal(rig_read(0), 0);
}

static void test_handover_waits_when_the_only_channel_is_full(void **state)
{
	(void)state;
	struct rig_client client;
	rig_fill(0);
	rig_submit(&client, 7);
	assert_int_equal(client.ticket.state, TICKET_WAITING);
	assert_int_equal(rig.suspected[0], 1);
	assert_int_equal(rig_read(0), 0); /* it reads on, and speaks */
	rig.children[0].seat.state = SEAT_OPEN;
	handover_serve(&rig.children[0]);
	assert_int_equal(rig_read(0), 7); /* from the message that was written the first time */
	rig_take(0, 7);
}

/* It lies: it has read none of the offers that it refuses, so they all come back at once. */
static void test_handover_takes_an_offer_back_once_that_was_refused_unread(void **state)
{
	(void)state;
	struct rig_client client;
	rig_submit(&client, 7);
	for (unsigned refusal = 0; refusal < 2 * POOL_MAX_OFFERS; refusal++) {
		assert_true(handover_refused(&rig.children[0], 7, 0));
		rig.children[0].seat.is_full = false;
		handover_serve(&rig.children[0]);
		assert_true(rig_is_offered_to(&client, 0));
	}
	handover_shut(&rig.children[0]);
	assert_int_equal(rig.handover.taken_back, 1);
	assert_int_equal(client.ticket.state, TICKET_WAITING);
	rig_forget(&client);
}

#define handover_test(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
#define three_children_test(name) \
	cmocka_unit_test_setup_teardown(name, rig_setup_three, rig_teardown)
#define one_child_test(name) cmocka_unit_test_setup_teardown(name, rig_setup_one, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		handover_test(test_handover_offers_and_hears_taken),
		handover_test(test_handover_spreads_and_offers_four_at_most_to_each),
		handover_test(test_handover_knows_what_it_offered_to_whom),
		handover_test(test_handover_forgets_a_client_that_left_before_its_offer),
		handover_test(test_handover_submits_nothing_to_a_pool_that_failed_or_stops),
		handover_test(test_handover_takes_an_unread_offer_back_and_deals_it_to_the_prompt),
		handover_test(test_handover_gives_nothing_new_to_a_suspect_until_it_speaks),
		handover_test(test_handover_takes_back_although_the_prompt_child_has_more),
		handover_test(test_handover_leaves_an_unread_offer_where_nobody_else_is_prompt),
		handover_test(test_handover_leaves_an_unread_offer_by_hash),
		one_child_test(test_handover_fails_an_offer_that_nobody_reads_in_time),
		handover_test(test_handover_timeout_holds_where_the_offer_timeout_is_longer),
		handover_test(test_handover_never_moves_what_a_living_child_has_read),
		handover_test(test_handover_tells_of_a_child_that_reads_and_stays_mute),
		handover_test(test_handover_leaves_nothing_with_a_child_that_stayed_mute),
		handover_test(test_handover_shut_sends_the_unread_elsewhere),
		handover_test(test_handover_death_sends_all_that_is_unacknowledged_elsewhere),
		handover_test(test_handover_gives_up_after_three_deaths),
		handover_test(test_handover_death_in_a_failed_or_stopping_pool_ends_in_a_refusal),
		handover_test(test_handover_refused_with_a_status_ends_there),
		handover_test(test_handover_refused_without_status_goes_elsewhere),
		three_children_test(test_handover_gives_up_after_three_children_refused),
		one_child_test(test_handover_waits_for_the_only_child_however_often_it_refuses),
		one_child_test(test_handover_takes_an_offer_back_once_that_was_refused_unread),
		handover_test(test_handover_passes_over_a_child_whose_channel_is_full),
		one_child_test(test_handover_waits_when_the_only_channel_is_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
