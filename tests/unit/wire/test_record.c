/* Records come out as they were sent, however they arrive. */
#include "wire/record.h"

#include "records.h"

#include <stdlib.h>

/* TCP keeps no message bounds: a record cut at any byte must come out whole. */
static void
test_record_survives_a_cut_at_every_byte(void **state)
{
	/* "abcd" in two fragments, RFC 5531 section 11. */
	static const uint8_t wire[] = { 0, 0, 0, 2, 'a', 'b', 0x80, 0, 0, 2, 'c', 'd' };

	(void)state;
	for (size_t cut = 0; cut < sizeof(wire); cut++) {
		DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;

		dist_record_reader_init(&reader, 64);
		feed(&reader, wire, cut);
		assert_none(&reader);
		assert_int_equal(dist_record_reader_partial(&reader), cut > 0);
		feed(&reader, wire + cut, sizeof(wire) - cut);
		assert_bytes_equal(next(&reader), "abcd");
		assert_false(dist_record_reader_partial(&reader));
		assert_none(&reader);
	}
}

/* The same, a byte at a time, and settled after each: nothing is lost by giving memory
 * back in the middle of a mark or a fragment. */
static void
test_record_survives_settling_after_every_byte(void **state)
{
	static const uint8_t wire[] = { 0, 0,    0, 2, 'a', 'b', 0,   0,  0,
		                        0, 0x80, 0, 0, 3,   'c', 'd', 'e' };
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	uint8_t lent[4096];

	(void)state;
	dist_record_reader_init(&reader, 64);
	for (size_t i = 0; i < sizeof(wire); i++) {
		assert_none(&reader);
		assert_ok(dist_record_reader_settle(&reader));
		dist_record_reader_lend(&reader, lent, sizeof(lent));
		feed(&reader, wire + i, 1);
	}
	assert_bytes_equal(next(&reader), "abcde");
	assert_ok(dist_record_reader_settle(&reader));
	assert_null(reader.buffer);
}

static void
test_many_records_come_out_of_one_read_in_order(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;

	(void)state;
	dist_record_reader_init(&reader, 1024);
	for (unsigned i = 0; i < 300; i++)
		feed_fragment(&reader, true, i, (uint8_t)i);
	for (unsigned i = 0; i < 300; i++)
		assert_filled(next(&reader), i, (uint8_t)i);
	assert_none(&reader);
	assert_false(dist_record_reader_partial(&reader));
}

static void
test_fragments_of_all_sizes_are_joined(void **state)
{
	static const size_t sizes[] = { 1, 2, 3, 5, 100, 4096, 8999, 65536, 100000 };

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(sizes); i++) {
		DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
		size_t n = 300000 / sizes[i] < 2000 ? 300000 / sizes[i] : 2000;

		dist_record_reader_init(&reader, 1 << 20);
		/* Something before it, so that the record does not begin at the front.
		 */
		feed_fragment(&reader, true, 7, 'x');
		assert_filled(next(&reader), 7, 'x');
		for (size_t k = 0; k < n; k++) {
			feed_fragment(&reader, k == n - 1, sizes[i], 'y');
			if (k < n - 1)
				assert_none(&reader);
		}
		feed_fragment(&reader, true, 3, 'z');
		assert_filled(next(&reader), n * sizes[i], 'y');
		assert_filled(next(&reader), 3, 'z');
	}
}

static void
test_a_record_at_the_limit_passes_and_one_past_it_does_not(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	struct dist_bytes record;
	bool have;

	(void)state;
	dist_record_reader_init(&reader, 100);
	feed_fragment(&reader, true, 100, 'a');
	assert_filled(next(&reader), 100, 'a');
	feed_fragment(&reader, false, 60, 'b');
	feed_fragment(&reader, true, 40, 'b');
	assert_filled(next(&reader), 100, 'b');

	feed_fragment(&reader, false, 60, 'b');
	assert_none(&reader);
	feed_mark(&reader, DIST_RECORD_LAST | 41);
	assert_err(dist_record_reader_next(&reader, &record, &have), DIST_ETOOBIG);
}

static void
test_a_mark_over_the_limit_is_refused_before_its_bytes_come(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	struct dist_bytes record;
	bool have;

	(void)state;
	dist_record_reader_init(&reader, 1 << 20);
	feed_mark(&reader, 0xffffffff);
	assert_err(dist_record_reader_next(&reader, &record, &have), DIST_ETOOBIG);
}

static void
test_empty_fragments_are_passed_over_but_not_for_ever(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	struct dist_bytes record;
	bool have;

	(void)state;
	dist_record_reader_init(&reader, 100);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 16; i++)
			feed_mark(&reader, 0);
		assert_none(&reader);
		assert_true(dist_record_reader_partial(&reader));
		feed_fragment(&reader, true, 4, 'a');
		assert_filled(next(&reader), 4, 'a');
	}
	for (int i = 0; i < 17; i++)
		feed_mark(&reader, 0);
	assert_err(dist_record_reader_next(&reader, &record, &have), DIST_EPROTO);
}

/* Some senders end each record with an empty last fragment. */
static void
test_an_empty_last_fragment_ends_a_record(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;

	(void)state;
	dist_record_reader_init(&reader, 100);
	feed_fragment(&reader, false, 8, 'a');
	assert_none(&reader);
	feed_mark(&reader, DIST_RECORD_LAST);
	assert_filled(next(&reader), 8, 'a');
	feed_mark(&reader, DIST_RECORD_LAST);
	assert_filled(next(&reader), 0, 'a');
	assert_none(&reader);
}

/* Any stream of valid records comes out the same however it is cut, whoever lends. */
static void
test_random_records_in_random_pieces(void **state)
{
	DIST_CLEANUP(dist_record_reader_fini) struct dist_record_reader reader;
	unsigned seed = 1, n_sent = 0, n_got = 0;
	uint8_t lent[4096], *space, wire[70000];
	size_t filled = 0, at = 0, room;
	struct dist_bytes record;
	bool have;

	(void)state;
	dist_record_reader_init(&reader, 1 << 17);
	while (n_got < 500) {
		if (at == filled) {
			size_t length = rand_r(&seed) % 8 ? rand_r(&seed) % 200
			                                  : rand_r(&seed) % 65000;

			dist_record_mark(wire, length);
			memset(wire + 4, (int)(n_sent++ & 0xff), length);
			filled = length + 4;
			at = 0;
		}
		if (rand_r(&seed) % 2)
			dist_record_reader_lend(&reader, lent, sizeof(lent));
		else if (rand_r(&seed) % 2)
			dist_record_reader_carry(&reader, lent, sizeof(lent));
		else if (rand_r(&seed) % 2)
			(void)dist_record_reader_carry_to_reserve(&reader);
		assert_ok(dist_record_reader_space(&reader, &space, &room));
		room = DIST_MIN(room, filled - at);
		if (rand_r(&seed) % 2 && room > 0)
			room = 1 + (size_t)rand_r(&seed) % room;
		memcpy(space, wire + at, room);
		dist_record_reader_filled(&reader, room);
		at += room;
		for (;;) {
			assert_ok(dist_record_reader_next(&reader, &record, &have));
			if (!have)
				break;
			assert_filled(record, record.length, (uint8_t)n_got++);
		}
		assert_ok(dist_record_reader_settle(&reader));
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_record_survives_a_cut_at_every_byte),
	cmocka_unit_test(test_record_survives_settling_after_every_byte),
	cmocka_unit_test(test_many_records_come_out_of_one_read_in_order),
	cmocka_unit_test(test_fragments_of_all_sizes_are_joined),
	cmocka_unit_test(test_a_record_at_the_limit_passes_and_one_past_it_does_not),
	cmocka_unit_test(test_a_mark_over_the_limit_is_refused_before_its_bytes_come),
	cmocka_unit_test(test_empty_fragments_are_passed_over_but_not_for_ever),
	cmocka_unit_test(test_an_empty_last_fragment_ends_a_record),
	cmocka_unit_test(test_random_records_in_random_pieces),
};

CHECK_MAIN(tests)
