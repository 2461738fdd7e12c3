/* An array that is most of its record takes the memory that the record lies in. */
#include "wire/xdr.h"

#include "base/cleanup.h"
#include "base/large.h"
#include "support/check.h"

#include <dist/xdr.h>
#include <stdlib.h>

/* Something like a call's header, which must still be there afterwards. */
#define HEADER 44
#define BUDGET ((size_t)64 * 1024 * 1024)

/* A record with what stands before, in memory of its own as a reader gives it. */
struct record {
	void *memory;
	struct dist_bytes bytes;
};

static struct record
record_new(xdrproc_t xdr, void *value)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	struct record record;
	uint8_t *header;

	dist_encoder_init(&encoder, NULL, 0, BUDGET);
	header = dist_encoder_reserve(&encoder, HEADER);
	assert_non_null(header);
	memset(header, 'h', HEADER);
	assert_ok(dist_encoder_put(&encoder, xdr, value));
	record.memory = dist_large_alloc(dist_encoder_length(&encoder));
	assert_non_null(record.memory);
	memcpy(record.memory, encoder.data, dist_encoder_length(&encoder));
	record.bytes = (struct dist_bytes){ (uint8_t *)record.memory + HEADER,
		                            dist_encoder_length(&encoder) - HEADER };
	return record;
}

/* Whether the value took the record's memory. */
static bool
record_decode(struct record *record, xdrproc_t xdr, void *value)
{
	struct dist_decoder decoder;

	dist_decoder_init(&decoder, record->bytes, BUDGET);
	dist_decoder_give(&decoder, &record->memory);
	assert_ok(dist_decoder_get(&decoder, xdr, value));
	assert_int_equal(dist_decoder_left(&decoder), 0);
	assert_int_equal(xdr_getpos(&decoder.xdr), record->bytes.length);
	for (size_t i = 0; i < HEADER; i++)
		assert_int_equal(((uint8_t *)record->memory)[i], 'h');
	return decoder.moved;
}

struct ints {
	u_int n;
	int *elements;
};

static bool_t
xdr_ints(XDR *xdrs, struct ints *ints)
{
	return xdr_array(xdrs, (char **)&ints->elements, &ints->n, ~0u, sizeof(int),
	                 (xdrproc_t)xdr_int);
}

struct doubles {
	u_int n;
	double *elements;
};

static bool_t
xdr_doubles(XDR *xdrs, struct doubles *doubles)
{
	return xdr_array(xdrs, (char **)&doubles->elements, &doubles->n, ~0u,
	                 sizeof(double), (xdrproc_t)xdr_double);
}

static void
assert_ints_come_through(u_int n, bool in_place)
{
	struct ints sent = { n, malloc(n * sizeof(int) + 1) }, got = { 0, NULL };
	struct record record;
	void *memory;

	assert_non_null(sent.elements);
	for (u_int i = 0; i < n; i++)
		sent.elements[i] = (int)(i * 2654435761u);
	record = record_new((xdrproc_t)xdr_ints, &sent);
	memory = record.memory;
	assert_int_equal(record_decode(&record, (xdrproc_t)xdr_ints, &got), in_place);
	assert_int_equal(got.n, n);
	assert_int_equal((void *)got.elements == memory, in_place);
	assert_memory_equal(got.elements, sent.elements, n * sizeof(int));

	/* It is memory like any other. */
	got.elements = realloc(got.elements, 2 * n * sizeof(int));
	assert_non_null(got.elements);
	assert_memory_equal(got.elements, sent.elements, n * sizeof(int));
	xdr_free((xdrproc_t)xdr_ints, &got);
	free(record.memory);
	free(sent.elements);
}

static void
test_a_large_array_takes_the_memory_of_its_record(void **state)
{
	(void)state;
	assert_ints_come_through(1000, false);
	for (u_int n = 16384; n < 16384 + 40; n++)
		assert_ints_come_through(n, true);
	assert_ints_come_through(262144, true);
	assert_ints_come_through(1000003, true);
}

static void
test_hypers_take_it_too(void **state)
{
	struct doubles sent = { 100001, calloc(100001, sizeof(double)) },
		       got = { 0, NULL };
	struct record record;

	(void)state;
	assert_non_null(sent.elements);
	for (u_int i = 0; i < sent.n; i++)
		sent.elements[i] = 1.0 / (i + 1);
	record = record_new((xdrproc_t)xdr_doubles, &sent);
	assert_true(record_decode(&record, (xdrproc_t)xdr_doubles, &got));
	assert_int_equal(got.n, sent.n);
	assert_memory_equal(got.elements, sent.elements, sent.n * sizeof(double));
	xdr_free((xdrproc_t)xdr_doubles, &got);
	free(record.memory);
	free(sent.elements);
}

/* What stands before and behind an array, some of it large itself. */
struct mixed {
	char *name;
	struct ints small, large;
	u_int n_bytes;
	char *bytes;
	int last;
};

static bool_t
xdr_mixed(XDR *xdrs, struct mixed *mixed)
{
	return xdr_string(xdrs, &mixed->name, 100) && xdr_ints(xdrs, &mixed->small) &&
	       xdr_ints(xdrs, &mixed->large) &&
	       xdr_bytes(xdrs, &mixed->bytes, &mixed->n_bytes, ~0u) &&
	       xdr_int(xdrs, &mixed->last);
}

static void
assert_mixed_comes_through(u_int n_small, u_int n_large, u_int n_bytes, bool in_place)
{
	struct mixed sent = {
		.name = (char *)"a name",
		.small = { n_small, calloc(n_small + 1, sizeof(int)) },
		.large = { n_large, calloc(n_large + 1, sizeof(int)) },
		.n_bytes = n_bytes,
		.bytes = malloc(n_bytes + 1),
		.last = -77,
	}, got = { 0 };
	struct record record;

	assert_non_null(sent.bytes);
	for (u_int i = 0; i < n_small; i++)
		sent.small.elements[i] = (int)i;
	for (u_int i = 0; i < n_large; i++)
		sent.large.elements[i] = -(int)i;
	memset(sent.bytes, 'b', n_bytes);
	record = record_new((xdrproc_t)xdr_mixed, &sent);
	assert_int_equal(record_decode(&record, (xdrproc_t)xdr_mixed, &got), in_place);
	assert_string_equal(got.name, sent.name);
	assert_int_equal(got.small.n, n_small);
	assert_memory_equal(got.small.elements, sent.small.elements,
	                    n_small * sizeof(int));
	assert_int_equal(got.large.n, n_large);
	assert_memory_equal(got.large.elements, sent.large.elements,
	                    n_large * sizeof(int));
	assert_int_equal(got.n_bytes, n_bytes);
	assert_memory_equal(got.bytes, sent.bytes, n_bytes);
	assert_int_equal(got.last, sent.last);
	xdr_free((xdrproc_t)xdr_mixed, &got);
	free(record.memory);
	free(sent.small.elements);
	free(sent.large.elements);
	free(sent.bytes);
}

static void
test_what_stands_around_the_array_is_decoded_as_ever(void **state)
{
	(void)state;
	assert_mixed_comes_through(3, 100000, 5, true);
	assert_mixed_comes_through(3, 100000, 40001, true);
	assert_mixed_comes_through(10, 20, 300001, true);
	/* Most of the record is neither. */
	assert_mixed_comes_through(100000, 100000, 5, false);
	assert_mixed_comes_through(3, 100000, 400000, false);
}

/* Whatever fails behind the array: all of it is freed, once. */
static void
test_a_failure_behind_the_array_leaves_nothing(void **state)
{
	struct mixed sent = { .name = (char *)"a name", .last = 1 }, got = { 0 };
	struct dist_decoder decoder;
	struct record record;

	(void)state;
	sent.large = (struct ints){ 100000, calloc(100000, sizeof(int)) };
	assert_non_null(sent.large.elements);
	record = record_new((xdrproc_t)xdr_mixed, &sent);
	record.bytes.length -= 4;
	dist_decoder_init(&decoder, record.bytes, BUDGET);
	dist_decoder_give(&decoder, &record.memory);
	assert_err(dist_decoder_get(&decoder, (xdrproc_t)xdr_mixed, &got),
	           DIST_EDECODE);
	assert_true(decoder.moved);
	assert_null(got.large.elements);
	free(record.memory);
	free(sent.large.elements);
}

static void
test_the_array_counts_against_the_budget(void **state)
{
	struct ints sent = { 100000, calloc(100000, sizeof(int)) }, got = { 0, NULL };
	struct dist_decoder decoder;
	struct record record;

	(void)state;
	assert_non_null(sent.elements);
	record = record_new((xdrproc_t)xdr_ints, &sent);
	dist_decoder_init(&decoder, record.bytes, 399999);
	dist_decoder_give(&decoder, &record.memory);
	assert_err(dist_decoder_get(&decoder, (xdrproc_t)xdr_ints, &got), DIST_EDECODE);
	assert_true(decoder.over_budget);
	assert_false(decoder.moved);
	assert_null(got.elements);
	free(record.memory);
	free(sent.elements);
}

/* A count that the record cannot hold takes nothing. */
static void
test_a_lying_count_takes_nothing(void **state)
{
	struct ints sent = { 100000, calloc(100000, sizeof(int)) }, got = { 0, NULL };
	struct dist_decoder decoder;
	struct record record;

	(void)state;
	assert_non_null(sent.elements);
	record = record_new((xdrproc_t)xdr_ints, &sent);
	dist_store_be32((uint8_t *)record.memory + HEADER, 100001);
	dist_decoder_init(&decoder, record.bytes, BUDGET);
	dist_decoder_give(&decoder, &record.memory);
	assert_err(dist_decoder_get(&decoder, (xdrproc_t)xdr_ints, &got), DIST_EDECODE);
	assert_false(decoder.moved);
	assert_int_equal(decoder.budget, BUDGET);
	free(record.memory);
	free(sent.elements);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_large_array_takes_the_memory_of_its_record),
	cmocka_unit_test(test_hypers_take_it_too),
	cmocka_unit_test(test_what_stands_around_the_array_is_decoded_as_ever),
	cmocka_unit_test(test_a_failure_behind_the_array_leaves_nothing),
	cmocka_unit_test(test_the_array_counts_against_the_budget),
	cmocka_unit_test(test_a_lying_count_takes_nothing),
};

CHECK_MAIN(tests)
