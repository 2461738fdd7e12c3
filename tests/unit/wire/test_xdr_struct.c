/*
 * Structs of random values, of every kind that rpcgen makes: the same bytes as by the
 * same code over libtirpc's routines, on each kind of stream, and back to the same
 * values; and whatever is missing, too much or too deep is refused without a trace, which
 * a sanitizer sees.
 */
#define DIST_XDR_NO_MAPPING
#include "wire/xdr.h"

#include "base/cleanup.h"
#include "support/check.h"
#include "wire/shapes.h"
#include "wire/streams.h"

#include <dist/xdr.h>
#include <stdlib.h>

/* Of each shape so many. */
#define N_VALUES 60

/* Made by distgen; list and tree are not, which it warns of. */
#define MADE(X) \
	X(numbers) X(pair) X(point) X(row) X(named) X(choice) X(either) X(arrays) X(all)
#define SHAPES(X) MADE(X) X(list) X(tree)

#define THEIRS(name) extern bool_t theirs_##name(XDR *xdrs, shape_##name *value);
MADE(THEIRS)

typedef struct shape_list {
	int value;
	struct shape_list *next;
} shape_list;

typedef struct shape_tree {
	short kind;
	u_int n;
	struct shape_tree *branches;
} shape_tree;

/* The same bytes where each has one branch. */
#define RECURSIVE(prefix, by) \
	static bool_t prefix##list(XDR *xdrs, shape_list *list) \
	{ \
		return by##int(xdrs, &list->value) && \
		       by##pointer(xdrs, (char **)&list->next, sizeof(shape_list), \
		                   (xdrproc_t)prefix##list); \
	} \
\
	static bool_t prefix##tree(XDR *xdrs, shape_tree *tree) \
	{ \
		return by##short(xdrs, &tree->kind) && \
		       by##array(xdrs, (char **)&tree->branches, &tree->n, 8, \
		                 sizeof(shape_tree), (xdrproc_t)prefix##tree); \
	}
RECURSIVE(xdr_shape_, dist_xdr_)
RECURSIVE(theirs_, xdr_)

/* --- Random values ---------------------------------------------------------------- */

static uint64_t seed;

static uint32_t
random_below(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

/* All bits; floats among them may be no numbers, which stay as they are. */
static void
random_bytes(void *to, size_t length)
{
	for (size_t i = 0; i < length; i++)
		((uint8_t *)to)[i] = (uint8_t)random_below(256);
}

static void *
random_array(u_int *ret_n, u_int max, size_t size)
{
	void *elements;

	*ret_n = random_below(4) ? random_below(max + 1) : 0;
	elements = calloc(*ret_n + 1, size);
	assert_non_null(elements);
	random_bytes(elements, *ret_n * size);
	return elements;
}

static char *
random_string(u_int max)
{
	u_int length = random_below(max + 1);
	char *string = calloc(length + 1, 1);

	assert_non_null(string);
	memset(string, 'a' + (int)random_below(26), length);
	return string;
}

static shape_color
random_color(void)
{
	static const shape_color colors[] = { SHAPE_RED, SHAPE_GREEN, SHAPE_BLUE };

	return colors[random_below(3)];
}

static void
fill_numbers(shape_numbers *numbers)
{
	random_bytes(numbers, sizeof(*numbers));
	numbers->k = random_below(2);
	numbers->l = random_color();
}

static void
fill_pair(shape_pair *pair)
{
	random_bytes(pair, sizeof(*pair));
}

static void
fill_point(shape_point *point)
{
	random_bytes(point, sizeof(*point));
}

static void
fill_row(shape_row *row)
{
	random_bytes(row, sizeof(*row));
	row->d = random_below(2);
}

static void
fill_named(shape_named *named)
{
	named->name = random_string(32);
	random_bytes(&named->id, sizeof(named->id));
	named->bytes.bytes_val = random_array(&named->bytes.bytes_len, 40, 1);
	named->more = random_string(9);
}

static void
fill_choice(shape_choice *choice)
{
	choice->is_on = random_below(2);
	if (random_below(2)) {
		choice->pair = calloc(1, sizeof(shape_pair));
		assert_non_null(choice->pair);
		fill_pair(choice->pair);
	}
	if (random_below(2)) {
		choice->named = calloc(1, sizeof(shape_named));
		assert_non_null(choice->named);
		fill_named(choice->named);
	}
	random_bytes(&choice->last, sizeof(choice->last));
}

static void
fill_either(shape_either *either)
{
	either->which = random_color();
	if (either->which == SHAPE_RED)
		random_bytes(&either->shape_either_u.number, 8);
	else if (either->which == SHAPE_GREEN)
		fill_named(&either->shape_either_u.named);
}

static void
fill_list(shape_list *list)
{
	random_bytes(&list->value, sizeof(list->value));
	if (random_below(5) == 0)
		return;
	list->next = calloc(1, sizeof(*list));
	assert_non_null(list->next);
	fill_list(list->next);
}

static void
fill_branches(shape_tree *tree, u_int depth)
{
	u_int n = depth > 0 ? random_below(4) : 0;

	random_bytes(&tree->kind, sizeof(tree->kind));
	tree->n = n;
	tree->branches = calloc(n + 1, sizeof(*tree));
	assert_non_null(tree->branches);
	for (u_int i = 0; i < n; i++)
		fill_branches(&tree->branches[i], depth - 1);
}

static void
fill_tree(shape_tree *tree)
{
	fill_branches(tree, 3);
}

#define FILL_EACH(member, max, fill) \
	do { \
		member##_val = \
			random_array(&member##_len, max, sizeof(*member##_val)); \
		memset(member##_val, 0, member##_len * sizeof(*member##_val)); \
		for (u_int i = 0; i < member##_len; i++) \
			fill(&member##_val[i]); \
	} while (0)

static void
fill_bool(bool_t *value)
{
	*value = random_below(2);
}

static void
fill_arrays(shape_arrays *arrays)
{
	arrays->words.words_val = random_array(&arrays->words.words_len, 70, 4);
	arrays->hypers.hypers_val = random_array(&arrays->hypers.hypers_len, 70, 8);
	arrays->shorts.shorts_val = random_array(&arrays->shorts.shorts_len, 70, 2);
	FILL_EACH(arrays->bools.bools, 70, fill_bool);
	random_bytes(arrays->fixed, sizeof(arrays->fixed));
	FILL_EACH(arrays->pairs.pairs, 70, fill_pair);
	fill_point(&arrays->points[0]);
	fill_point(&arrays->points[1]);
	FILL_EACH(arrays->eithers.eithers, 9, fill_either);
}

static void
fill_all(shape_all *all)
{
	fill_numbers(&all->numbers);
	fill_pair(&all->pair);
	fill_point(&all->point);
	fill_row(&all->row);
	fill_named(&all->named);
	fill_choice(&all->choice);
	fill_either(&all->either);
	fill_arrays(&all->arrays);
	FILL_EACH(all->rows.rows, 9, fill_row);
	FILL_EACH(all->choices.choices, 9, fill_choice);
}

typedef void fill_fn(void *value);

static const struct shape {
	const char *name;
	convert_fn *ours, *theirs;
	fill_fn *fill;
	size_t size;
} shapes[] = {
#define SHAPE(name) \
	{ #name, (convert_fn *)xdr_shape_##name, (convert_fn *)theirs_##name, \
	  (fill_fn *)fill_##name, sizeof(shape_##name) },
	SHAPES(SHAPE)
#undef SHAPE
};

union value {
#define MEMBER(name) shape_##name name;
	SHAPES(MEMBER)
#undef MEMBER
};

/* --- There and back --------------------------------------------------------------- */

static uint8_t wire[WIRE_MAX + 8], expected[WIRE_MAX + 8];

static void
value_free(convert_fn *convert, union value *value)
{
	XDR freeing = { .x_op = XDR_FREE };

	assert_true(convert(&freeing, value));
}

/* The bytes in @expected, by libtirpc alone; their number is returned. */
static size_t
expect(const struct shape *shape, union value *value)
{
	return encode(MEMORY, shape->theirs, value, expected);
}

/* What was decoded encodes, by libtirpc alone, to the bytes that it came from. */
static void
assert_value(const struct shape *shape, union value *value, size_t length)
{
	assert_int_equal(encode(MEMORY, shape->theirs, value, wire), length);
	assert_memory_equal(wire, expected, length);
}

static void
assert_there_and_back(const struct shape *shape, enum stream stream, union value *value)
{
	size_t length = expect(shape, value);
	union value back;

	memset(wire, 0x5a, sizeof(wire));
	assert_int_equal(encode(stream, shape->ours, value, wire), length);
	assert_memory_equal(wire, expected, length);
	memset(&back, 0, sizeof(back));
	assert_true(decode(stream, shape->ours, &back, expected, length));
	assert_value(shape, &back, length);
	value_free(shape->ours, &back);
}

/* For random values of each shape. */
static void
each_value(uint64_t first_seed, unsigned n_values,
           void (*check)(const struct shape *shape, union value *value))
{
	union value value;

	for (size_t i = 0; i < DIST_ARRAY_SIZE(shapes); i++) {
		seed = first_seed;
		for (unsigned k = 0; k < n_values; k++) {
			memset(&value, 0, sizeof(value));
			shapes[i].fill(&value);
			check(&shapes[i], &value);
			value_free(shapes[i].theirs, &value);
		}
	}
}

static void
check_streams(const struct shape *shape, union value *value)
{
	for (int stream = OURS; stream < N_STREAMS; stream++)
		assert_there_and_back(shape, (enum stream)stream, value);
}

static void
test_structs_are_what_libtirpc_makes_of_them(void **state)
{
	(void)state;
	each_value(1, N_VALUES, check_streams);
}

static void
check_size(const struct shape *shape, union value *value)
{
	assert_int_equal(xdr_sizeof((xdrproc_t)shape->ours, value),
	                 expect(shape, value));
}

static void
test_the_size_of_a_struct_can_be_asked(void **state)
{
	(void)state;
	each_value(2, N_VALUES, check_size);
}

/* Code that includes no <dist/xdr.h>, on our streams. */
static void
check_plain(const struct shape *shape, union value *value)
{
	size_t length = expect(shape, value);
	union value back;

	assert_int_equal(encode(OURS, shape->theirs, value, wire), length);
	assert_memory_equal(wire, expected, length);
	memset(&back, 0, sizeof(back));
	assert_true(decode(OURS, shape->theirs, &back, expected, length));
	assert_value(shape, &back, length);
	value_free(shape->theirs, &back);
}

static void
test_plain_rpcgen_code_works_on_our_streams(void **state)
{
	(void)state;
	each_value(3, N_VALUES, check_plain);
}

/* --- The ends --------------------------------------------------------------------- */

/* Exactly @length bytes, and a budget. */
static enum dist_err
decode_within(const struct shape *shape, size_t length, size_t budget,
              union value *value, size_t *ret_left)
{
	uint8_t *memory = malloc(length + !length);
	struct dist_decoder decoder;
	enum dist_err err;

	assert_non_null(memory);
	memcpy(memory, expected, length);
	dist_decoder_init(&decoder, (struct dist_bytes){ memory, length }, budget);
	memset(value, 0, sizeof(*value));
	err = dist_decoder_get(&decoder, (xdrproc_t)shape->ours, value);
	*ret_left = decoder.budget;
	free(memory);
	return err;
}

static void
check_cuts(const struct shape *shape, union value *value)
{
	size_t length = expect(shape, value), left;
	union value back;

	for (size_t cut = 0; cut < length; cut++) {
		assert_err(decode_within(shape, cut, SIZE_MAX, &back, &left),
		           DIST_EDECODE);
		for (int stream = OURS; stream < N_STREAMS; stream++) {
			memset(&back, 0, sizeof(back));
			assert_false(decode((enum stream)stream, shape->ours, &back,
			                    expected, cut));
			value_free(shape->ours, &back);
		}
	}
}

static void
test_a_struct_cut_at_any_byte_is_refused(void **state)
{
	(void)state;
	each_value(4, 3, check_cuts);
}

/* Room of each size, which ends before, within and behind each member. */
static void
check_rooms(const struct shape *shape, union value *value)
{
	size_t length = expect(shape, value);

	for (size_t room = 0; room <= length; room++) {
		uint8_t *first = malloc(room + !room);
		struct dist_encoder encoder;

		assert_non_null(first);
		dist_encoder_init(&encoder, first, room, room);
		assert_err(dist_encoder_put(&encoder, (xdrproc_t)shape->ours, value),
		           room < length ? DIST_ETOOBIG : DIST_OK);
		dist_encoder_fini(&encoder);

		dist_encoder_init(&encoder, first, room, length);
		assert_ok(dist_encoder_put(&encoder, (xdrproc_t)shape->ours, value));
		assert_int_equal(dist_encoder_length(&encoder), length);
		assert_memory_equal(encoder.data, expected, length);
		dist_encoder_fini(&encoder);
		free(first);
	}
}

static void
test_a_struct_encodes_into_room_of_any_size_or_is_refused(void **state)
{
	(void)state;
	each_value(5, 3, check_rooms);
}

/* What a value takes is enough for it, and a byte less is not. */
static void
check_budget(const struct shape *shape, union value *value)
{
	size_t length = expect(shape, value), left;
	union value back;

	assert_ok(decode_within(shape, length, SIZE_MAX, &back, &left));
	value_free(shape->ours, &back);
	if (left == SIZE_MAX)
		return;
	assert_ok(decode_within(shape, length, SIZE_MAX - left, &back, &left));
	assert_int_equal(left, 0);
	value_free(shape->ours, &back);
	assert_ok(decode_within(shape, length, SIZE_MAX, &back, &left));
	value_free(shape->ours, &back);
	assert_err(decode_within(shape, length, SIZE_MAX - left - 1, &back, &left),
	           DIST_EDECODE);
	assert_non_null(strstr(dist_error_text(), "memory"));
}

static void
test_a_struct_stays_within_its_budget(void **state)
{
	(void)state;
	each_value(6, N_VALUES, check_budget);
}

/* --- The depth -------------------------------------------------------------------- */

#define DEEP 100000

static void
assert_too_deep(xdrproc_t xdr, const uint8_t *bytes, size_t length)
{
	union value value;
	struct dist_decoder decoder;

	memset(&value, 0, sizeof(value));
	dist_decoder_init(&decoder, (struct dist_bytes){ bytes, length }, SIZE_MAX);
	assert_err(dist_decoder_get(&decoder, xdr, &value), DIST_EDECODE);
	assert_true(decoder.too_deep);
	assert_non_null(strstr(dist_error_text(), "deep"));
}

static void
test_bytes_that_go_deep_are_refused(void **state)
{
	uint8_t *bytes = calloc(DEEP, 8);

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i + 1 < DEEP; i++)
		dist_store_be32(bytes + 8 * i + 4, 1);
	assert_too_deep((xdrproc_t)xdr_shape_list, bytes, 8 * (size_t)DEEP);
	assert_too_deep((xdrproc_t)xdr_shape_tree, bytes, 8 * (size_t)DEEP);
	assert_too_deep((xdrproc_t)theirs_list, bytes, 8 * (size_t)DEEP);
	free(bytes);
}

static void
test_values_that_go_deep_do_not_encode(void **state)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	shape_list *lists = calloc(DEEP, sizeof(*lists));
	shape_tree *trees = calloc(DEEP, sizeof(*trees));

	(void)state;
	assert_non_null(lists);
	assert_non_null(trees);
	for (size_t i = 0; i + 1 < DEEP; i++) {
		lists[i].next = &lists[i + 1];
		trees[i].n = 1;
		trees[i].branches = &trees[i + 1];
	}
	dist_encoder_init(&encoder, NULL, 0, (size_t)64 << 20);
	assert_err(dist_encoder_put(&encoder, (xdrproc_t)xdr_shape_list, lists),
	           DIST_EENCODE);
	assert_true(encoder.too_deep);
	assert_err(dist_encoder_put(&encoder, (xdrproc_t)xdr_shape_tree, trees),
	           DIST_EENCODE);
	assert_true(encoder.too_deep);
	assert_int_equal(dist_encoder_length(&encoder), 0);
	assert_ok(dist_encoder_put(&encoder, (xdrproc_t)xdr_shape_tree,
	                           &trees[DEEP - 100]));
	free(lists);
	free(trees);
}

/*
 * Routines by hand that call themselves, a level for each thing on the wire: each kind of
 * thing looks at the stack.
 */
static xdrproc_t step;

static bool_t
step_take(XDR *xdrs, char **text, uint64_t *number)
{
	u_int length = 0;

	if (step == (xdrproc_t)dist_xdr_bytes)
		return dist_xdr_bytes(xdrs, text, &length, 100);
	if (step == (xdrproc_t)dist_xdr_wrapstring)
		return dist_xdr_wrapstring(xdrs, text);
	return step(xdrs, number);
}

static bool_t
xdr_steps(XDR *xdrs, void *value)
{
	char *text = xdrs->x_op == XDR_ENCODE ? strdup("text") : NULL;
	uint64_t number = 0;
	bool_t fine;

	if (xdrs->x_op == XDR_FREE)
		return TRUE;
	fine = step_take(xdrs, &text, &number) && xdr_steps(xdrs, value);
	free(text);
	return fine;
}

static void
test_whatever_is_converted_looks_how_deep_it_is(void **state)
{
	static const xdrproc_t steps[] = {
		(xdrproc_t)dist_xdr_int,        (xdrproc_t)dist_xdr_double,
		(xdrproc_t)dist_xdr_bool,       (xdrproc_t)xdr_int,
		(xdrproc_t)dist_xdr_wrapstring, (xdrproc_t)dist_xdr_bytes,
	};
	uint8_t *bytes = calloc(DEEP, 8);

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < DIST_ARRAY_SIZE(steps); i++) {
		DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;

		step = steps[i];
		assert_too_deep((xdrproc_t)xdr_steps, bytes, 8 * (size_t)DEEP);
		dist_encoder_init(&encoder, NULL, 0, (size_t)64 << 20);
		assert_err(dist_encoder_put(&encoder, (xdrproc_t)xdr_steps, bytes),
		           DIST_EENCODE);
		assert_true(encoder.too_deep);
	}
	free(bytes);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_structs_are_what_libtirpc_makes_of_them),
	cmocka_unit_test(test_the_size_of_a_struct_can_be_asked),
	cmocka_unit_test(test_plain_rpcgen_code_works_on_our_streams),
	cmocka_unit_test(test_a_struct_cut_at_any_byte_is_refused),
	cmocka_unit_test(test_a_struct_encodes_into_room_of_any_size_or_is_refused),
	cmocka_unit_test(test_a_struct_stays_within_its_budget),
	cmocka_unit_test(test_bytes_that_go_deep_are_refused),
	cmocka_unit_test(test_values_that_go_deep_do_not_encode),
	cmocka_unit_test(test_whatever_is_converted_looks_how_deep_it_is),
};

CHECK_MAIN(tests)
