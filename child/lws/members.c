/* SPDX-License-Identifier: MIT */
/*
 * A table of pointers in chains, and a list of all: see members.h. Knows nothing of libwebsockets
 * but that a wsi has an address.
 */
#include "lws/members.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 64 };

/* The offer's pairs without the head, which is the largest and which libwebsockets has. */
static size_t copy_pairs(char *to, const struct handoff_message *offer)
{
	size_t copied = 0;
	for (size_t at = 0; at < offer->payload_bytes;) {
		const char *pair = offer->payload + at;
		size_t bytes = strlen(pair) + 1;
		if (strncmp(pair, "HEAD=", 5) != 0) {
			if (to != NULL) {
				memcpy(to + copied, pair, bytes);
			}
			copied += bytes;
		}
		at += bytes;
	}
	return copied;
}

struct member *member_create(const struct handoff_message *offer)
{
	size_t bytes = copy_pairs(NULL, offer);
	struct member *member = calloc(1, sizeof *member + bytes);
	if (member != NULL) {
		member->report.id = offer->id;
		member->pairs_bytes = copy_pairs(member->pairs, offer);
	}
	return member;
}

void member_destroy(struct member *member)
{
	if (member != NULL) {
		free(member->reason);
		free(member);
	}
}

/* Addresses differ in the middle bits; Fibonacci hashing brings these to the top. */
static struct member **bucket_of(const struct members *members, const struct lws *wsi)
{
	uint64_t hash = (uint64_t)(uintptr_t)wsi * UINT64_C(0x9e3779b97f4a7c15);
	return &members->buckets[(hash >> 32) & (members->bucket_count - 1)];
}

static void chain(struct members *members, struct member *member)
{
	struct member **bucket = bucket_of(members, member->wsi);
	member->chain = *bucket;
	*bucket = member;
}

bool members_reserve(struct members *members)
{
	if (members->count < members->bucket_count) {
		return true;
	}
	size_t count = members->bucket_count > 0 ? 2 * members->bucket_count : FIRST_BUCKETS;
	struct member **buckets = calloc(count, sizeof *buckets);
	if (buckets == NULL) {
		return members->bucket_count > 0; /* longer chains, no harm */
	}
	free(members->buckets);
	members->buckets = buckets;
	members->bucket_count = count;
	for (struct member *member = members->first; member != NULL; member = member->next) {
		chain(members, member);
	}
	return true;
}

void members_add(struct members *members, struct member *member, struct lws *wsi)
{
	member->wsi = wsi;
	chain(members, member);
	member->next = members->first;
	if (member->next != NULL) {
		member->next->prev = member;
	}
	members->first = member;
	members->count++;
}

void members_remove(struct members *members, struct member *member)
{
	struct member **at = bucket_of(members, member->wsi);
	while (*at != member) {
		assert(*at != NULL);
		at = &(*at)->chain;
	}
	*at = member->chain;
	if (member->prev != NULL) {
		member->prev->next = member->next;
	} else {
		members->first = member->next;
	}
	if (member->next != NULL) {
		member->next->prev = member->prev;
	}
	members->count--;
}

struct member *members_find(const struct members *members, const struct lws *wsi)
{
	struct member *member = members->bucket_count > 0 ? *bucket_of(members, wsi) : NULL;
	while (member != NULL && member->wsi != wsi) {
		member = member->chain;
	}
	return member;
}

struct member *members_find_id(const struct members *members, uint64_t id)
{
	struct member *member = members->first;
	while (member != NULL && member->report.id != id) {
		member = member->next;
	}
	return member;
}

void members_finish(struct members *members)
{
	while (members->first != NULL) {
		struct member *member = members->first;
		members_remove(members, member);
		member_destroy(member);
	}
	free(members->buckets);
	*members = (struct members){.buckets = NULL};
}
