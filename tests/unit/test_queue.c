/* SPDX-License-Identifier: MIT */
/* Output that waits: order, partial takes, shared frames and who frees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "libbaton/queue.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum { MOST = 64 * 1024 };

static uint8_t next_byte;

/* The next bytes of a stream in which every byte tells its place. */
static const uint8_t *some(size_t len)
{
	static uint8_t bytes[MOST];
	for (size_t i = 0; i < len; i++) {
		bytes[i] = next_byte++;
	}
	return bytes;
}

static void assert_front(const struct queue *queue, uint8_t first)
{
	struct iovec parts[64];
	size_t count = queue_parts(queue, parts, 64), total = 0;
	for (size_t i = 0; i < count; i++) {
		assert_true(parts[i].iov_len > 0);
		const uint8_t *at = parts[i].iov_base;
		for (size_t k = 0; k < parts[i].iov_len; k++) {
			assert_int_equal(at[k], first++);
		}
		total += parts[i].iov_len;
	}
	assert_true(total == queue_length(queue) || count == 64);
}

static void test_queue_is_null_when_empty(void **state)
{
	(void)state;
	struct queue *queue = NULL;
	assert_int_equal(queue_length(queue), 0);
	assert_true(queue_append(&queue, "abc", 3));
	assert_int_equal(queue_length(queue), 3);
	queue_take(&queue, 2);
	assert_int_equal(queue_length(queue), 1);
	queue_take(&queue, 1);
	assert_null(queue);
	queue_free(&queue);
	assert_null(queue);
}

static void test_queue_keeps_order_over_copies_and_shared_frames(void **state)
{
	(void)state;
	struct queue *queue = NULL;
	uint8_t first = 0;
	size_t waits = 0;
	next_byte = 0;
	srand(7);
	for (int i = 0; i < 20000; i++) {
		size_t len = (size_t)rand() % (i % 50 == 0 ? 30000 : 300) + 1;
		if (rand() % 3 == 0) {
			size_t skip = (size_t)rand() % 10;
			struct shared *frame = shared_create(len + skip);
			assert_non_null(frame);
			memcpy(frame->at + skip, some(len), len);
			assert_true(queue_share(&queue, frame, skip));
			shared_release(frame);
		} else {
			assert_true(queue_append(&queue, some(len), len));
		}
		waits += len;
		assert_int_equal(queue_length(queue), waits);
		if (i % 7 == 0) {
			assert_front(queue, first);
			size_t take = i % 21 == 0 ? waits : (size_t)rand() % waits + 1;
			queue_take(&queue, take);
			first = (uint8_t)(first + take);
			waits -= take;
		}
	}
	queue_free(&queue);
}

static void test_queue_shares_one_frame_among_many(void **state)
{
	(void)state;
	struct queue *queues[10] = {NULL};
	struct shared *frame = shared_create(1000);
	memset(frame->at, 'x', 1000);
	for (size_t i = 0; i < 10; i++) {
		assert_true(queue_share(&queues[i], frame, i));
		struct iovec part;
		assert_int_equal(queue_parts(queues[i], &part, 1), 1);
		assert_ptr_equal(part.iov_base, frame->at + i); /* no copy */
	}
	assert_int_equal(frame->references, 11);
	queue_take(&queues[0], 1000);
	assert_int_equal(frame->references, 10);
	shared_release(frame);
	for (size_t i = 1; i < 10; i++) {
		queue_free(&queues[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queue_is_null_when_empty),
		cmocka_unit_test(test_queue_keeps_order_over_copies_and_shared_frames),
		cmocka_unit_test(test_queue_shares_one_frame_among_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
