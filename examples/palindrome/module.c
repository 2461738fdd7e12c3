/*
 * palindrome.so: the procedures of idl/palindrome.x, as a module for distnode.
 *
 * Each number is really tried, since the work is what the example is about; a closed
 * formula would count faster.
 */
#include "palindrome.h"

#include <dist/request.h>

#include <stdbool.h>
#include <stdint.h>

/* A count looks this often whether its caller gave up. */
#define PALINDROME_LOOK_EVERY (1 << 20)

/*
 * All 64 bits, the other way round: neighbours change places, then pairs, then fours...
 */
static uint64_t
bits_reverse(uint64_t bits)
{
	bits = (bits >> 1 & 0x5555555555555555) | (bits & 0x5555555555555555) << 1;
	bits = (bits >> 2 & 0x3333333333333333) | (bits & 0x3333333333333333) << 2;
	bits = (bits >> 4 & 0x0f0f0f0f0f0f0f0f) | (bits & 0x0f0f0f0f0f0f0f0f) << 4;
	return __builtin_bswap64(bits);
}

/* Whether the digits without leading zeros are a palindrome; 0 is one, as "0". */
static bool
number_is_palindrome(uint64_t number)
{
	/* The reversed leading zeros stand at the end, and are shifted out. */
	return !number || bits_reverse(number) >> __builtin_clzll(number) == number;
}

bool_t
palindrome_check_1_svc(quad_t number, bool_t *is_palindrome, struct svc_req *rqstp)
{
	(void)rqstp;
	*is_palindrome = number >= 0 && number_is_palindrome((uint64_t)number);
	return TRUE;
}

/* False: the caller gave up meanwhile. */
static bool
range_count(palindrome_range range, quad_t *ret_count, struct svc_req *rqstp)
{
	uint64_t last = (uint64_t)range.last;
	quad_t count = 0;

	/* Unsigned, so that the step beyond the largest hyper is no overflow. */
	for (uint64_t number = (uint64_t)range.first; number <= last; number++) {
		count += number_is_palindrome(number);
		if (number % PALINDROME_LOOK_EVERY == 0 &&
		    dist_request_cancelled(rqstp))
			return false;
	}
	*ret_count = count;
	return true;
}

/*
 * What is wrong with the range goes back in the result, so that the caller can say it.
 */
bool_t
palindrome_count_1_svc(palindrome_range range, palindrome_tally *tally,
                       struct svc_req *rqstp)
{
	tally->palindrome_tally_u.count = 0;
	if (range.first < 0)
		tally->status = PALINDROME_NEGATIVE;
	else if (range.last < range.first)
		tally->status = PALINDROME_BACKWARDS;
	else
		tally->status = PALINDROME_COUNTED;

	if (tally->status != PALINDROME_COUNTED)
		return TRUE;
	return range_count(range, &tally->palindrome_tally_u.count, rqstp);
}
