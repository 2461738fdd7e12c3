#define DIST_XDR_NO_MAPPING
#include "wire/xdr.h"

#include "base/cleanup.h"
#include "support/check.h"

#include <dist/xdr.h>
#include <stdlib.h>

static const size_t mib = (size_t)1 << 20;

/* --- What rpcgen makes of some types --------------------------------------------- */

struct node {
	int value;
	struct node *next;
};

/* struct node { int value; node *next; }, through <dist/xdr.h>. */
static bool_t
xdr_node(XDR *xdrs, struct node *node)
{
	return xdr_int(xdrs, &node->value) &&
	       dist_xdr_pointer(xdrs, (char **)&node->next, sizeof(struct node),
	                        (xdrproc_t)xdr_node);
}

/* The same with libtirpc's own routines, as plain rpcgen output has them. */
static bool_t
xdr_plain_node(XDR *xdrs, struct node *node)
{
	return xdr_int(xdrs, &node->value) &&
	       xdr_pointer(xdrs, (char **)&node->next, sizeof(struct node),
	                   (xdrproc_t)xdr_plain_node);
}

/* union switch (bool) { case TRUE: opaque big[4000]; default: void; } */
struct wide {
	bool_t is_there;
	char big[4000];
};

static bool_t
xdr_wide(XDR *xdrs, struct wide *wide)
{
	return xdr_bool(xdrs, &wide->is_there) &&
	       (!wide->is_there || dist_xdr_opaque(xdrs, wide->big, sizeof(wide->big)));
}

struct array {
	u_int n;
	void *elements;
};

static bool_t
xdr_wides(XDR *xdrs, struct array *array)
{
	return dist_xdr_array(xdrs, (char **)&array->elements, &array->n, ~0u,
	                      sizeof(struct wide), (xdrproc_t)xdr_wide);
}

static bool_t
xdr_hypers(XDR *xdrs, struct array *array)
{
	return dist_xdr_array(xdrs, (char **)&array->elements, &array->n, ~0u, 8,
	                      (xdrproc_t)xdr_hyper);
}

static bool_t
xdr_nodes(XDR *xdrs, struct array *array)
{
	return dist_xdr_array(xdrs, (char **)&array->elements, &array->n, ~0u,
	                      sizeof(struct node), (xdrproc_t)xdr_node);
}

static bool_t
xdr_blob(XDR *xdrs, struct array *array)
{
	return dist_xdr_bytes(xdrs, (char **)&array->elements, &array->n, ~0u);
}

static bool_t
xdr_short_text(XDR *xdrs, char **text)
{
	return dist_xdr_string(xdrs, text, 5);
}

static bool_t
xdr_no(XDR *xdrs, void *value)
{
	long word = 1;

	(void)value;
	if (xdrs->x_op == XDR_ENCODE)
		XDR_PUTLONG(xdrs, &word);
	return FALSE;
}

/* --- Encoding -------------------------------------------------------------------- */

static void
test_encoder_starts_in_the_first_piece_and_grows_past_it(void **state)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	uint32_t first[4];

	(void)state;
	dist_encoder_init(&encoder, first, sizeof(first), mib);
	for (int i = 0; i < 1000; i++) {
		assert_ok(dist_encoder_put(&encoder, (xdrproc_t)xdr_int, &i));
		assert_int_equal(dist_encoder_length(&encoder), 4 * (i + 1));
		assert_int_equal(encoder.on_heap, i >= 4);
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(dist_load_be32(encoder.data + 4 * i), i);
}

static void
test_encoder_without_a_first_piece_works(void **state)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	char *text = (char *)"hello";

	(void)state;
	dist_encoder_init(&encoder, NULL, 0, 64);
	assert_ok(dist_encoder_put(&encoder, (xdrproc_t)xdr_wrapstring, &text));
	assert_int_equal(dist_encoder_length(&encoder), 12);
	assert_memory_equal(encoder.data, "\0\0\0\5hello\0\0\0", 12);
}

static void
test_encoder_holds_its_maximum_and_no_more(void **state)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	int value = 7;

	(void)state;
	dist_encoder_init(&encoder, NULL, 0, 4096);
	while (dist_encoder_length(&encoder) < 4096)
		assert_ok(dist_encoder_put(&encoder, (xdrproc_t)xdr_int, &value));
	assert_err(dist_encoder_put(&encoder, (xdrproc_t)xdr_int, &value),
	           DIST_ETOOBIG);
	assert_int_equal(dist_encoder_length(&encoder), 4096);
	assert_true(encoder.capacity <= 4096);
	assert_null(dist_encoder_reserve(&encoder, 1));
	assert_null(dist_encoder_reserve(&encoder, SIZE_MAX));
}

static void
test_what_failed_to_encode_is_taken_off_again(void **state)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	int value = 5;

	(void)state;
	dist_encoder_init(&encoder, NULL, 0, mib);
	assert_ok(dist_encoder_put(&encoder, (xdrproc_t)xdr_int, &value));
	assert_err(dist_encoder_put(&encoder, (xdrproc_t)xdr_no, &value), DIST_EENCODE);
	assert_int_equal(dist_encoder_length(&encoder), 4);
	assert_ok(dist_encoder_put(&encoder, (xdrproc_t)xdr_int, &value));
	assert_int_equal(dist_encoder_length(&encoder), 8);
}

static void
test_what_cannot_be_encoded_is_refused(void **state)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	char *none = NULL, *fits = (char *)"12345", *too_long = (char *)"123456";
	struct array no_elements = { 3, NULL };

	(void)state;
	dist_encoder_init(&encoder, NULL, 0, mib);
	assert_err(dist_encoder_put(&encoder, (xdrproc_t)xdr_short_text, &none),
	           DIST_EENCODE);
	assert_err(dist_encoder_put(&encoder, (xdrproc_t)xdr_short_text, &too_long),
	           DIST_EENCODE);
	assert_err(dist_encoder_put(&encoder, (xdrproc_t)xdr_hypers, &no_elements),
	           DIST_EENCODE);
	assert_err(dist_encoder_put(&encoder, (xdrproc_t)xdr_blob, &no_elements),
	           DIST_EENCODE);
	assert_int_equal(dist_encoder_length(&encoder), 0);
	assert_ok(dist_encoder_put(&encoder, (xdrproc_t)xdr_short_text, &fits));
}

static void
test_encoder_goes_back_to_patch_a_word(void **state)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	long zero = 0, later = 42;
	u_int at, end;

	(void)state;
	dist_encoder_init(&encoder, NULL, 0, mib);
	assert_true(XDR_PUTLONG(&encoder.xdr, &zero));
	at = XDR_GETPOS(&encoder.xdr);
	assert_true(XDR_PUTLONG(&encoder.xdr, &zero));
	assert_true(XDR_PUTLONG(&encoder.xdr, &zero));
	end = XDR_GETPOS(&encoder.xdr);
	assert_true(XDR_SETPOS(&encoder.xdr, at));
	assert_true(XDR_PUTLONG(&encoder.xdr, &later));
	assert_true(XDR_SETPOS(&encoder.xdr, end));
	assert_false(XDR_SETPOS(&encoder.xdr, end + 4));
	assert_int_equal(dist_encoder_length(&encoder), 12);
	assert_int_equal(dist_load_be32(encoder.data + 4), 42);
}

/* Generated code writes int32_t there. */
static void
test_inline_pieces_are_aligned_or_refused(void **state)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	static const uint32_t words[2] = { 0 };
	struct dist_decoder decoder;
	int32_t *piece;

	(void)state;
	dist_encoder_init(&encoder, NULL, 0, mib);
	piece = XDR_INLINE(&encoder.xdr, 4000);
	assert_non_null(piece);
	memset(piece, 1, 4000);
	assert_int_equal(dist_encoder_length(&encoder), 4000);
	assert_true(XDR_PUTBYTES(&encoder.xdr, "a", 1));
	assert_null(XDR_INLINE(&encoder.xdr, 4));
	assert_int_equal(dist_encoder_length(&encoder), 4001);
	assert_null(XDR_INLINE(&encoder.xdr, 2 << 20));

	dist_decoder_init(&decoder, (struct dist_bytes){ (const uint8_t *)words, 8 },
	                  mib);
	assert_ptr_equal(XDR_INLINE(&decoder.xdr, 4), words);
	assert_null(XDR_INLINE(&decoder.xdr, 8));
	dist_decoder_init(&decoder,
	                  (struct dist_bytes){ (const uint8_t *)words + 1, 7 }, mib);
	assert_null(XDR_INLINE(&decoder.xdr, 4));
	assert_int_equal(XDR_GETPOS(&decoder.xdr), 0);
}

/* --- Decoding -------------------------------------------------------------------- */

static enum dist_err
decode(const void *wire, size_t length, size_t budget, xdrproc_t xdr, void *value)
{
	struct dist_decoder decoder;

	dist_decoder_init(&decoder, (struct dist_bytes){ wire, length }, budget);
	return dist_decoder_get(&decoder, xdr, value);
}

static void
test_decoder_reads_what_there_is_and_not_a_byte_more(void **state)
{
	static const uint8_t wire[] = { 0, 0, 0, 1, 'a', 'b', 'c', 'd' };
	struct dist_decoder decoder;
	char bytes[4];
	long word;

	(void)state;
	dist_decoder_init(&decoder, (struct dist_bytes){ wire, sizeof(wire) }, mib);
	assert_true(XDR_GETLONG(&decoder.xdr, &word));
	assert_int_equal(word, 1);
	assert_false(XDR_GETBYTES(&decoder.xdr, bytes, 5));
	assert_true(XDR_GETBYTES(&decoder.xdr, bytes, 4));
	assert_memory_equal(bytes, "abcd", 4);
	assert_false(XDR_GETLONG(&decoder.xdr, &word));
	assert_true(XDR_GETBYTES(&decoder.xdr, bytes, 0));
	assert_int_equal(XDR_GETPOS(&decoder.xdr), 8);
	assert_true(XDR_SETPOS(&decoder.xdr, 4));
	assert_true(XDR_GETLONG(&decoder.xdr, &word));
	assert_int_equal(word, 0x61626364);
	assert_false(XDR_SETPOS(&decoder.xdr, 9));
}

static void
test_decoding_an_empty_record_fails_cleanly(void **state)
{
	char *text = NULL;

	(void)state;
	assert_err(decode(NULL, 0, mib, (xdrproc_t)xdr_wrapstring, &text),
	           DIST_EDECODE);
	assert_null(text);
	assert_ok(decode(NULL, 0, mib, (xdrproc_t)xdr_void, NULL));
}

static void
test_a_stream_refuses_the_other_direction(void **state)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	struct dist_decoder decoder;
	char bytes[4] = { 0 };
	long word = 0;

	(void)state;
	dist_encoder_init(&encoder, NULL, 0, mib);
	assert_false(XDR_GETLONG(&encoder.xdr, &word));
	assert_false(XDR_GETBYTES(&encoder.xdr, bytes, 0));
	dist_decoder_init(&decoder, (struct dist_bytes){ (uint8_t *)bytes, 4 }, mib);
	assert_false(XDR_PUTLONG(&decoder.xdr, &word));
	assert_false(XDR_PUTBYTES(&decoder.xdr, bytes, 0));
}

static void
test_streams_are_told_apart(void **state)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	struct dist_decoder decoder;
	char bytes[4] = { 0 };
	XDR other;

	(void)state;
	dist_encoder_init(&encoder, NULL, 0, mib);
	dist_decoder_init(&decoder, (struct dist_bytes){ (uint8_t *)bytes, 4 }, mib);
	assert_ptr_equal(dist_encoder_of(&encoder.xdr), &encoder);
	assert_ptr_equal(dist_decoder_of(&decoder.xdr), &decoder);
	assert_null(dist_encoder_of(&decoder.xdr));
	assert_null(dist_decoder_of(&encoder.xdr));
	xdrmem_create(&other, bytes, sizeof(bytes), XDR_DECODE);
	assert_null(dist_decoder_of(&other));
	xdrmem_create(&other, bytes, sizeof(bytes), XDR_ENCODE);
	assert_null(dist_encoder_of(&other));
}

/* CVE-2017-8779: a count is refused before memory is taken for it. */
static void
test_a_lying_count_takes_no_memory(void **state)
{
	static const xdrproc_t types[] = { (xdrproc_t)xdr_hypers, (xdrproc_t)xdr_nodes,
		                           (xdrproc_t)xdr_wides, (xdrproc_t)xdr_blob,
		                           (xdrproc_t)dist_xdr_wrapstring };
	static const uint32_t counts[] = { 0xffffffff, 0xfffffffe, 0xfffffffd,
		                           0x80000000, 0x20000001, 0x10000000,
		                           41 };
	uint8_t wire[44] = { 0 };
	struct dist_decoder decoder;

	(void)state;
	for (size_t i = 0; i < DIST_ARRAY_SIZE(types); i++) {
		for (size_t k = 0; k < DIST_ARRAY_SIZE(counts); k++) {
			struct array value = { 0, NULL };
			void *text = NULL;
			bool is_text = types[i] == (xdrproc_t)dist_xdr_wrapstring;

			dist_store_be32(wire, counts[k]);
			dist_decoder_init(&decoder,
			                  (struct dist_bytes){ wire, sizeof(wire) },
			                  SIZE_MAX);
			assert_err(dist_decoder_get(&decoder, types[i],
			                            is_text ? (void *)&text
			                                    : (void *)&value),
			           DIST_EDECODE);
			assert_true(decoder.budget == SIZE_MAX);
			assert_null(value.elements);
			assert_null(text);
		}
	}
}

/* 1000 elements of 4 bytes on the wire are 4 MB in memory: valid, but bounded. */
static void
test_a_valid_record_may_not_take_more_memory_than_its_budget(void **state)
{
	static uint8_t wire[4 + 4000];
	size_t memory = 1000 * sizeof(struct wide);
	struct array value = { 0, NULL };

	(void)state;
	dist_store_be32(wire, 1000);
	assert_err(decode(wire, sizeof(wire), memory - 1, (xdrproc_t)xdr_wides, &value),
	           DIST_EDECODE);
	assert_non_null(strstr(dist_error_text(), "memory"));
	assert_null(value.elements);
	assert_ok(decode(wire, sizeof(wire), memory, (xdrproc_t)xdr_wides, &value));
	assert_int_equal(value.n, 1000);
	xdr_free((xdrproc_t)xdr_wides, &value);
}

/* One record's pieces share the budget. */
static void
test_each_pointer_is_charged(void **state)
{
	static uint8_t wire[8 * 100];
	struct node head = { 0 };

	(void)state;
	for (int i = 0; i < 99; i++)
		dist_store_be32(wire + 8 * i + 4, 1);
	assert_ok(decode(wire, sizeof(wire), 99 * sizeof(struct node),
	                 (xdrproc_t)xdr_node, &head));
	xdr_free((xdrproc_t)xdr_node, &head);
	assert_err(decode(wire, sizeof(wire), 99 * sizeof(struct node) - 1,
	                  (xdrproc_t)xdr_node, &head),
	           DIST_EDECODE);
	assert_null(head.next);
}

static void
test_the_default_budget_is_the_larger_of_a_mebibyte_and_16_times(void **state)
{
	(void)state;
	assert_int_equal(dist_decoder_default_budget(0), mib);
	assert_int_equal(dist_decoder_default_budget(65536), mib);
	assert_int_equal(dist_decoder_default_budget(65537), 16 * 65537);
}

/* A list of nodes, a level of the stack each; a sanitizer sees what is not freed. */
static void
assert_deep_list_is_refused(xdrproc_t xdr)
{
	size_t n = 100000;
	uint8_t *wire = calloc(n, 8);
	struct node head = { 0 };

	assert_non_null(wire);
	for (size_t i = 0; i + 1 < n; i++)
		dist_store_be32(wire + 8 * i + 4, 1);
	assert_err(decode(wire, 8 * n, SIZE_MAX, xdr, &head), DIST_EDECODE);
	assert_non_null(strstr(dist_error_text(), "deep"));
	assert_null(head.next);
	/* A short one goes through. */
	assert_ok(decode(wire + 8 * (n - 200), 8 * 200, SIZE_MAX, xdr, &head));
	xdr_free(xdr, &head);
	free(wire);
}

static void
test_a_deeply_nested_message_is_refused(void **state)
{
	(void)state;
	assert_deep_list_is_refused((xdrproc_t)xdr_node);
	assert_deep_list_is_refused((xdrproc_t)xdr_plain_node);
}

static void
test_a_deeply_nested_value_does_not_encode(void **state)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	size_t n = 100000;
	struct node *nodes = calloc(n, sizeof(*nodes));

	(void)state;
	assert_non_null(nodes);
	for (size_t i = 0; i + 1 < n; i++)
		nodes[i].next = &nodes[i + 1];
	dist_encoder_init(&encoder, NULL, 0, 64 * mib);
	assert_err(dist_encoder_put(&encoder, (xdrproc_t)xdr_node, nodes),
	           DIST_EENCODE);
	assert_non_null(strstr(dist_error_text(), "deep"));
	assert_int_equal(dist_encoder_length(&encoder), 0);
	assert_ok(dist_encoder_put(&encoder, (xdrproc_t)xdr_node, &nodes[n - 200]));
	assert_int_equal(dist_encoder_length(&encoder), 8 * 200);
	free(nodes);
}

/* Whatever was taken before the end was missed is freed. */
static void
test_a_record_cut_at_any_byte_fails_without_a_trace(void **state)
{
	uint8_t wire[4 + 3 * 16], *memory;

	(void)state;
	dist_store_be32(wire, 3);
	for (int i = 0; i < 3; i++) {
		dist_store_be32(wire + 4 + 16 * i, 5);
		dist_store_be32(wire + 8 + 16 * i, 1);
		dist_store_be32(wire + 12 + 16 * i, 6);
		dist_store_be32(wire + 16 + 16 * i, 0);
	}
	for (size_t length = 0; length <= sizeof(wire); length++) {
		struct array value = { 0, NULL };
		bool whole = length == sizeof(wire);

		memory = malloc(length + !length);
		assert_non_null(memory);
		memcpy(memory, wire, length);
		assert_err(decode(memory, length, mib, (xdrproc_t)xdr_nodes, &value),
		           whole ? DIST_OK : DIST_EDECODE);
		assert_int_equal(value.elements != NULL, whole);
		xdr_free((xdrproc_t)xdr_nodes, &value);
		free(memory);
	}
}

/* xdr_sizeof() is a stream too, with tricks of its own in x_inline. */
static void
test_the_size_of_a_value_can_be_asked(void **state)
{
	quad_t hypers[300] = { 0 };
	struct array value = { 300, hypers };

	(void)state;
	assert_int_equal(xdr_sizeof((xdrproc_t)xdr_hypers, &value), 4 + 2400);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_encoder_starts_in_the_first_piece_and_grows_past_it),
	cmocka_unit_test(test_encoder_without_a_first_piece_works),
	cmocka_unit_test(test_encoder_holds_its_maximum_and_no_more),
	cmocka_unit_test(test_what_failed_to_encode_is_taken_off_again),
	cmocka_unit_test(test_what_cannot_be_encoded_is_refused),
	cmocka_unit_test(test_encoder_goes_back_to_patch_a_word),
	cmocka_unit_test(test_inline_pieces_are_aligned_or_refused),
	cmocka_unit_test(test_decoder_reads_what_there_is_and_not_a_byte_more),
	cmocka_unit_test(test_decoding_an_empty_record_fails_cleanly),
	cmocka_unit_test(test_a_stream_refuses_the_other_direction),
	cmocka_unit_test(test_streams_are_told_apart),
	cmocka_unit_test(test_a_lying_count_takes_no_memory),
	cmocka_unit_test(test_a_valid_record_may_not_take_more_memory_than_its_budget),
	cmocka_unit_test(test_each_pointer_is_charged),
	cmocka_unit_test(
		test_the_default_budget_is_the_larger_of_a_mebibyte_and_16_times),
	cmocka_unit_test(test_a_deeply_nested_message_is_refused),
	cmocka_unit_test(test_a_deeply_nested_value_does_not_encode),
	cmocka_unit_test(test_a_record_cut_at_any_byte_fails_without_a_trace),
	cmocka_unit_test(test_the_size_of_a_value_can_be_asked),
};

CHECK_MAIN(tests)
