/* SPDX-License-Identifier: MIT */
/*
 * The hand-over, the queue: who waits, for whom, how long, and that nobody waits when somebody
 * could take him. Offers: test_handover.c.
 */
#include "handover_rig.h"

enum { SHORT_MS = 2, QUEUE_MS = 20, MANY = MESSAGES_SPARE + 10, FORBIDDEN = 403 };

static void hold_all(enum seat_state state)
{
	for (unsigned i = 0; i < rig.config.children; i++) {
		rig.children[i].seat.state = state;
	}
}

static void let_go(unsigned i)
{
	rig.children[i].seat.state = SEAT_OPEN;
	handover_serve(&rig.children[i]);
}

static void assert_is_waiting(const struct rig_client *client)
{
	assert_int_equal(client->ticket.state, TICKET_WAITING);
}

/* ---- order and limits ---- */

static void test_queue_is_served_in_its_order(void **state)
{
	(void)state;
	struct rig_client clients[6];
	hold_all(SEAT_SUSPECT);
	for (unsigned i = 0; i < 6; i++) {
		rig_submit(&clients[i], i + 1);
		assert_is_waiting(&clients[i]);
	}
	let_go(0);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(clients[i].ticket.state, i < 4 ? TICKET_OFFERED : TICKET_WAITING);
	}
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(rig_read(0), i + 1);
		rig_take(0, i + 1);
	}
}

static void test_queue_lets_nobody_overtake(void **state)
{
	(void)state;
	struct rig_client first, second;
	hold_all(SEAT_SUSPECT);
	rig_submit(&first, 1);
	rig.children[0].seat.state = SEAT_OPEN; /* it has spoken, and is about to be served */
	rig_submit(&second, 2);
	assert_is_waiting(&second);
	let_go(0);
	assert_int_equal(rig_read(0), 1);
	assert_int_equal(rig_read(0), 2);
	rig_forget(&first);
	rig_forget(&second);
}

static void test_queue_has_its_limit(void **state)
{
	(void)state;
	struct rig_client clients[3], late = rig_client(9);
	rig.config.queue = 3;
	hold_all(SEAT_SHUT);
	for (unsigned i = 0; i < 3; i++) {
		rig_submit(&clients[i], i + 1);
	}
	assert_int_equal(handover_submit(&late.ticket), REFUSAL_QUEUE_FULL);
	assert_int_equal(late.ticket.state, TICKET_IDLE);
	rig_forget(&clients[1]);
	assert_int_equal(handover_submit(&late.ticket), REFUSAL_NONE);
	rig_forget(&clients[0]);
	rig_forget(&clients[2]);
	rig_forget(&late);
}

static void test_queue_refuses_with_the_head_consumed_as_without(void **state)
{
	(void)state;
	struct rig_client client = rig_client(1);
	rig.config.queue = 0;
	rig_fill(0); /* found out only when the offer is sent */
	assert_int_equal(handover_submit(&client.ticket), REFUSAL_QUEUE_FULL);
	assert_int_equal(client.written, 1);
	assert_null(client.ticket.message);
	client.failed++;
	rig_client_end(&client);
}

static void test_queue_holds_messages_for_so_many_only(void **state)
{
	(void)state;
	static struct rig_client clients[MANY];
	unsigned written = 0;
	rig.config.queue = MANY;
	hold_all(SEAT_SUSPECT);
	for (unsigned i = 0; i < MANY; i++) {
		rig_submit(&clients[i], i + 1);
		assert_is_waiting(&clients[i]);
		written += (unsigned)clients[i].written;
	}
	assert_int_equal(written, MESSAGES_SPARE);
	assert_int_equal(clients[0].waits, 0); /* watched only if it takes longer */
	assert_int_equal(clients[MANY - 1].waits, 1);
	let_go(0);
	assert_int_equal(rig.handover.messages.spare_used, MESSAGES_SPARE - POOL_MAX_OFFERS);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(rig_read(0), i + 1);
		rig_take(0, i + 1);
	}
}

static void test_queue_watches_those_that_wait_for_long(void **state)
{
	(void)state;
	struct rig_client client;
	hold_all(SEAT_SUSPECT);
	rig_submit(&client, 1);
	rig_until(&client.waits, 1);
	assert_is_waiting(&client);
	rig_forget(&client);
}

/* ---- ends ---- */

static void test_queue_times_out(void **state)
{
	(void)state;
	struct rig_client client;
	rig.config.queue_timeout_ms = QUEUE_MS;
	hold_all(SEAT_SHUT);
	rig_submit(&client, 1);
	uint64_t start_ms = loop_now_ms(rig.loop);
	rig_until(&client.failed, 1);
	assert_true(loop_now_ms(rig.loop) >= start_ms + QUEUE_MS);
	assert_int_equal(client.refusal, REFUSAL_QUEUE_TIMEOUT);
	assert_int_equal(client.status, 0);
}

static void test_queue_timeout_keeps_its_first_deadline(void **state)
{
	(void)state;
	struct rig_client client;
	rig.config.queue_timeout_ms = QUEUE_MS;
	hold_all(SEAT_SUSPECT);
	rig_submit(&client, 1);
	const uint64_t until_ms = client.ticket.wait_until_ms;
	let_go(0);
	assert_true(rig_is_offered_to(&client, 0));
	rig_pass_ms(QUEUE_MS / 2);
	assert_true(handover_refused(&rig.children[0], 1, 0));
	assert_is_waiting(&client);
	assert_true(client.ticket.wait_until_ms == until_ms);
	rig_until(&client.failed, 1);
	assert_true(loop_now_ms(rig.loop) >= until_ms);
	assert_int_equal(client.refusal, REFUSAL_QUEUE_TIMEOUT);
}

static void test_queue_lets_a_client_withdraw(void **state)
{
	(void)state;
	struct rig_client clients[3];
	hold_all(SEAT_SUSPECT);
	for (unsigned i = 0; i < 3; i++) {
		rig_submit(&clients[i], i + 1);
	}
	handover_withdraw(&clients[1].ticket);
	assert_int_equal(clients[1].failed, 0); /* no event follows */
	clients[1].failed = 1;
	rig_client_end(&clients[1]);
	let_go(1);
	assert_int_equal(rig_read(1), 1);
	assert_int_equal(rig_read(1), 3);
	rig_forget(&clients[0]);
	rig_forget(&clients[2]);
}

static void test_queue_is_refused_as_a_whole(void **state)
{
	(void)state;
	struct rig_client clients[3];
	hold_all(SEAT_SHUT);
	for (unsigned i = 0; i < 3; i++) {
		rig_submit(&clients[i], i + 1);
	}
	handover_refuse_waiting(&rig.pool, REFUSAL_POOL_FAILED);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(clients[i].refusal, REFUSAL_POOL_FAILED);
	}
}

static void test_queue_goes_on_when_a_client_has_left(void **state)
{
	(void)state;
	static struct rig_client clients[MANY];
	rig.config.queue = MANY;
	hold_all(SEAT_SUSPECT);
	for (unsigned i = 0; i < MANY; i++) {
		rig_submit(&clients[i], i + 1);
		clients[i].leaves =
			i < MANY - 1; /* found when its head is to be consumed, if it is not yet */
	}
	for (unsigned i = 0; i < MESSAGES_SPARE; i++) {
		rig_forget(&clients[i]);
	}
	let_go(0);
	assert_int_equal(rig_read(0), MANY);
	rig_take(0, MANY);
	assert_int_equal(clients[MANY - 2].failed, 1);
}

/* ---- what came back ---- */

static void test_queue_puts_what_came_back_in_front(void **state)
{
	(void)state;
	struct rig_client early, late;
	rig.children[1].seat.state = SEAT_SHUT;
	rig_submit(&early, 1);
	rig.children[0].seat.state = SEAT_SUSPECT;
	rig_submit(&late, 2);
	rig_die(0);
	assert_is_waiting(&early);
	let_go(1);
	assert_int_equal(rig_read(1), 1);
	assert_int_equal(rig_read(1), 2);
	rig_forget(&early);
	rig_forget(&late);
}

static void test_queue_takes_what_came_back_whatever_its_limit(void **state)
{
	(void)state;
	struct rig_client client;
	rig.config.queue = 0;
	rig_submit(&client, 1);
	rig_die(0);
	assert_is_waiting(&client);
	rig_open(0);
	let_go(0);
	assert_int_equal(rig_read(0), 1);
	rig_take(0, 1);
}

static void test_queue_is_served_after_a_refusal(void **state)
{
	(void)state;
	struct rig_client clients[5];
	for (unsigned i = 0; i < 5; i++) {
		rig_submit(&clients[i], i + 1);
	}
	assert_is_waiting(&clients[4]);
	assert_int_equal(rig_read(0), 1);
	assert_true(handover_refused(&rig.children[0], 1, FORBIDDEN));
	assert_true(rig_is_offered_to(&clients[4], 0));
	for (unsigned i = 0; i < 5; i++) {
		rig_forget(&clients[i]);
	}
}

/* ---- affinity ---- */

static void test_queue_by_hash_waits_for_its_own_child(void **state)
{
	(void)state;
	struct rig_client client;
	rig.children[0].seat.state = SEAT_SUSPECT;
	rig_submit_by_hash(&client, 1, 0);
	assert_is_waiting(&client);
	handover_serve(&rig.children[1]);
	assert_is_waiting(&client);
	let_go(0);
	assert_true(rig_is_offered_to(&client, 0));
	rig_forget(&client);
}

static void test_queue_by_hash_holds_up_nobody_else(void **state)
{
	(void)state;
	struct rig_client held, other, any;
	rig.children[0].seat.state = SEAT_SUSPECT;
	rig_submit_by_hash(&held, 1, 0);
	rig_submit_by_hash(&other, 2, 1);
	rig_submit(&any, 3);
	assert_is_waiting(&held);
	assert_true(rig_is_offered_to(&other, 1));
	assert_true(rig_is_offered_to(&any, 1));
	rig_forget(&held);
	rig_forget(&other);
	rig_forget(&any);
}

static void test_queue_by_hash_moves_when_its_child_dies(void **state)
{
	(void)state;
	struct rig_client client;
	rig.children[0].seat.state = SEAT_SUSPECT;
	rig_submit_by_hash(&client, 1, 0);
	rig_die(0);
	assert_true(rig_is_offered_to(&client, 1));
	rig_forget(&client);
}

static void test_queue_by_hash_moves_when_its_child_is_shut(void **state)
{
	(void)state;
	struct rig_client clients[5];
	for (unsigned i = 0; i < 5; i++) {
		rig_submit_by_hash(&clients[i], i + 1, 0);
	}
	for (unsigned i = 0; i < 4; i++) { /* all of its offers are read: they stay its own */
		assert_int_equal(rig_read(0), i + 1);
	}
	assert_is_waiting(&clients[4]);
	handover_shut(&rig.children[0]);
	assert_true(rig_is_offered_to(&clients[4], 1));
	for (unsigned i = 0; i < 5; i++) {
		rig_forget(&clients[i]);
	}
}

static void test_queue_by_hash_moves_when_its_child_is_full(void **state)
{
	(void)state;
	struct rig_client offered, waiting;
	rig_submit_by_hash(&offered, 1, 0);
	rig.children[0].seat.state = SEAT_SUSPECT;
	rig_submit_by_hash(&waiting, 2, 0);
	assert_is_waiting(&waiting);
	assert_int_equal(rig_read(0), 1);
	assert_true(handover_refused(&rig.children[0], 1, 0));
	assert_true(rig_is_offered_to(&offered, 1));
	assert_true(rig_is_offered_to(&waiting, 1));
	rig_forget(&offered);
	rig_forget(&waiting);

	rig.children[0].seat.is_full = false;
	rig_submit_by_hash(&waiting, 3, 0);
	assert_is_waiting(&waiting);
	rig.children[0].seat.live = rig.children[0].seat.capacity;
	handover_serve(&rig.children[1]);
	assert_true(rig_is_offered_to(&waiting, 1));
	rig_forget(&waiting);
}

static void test_queue_by_hash_of_a_dead_child_waits_for_its_next_home(void **state)
{
	(void)state;
	struct rig_client client;
	hold_all(SEAT_SUSPECT);
	rig_submit_by_hash(&client, 1, 0);
	rig_die(0);
	assert_is_waiting(&client);
	let_go(1);
	assert_true(rig_is_offered_to(&client, 1));
	rig_forget(&client);
}

static void test_queue_by_hash_goes_home_as_soon_as_home_is_open(void **state)
{
	(void)state;
	struct rig_client client;
	rig.children[0].seat.state = SEAT_SHUT;
	rig.children[1].seat.state = SEAT_SUSPECT;
	rig_submit_by_hash(&client, 1, 0);
	assert_is_waiting(&client);
	let_go(0);
	assert_true(rig_is_offered_to(&client, 0));
	rig_forget(&client);
}

#define queue_test(name)     cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
#define one_child_test(name) cmocka_unit_test_setup_teardown(name, rig_setup_one, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		queue_test(test_queue_is_served_in_its_order),
		queue_test(test_queue_lets_nobody_overtake),
		queue_test(test_queue_has_its_limit),
		one_child_test(test_queue_refuses_with_the_head_consumed_as_without),
		queue_test(test_queue_holds_messages_for_so_many_only),
		queue_test(test_queue_watches_those_that_wait_for_long),
		queue_test(test_queue_times_out),
		one_child_test(test_queue_timeout_keeps_its_first_deadline),
		queue_test(test_queue_lets_a_client_withdraw),
		queue_test(test_queue_is_refused_as_a_whole),
		queue_test(test_queue_goes_on_when_a_client_has_left),
		queue_test(test_queue_puts_what_came_back_in_front),
		one_child_test(test_queue_takes_what_came_back_whatever_its_limit),
		one_child_test(test_queue_is_served_after_a_refusal),
		queue_test(test_queue_by_hash_waits_for_its_own_child),
		queue_test(test_queue_by_hash_holds_up_nobody_else),
		queue_test(test_queue_by_hash_moves_when_its_child_dies),
		queue_test(test_queue_by_hash_moves_when_its_child_is_shut),
		queue_test(test_queue_by_hash_moves_when_its_child_is_full),
		queue_test(test_queue_by_hash_of_a_dead_child_waits_for_its_next_home),
		queue_test(test_queue_by_hash_goes_home_as_soon_as_home_is_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
