/* The procedures of palindrome.so, called directly, and how a range is cut. */
#include "palindrome.h"
#include "palindrome/pieces.h"

#include "support/check.h"

/* A procedure may ask about its call: on a transport that is not ours, all is well. */
static SVCXPRT transport;
static struct svc_req request = { .rq_xprt = &transport };

static bool_t
is_palindrome(quad_t number)
{
	bool_t answer = -1;

	assert_true(palindrome_check_1_svc(number, &answer, &request));
	return answer;
}

static palindrome_tally
tally(quad_t first, quad_t last)
{
	palindrome_tally tally;

	/* As rpcgen's dispatcher leaves it. */
	memset(&tally, 0xa5, sizeof(tally));
	assert_true(palindrome_count_1_svc((palindrome_range){ first, last }, &tally,
	                                   &request));
	return tally;
}

static quad_t
count(quad_t first, quad_t last)
{
	palindrome_tally counted = tally(first, last);

	assert_int_equal(counted.status, PALINDROME_COUNTED);
	return counted.palindrome_tally_u.count;
}

/* Digit by digit, as one would on paper. */
static bool
reads_the_same(uint64_t number)
{
	uint64_t reversed = 0;

	for (uint64_t rest = number; rest; rest >>= 1)
		reversed = reversed << 1 | (rest & 1);
	return reversed == number;
}

static void
test_check_agrees_with_reading_digits(void **state)
{
	(void)state;
	for (quad_t number = 0; number < 100000; number++)
		assert_int_equal(is_palindrome(number),
		                 reads_the_same((uint64_t)number));
}

static void
test_check_at_the_ends_of_hyper(void **state)
{
	(void)state;
	assert_true(is_palindrome(INT64_MAX)); /* 63 ones */
	assert_false(is_palindrome(INT64_MAX - 1));
	assert_true(is_palindrome((INT64_C(1) << 62) + 1));
	assert_false(is_palindrome(INT64_C(1) << 62));
	assert_false(is_palindrome(-1));
	assert_false(is_palindrome(INT64_MIN));
}

/* 0, 1, 3, 5, 7, 9: both ends of a range belong to it. */
static void
test_both_ends_count(void **state)
{
	static const int counts[] = { 1, 2, 2, 3, 3, 4, 4, 5, 5, 6 };

	(void)state;
	for (int last = 0; last < 10; last++)
		assert_int_equal(count(0, last), counts[last]);
	assert_int_equal(count(3, 3), 1);
	assert_int_equal(count(2, 2), 0);
	assert_int_equal(count(3, 5), 2);
	assert_int_equal(count(INT64_MAX - 1, INT64_MAX), 1);
}

static void
test_there_are_93_up_to_2000(void **state)
{
	(void)state;
	assert_int_equal(count(0, 2000), 93);
}

static void
test_what_is_no_range_is_refused(void **state)
{
	(void)state;
	assert_int_equal(tally(-1, 5).status, PALINDROME_NEGATIVE);
	assert_int_equal(tally(5, 4).status, PALINDROME_BACKWARDS);
	assert_int_equal(tally(0, -1).status, PALINDROME_BACKWARDS);
}

/* Each number is in exactly one piece, and no piece is empty. */
static void
test_pieces_join_without_gaps(void **state)
{
	(void)state;
	for (int64_t last = 0; last < 40; last++) {
		for (uint64_t wanted = 1; wanted < 45; wanted++) {
			uint64_t n_pieces = pieces_count(last, wanted);
			int64_t next = 0;

			assert_true(n_pieces <= wanted);
			for (uint64_t i = 0; i < n_pieces; i++) {
				palindrome_range piece = pieces_get(last, n_pieces, i);

				assert_int_equal(piece.first, next);
				assert_true(piece.last >= piece.first);
				next = piece.last + 1;
			}
			assert_int_equal(next, last + 1);
		}
	}
}

static void
test_pieces_of_all_numbers_do_not_overflow(void **state)
{
	palindrome_range piece;

	(void)state;
	assert_int_equal(pieces_count(INT64_MAX, 1000), 1000);
	piece = pieces_get(INT64_MAX, 1, 0);
	assert_int_equal(piece.first, 0);
	assert_int_equal(piece.last, INT64_MAX);
	piece = pieces_get(INT64_MAX, 1000, 999);
	assert_int_equal(piece.last, INT64_MAX);
}

/* The sum over all pieces is the same for any cut. */
static void
test_pieces_count_as_the_whole(void **state)
{
	(void)state;
	for (uint64_t n_pieces = 1; n_pieces <= 2001; n_pieces += 50) {
		quad_t sum = 0;

		for (uint64_t i = 0; i < n_pieces; i++) {
			palindrome_range piece = pieces_get(2000, n_pieces, i);

			sum += count(piece.first, piece.last);
		}
		assert_int_equal(sum, 93);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_check_agrees_with_reading_digits),
	cmocka_unit_test(test_check_at_the_ends_of_hyper),
	cmocka_unit_test(test_both_ends_count),
	cmocka_unit_test(test_there_are_93_up_to_2000),
	cmocka_unit_test(test_what_is_no_range_is_refused),
	cmocka_unit_test(test_pieces_join_without_gaps),
	cmocka_unit_test(test_pieces_of_all_numbers_do_not_overflow),
	cmocka_unit_test(test_pieces_count_as_the_whole),
};

CHECK_MAIN(tests)
