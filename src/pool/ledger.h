/* SPDX-License-Identifier: MIT */
/*
 * The ledger: one small record for every connection from accept to close, wherever its socket is.
 * Plain data with ids, no pointers (a later upgrade carries it over). Sized once; untouched
 * records cost no memory. Pure bookkeeping: owns no descriptor.
 */
#ifndef BATON_LEDGER_H
#define BATON_LEDGER_H

#include "address.h"

#include <stddef.h>
#include <stdint.h>

enum {
	LEDGER_NONE = UINT32_MAX,    /* no slot: the end of a list */
	LEDGER_NO_SEAT = UINT16_MAX, /* nobody owns the socket yet */
	LEDGER_NO_ROUTE = UINT16_MAX,
	LEDGER_SLOT_BITS = 20,
	LEDGER_MAX = 1 << LEDGER_SLOT_BITS, /* records a ledger can have */
};

/* 56 bytes: it stays for the life of the connection. */
struct record {
	uint64_t id;        /* serial << LEDGER_SLOT_BITS | slot; 0 while the record is free */
	uint64_t opened_ms; /* loop time of the accept */
	struct address client;
	uint16_t listener,
		route;       /* indices into the configuration; LEDGER_NO_ROUTE before the head
			      * is judged, and where there is none for it */
	uint16_t pool, seat; /* who owns the socket; LEDGER_NO_SEAT before TAKEN */
	uint8_t counted;     /* limits.c only: what the connection is counted for */
	uint32_t prev, next; /* slots of the neighbours in the owner's list; next: free list */
};

struct ledger;

/* At most LEDGER_MAX records. NULL with errno. */
struct ledger *ledger_create(size_t max);
void ledger_destroy(struct ledger *); /* NULL is fine */

/* A fresh record with a new id, no route and nobody's seat, else zero; NULL when all are in use. */
struct record *ledger_open(struct ledger *);

/* The open record of this id, or NULL: never a record that has since been used again. */
struct record *ledger_find(struct ledger *, uint64_t id);

/* Frees the record. It must not be in a list. */
void ledger_close(struct ledger *, struct record *);

size_t ledger_count(const struct ledger *); /* open records */

/* The open record of the lowest slot >= from, or NULL; for listing: continue at slot + 1. */
struct record *ledger_next(struct ledger *, uint32_t from);
uint32_t ledger_slot(const struct record *);

/* An owner's list begins as LEDGER_NONE in *first. */
void ledger_link(struct ledger *, uint32_t *first, struct record *);
void ledger_unlink(struct ledger *, uint32_t *first, struct record *);
struct record *ledger_at(struct ledger *, uint32_t slot); /* slot of a list; NULL for LEDGER_NONE */

#endif
