/* SPDX-License-Identifier: MIT */
/*
 * A hash table of connections. It grows by doubling and never shrinks: eight bytes for two
 * connections are not worth a second threshold. It owns its buckets and no connection.
 */
#include "libbaton/table.h"

#include "libbaton/conn.h"

#include <assert.h>
#include <stdlib.h>

enum { FIRST_BUCKETS = 64, MOST_A_BUCKET = 2 };

/* Ids are dealt to several children in turn; the multiplication spreads any such stride. */
static size_t bucket_of(const struct table *table, uint64_t id)
{
	return (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (table->bucket_count - 1);
}

int table_init(struct table *table)
{
	table->buckets = calloc(FIRST_BUCKETS, sizeof *table->buckets);
	if (table->buckets == NULL) {
		return -1;
	}
	table->bucket_count = FIRST_BUCKETS;
	table->count = 0;
	return 0;
}

void table_finish(struct table *table)
{
	free(table->buckets);
	table->buckets = NULL;
	table->bucket_count = 0;
}

static void link_in(struct table *table, struct baton_conn *conn)
{
	struct baton_conn **bucket = &table->buckets[bucket_of(table, conn->id)];
	conn->next_in_table = *bucket;
	*bucket = conn;
}

static void grow(struct table *table)
{
	struct table old = *table;
	struct baton_conn **buckets = calloc(2 * old.bucket_count, sizeof *buckets);
	if (buckets == NULL) {
		return;
	}
	table->buckets = buckets;
	table->bucket_count = 2 * old.bucket_count;
	for (size_t i = 0; i < old.bucket_count; i++) {
		for (struct baton_conn *conn = old.buckets[i], *next; conn != NULL; conn = next) {
			next = conn->next_in_table;
			link_in(table, conn);
		}
	}
	free(old.buckets);
}

void table_add(struct table *table, struct baton_conn *conn)
{
	if (table->count >= MOST_A_BUCKET * table->bucket_count) {
		grow(table);
	}
	link_in(table, conn);
	table->count++;
}

void table_remove(struct table *table, struct baton_conn *conn)
{
	struct baton_conn **at = &table->buckets[bucket_of(table, conn->id)];
	while (*at != conn) {
		assert(*at != NULL);
		at = &(*at)->next_in_table;
	}
	*at = conn->next_in_table;
	table->count--;
}

struct baton_conn *table_find(const struct table *table, uint64_t id)
{
	struct baton_conn *conn = table->buckets[bucket_of(table, id)];
	while (conn != NULL && conn->id != id) {
		conn = conn->next_in_table;
	}
	return conn;
}
