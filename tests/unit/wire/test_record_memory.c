/* Where a record's bytes are: in a buffer that is lent, in the reserve's, or in the
 * reader's own; and who has them once the record is taken. */
#include "wire/record.h"

#include "base/large.h"
#include "base/reserve.h"
#include "records.h"

#include <stdlib.h>

static void *blocks[64];
static unsigned n_blocks;

static void
reserve_take_all(void)
{
	while (n_blocks < DIST_ARRAY_SIZE(blocks) &&
	       (blocks[n_blocks] = dist_reserve_take()))
		n_blocks++;
}

static void
reserve_give_all(void)
{
	while (n_blocks > 0)
		assert_true(dist_reserve_give(blocks[--n_blocks]));
}

/* Blocks that nobody has. */
static unsigned
count_reserve(void)
{
	unsigned n;

	reserve_take_all();
	n = n_blocks;
	reserve_give_all();
	return n;
}

static void
test_a_record_of_one_fragment_is_not_copied(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	uint8_t *space;
	size_t length;

	(void)state;
	dist_record_reader_init(&reader, 1024);
	assert_ok(dist_record_reader_space(&reader, &space, &length));
	memcpy(space,
	       "\x80\0\0\x04"
	       "abcd",
	       8);
	dist_record_reader_filled(&reader, 8);
	assert_ptr_equal(next(&reader).data, space + 4);
}

/* A mark may claim 100 MiB: what is taken follows what arrived. */
static void
test_memory_follows_what_arrived(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	uint8_t *block = calloc(1, 10000);
	size_t arrived = 4;

	(void)state;
	dist_record_reader_init(&reader, 128 << 20);
	feed_mark(&reader, DIST_RECORD_LAST | 100 << 20);
	for (int i = 0; i < 300; i++) {
		assert_none(&reader);
		feed(&reader, block, 10000);
		arrived += 10000;
		assert_true(reader.capacity <= DIST_MAX(4 * arrived, 65536));
	}
	free(block);
}

/* Where it did so before, all of it is had at once: no byte is moved as it grows. */
static void
test_a_peer_that_sent_as_long_a_record_is_believed(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	const uint8_t *at;

	(void)state;
	dist_record_reader_init(&reader, 128 << 20);
	feed_fragment(&reader, true, 3000000, 'a');
	assert_filled(next(&reader), 3000000, 'a');
	assert_ok(dist_record_reader_settle(&reader));
	assert_null(reader.buffer);

	feed_mark(&reader, DIST_RECORD_LAST | 3000000);
	assert_none(&reader);
	for (int i = 0; i < 20000; i++)
		feed(&reader, "bbbb", 4);
	at = reader.buffer;
	assert_true(reader.capacity >= 3000000);
	for (int i = 20000; i < 3000000 / 4; i++)
		feed(&reader, "bbbb", 4);
	assert_ptr_equal(reader.buffer, at);
	assert_filled(next(&reader), 3000000, 'b');

	/* But no longer one. */
	assert_ok(dist_record_reader_settle(&reader));
	feed_mark(&reader, DIST_RECORD_LAST | 100 << 20);
	assert_none(&reader);
	for (int i = 0; i < 20000; i++)
		feed(&reader, "cccc", 4);
	assert_true(reader.capacity <= 4 * 80000);
}

/* Memory of an earlier record is there anyway; a stranger's mark may have it. */
static void
test_kept_memory_is_used_for_the_next_record(void **state)
{
	struct dist_record_reader reader;
	void *kept;

	(void)state;
	dist_large_begin();
	kept = dist_large_alloc(2000000);
	assert_non_null(kept);
	dist_large_free(kept);
	dist_record_reader_init(&reader, 128 << 20);
	feed_mark(&reader, DIST_RECORD_LAST | 2000000);
	for (size_t i = 0; i < 32768; i++)
		feed(&reader, "aaaa", 4);
	assert_ptr_equal(reader.buffer, kept);
	dist_record_reader_fini(&reader);
	dist_large_end();
}

/* A record's length is known by then, so the last growth fits it. */
static void
test_a_large_record_is_read_into_memory_of_its_size(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	size_t length = 1050000, room, rest;
	struct dist_bytes record;
	uint8_t *space;
	void *memory;

	(void)state;
	dist_record_reader_init(&reader, 128 << 20);
	feed_mark(&reader, DIST_RECORD_LAST | (uint32_t)length);
	for (rest = length; rest > 0; rest -= room) {
		assert_none(&reader);
		assert_ok(dist_record_reader_space(&reader, &space, &room));
		room = DIST_MIN(room, rest);
		memset(space, 'q', room);
		dist_record_reader_filled(&reader, room);
	}
	record = next(&reader);
	assert_true(reader.capacity < length + 16384);

	/* And the memory changes hands as it is. */
	assert_ok(dist_record_reader_take(&reader, record, &memory, &record));
	assert_null(reader.buffer);
	assert_filled(record, length, 'q');
	free(memory);
}

/* libtirpc sends a large record in fragments of 64 KiB: not each of them moves all. */
static void
test_memory_for_many_fragments_grows_by_doubling(void **state)
{
	enum { N = 200, LENGTH = 65532, ALL = N * (4 + LENGTH) };
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	uint8_t *bytes = malloc(ALL), *space;
	size_t capacity = 0, room;
	unsigned n_grown = 0;

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 'a', ALL);
	for (uint32_t i = 0; i < N; i++)
		dist_store_be32(bytes + i * (4 + LENGTH),
		                LENGTH | (i == N - 1 ? DIST_RECORD_LAST : 0));
	dist_record_reader_init(&reader, 128 << 20);
	for (size_t at = 0; at < ALL; at += room) {
		if (at > 0)
			assert_none(&reader);
		assert_ok(dist_record_reader_space(&reader, &space, &room));
		room = DIST_MIN(room, ALL - at);
		memcpy(space, bytes + at, room);
		dist_record_reader_filled(&reader, room);
		n_grown += reader.capacity != capacity;
		capacity = reader.capacity;
	}
	assert_in_range(n_grown, 1, 12);
	assert_filled(next(&reader), N * LENGTH, 'a');
	free(bytes);
}

static void
test_a_lent_buffer_is_used_and_given_back(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	uint8_t lent[8192];

	(void)state;
	dist_record_reader_init(&reader, 1 << 20);
	dist_record_reader_lend(&reader, lent, sizeof(lent));
	feed_fragment(&reader, true, 100, 'a');
	assert_ptr_equal(next(&reader).data, lent + 4);
	assert_ok(dist_record_reader_settle(&reader));
	assert_null(reader.buffer);

	/* What is left over moves out of it. */
	dist_record_reader_lend(&reader, lent, sizeof(lent));
	feed_fragment(&reader, true, 100, 'b');
	feed_mark(&reader, DIST_RECORD_LAST | 4);
	feed(&reader, "cc", 2);
	assert_filled(next(&reader), 100, 'b');
	assert_none(&reader);
	assert_ok(dist_record_reader_settle(&reader));
	memset(lent, 'x', sizeof(lent));
	assert_non_null(reader.buffer);
	assert_false(reader.lent);
	feed(&reader, "cc", 2);
	assert_filled(next(&reader), 4, 'c');
}

/* A reader that holds something keeps its own buffer. */
static void
test_lending_to_a_reader_that_holds_something_changes_nothing(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	uint8_t lent[4096];

	(void)state;
	dist_record_reader_init(&reader, 100);
	feed(&reader, "\x80\0\0", 3);
	dist_record_reader_lend(&reader, lent, sizeof(lent));
	assert_ptr_not_equal(reader.buffer, lent);
	feed(&reader, "\x04xxxx", 5);
	assert_filled(next(&reader), 4, 'x');
}

/* But what it holds can be carried over: the start of a record, and whole ones. */
static void
test_what_is_held_is_carried_to_another_buffer(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	uint8_t first[16384], second[16384];
	struct dist_bytes given;

	(void)state;
	dist_record_reader_init(&reader, 1 << 20);
	dist_record_reader_carry(&reader, first, sizeof(first));
	feed_fragment(&reader, true, 100, 'a');
	feed_fragment(&reader, true, 200, 'b');
	feed_fragment(&reader, false, 300, 'c');
	feed_mark(&reader, DIST_RECORD_LAST | 4);
	feed(&reader, "dd", 2);
	given = next(&reader);
	assert_ptr_equal(given.data, first + 4);

	dist_record_reader_carry(&reader, second, sizeof(second));
	assert_ptr_equal(reader.buffer, second);
	/* It is run still, by the thread whose buffer that was. */
	assert_filled(given, 100, 'a');
	memset(first, 'x', sizeof(first));
	assert_filled(next(&reader), 200, 'b');
	assert_none(&reader);

	dist_record_reader_carry(&reader, first, sizeof(first));
	memset(second, 'x', sizeof(second));
	feed(&reader, "dd", 2);
	given = next(&reader);
	assert_int_equal(given.length, 304);
	assert_memory_equal(given.data + 299, "cdddd", 5);
	assert_ok(dist_record_reader_settle(&reader));
	assert_null(reader.buffer);
}

static void
test_what_does_not_fit_is_not_carried(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	uint8_t first[16384], small[4096];

	(void)state;
	dist_record_reader_init(&reader, 1 << 20);
	dist_record_reader_carry(&reader, first, sizeof(first));
	for (int i = 0; i < 5; i++)
		feed_fragment(&reader, true, 1000, (uint8_t)i);
	dist_record_reader_carry(&reader, small, sizeof(small));
	assert_ptr_equal(reader.buffer, first);
	for (int i = 0; i < 5; i++)
		assert_filled(next(&reader), 1000, (uint8_t)i);

	/* It will be most of that buffer, so it goes on where it can grow. */
	feed_mark(&reader, DIST_RECORD_LAST | 3000);
	dist_record_reader_carry(&reader, small, sizeof(small));
	assert_ptr_equal(reader.buffer, first);
}

static void
test_small_records_come_in_a_block_of_the_reserve(void **state)
{
	struct dist_record_reader reader, second;
	unsigned n = count_reserve();
	uint8_t lent[16384];

	(void)state;
	dist_record_reader_init(&reader, 1 << 20);
	feed_fragment(&reader, true, 100, 'a');
	assert_int_equal(count_reserve(), n - 1);
	assert_filled(next(&reader), 100, 'a');
	assert_ok(dist_record_reader_settle(&reader));
	assert_int_equal(count_reserve(), n);

	/* Given back wherever the reader goes from there. */
	feed_mark(&reader, DIST_RECORD_LAST | 4);
	assert_int_equal(count_reserve(), n - 1);
	dist_record_reader_carry(&reader, lent, sizeof(lent));
	assert_int_equal(count_reserve(), n);
	assert_true(dist_record_reader_carry_to_reserve(&reader));
	assert_int_equal(count_reserve(), n - 1);
	assert_ok(dist_record_reader_settle(&reader));
	assert_false(reader.lent);
	assert_int_equal(count_reserve(), n);
	feed(&reader, "bbbb", 4);
	assert_int_equal(count_reserve(), n - 1);
	feed_fragment(&reader, true, 500000, 'c');
	assert_int_equal(count_reserve(), n);
	assert_filled(next(&reader), 4, 'b');
	assert_filled(next(&reader), 500000, 'c');
	dist_record_reader_fini(&reader);

	/* Without one it is memory of its own. */
	reserve_take_all();
	dist_record_reader_init(&second, 1 << 20);
	feed_fragment(&second, true, 100, 'a');
	assert_false(second.lent);
	assert_filled(next(&second), 100, 'a');
	dist_record_reader_fini(&second);
	reserve_give_all();
}

static void
test_a_record_larger_than_the_lent_buffer_moves_to_the_heap(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	uint8_t lent[4096];

	(void)state;
	dist_record_reader_init(&reader, 1 << 20);
	dist_record_reader_lend(&reader, lent, sizeof(lent));
	feed_fragment(&reader, true, 500000, 'a');
	assert_false(reader.lent);
	assert_filled(next(&reader), 500000, 'a');
}

static void
test_settling_gives_back_what_a_large_record_took(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;

	(void)state;
	dist_record_reader_init(&reader, 1 << 20);
	feed_fragment(&reader, true, 500000, 'a');
	feed_mark(&reader, DIST_RECORD_LAST | 4);
	assert_filled(next(&reader), 500000, 'a');
	assert_none(&reader);
	assert_ok(dist_record_reader_settle(&reader));
	assert_true(reader.capacity <= 512);
	feed(&reader, "bbbb", 4);
	assert_filled(next(&reader), 4, 'b');
	assert_ok(dist_record_reader_settle(&reader));
	assert_null(reader.buffer);
}

static void
test_a_small_record_that_is_taken_is_copied(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	struct dist_bytes record;
	void *memory;

	(void)state;
	dist_record_reader_init(&reader, 1 << 20);
	feed_fragment(&reader, true, 100, 'a');
	feed_fragment(&reader, true, 100, 'b');
	assert_ok(dist_record_reader_take(&reader, next(&reader), &memory, &record));
	assert_filled(next(&reader), 100, 'b');
	assert_ok(dist_record_reader_settle(&reader));
	assert_filled(record, 100, 'a');
	free(memory);
}

/* What followed it in the buffer stays with the reader. */
static void
test_a_large_record_that_is_taken_leaves_the_rest(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	struct dist_bytes record;
	void *memory;

	(void)state;
	dist_record_reader_init(&reader, 1 << 20);
	feed_fragment(&reader, true, 60000, 'a');
	feed_fragment(&reader, true, 10, 'b');
	feed_mark(&reader, DIST_RECORD_LAST | 4);
	assert_ok(dist_record_reader_take(&reader, next(&reader), &memory, &record));
	assert_filled(next(&reader), 10, 'b');
	assert_none(&reader);
	feed(&reader, "cccc", 4);
	assert_filled(next(&reader), 4, 'c');
	assert_filled(record, 60000, 'a');
	free(memory);
}

/* A thread may look at all records that are there before it keeps the first. */
static void
test_taking_a_record_leaves_those_after_it_where_they_are(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	struct dist_bytes records[3], kept[3];
	void *memory[3];

	(void)state;
	dist_record_reader_init(&reader, 1 << 20);
	for (int i = 0; i < 3; i++)
		feed_fragment(&reader, true, 200000, (uint8_t)('a' + i));
	feed_mark(&reader, DIST_RECORD_LAST | 4);
	for (int i = 0; i < 3; i++)
		records[i] = next(&reader);
	for (int i = 0; i < 3; i++) {
		assert_ok(dist_record_reader_take(&reader, records[i], &memory[i],
		                                  &kept[i]));
		assert_filled(kept[i], 200000, (uint8_t)('a' + i));
		free(memory[i]);
		if (i < 2)
			assert_filled(records[i + 1], 200000, (uint8_t)('b' + i));
	}
	assert_none(&reader);
	feed(&reader, "dddd", 4);
	assert_filled(next(&reader), 4, 'd');
}

/* next() may have begun to join the record after it by then. */
static void
test_taking_a_record_keeps_what_is_joined_of_the_next(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	struct dist_bytes large, kept;
	void *memory;

	(void)state;
	dist_record_reader_init(&reader, 1 << 20);
	reserve_take_all();
	feed_fragment(&reader, true, 40000, 'a');
	feed_fragment(&reader, false, 3000, 'b');
	feed_fragment(&reader, false, 2000, 'b');
	feed_mark(&reader, DIST_RECORD_LAST | 1000);
	large = next(&reader);
	assert_none(&reader);
	assert_ok(dist_record_reader_take(&reader, large, &memory, &kept));
	assert_ptr_equal(kept.data, large.data);
	free(memory);
	for (int i = 0; i < 100; i++)
		feed(&reader, "bbbbbbbbbb", 10);
	assert_filled(next(&reader), 6000, 'b');
	reserve_give_all();
}

/* Even one that fills most of the buffer, as long as it is not the last. */
static void
test_taking_a_large_record_keeps_the_small_one_after_it(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	struct dist_bytes large, small, kept;
	void *memory;

	(void)state;
	dist_record_reader_init(&reader, 1 << 20);
	feed_fragment(&reader, true, 90000, 'a');
	feed_fragment(&reader, true, 100, 'b');
	large = next(&reader);
	small = next(&reader);
	assert_ok(dist_record_reader_take(&reader, large, &memory, &kept));
	free(memory);
	assert_filled(small, 100, 'b');
	assert_ok(dist_record_reader_take(&reader, small, &memory, &kept));
	assert_filled(kept, 100, 'b');
	free(memory);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_record_of_one_fragment_is_not_copied),
	cmocka_unit_test(test_memory_follows_what_arrived),
	cmocka_unit_test(test_a_peer_that_sent_as_long_a_record_is_believed),
	cmocka_unit_test(test_kept_memory_is_used_for_the_next_record),
	cmocka_unit_test(test_a_large_record_is_read_into_memory_of_its_size),
	cmocka_unit_test(test_memory_for_many_fragments_grows_by_doubling),
	cmocka_unit_test(test_a_lent_buffer_is_used_and_given_back),
	cmocka_unit_test(test_lending_to_a_reader_that_holds_something_changes_nothing),
	cmocka_unit_test(test_what_is_held_is_carried_to_another_buffer),
	cmocka_unit_test(test_what_does_not_fit_is_not_carried),
	cmocka_unit_test(test_small_records_come_in_a_block_of_the_reserve),
	cmocka_unit_test(test_a_record_larger_than_the_lent_buffer_moves_to_the_heap),
	cmocka_unit_test(test_settling_gives_back_what_a_large_record_took),
	cmocka_unit_test(test_a_small_record_that_is_taken_is_copied),
	cmocka_unit_test(test_a_large_record_that_is_taken_leaves_the_rest),
	cmocka_unit_test(test_taking_a_record_leaves_those_after_it_where_they_are),
	cmocka_unit_test(test_taking_a_record_keeps_what_is_joined_of_the_next),
	cmocka_unit_test(test_taking_a_large_record_keeps_the_small_one_after_it),
};

CHECK_MAIN(tests)
