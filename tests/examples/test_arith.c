/* The procedure of arith.so, called directly. */
#include "arith.h"

#include "support/check.h"

/* A procedure may ask about its call: on a transport that is not ours, all is well. */
static SVCXPRT transport;
static struct svc_req request = { .rq_xprt = &transport };

static quad_t
sum_of(int *values, u_int n_values)
{
	int_array numbers = { n_values, values };
	quad_t sum = -1;

	assert_true(arith_sum_1_svc(numbers, &sum, &request));
	return sum;
}

static void
test_numbers_add_up(void **state)
{
	(void)state;
	assert_int_equal(sum_of((int[]){ 2, 4, 6 }, 3), 12);
	assert_int_equal(sum_of((int[]){ -5 }, 1), -5);
}

static void
test_no_numbers_are_zero(void **state)
{
	(void)state;
	assert_int_equal(sum_of(NULL, 0), 0);
}

/* Two of the largest do not fit in the type of one. */
static void
test_sums_have_64_bits(void **state)
{
	(void)state;
	assert_int_equal(sum_of((int[]){ INT32_MAX, INT32_MAX }, 2),
	                 INT64_C(4294967294));
	assert_int_equal(sum_of((int[]){ INT32_MIN, INT32_MIN }, 2),
	                 INT64_C(-4294967296));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_numbers_add_up),
	cmocka_unit_test(test_no_numbers_are_zero),
	cmocka_unit_test(test_sums_have_64_bits),
};

CHECK_MAIN(tests)
