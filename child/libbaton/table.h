/* SPDX-License-Identifier: MIT */
/* The connections of this process by id. The chain runs through the connections themselves. */
#ifndef BATON_TABLE_H
#define BATON_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct baton_conn;

struct table {
	struct baton_conn **buckets;
	size_t bucket_count; /* a power of two; 0 before table_init */
	size_t count;        /* connections, at most two a bucket unless memory is short */
};

int table_init(struct table *); /* 0, or -1 with errno */
void table_finish(struct table *);

/* The id must not be there yet. Never fails: without memory the chains grow longer instead. */
void table_add(struct table *, struct baton_conn *);
void table_remove(struct table *, struct baton_conn *);
struct baton_conn *table_find(const struct table *, uint64_t id); /* NULL when absent */

#endif
