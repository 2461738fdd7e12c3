/*
 * Each routine for a number against libtirpc's of the same name: the same bytes and the
 * same values, on each kind of stream, in each direction.
 */
#define DIST_XDR_NO_MAPPING
#include "wire/xdr.h"

#include "base/cleanup.h"
#include "support/check.h"
#include "wire/streams.h"

#include <dist/xdr.h>
#include <stdlib.h>

static const struct type {
	const char *name;
	xdrproc_t ours, theirs;
	size_t size;
} types[] = {
#define TYPE(name, type) \
	{ \
#name, (xdrproc_t)dist_xdr_##name, (xdrproc_t)xdr_##name, sizeof(type) \
	}
	TYPE(int, int),
	TYPE(u_int, u_int),
	TYPE(long, long),
	TYPE(u_long, u_long),
	TYPE(short, short),
	TYPE(u_short, u_short),
	TYPE(char, char),
	TYPE(u_char, u_char),
	TYPE(hyper, quad_t),
	TYPE(u_hyper, u_quad_t),
	TYPE(quad_t, quad_t),
	TYPE(u_quad_t, u_quad_t),
	TYPE(longlong_t, quad_t),
	TYPE(u_longlong_t, u_quad_t),
	TYPE(float, float),
	TYPE(double, double),
	TYPE(bool, bool_t),
	TYPE(enum, enum_t),
	TYPE(int8_t, int8_t),
	TYPE(u_int8_t, uint8_t),
	TYPE(uint8_t, uint8_t),
	TYPE(int16_t, int16_t),
	TYPE(u_int16_t, uint16_t),
	TYPE(uint16_t, uint16_t),
	TYPE(int32_t, int32_t),
	TYPE(u_int32_t, uint32_t),
	TYPE(uint32_t, uint32_t),
	TYPE(int64_t, int64_t),
	TYPE(u_int64_t, uint64_t),
	TYPE(uint64_t, uint64_t),
#undef TYPE
};

/* Some with a meaning, as numbers or as floats; the others of all bits. */
static uint64_t values[400] = {
	0,
	1,
	2,
	0x7f,
	0x80,
	0xff,
	0x7fff,
	0x8000,
	0xffff,
	0x7fffffff,
	0x80000000,
	0xffffffff,
	0x7f800001,
	0xff800000,
	0x100000000,
	0x7fffffffffffffff,
	0x8000000000000000,
	0xffffffffffffffff,
	0x7ff0000000000001,
	0xfff0000000000000,
	0xffffffff00000000,
	0xffffffff80000000,
};

static int
values_fill(void **state)
{
	uint64_t value = 0x0123456789abcdef;

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(values); i++) {
		value = value * 6364136223846793005u + 1442695040888963407u;
		if (i >= 22)
			values[i] = value;
	}
	return 0;
}

/* A number that lies in a struct with others. */
struct slot {
	const struct type *type;
	uint64_t number;
};

static bool_t
slot_ours(XDR *xdrs, void *value)
{
	struct slot *slot = value;

	return slot->type->ours(xdrs, &slot->number);
}

static bool_t
slot_theirs(XDR *xdrs, void *value)
{
	struct slot *slot = value;

	return slot->type->theirs(xdrs, &slot->number);
}

/* stdio's streams alone refuse what they have no room for. */
static bool
is_too_long(const struct type *type, uint64_t number)
{
	return (type->theirs == (xdrproc_t)xdr_long &&
	        (int64_t)number != (int32_t)number) ||
	       (type->theirs == (xdrproc_t)xdr_u_long && number > INT32_MAX);
}

static void
assert_encoded_alike(const struct type *type, enum stream stream, uint64_t number)
{
	static uint8_t wire[WIRE_MAX + 8], expected[WIRE_MAX + 8];
	struct slot slot = { type, number };
	size_t length;

	if (stream == STDIO && is_too_long(type, number))
		return;
	length = encode(MEMORY, slot_theirs, &slot, expected);
	assert_int_equal(encode(stream, slot_ours, &slot, wire), length);
	assert_memory_equal(wire, expected, length);
	assert_int_equal(slot.number, number);
}

static void
assert_decoded_alike(const struct type *type, enum stream stream, uint64_t number)
{
	struct slot theirs = { type, 0x5a5a5a5a5a5a5a5a }, ours = theirs;
	const uint8_t *wire = (const uint8_t *)&number;
	size_t needed = 4;

	if (!decode(stream, slot_theirs, &theirs, wire, needed)) {
		needed = 8;
		assert_true(decode(stream, slot_theirs, &theirs, wire, needed));
	}
	assert_true(decode(stream, slot_ours, &ours, wire, needed));
	assert_int_equal(ours.number, theirs.number);
	for (size_t length = 0; length < needed; length++)
		assert_false(decode(stream, slot_ours, &ours, wire, length));
}

static void
test_numbers_are_what_libtirpc_makes_of_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(types); i++) {
		for (size_t k = 0; k < DIST_ARRAY_SIZE(values); k++) {
			for (int stream = OURS; stream < N_STREAMS; stream++) {
				assert_encoded_alike(&types[i], (enum stream)stream,
				                     values[k]);
				assert_decoded_alike(&types[i], (enum stream)stream,
				                     values[k]);
			}
		}
	}
}

/* Room that ends at any byte, and grows from there or does not. */
static void
test_a_number_at_the_end_of_the_room_is_whole_or_not_there(void **state)
{
	uint64_t number = 0x1122334455667788;

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(types); i++) {
		size_t length = xdr_sizeof(types[i].theirs, &number);

		for (size_t room = 0; room <= 12; room++) {
			uint8_t *first = malloc(room + !room);
			struct dist_encoder encoder;

			assert_non_null(first);
			dist_encoder_init(&encoder, first, room, room);
			assert_err(dist_encoder_put(&encoder, types[i].ours, &number),
			           room < length ? DIST_ETOOBIG : DIST_OK);
			assert_int_equal(dist_encoder_length(&encoder), room < length ? 0 : length);
			dist_encoder_fini(&encoder);

			dist_encoder_init(&encoder, first, room, 12);
			assert_ok(dist_encoder_put(&encoder, types[i].ours, &number));
			assert_int_equal(dist_encoder_length(&encoder), length);
			assert_int_equal(encoder.on_heap, room < length);
			dist_encoder_fini(&encoder);
			free(first);
		}
	}
}

/* Nothing is there to be freed, and of the stream not even the table. */
static void
test_freeing_a_number_does_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(types); i++) {
		XDR *xdrs = malloc(sizeof(*xdrs));
		uint64_t number = 77;

		assert_non_null(xdrs);
		xdrs->x_op = XDR_FREE;
		assert_true(types[i].ours(xdrs, &number));
		xdrs->x_op = (enum xdr_op)3;
		assert_false(types[i].ours(xdrs, &number));
		assert_int_equal(number, 77);
		free(xdrs);
	}
}

static void
test_the_size_of_a_number_can_be_asked(void **state)
{
	uint64_t number = 1;

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(types); i++)
		assert_int_equal(xdr_sizeof(types[i].ours, &number),
		                 xdr_sizeof(types[i].theirs, &number));
}

/* Our table with the other direction's operation: the table refuses, as libtirpc's do. */
static void
test_a_stream_turned_round_is_refused(void **state)
{
	uint64_t bytes = 0;
	struct dist_encoder encoder;
	struct dist_decoder decoder;

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(types); i++) {
		dist_encoder_init(&encoder, &bytes, 8, 8);
		encoder.xdr.x_op = XDR_DECODE;
		assert_false(types[i].ours(&encoder.xdr, &bytes));
		dist_decoder_init(&decoder, (struct dist_bytes){ (uint8_t *)&bytes, 8 },
		                  8);
		decoder.xdr.x_op = XDR_ENCODE;
		assert_false(types[i].ours(&decoder.xdr, &bytes));
		assert_int_equal(bytes, 0);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup(test_numbers_are_what_libtirpc_makes_of_them,
	                       values_fill),
	cmocka_unit_test(test_a_number_at_the_end_of_the_room_is_whole_or_not_there),
	cmocka_unit_test(test_freeing_a_number_does_nothing),
	cmocka_unit_test(test_the_size_of_a_number_can_be_asked),
	cmocka_unit_test(test_a_stream_turned_round_is_refused),
};

CHECK_MAIN(tests)
