/* SPDX-License-Identifier: MIT */
/*
 * The ledger of open connections. A record's id names its slot and a serial number, so finding is
 * one look and a stale id finds nothing. Called by conn (open, link), child (close) and
 * status (listing).
 */
#include "pool/ledger.h"

#include "pages.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct ledger {
	size_t max, count;
	uint64_t serial;
	uint32_t free;     /* list of closed slots */
	uint32_t used_end; /* slots from here on have never been used, so never been touched */
	struct record *records;
};

struct ledger *ledger_create(size_t max)
{
	struct ledger *ledger = calloc(1, sizeof *ledger);
	if (ledger == NULL) {
		return NULL;
	}
	assert(max > 0 && max <= LEDGER_MAX);
	ledger->max = max;
	ledger->free = LEDGER_NONE;
	ledger->records = pages_create(max * sizeof(struct record));
	if (ledger->records == NULL) {
		free(ledger);
		return NULL;
	}
	return ledger;
}

void ledger_destroy(struct ledger *ledger)
{
	if (ledger != NULL) {
		pages_free(ledger->records, ledger->max * sizeof(struct record));
		free(ledger);
	}
}

struct record *ledger_open(struct ledger *ledger)
{
	uint32_t slot = ledger->free;
	if (slot != LEDGER_NONE) {
		ledger->free = ledger->records[slot].next;
	} else if (ledger->used_end < ledger->max) {
		slot = ledger->used_end++;
	} else {
		return NULL;
	}
	struct record *record = &ledger->records[slot];
	*record = (struct record){
		.id = ++ledger->serial << LEDGER_SLOT_BITS | slot,
		.route = LEDGER_NO_ROUTE,
		.seat = LEDGER_NO_SEAT,
		.prev = LEDGER_NONE,
		.next = LEDGER_NONE,
	};
	ledger->count++;
	return record;
}

uint32_t ledger_slot(const struct record *record)
{
	return (uint32_t)(record->id & (LEDGER_MAX - 1));
}

struct record *ledger_find(struct ledger *ledger, uint64_t id)
{
	size_t slot = id & (LEDGER_MAX - 1);
	if (id == 0 || slot >= ledger->used_end || ledger->records[slot].id != id) {
		return NULL;
	}
	return &ledger->records[slot];
}

void ledger_close(struct ledger *ledger, struct record *record)
{
	assert(record->id != 0 && record->prev == LEDGER_NONE && record->next == LEDGER_NONE);
	uint32_t slot = ledger_slot(record);
	record->id = 0;
	record->next = ledger->free;
	ledger->free = slot;
	ledger->count--;
}

size_t ledger_count(const struct ledger *ledger)
{
	return ledger->count;
}

struct record *ledger_next(struct ledger *ledger, uint32_t from)
{
	for (uint32_t slot = from; slot < ledger->used_end; slot++) {
		if (ledger->records[slot].id != 0) {
			return &ledger->records[slot];
		}
	}
	return NULL;
}

struct record *ledger_at(struct ledger *ledger, uint32_t slot)
{
	return slot == LEDGER_NONE ? NULL : &ledger->records[slot];
}

void ledger_link(struct ledger *ledger, uint32_t *first, struct record *record)
{
	uint32_t slot = ledger_slot(record);
	record->next = *first;
	record->prev = LEDGER_NONE;
	if (*first != LEDGER_NONE) {
		ledger->records[*first].prev = slot;
	}
	*first = slot;
}

void ledger_unlink(struct ledger *ledger, uint32_t *first, struct record *record)
{
	if (record->prev != LEDGER_NONE) {
		ledger->records[record->prev].next = record->next;
	} else {
		assert(*first == ledger_slot(record));
		*first = record->next;
	}
	if (record->next != LEDGER_NONE) {
		ledger->records[record->next].prev = record->prev;
	}
	record->prev = record->next = LEDGER_NONE;
}
