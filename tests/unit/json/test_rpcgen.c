/*
 * The converter against the C that rpcgen makes of the same .x: what is encoded is
 * decoded by that C, which encodes it again to the same bytes, and these give the same
 * JSON.
 */
#include "support/check.h"

#include "constructs.h"
#include "json/convert.h"
#include "x/find.h"
#include "x/read.h"

#include <stdlib.h>
#include <string.h>

struct row {
	const char *procedure;
	xdrproc_t xdr;
	const char *json; /* of one value, as it is written again */
};

#define NUMBERS \
	"{\"c\":-128,\"uc\":255,\"s\":-32768,\"us\":65535,\"i\":-2147483648," \
	"\"u\":4294967295,\"ui\":0,\"l\":-2147483648,\"ul\":4294967295," \
	"\"h\":-9223372036854775808,\"uh\":18446744073709551615,\"f\":-0.1," \
	"\"d\":2.2250738585072014e-308,\"b\":true,\"color\":\"CON_BLUE\"," \
	"\"i64\":9007199254740993,\"word\":7}"

#define ARRAYS \
	"{\"fixed\":[1,-2,3],\"chars\":[-1,0,1],\"shorts\":[-1,1],\"flags\":[true,false]," \
	"\"doubles\":[0.1,\"Infinity\",-0],\"floats\":[\"-Infinity\",1e+10]," \
	"\"hypers\":[1,-9007199254740993,0],\"table\":[[],[4,5,6]]," \
	"\"names\":[\"a\",\"\",\"\xc3\xa9\"],\"colors\":[\"CON_RED\",\"CON_MORE\"]," \
	"\"ids\":[\"AQIDBAUG\",\"AAAAAAAA\"],\"nodes\":[{\"name\":\"x\",\"next\":null}," \
	"{\"name\":\"y\",\"next\":{\"name\":\"z\",\"next\":null}}]," \
	"\"blob\":\"/+8=\",\"bytes\":\"AQIDBAU=\",\"more\":\"\"," \
	"\"text\":{\"base64\":\"/2E=\"}}"

#define NOTHING \
	"{\"fixed\":[0,0,0],\"chars\":[],\"shorts\":[0,0],\"flags\":[],\"doubles\":[]," \
	"\"floats\":[0,0],\"hypers\":[0,0,0],\"table\":[],\"names\":[],\"colors\":[]," \
	"\"ids\":[],\"nodes\":[],\"blob\":\"\",\"bytes\":\"AAAAAAA=\",\"more\":\"\"," \
	"\"text\":\"\"}"

#define UNIONS(color, number, flag, word) \
	"{\"color\":" color ",\"number\":" number ",\"flag\":" flag ",\"word\":" word \
	"}"

static const struct row rows[] = {
	{ "CON_NUMBERS", (xdrproc_t)xdr_con_numbers, NUMBERS },
	{ "CON_ARRAYS", (xdrproc_t)xdr_con_arrays, ARRAYS },
	{ "CON_ARRAYS", (xdrproc_t)xdr_con_arrays, NOTHING },
	{ "CON_OPTIONAL", (xdrproc_t)xdr_con_optional,
	  "{\"number\":null,\"list\":null,\"node\":null,\"arrays\":null}" },
	{ "CON_OPTIONAL", (xdrproc_t)xdr_con_optional,
	  "{\"number\":-7,\"list\":{\"name\":\"a\",\"next\":{\"name\":\"b\",\"next\":null}},"
	  "\"node\":{\"name\":\"c\",\"next\":null},\"arrays\":" ARRAYS "}" },
	{ "CON_UNIONS", (xdrproc_t)xdr_con_unions,
	  UNIONS("{\"color\":\"CON_GREEN\",\"numbers\":" NUMBERS "}",
	         "{\"kind\":-1,\"reason\":\"none\"}", "{\"there\":true,\"ints\":[1]}",
	         "{\"kind\":0,\"flag\":null}") },
	{ "CON_UNIONS", (xdrproc_t)xdr_con_unions,
	  UNIONS("{\"color\":\"CON_BLUE\"}",
	         "{\"kind\":3,\"list\":{\"name\":\"\",\"next\":null}}",
	         "{\"there\":false}", "{\"kind\":0,\"flag\":true}") },
	{ "CON_UNIONS", (xdrproc_t)xdr_con_unions,
	  UNIONS("{\"color\":\"CON_MORE\",\"id\":\"AQIDBAUGBw==\"}", "{\"kind\":99}",
	         "{\"there\":false}", "{\"kind\":4294967295,\"pair\":[1,2]}") },
	{ "CON_STRING", (xdrproc_t)xdr_wrapstring, "\"any text\"" },
	{ "CON_COLOR", (xdrproc_t)xdr_con_color, "\"CON_MORE\"" },
	{ "CON_BOOL", (xdrproc_t)xdr_bool, "false" },
	{ "CON_BIG", (xdrproc_t)xdr_con_big, "9223372036854775809" },
	{ "CON_NAMES", (xdrproc_t)xdr_con_names, "[\"one\",\"two\",\"\"]" },
};

static struct dist_spec spec;

static int
read_spec(void **state)
{
	struct dist_diag diag = { .stream = stderr, .no_warnings = true };
	const struct dist_preprocess how = { .source = CONSTRUCTS };

	(void)state;
	return dist_spec_read(&spec, &diag, &how) ? 0 : -1;
}

static int
forget_spec(void **state)
{
	(void)state;
	dist_spec_fini(&spec);
	return 0;
}

static void
take_procedure(const struct dist_spec_found *found, void *arg)
{
	*(const struct dist_spec_procedure **)arg = found->procedure;
}

static const struct dist_spec_procedure *
procedure_of(const char *name)
{
	const struct dist_spec_procedure *procedure = NULL;

	assert_int_equal(
		dist_spec_find_procedures(&spec, name, take_procedure, &procedure), 1);
	return procedure;
}

/* Room for any of the types, zeroed as rpcgen's decoding wants. */
union value {
	con_numbers numbers;
	con_arrays arrays;
	con_optional optional;
	con_unions unions;
	char *string;
	u_quad_t big;
};

static void
encode(const struct dist_spec_procedure *procedure, const char *arguments,
       struct dist_json_bytes *ret_bytes)
{
	struct dist_json_failure failure;

	if (!dist_json_encode_arguments(procedure, arguments, strlen(arguments),
	                                ret_bytes, &failure))
		fail_msg("%s: %u:%u %s %s", procedure->name, failure.line,
		         failure.column, failure.path, failure.what);
}

/* By generated code, from @bytes to C. */
static void
decode_in_c(xdrproc_t xdr, const struct dist_json_bytes *bytes, void *ret_value)
{
	XDR stream;

	xdrmem_create(&stream, bytes->data, (u_int)bytes->length, XDR_DECODE);
	assert_true(xdr(&stream, ret_value));
	assert_int_equal(xdr_getpos(&stream), bytes->length);
}

/* The same way back. */
static void
check_encoded_in_c(xdrproc_t xdr, void *value, const struct dist_json_bytes *expected)
{
	char *buffer = malloc(expected->length + 64);
	XDR stream;

	assert_non_null(buffer);
	xdrmem_create(&stream, buffer, (u_int)expected->length + 64, XDR_ENCODE);
	assert_true(xdr(&stream, value));
	assert_int_equal(xdr_getpos(&stream), expected->length);
	assert_memory_equal(buffer, expected->data, expected->length);
	free(buffer);
}

static void
check_decoded(const struct dist_spec_procedure *procedure,
              const struct dist_json_bytes *bytes, const char *expected)
{
	struct dist_json_failure failure;
	struct dist_json_bytes json;

	if (!dist_json_decode(&procedure->result, bytes->data, bytes->length, 1 << 20,
	                      &json, &failure))
		fail_msg("%s: byte %zu %s %s", procedure->name, failure.offset,
		         failure.path, failure.what);
	assert_string_equal(json.data, expected);
	free(json.data);
}

static void
test_bytes_are_those_of_rpcgens_c(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct dist_spec_procedure *procedure =
			procedure_of(rows[i].procedure);
		struct dist_json_bytes bytes;
		union value value;
		char *arguments;

		memset(&value, 0, sizeof(value));
		assert_true(asprintf(&arguments, "[%s]", rows[i].json) > 0);
		encode(procedure, arguments, &bytes);
		decode_in_c(rows[i].xdr, &bytes, &value);
		check_encoded_in_c(rows[i].xdr, &value, &bytes);
		check_decoded(procedure, &bytes, rows[i].json);
		xdr_free(rows[i].xdr, (char *)&value);
		free(bytes.data);
		free(arguments);
	}
}

static void
test_numbers_are_those_of_c(void **state)
{
	con_numbers numbers;
	struct dist_json_bytes bytes;

	(void)state;
	memset(&numbers, 0, sizeof(numbers));
	encode(procedure_of("CON_NUMBERS"), "[" NUMBERS "]", &bytes);
	decode_in_c((xdrproc_t)xdr_con_numbers, &bytes, &numbers);
	assert_int_equal(numbers.c, (char)-128);
	assert_int_equal(numbers.uc, 255);
	assert_int_equal(numbers.s, INT16_MIN);
	assert_int_equal(numbers.us, UINT16_MAX);
	assert_int_equal(numbers.i, INT32_MIN);
	assert_int_equal(numbers.u, UINT32_MAX);
	assert_true(numbers.h == INT64_MIN);
	assert_true(numbers.uh == UINT64_MAX);
	assert_true(numbers.f == -0.1f);
	assert_true(numbers.d == 2.2250738585072014e-308);
	assert_true(numbers.b);
	assert_int_equal(numbers.color, CON_BLUE);
	assert_true(numbers.i64 == 9007199254740993);
	free(bytes.data);
}

/* rpcgen puts them into a struct of the procedure's name. */
static void
test_several_arguments_are_rpcgens_struct(void **state)
{
	con_several_1_argument arguments;
	struct dist_json_bytes bytes;

	(void)state;
	memset(&arguments, 0, sizeof(arguments));
	encode(procedure_of("CON_SEVERAL"), "[-5,\"abc\",[1,2]]", &bytes);
	decode_in_c((xdrproc_t)xdr_con_several_1_argument, &bytes, &arguments);
	assert_int_equal(arguments.first, -5);
	assert_string_equal(arguments.second, "abc");
	assert_int_equal(arguments.third.con_ints_len, 2);
	assert_int_equal(arguments.third.con_ints_val[1], 2);
	xdr_free((xdrproc_t)xdr_con_several_1_argument, (char *)&arguments);
	free(bytes.data);
}

/* Each byte in turn becomes another: JSON or an error, and what is JSON has a way back.
 */
static void
check_changed_byte(const struct dist_spec_procedure *procedure,
                   const struct dist_json_bytes *bytes)
{
	struct dist_json_failure failure;
	struct dist_json_bytes json, again;
	char *arguments;

	if (!dist_json_decode(&procedure->result, bytes->data, bytes->length, 1 << 20,
	                      &json, &failure)) {
		assert_true(failure.offset <= bytes->length);
		assert_true(*failure.what);
		return;
	}
	assert_true(asprintf(&arguments, "[%s]", json.data) > 0);
	if (dist_json_encode_arguments(procedure, arguments, strlen(arguments), &again,
	                               &failure)) {
		assert_int_equal(again.length, bytes->length);
		free(again.data);
	} else {
		/* These may come, but may not go: a number that no name of the enum
		 * has, and a char of where it has no sign. */
		assert_true(strstr(failure.what, "none of the enum's names") ||
		            strstr(failure.what, "as char is"));
	}
	free(arguments);
	free(json.data);
}

static void
test_a_byte_changed_anywhere_gives_json_or_an_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct dist_spec_procedure *procedure =
			procedure_of(rows[i].procedure);
		struct dist_json_bytes bytes;
		char *arguments;

		assert_true(asprintf(&arguments, "[%s]", rows[i].json) > 0);
		encode(procedure, arguments, &bytes);
		for (size_t at = 0; at < bytes.length; at++) {
			for (int bit = 0; bit < 8; bit++) {
				bytes.data[at] ^= (char)(1 << bit);
				check_changed_byte(procedure, &bytes);
				bytes.data[at] ^= (char)(1 << bit);
			}
		}
		free(bytes.data);
		free(arguments);
	}
}

static void
test_bytes_cut_anywhere_are_an_error(void **state)
{
	struct dist_json_failure failure;
	struct dist_json_bytes json;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct dist_spec_procedure *procedure =
			procedure_of(rows[i].procedure);
		struct dist_json_bytes bytes;
		char *arguments;

		assert_true(asprintf(&arguments, "[%s]", rows[i].json) > 0);
		encode(procedure, arguments, &bytes);
		for (size_t length = 0; length < bytes.length; length++)
			assert_false(dist_json_decode(&procedure->result, bytes.data,
			                              length, 1 << 20, &json,
			                              &failure));
		free(bytes.data);
		free(arguments);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_bytes_are_those_of_rpcgens_c),
	cmocka_unit_test(test_numbers_are_those_of_c),
	cmocka_unit_test(test_several_arguments_are_rpcgens_struct),
	cmocka_unit_test(test_a_byte_changed_anywhere_gives_json_or_an_error),
	cmocka_unit_test(test_bytes_cut_anywhere_are_an_error),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, read_spec, forget_spec);
}
