/*
 * <dist/xdr.h> as generated code includes it, in a program that defines one of the types
 * itself, as some interfaces do: then rpcgen makes a routine of that name.
 */
#include <dist/xdr.h>

#include "wire/xdr.h"

#include "support/check.h"

/* Not static: to clang the routine below is as inline as the one it takes the place of. */
unsigned n_own;

bool_t
xdr_int64_t(XDR *xdrs, int64_t *number)
{
	n_own++;
	return xdr_quad_t(xdrs, number);
}

static void
test_a_routine_of_the_program_goes_before_ours(void **state)
{
	int64_t number = -2, numbers[] = { 1, -1 };
	struct dist_encoder encoder;
	uint8_t wire[32];

	(void)state;
	dist_encoder_init(&encoder, wire, sizeof(wire), sizeof(wire));
	n_own = 0;
	assert_true(xdr_int64_t(&encoder.xdr, &number));
	assert_int_equal(n_own, 1);
	assert_true(xdr_vector(&encoder.xdr, (char *)numbers, 2, 8,
	                       (xdrproc_t)xdr_int64_t));
	assert_int_equal(dist_encoder_length(&encoder), 24);
	assert_memory_equal(wire,
	                    "\xff\xff\xff\xff\xff\xff\xff\xfe\0\0\0\0\0\0\0\1"
	                    "\xff\xff\xff\xff\xff\xff\xff\xff",
	                    24);
}

/* A call and an address are the same routine. */
static void
test_routines_are_ours(void **state)
{
	(void)state;
	assert_true(xdr_int == dist_xdr_int);
	assert_true(xdr_double == dist_xdr_double);
	assert_true(xdr_uint8_t == dist_xdr_uint8_t);
	assert_true((xdrproc_t)xdr_array == (xdrproc_t)dist_xdr_array);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_routine_of_the_program_goes_before_ours),
	cmocka_unit_test(test_routines_are_ours),
};

CHECK_MAIN(tests)
