/*
 * Our routines against libtirpc's: the same bytes, the same values, on each kind of
 * stream, in each direction, wherever the data lies.
 */
#define DIST_XDR_NO_MAPPING
#include "wire/xdr.h"

#include "base/cleanup.h"
#include "base/large.h"
#include "support/check.h"
#include "wire/streams.h"

#include <dist/xdr.h>
#include <stdlib.h>

#define ELEMENTS_MAX 1100

static const struct type {
	const char *name;
	xdrproc_t xdr;
	u_int size;
} types[] = {
#define TYPE(routine, type) \
	{ \
#routine, (xdrproc_t)routine, sizeof(type) \
	}
	TYPE(xdr_int, int),
	TYPE(xdr_u_int, u_int),
	TYPE(xdr_int32_t, int32_t),
	TYPE(xdr_u_int32_t, uint32_t),
	TYPE(xdr_uint32_t, uint32_t),
	TYPE(xdr_enum, enum_t),
	TYPE(xdr_bool, bool_t),
	TYPE(xdr_float, float),
	TYPE(xdr_hyper, quad_t),
	TYPE(xdr_u_hyper, u_quad_t),
	TYPE(xdr_quad_t, quad_t),
	TYPE(xdr_u_quad_t, u_quad_t),
	TYPE(xdr_int64_t, int64_t),
	TYPE(xdr_u_int64_t, uint64_t),
	TYPE(xdr_uint64_t, uint64_t),
	TYPE(xdr_longlong_t, quad_t),
	TYPE(xdr_u_longlong_t, u_quad_t),
	TYPE(xdr_double, double),
	TYPE(xdr_long, long),
	TYPE(xdr_u_long, u_long),
	TYPE(xdr_short, short),
	TYPE(xdr_u_short, u_short),
	TYPE(xdr_char, char),
	TYPE(xdr_u_char, u_char),
	TYPE(xdr_int8_t, int8_t),
	TYPE(xdr_uint16_t, uint16_t),
#undef TYPE
};

static const u_int counts[] = { 0,   1,   2,   3,   4,   5,   7,    8,           9,
	                        15,  16,  17,  31,  32,  33,  63,   64,          65,
	                        127, 128, 129, 255, 256, 257, 1000, ELEMENTS_MAX };

/* --- Arrays ---------------------------------------------------------------------- */

struct array {
	const struct type *type;
	u_int n, max;
	char *elements;
};

static bool_t
array_theirs(XDR *xdrs, void *value)
{
	struct array *array = value;

	return xdr_array(xdrs, &array->elements, &array->n, array->max,
	                 array->type->size, array->type->xdr);
}

static bool_t
array_ours(XDR *xdrs, void *value)
{
	struct array *array = value;

	return dist_xdr_array(xdrs, &array->elements, &array->n, array->max,
	                      array->type->size, array->type->xdr);
}

static bool_t
vector_theirs(XDR *xdrs, void *value)
{
	struct array *array = value;

	return xdr_vector(xdrs, array->elements, array->n, array->type->size,
	                  array->type->xdr);
}

static bool_t
vector_ours(XDR *xdrs, void *value)
{
	struct array *array = value;

	return dist_xdr_vector(xdrs, array->elements, array->n, array->type->size,
	                       array->type->xdr);
}

static uint8_t wire[WIRE_MAX + 8], expected[WIRE_MAX + 8];
static uint64_t source[ELEMENTS_MAX + 1];

/* Values that show each byte; floats among them that are no numbers stay as they are.
 */
static void
fill_source(void)
{
	uint64_t value = 0x0123456789abcdef;

	for (size_t i = 0; i < DIST_ARRAY_SIZE(source); i++) {
		source[i] = value;
		value = value * 6364136223846793005u + 1442695040888963407u;
	}
}

/* A long of more than 32 bits, which stdio's streams alone refuse. */
static bool
is_refused(const struct type *type, enum stream stream)
{
	return stream == STDIO &&
	       (type->xdr == (xdrproc_t)xdr_long || type->xdr == (xdrproc_t)xdr_u_long);
}

static void
assert_array_same(const struct type *type, u_int n, enum stream stream)
{
	struct array array = { type, n, ELEMENTS_MAX, (char *)source };
	struct array theirs = { type, 0, ELEMENTS_MAX, NULL };
	struct array ours = { type, 0, ELEMENTS_MAX, NULL };
	size_t length = encode(MEMORY, array_theirs, &array, expected);

	if (!is_refused(type, stream)) {
		assert_int_equal(encode(stream, array_ours, &array, wire), length);
		assert_memory_equal(wire, expected, length);
	}
	assert_true(decode(MEMORY, array_theirs, &theirs, expected, length));
	assert_true(decode(stream, array_ours, &ours, expected, length));
	assert_int_equal(ours.n, theirs.n);
	assert_int_equal(ours.elements != NULL, n > 0);
	if (n > 0)
		assert_memory_equal(ours.elements, theirs.elements, n * type->size);
	free(theirs.elements);
	free(ours.elements);
}

static void
test_arrays_are_what_libtirpc_makes_of_them(void **state)
{
	(void)state;
	fill_source();
	for (size_t i = 0; i < DIST_ARRAY_SIZE(types); i++) {
		for (size_t k = 0; k < DIST_ARRAY_SIZE(counts); k++) {
			for (int stream = OURS; stream < N_STREAMS; stream++)
				assert_array_same(&types[i], counts[k],
				                  (enum stream)stream);
		}
	}
}

static void
assert_vector_same(const struct type *type, u_int n, enum stream stream)
{
	static uint64_t theirs[ELEMENTS_MAX], ours[ELEMENTS_MAX];
	struct array from = { type, n, 0, (char *)source };
	struct array to_theirs = { type, n, 0, (char *)theirs };
	struct array to_ours = { type, n, 0, (char *)ours };
	size_t length = encode(MEMORY, vector_theirs, &from, expected);

	if (!is_refused(type, stream)) {
		assert_int_equal(encode(stream, vector_ours, &from, wire), length);
		assert_memory_equal(wire, expected, length);
	}
	assert_true(decode(MEMORY, vector_theirs, &to_theirs, expected, length));
	assert_true(decode(stream, vector_ours, &to_ours, expected, length));
	assert_memory_equal(ours, theirs, n * type->size);
	if (length > 0)
		assert_false(
			decode(stream, vector_ours, &to_ours, expected, length - 4));
}

static void
test_vectors_are_what_libtirpc_makes_of_them(void **state)
{
	(void)state;
	fill_source();
	for (size_t i = 0; i < DIST_ARRAY_SIZE(types); i++) {
		for (size_t k = 0; k < DIST_ARRAY_SIZE(counts); k++) {
			for (int stream = OURS; stream < N_STREAMS; stream++)
				assert_vector_same(&types[i], counts[k],
				                   (enum stream)stream);
		}
	}
}

/* The type's bound holds both ways, and at the bound itself there is none. */
static void
test_an_array_over_its_bound_is_refused(void **state)
{
	struct array array = { &types[0], 5, 5, (char *)source };
	struct array into = { &types[0], 0, 4, NULL };
	size_t length = encode(OURS, array_ours, &array, wire);
	struct dist_encoder encoder;

	(void)state;
	for (int stream = OURS; stream < N_STREAMS; stream++) {
		assert_false(
			decode((enum stream)stream, array_ours, &into, wire, length));
		assert_null(into.elements);
		assert_int_equal(into.n, 0);
	}
	array.max = 4;
	dist_encoder_init(&encoder, NULL, 0, 100);
	assert_false(array_ours(&encoder.xdr, &array));
	dist_encoder_fini(&encoder);
}

static void
test_an_array_goes_into_memory_that_is_there(void **state)
{
	int memory[5] = { 0 };

	(void)state;
	fill_source();
	for (int stream = OURS; stream < N_STREAMS; stream++) {
		struct array array = { &types[0], 5, 5, (char *)source };
		struct array into = { &types[0], 0, 5, (char *)memory };
		size_t length = encode(OURS, array_ours, &array, wire);

		memset(memory, 0, sizeof(memory));
		assert_true(
			decode((enum stream)stream, array_ours, &into, wire, length));
		assert_ptr_equal(into.elements, memory);
		assert_int_equal(into.n, 5);
		assert_memory_equal(memory, source, sizeof(memory));
	}
}

/* No stream of libtirpc's can tell how much it holds: memory follows what decoded. */
static void
test_a_lying_count_on_another_stream_takes_little(void **state)
{
	static const enum stream others[] = { MEMORY, MEMORY_UNALIGNED, RECORD, STDIO };
	static const struct type *const kinds[] = { &types[0], &types[8], &types[18] };

	(void)state;
	memset(wire, 1, 4000);
	dist_store_be32(wire, 0x10000000);
	for (size_t i = 0; i < DIST_ARRAY_SIZE(others); i++) {
		for (size_t k = 0; k < DIST_ARRAY_SIZE(kinds); k++) {
			struct array into = { kinds[k], 0, ~0u, NULL };
			XDR freeing = { .x_op = XDR_FREE };

			assert_false(decode(others[i], array_ours, &into, wire, 4000));
			assert_true(into.n * into.type->size <= 1 << 20);
			assert_true(array_ours(&freeing, &into));
			assert_null(into.elements);
		}
	}
}

/* Past the first piece it grows; what came before stays. */
static void
test_a_long_array_on_another_stream_comes_whole(void **state)
{
	size_t n = 700000, size = 4 + 4 * n;
	struct array array = { &types[0], (u_int)n, ~0u, NULL };
	uint8_t *bytes = malloc(size);
	XDR xdrs, freeing = { .x_op = XDR_FREE };

	(void)state;
	assert_non_null(bytes);
	dist_store_be32(bytes, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		dist_store_be32(bytes + 4 + 4 * i, (uint32_t)i);
	xdrmem_create(&xdrs, (char *)bytes, (u_int)size, XDR_DECODE);
	assert_true(array_ours(&xdrs, &array));
	assert_int_equal(array.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(((int *)(void *)array.elements)[i], i);
	assert_true(array_ours(&freeing, &array));
	free(bytes);
}

/* What elements point to is freed with them. */
static void
test_freeing_an_array_frees_its_elements(void **state)
{
	static const struct type strings = { "string", (xdrproc_t)dist_xdr_wrapstring,
		                             sizeof(char *) };
	char *texts[] = { (char *)"one", (char *)"two", (char *)"" };
	struct array array = { &strings, 3, 3, (char *)texts };
	size_t length = encode(OURS, array_ours, &array, wire);

	(void)state;
	for (int stream = OURS; stream < N_STREAMS; stream++) {
		struct array into = { &strings, 0, 3, NULL };
		XDR freeing = { .x_op = XDR_FREE };

		assert_true(
			decode((enum stream)stream, array_ours, &into, wire, length));
		assert_string_equal(((char **)(void *)into.elements)[1], "two");
		assert_true(array_ours(&freeing, &into));
		assert_null(into.elements);
		assert_true(array_ours(&freeing, &into));

		/* Also when the last of them is missing. */
		assert_false(decode((enum stream)stream, array_ours, &into, wire,
		                    length - 4));
		assert_true(array_ours(&freeing, &into));
	}
}

/* --- Bytes, strings -------------------------------------------------------------- */

static bool_t
bytes_theirs(XDR *xdrs, void *value)
{
	struct array *array = value;

	return xdr_bytes(xdrs, &array->elements, &array->n, array->max);
}

static bool_t
bytes_ours(XDR *xdrs, void *value)
{
	struct array *array = value;

	return dist_xdr_bytes(xdrs, &array->elements, &array->n, array->max);
}

static bool_t
opaque_theirs(XDR *xdrs, void *value)
{
	struct array *array = value;

	return xdr_opaque(xdrs, array->elements, array->n);
}

static bool_t
opaque_ours(XDR *xdrs, void *value)
{
	struct array *array = value;

	return dist_xdr_opaque(xdrs, array->elements, array->n);
}

static bool_t
string_theirs(XDR *xdrs, void *value)
{
	struct array *array = value;

	return xdr_string(xdrs, &array->elements, array->max);
}

static bool_t
string_ours(XDR *xdrs, void *value)
{
	struct array *array = value;

	return dist_xdr_string(xdrs, &array->elements, array->max);
}

/* Each length of padding, and lengths past libtirpc's buffers. */
static void
test_bytes_are_what_libtirpc_makes_of_them(void **state)
{
	char back[3001];

	(void)state;
	memset(source, 'x', sizeof(source));
	for (u_int n = 0; n <= 3000; n += n < 40 ? 1 : 37) {
		struct array array = { NULL, n, 3000, (char *)source };
		size_t length = encode(MEMORY, bytes_theirs, &array, expected);

		for (int stream = OURS; stream < N_STREAMS; stream++) {
			struct array into = { NULL, 0, 3000, NULL };
			struct array given = { NULL, 0, 3000, back };

			assert_int_equal(
				encode((enum stream)stream, bytes_ours, &array, wire),
				length);
			assert_memory_equal(wire, expected, length);
			assert_true(decode((enum stream)stream, bytes_ours, &into, wire,
			                   length));
			assert_true(decode((enum stream)stream, bytes_ours, &given,
			                   wire, length));
			assert_int_equal(into.n, n);
			assert_int_equal(into.elements != NULL, n > 0);
			if (n > 0)
				assert_memory_equal(into.elements, source, n);
			assert_memory_equal(back, source, n);
			free(into.elements);

			into = (struct array){ NULL, 0, 3000, NULL };
			assert_false(decode((enum stream)stream, bytes_ours, &into,
			                    wire, length - 1));
			assert_null(into.elements);
		}
	}
}

static void
test_opaque_is_what_libtirpc_makes_of_it(void **state)
{
	char back[64];

	(void)state;
	memset(source, 'x', sizeof(source));
	for (u_int n = 0; n < sizeof(back); n++) {
		struct array array = { NULL, n, 0, (char *)source };
		struct array into = { NULL, n, 0, back };
		size_t length = encode(MEMORY, opaque_theirs, &array, expected);

		for (int stream = OURS; stream < N_STREAMS; stream++) {
			memset(back, 0, sizeof(back));
			assert_int_equal(
				encode((enum stream)stream, opaque_ours, &array, wire),
				length);
			assert_memory_equal(wire, expected, length);
			assert_true(decode((enum stream)stream, opaque_ours, &into,
			                   wire, length));
			assert_memory_equal(back, source, n);
			assert_int_equal(back[n], 0);
			if (n > 0)
				assert_false(decode((enum stream)stream, opaque_ours,
				                    &into, wire, length - 1));
		}
	}
}

static void
test_strings_are_what_libtirpc_makes_of_them(void **state)
{
	char text[200];

	(void)state;
	for (u_int n = 0; n < sizeof(text); n++) {
		struct array array = { NULL, 0, sizeof(text), text };
		size_t length;

		memset(text, 'y', n);
		text[n] = '\0';
		length = encode(MEMORY, string_theirs, &array, expected);
		for (int stream = OURS; stream < N_STREAMS; stream++) {
			struct array into = { NULL, 0, sizeof(text), NULL };
			struct array small = { NULL, 0, n - 1, NULL };

			assert_int_equal(
				encode((enum stream)stream, string_ours, &array, wire),
				length);
			assert_memory_equal(wire, expected, length);
			assert_true(decode((enum stream)stream, string_ours, &into,
			                   wire, length));
			assert_string_equal(into.elements, text);
			free(into.elements);
			if (n == 0)
				continue;
			assert_false(decode((enum stream)stream, string_ours, &small,
			                    wire, length));
			assert_null(small.elements);
		}
	}
}

static void
test_a_lying_length_on_another_stream_takes_little(void **state)
{
	static const enum stream others[] = { MEMORY, MEMORY_UNALIGNED, RECORD, STDIO };
	static const uint32_t lengths[] = { 0xffffffff, 0xfffffffe, 0x80000000, 3997 };

	(void)state;
	memset(wire, 1, 4000);
	for (size_t i = 0; i < DIST_ARRAY_SIZE(others); i++) {
		for (size_t k = 0; k < DIST_ARRAY_SIZE(lengths); k++) {
			struct array into = { NULL, 0, ~0u, NULL };

			dist_store_be32(wire, lengths[k]);
			assert_false(decode(others[i], bytes_ours, &into, wire, 4000));
			assert_null(into.elements);
			assert_false(decode(others[i], string_ours, &into, wire, 4000));
			assert_null(into.elements);
		}
	}
}

/* Past the first piece it grows. */
static void
test_long_bytes_on_another_stream_come_whole(void **state)
{
	size_t n = 5000001, size = 4 + 5000004;
	struct array into = { NULL, 0, ~0u, NULL };
	uint8_t *bytes = malloc(size);
	XDR xdrs;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	dist_store_be32(bytes, (uint32_t)n);
	xdrmem_create(&xdrs, (char *)bytes, (u_int)size, XDR_DECODE);
	assert_true(bytes_ours(&xdrs, &into));
	assert_int_equal(into.n, n);
	assert_memory_equal(into.elements, bytes + 4, n);
	free(into.elements);
	free(bytes);
}

/* From any stream, large arrays are in memory that the next one of their size gets. */
static void
test_memory_of_large_arrays_is_used_again(void **state)
{
	static convert_fn *const converts[] = { array_ours, bytes_ours };
	static uint8_t bytes[4 + 400000];
	void *before = NULL;

	(void)state;
	dist_large_begin();
	for (size_t i = 0; i < 6; i++) {
		struct array array = { &types[0], 0, ~0u, NULL };
		XDR xdrs, freeing = { .x_op = XDR_FREE };

		dist_store_be32(bytes, i % 2 ? 400000 : 100000);
		xdrmem_create(&xdrs, (char *)bytes, sizeof(bytes), XDR_DECODE);
		assert_true(converts[i % 2](&xdrs, &array));
		if (before)
			assert_ptr_equal(array.elements, before);
		before = array.elements;
		assert_true(converts[i % 2](&freeing, &array));
	}
	dist_large_end();
}

/* --- Pointers -------------------------------------------------------------------- */

static bool_t
pointer_theirs(XDR *xdrs, void *value)
{
	return xdr_pointer(xdrs, value, sizeof(int), (xdrproc_t)xdr_int);
}

static bool_t
pointer_ours(XDR *xdrs, void *value)
{
	return dist_xdr_pointer(xdrs, value, sizeof(int), (xdrproc_t)xdr_int);
}

static bool_t
reference_ours(XDR *xdrs, void *value)
{
	return dist_xdr_reference(xdrs, value, sizeof(int), (xdrproc_t)xdr_int);
}

static void
test_pointers_are_what_libtirpc_makes_of_them(void **state)
{
	int number = 77, *pointers[] = { NULL, &number };

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(pointers); i++) {
		size_t length = encode(MEMORY, pointer_theirs, &pointers[i], expected);

		for (int stream = OURS; stream < N_STREAMS; stream++) {
			XDR freeing = { .x_op = XDR_FREE };
			int *into = NULL;

			assert_int_equal(encode((enum stream)stream, pointer_ours,
			                        &pointers[i], wire),
			                 length);
			assert_memory_equal(wire, expected, length);
			assert_true(decode((enum stream)stream, pointer_ours, &into,
			                   wire, length));
			assert_int_equal(into ? *into : 0, pointers[i] ? number : 0);
			assert_true(pointer_ours(&freeing, &into));
			assert_null(into);
		}
	}
}

static void
test_a_reference_to_nothing_does_not_encode(void **state)
{
	struct dist_encoder encoder;
	int *none = NULL;

	(void)state;
	dist_encoder_init(&encoder, NULL, 0, 100);
	assert_false(reference_ours(&encoder.xdr, &none));
	dist_encoder_fini(&encoder);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_arrays_are_what_libtirpc_makes_of_them),
	cmocka_unit_test(test_vectors_are_what_libtirpc_makes_of_them),
	cmocka_unit_test(test_an_array_over_its_bound_is_refused),
	cmocka_unit_test(test_an_array_goes_into_memory_that_is_there),
	cmocka_unit_test(test_a_lying_count_on_another_stream_takes_little),
	cmocka_unit_test(test_a_long_array_on_another_stream_comes_whole),
	cmocka_unit_test(test_freeing_an_array_frees_its_elements),
	cmocka_unit_test(test_bytes_are_what_libtirpc_makes_of_them),
	cmocka_unit_test(test_opaque_is_what_libtirpc_makes_of_it),
	cmocka_unit_test(test_strings_are_what_libtirpc_makes_of_them),
	cmocka_unit_test(test_a_lying_length_on_another_stream_takes_little),
	cmocka_unit_test(test_long_bytes_on_another_stream_come_whole),
	cmocka_unit_test(test_memory_of_large_arrays_is_used_again),
	cmocka_unit_test(test_pointers_are_what_libtirpc_makes_of_them),
	cmocka_unit_test(test_a_reference_to_nothing_does_not_encode),
};

CHECK_MAIN(tests)
