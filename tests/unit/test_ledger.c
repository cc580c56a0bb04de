/* SPDX-License-Identifier: MIT */
/*
 * The ledger: ids that never come again, finding by them, owners' lists, and its end. Addresses,
 * which stand in its records, are in test_address.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool/ledger.h"

#include <string.h>

enum { SMALL = 4, MANY_TIMES = 10000 };

static int setup(void **state)
{
	*state = ledger_create(SMALL);
	return *state != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	ledger_destroy(*state);
	return 0;
}

static void test_ledger_opens_a_blank_record(void **state)
{
	struct record *record = ledger_open(*state);
	record->opened_ms = 5;
	record->client.port = 80;
	record->pool = record->route = record->listener = 3;
	ledger_close(*state, record);
	record = ledger_open(*state);
	assert_int_equal(record->opened_ms, 0);
	assert_int_equal(record->client.port, 0);
	assert_int_equal(record->pool + record->listener, 0);
	assert_int_equal(record->route, LEDGER_NO_ROUTE);
	assert_int_equal(record->seat, LEDGER_NO_SEAT);
	assert_int_equal(sizeof *record, 56); /* for the life of each connection */
}

static void test_ledger_ids_never_repeat(void **state)
{
	uint64_t last = 0;
	for (int i = 0; i < MANY_TIMES; i++) {
		struct record *record = ledger_open(*state);
		assert_true(record->id >> LEDGER_SLOT_BITS > last >> LEDGER_SLOT_BITS);
		last = record->id;
		ledger_close(*state, record);
	}
	assert_int_equal(ledger_count(*state), 0);
}

static void test_ledger_finds_open_records_only(void **state)
{
	struct record *one = ledger_open(*state), *two = ledger_open(*state);
	const uint64_t id = one->id;
	assert_ptr_equal(ledger_find(*state, one->id), one);
	assert_ptr_equal(ledger_find(*state, two->id), two);
	ledger_close(*state, one);
	assert_null(ledger_find(*state, id));
	struct record *again = ledger_open(*state);
	assert_ptr_equal(again, one); /* the same slot */
	assert_null(ledger_find(*state, id));
	assert_ptr_equal(ledger_find(*state, again->id), again);
}

static void test_ledger_finds_nothing_for_an_id_it_never_gave(void **state)
{
	struct record *record = ledger_open(*state);
	const uint64_t ids[] = {0,
				1,
				SMALL,
				record->id + 1,
				record->id + (1u << LEDGER_SLOT_BITS),
				record->id ^ (1ull << 63),
				LEDGER_MAX - 1,
				UINT64_MAX};
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		if (ledger_find(*state, ids[i]) != NULL) {
			fail_msg("row %zu: %llx", i, (unsigned long long)ids[i]);
		}
	}
}

static void test_ledger_ends_when_all_are_in_use(void **state)
{
	struct record *records[SMALL];
	for (size_t i = 0; i < SMALL; i++) {
		records[i] = ledger_open(*state);
		assert_non_null(records[i]);
	}
	assert_null(ledger_open(*state));
	assert_int_equal(ledger_count(*state), SMALL);
	ledger_close(*state, records[2]);
	assert_ptr_equal(ledger_open(*state), records[2]);
	assert_null(ledger_open(*state));
}

static void test_ledger_lists_by_slot(void **state)
{
	struct record *records[SMALL];
	for (size_t i = 0; i < SMALL; i++) {
		assert_null(ledger_next(*state, (uint32_t)i));
		records[i] = ledger_open(*state);
	}
	ledger_close(*state, records[0]);
	ledger_close(*state, records[2]);
	assert_ptr_equal(ledger_next(*state, 0), records[1]);
	assert_int_equal(ledger_slot(records[1]), 1);
	assert_ptr_equal(ledger_next(*state, 1), records[1]);
	assert_ptr_equal(ledger_next(*state, 2), records[3]);
	assert_null(ledger_next(*state, 4));
	assert_null(ledger_next(*state, UINT32_MAX));
}

/* The list as text: the slots in its order. */
static const char *list_text(struct ledger *ledger, uint32_t first)
{
	static char text[SMALL + 1];
	uint32_t before = LEDGER_NONE;
	size_t len = 0;
	for (struct record *record = ledger_at(ledger, first); record != NULL;
	     record = ledger_at(ledger, record->next)) {
		assert_int_equal(record->prev, before);
		assert_true(len < SMALL);
		before = ledger_slot(record);
		text[len++] = (char)('0' + before);
	}
	text[len] = '\0';
	return text;
}

static void test_ledger_links_and_unlinks_anywhere(void **state)
{
	static const struct {
		unsigned goes;
		const char *left;
	} rows[] = {{3, "210"}, {2, "310"}, {1, "320"}, {0, "321"}};
	uint32_t first = LEDGER_NONE;
	struct record *records[SMALL];
	assert_null(ledger_at(*state, first));
	for (size_t i = 0; i < SMALL; i++) {
		records[i] = ledger_open(*state);
	}
	for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
		for (size_t i = 0; i < SMALL; i++) {
			ledger_link(*state, &first, records[i]);
		}
		assert_string_equal(list_text(*state, first), "3210");
		ledger_unlink(*state, &first, records[rows[row].goes]);
		if (strcmp(list_text(*state, first), rows[row].left) != 0) {
			fail_msg("row %zu: %s", row, list_text(*state, first));
		}
		while (first != LEDGER_NONE) {
			ledger_unlink(*state, &first, ledger_at(*state, first));
		}
	}
	for (size_t i = 0; i < SMALL; i++) {
		ledger_close(*state, records[i]); /* asserts that it is in no list */
	}
}

static void test_ledger_keeps_lists_of_owners_apart(void **state)
{
	uint32_t mine = LEDGER_NONE, yours = LEDGER_NONE;
	struct record *records[SMALL];
	for (size_t i = 0; i < SMALL; i++) {
		records[i] = ledger_open(*state);
		ledger_link(*state, i % 2 == 0 ? &mine : &yours, records[i]);
	}
	assert_string_equal(list_text(*state, mine), "20");
	assert_string_equal(list_text(*state, yours), "31");
	ledger_unlink(*state, &mine, records[2]);
	ledger_link(*state, &yours, records[2]);
	assert_string_equal(list_text(*state, mine), "0");
	assert_string_equal(list_text(*state, yours), "231");
}

static void test_ledger_can_be_as_large_as_it_says(void **state)
{
	(void)state;
	struct ledger *ledger = ledger_create(LEDGER_MAX);
	assert_non_null(ledger);
	struct record *first = ledger_open(ledger);
	assert_ptr_equal(ledger_find(ledger, first->id), first);
	ledger_destroy(ledger);
	ledger_destroy(NULL);
}

#define ledger_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ledger_test(test_ledger_opens_a_blank_record),
		ledger_test(test_ledger_ids_never_repeat),
		ledger_test(test_ledger_finds_open_records_only),
		ledger_test(test_ledger_finds_nothing_for_an_id_it_never_gave),
		ledger_test(test_ledger_ends_when_all_are_in_use),
		ledger_test(test_ledger_lists_by_slot),
		ledger_test(test_ledger_links_and_unlinks_anywhere),
		ledger_test(test_ledger_keeps_lists_of_owners_apart),
		ledger_test(test_ledger_can_be_as_large_as_it_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
