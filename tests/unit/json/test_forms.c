/* What each type of a .x file is in JSON and on the wire (RFC 4506 section 4). */
#include "json/rows.h"

#include <stdlib.h>
#include <string.h>

#define COLOR "enum color { RED = 1, GREEN, BLUE = -5 };"
#define LIST  "struct node { int value; node *next; }; typedef node *t;"
#define RESULT \
	"union t switch (color c) { case RED: case GREEN: int n; case BLUE: void; };"
#define MAYBE "union t switch (unsigned n) { case 0: void; default: string s<>; };"
#define PAIR  "struct t { int a; string b<3>; };"

static void
test_values_are_bytes_as_the_rfc_has_them(void **state)
{
	static const struct row rows[] = {
		{ "typedef int t;", "[-2]", "fffffffe" },
		{ "typedef char t;", "[-128]", "ffffff80" },
		{ "typedef short t;", "[-32768]", "ffff8000" },
		{ "typedef unsigned t;", "[4294967295]", "ffffffff" },
		{ "typedef hyper t;", "[-9223372036854775808]", "80000000 00000000" },
		{ "typedef hyper t;", "[-1]", "ffffffff ffffffff" },
		{ "typedef unsigned hyper t;", "[18446744073709551615]",
		  "ffffffff ffffffff" },
		{ "typedef unsigned hyper t;", "[9007199254740993]",
		  "00200000 00000001" },
		{ "typedef uint64_t t;", "[9223372036854775808]", "80000000 00000000" },
		{ "typedef int8_t t;", "[-1]", "ffffffff" },
		{ "typedef float t;", "[-1.5]", "bfc00000" },
		{ "typedef double t;", "[1e3]", "408f4000 00000000" },
		{ "typedef double t;", "[\"-Infinity\"]", "fff00000 00000000" },
		{ "typedef float t;", "[\"NaN\"]", "7fc00000" },
		{ "typedef bool t;", "[true]", "00000001" },
		{ COLOR "typedef color t;", "[\"GREEN\"]", "00000002" },
		{ COLOR "typedef color t;", "[-5]", "fffffffb" },
		{ "typedef string t<>;", "[\"h\\u00e9\"]", "00000003 68c3a900" },
		{ "typedef string t<>;", "[{\"base64\":\"/wA=\"}]",
		  "00000002 ff000000" },
		{ "typedef opaque t<>;", "[\"AQIDBAU=\"]",
		  "00000005 01020304 05000000" },
		{ "typedef opaque t[3];", "[\"AQID\"]", "01020300" },
		{ "typedef opaque t[0];", "[\"\"]", "" },
		{ "typedef int t<2>;", "[[1,2]]", "00000002 00000001 00000002" },
		{ "typedef int t[2];", "[[1,2]]", "00000001 00000002" },
		{ "typedef int u<>; typedef u t<>;", "[[[],[7]]]",
		  "00000002 00000000 00000001 00000007" },
		{ "typedef int *t;", "[null]", "00000000" },
		{ "typedef int *t;", "[7]", "00000001 00000007" },
		{ PAIR, "[{\"b\":\"x\",\"a\":1}]", "00000001 00000001 78000000" },
		{ LIST, "[{\"value\":1,\"next\":{\"value\":2}}]",
		  "00000001 00000001 00000001 00000002 00000000" },
		{ COLOR RESULT, "[{\"c\":\"RED\",\"n\":3}]", "00000001 00000003" },
		{ COLOR RESULT, "[{\"n\":3,\"c\":2}]", "00000002 00000003" },
		{ COLOR RESULT, "[{\"c\":\"BLUE\"}]", "fffffffb" },
		{ MAYBE, "[{\"n\":0}]", "00000000" },
		{ MAYBE, "[{\"n\":9,\"s\":\"\"}]", "00000009 00000000" },
		{ "union t switch (bool b) { case TRUE: bool c; case FALSE: void; };",
		  "[{\"b\":true,\"c\":false}]", "00000001 00000000" },
		{ "union t switch (hyper h) { case 4294967296: void; default: int i; };",
		  "[{\"h\":4294967296}]", "00000001 00000000" },
		{ "struct t { struct { int a; } b; enum { X = 4 } c; };",
		  "[{\"b\":{\"a\":1},\"c\":\"X\"}]", "00000001 00000004" },
	};

	(void)state;
	CHECK_ROWS(encoded, rows);
}

static void
test_values_come_back_as_they_went(void **state)
{
	static const struct row rows[] = {
		{ "typedef unsigned char t;", "[255]", "255" },
		{ "typedef char t;", "[-1]", "-1" },
		{ "typedef unsigned short t;", "[65535]", "65535" },
		{ "typedef hyper t;", "[9007199254740993]", "9007199254740993" },
		{ "typedef hyper t;", "[-9223372036854775808]",
		  "-9223372036854775808" },
		{ "typedef unsigned hyper t;", "[18446744073709551615]",
		  "18446744073709551615" },
		{ "typedef int t;", "[-0]", "0" },
		{ "typedef double t;", "[0.1]", "0.1" },
		{ "typedef double t;", "[-0.0]", "-0" },
		{ "typedef double t;", "[1.7976931348623157e308]",
		  "1.7976931348623157e+308" },
		{ "typedef double t;", "[5e-324]", "4.94065645841247e-324" },
		{ "typedef double t;", "[0.30000000000000004]", "0.30000000000000004" },
		{ "typedef double t;", "[1234567890123456789012]",
		  "1.2345678901234568e+21" },
		{ "typedef double t;", "[\"NaN\"]", "\"NaN\"" },
		{ "typedef double t;", "[\"Infinity\"]", "\"Infinity\"" },
		{ "typedef float t;", "[0.1]", "0.1" },
		{ "typedef float t;", "[16777217]", "16777216" },
		{ "typedef float t;", "[3.4028235e38]", "3.4028235e+38" },
		{ "typedef float t;", "[\"-Infinity\"]", "\"-Infinity\"" },
		{ COLOR "typedef color t;", "[2]", "\"GREEN\"" },
		{ "typedef string t<>;", "[\"\\u001b\\u0000a\"]",
		  "1:16 a string has no \\u0000: C would end there" },
		{ "typedef string t<>;", "[\"\\u001b \\u007f \\u009b \\\" \\\\ \\n\"]",
		  "\"\\u001b \\u007f \\u009b \\\" \\\\ \\n\"" },
		{ "typedef string t<>;", "[\"\\ud83d\\ude00\"]",
		  "\"\xf0\x9f\x98\x80\"" },
		{ "typedef string t<>;", "[{\"base64\":\"/w==\"}]",
		  "{\"base64\":\"/w==\"}" },
		{ "typedef string t<>;", "[{\"base64\":\"aGk=\"}]", "\"hi\"" },
		{ "typedef opaque t<>;", "[\"AQIDBA==\"]", "\"AQIDBA==\"" },
		{ "typedef int t<>;", "[ [ 1 , 2 ] ]", "[1,2]" },
		{ "typedef int u<>; typedef u t[2];", "[[[],[7]]]", "[[],[7]]" },
		{ "typedef int *t;", "[null]", "null" },
		{ PAIR, "[{\"a\":1,\"b\":\"x\"}]", "{\"a\":1,\"b\":\"x\"}" },
		{ LIST, "[{\"value\":1,\"next\":{\"value\":2}}]",
		  "{\"value\":1,\"next\":{\"value\":2,\"next\":null}}" },
		{ COLOR RESULT, "[{\"c\":1,\"n\":3}]", "{\"c\":\"RED\",\"n\":3}" },
		{ COLOR RESULT, "[{\"c\":\"BLUE\"}]", "{\"c\":\"BLUE\"}" },
		{ MAYBE, "[{\"n\":9,\"s\":\"x\"}]", "{\"n\":9,\"s\":\"x\"}" },
		{ "typedef bool t<>;", "[[true,false]]", "[true,false]" },
		/* Numbers keep their places in the text, whatever else is in it. */
		{ "struct t { string a<>; int b; int c<>; hyper d; };",
		  "[{\"d\":-4,\"c\":[1,22],\"b\":333,\"a\":\"5\\\"6\"}]",
		  "{\"a\":\"5\\\"6\",\"b\":333,\"c\":[1,22],\"d\":-4}" },
	};

	(void)state;
	CHECK_ROWS(there_and_back, rows);
}

static void
test_several_arguments_are_one_after_the_other(void **state)
{
	static const char text[] =
		"program A { version B { void C(int, string) = 1; void D(void) = 2; } = 1; "
		"} = 9; typedef int t;";
	struct dist_json_failure failure;
	struct dist_json_bytes bytes;
	const struct dist_spec_procedure *two, *none;
	struct dist_spec spec;

	(void)state;
	spec_of(&spec, text);
	two = spec.definitions->versions->procedures;
	none = two->next;
	assert_true(dist_json_encode_arguments(two, "[5,\"ab\"]", 8, &bytes, &failure));
	assert_int_equal(bytes.length, 12);
	assert_memory_equal(bytes.data, "\0\0\0\5\0\0\0\2ab\0\0", 12);
	free(bytes.data);
	assert_true(dist_json_encode_arguments(none, " [ ] ", 5, &bytes, &failure));
	assert_int_equal(bytes.length, 0);
	free(bytes.data);
	assert_false(dist_json_encode_arguments(two, "[5]", 3, &bytes, &failure));
	assert_string_equal(failure.what, "1 argument is given, and 'C' takes 2");
	assert_false(dist_json_encode_arguments(none, "{}", 2, &bytes, &failure));
	assert_string_equal(
		failure.what,
		"an object stands where the array of all arguments belongs");
	dist_spec_fini(&spec);
}

static void
test_void_is_null(void **state)
{
	static const char text[] =
		"program A { version B { void C(int) = 1; } = 1; } = 9; typedef int t;";
	struct dist_json_failure failure;
	struct dist_json_bytes json;
	struct dist_spec spec;

	(void)state;
	spec_of(&spec, text);
	assert_true(dist_json_decode(&spec.definitions->versions->procedures->result,
	                             NULL, 0, 100, &json, &failure));
	assert_string_equal(json.data, "null");
	free(json.data);
	dist_spec_fini(&spec);
}

/* A list of so many nodes, each inside the one before. */
static char *
list_of(size_t n)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	fputc('[', out);
	for (size_t i = 0; i < n; i++)
		fputs(i + 1 < n ? "{\"value\":1,\"next\":" : "{\"value\":1", out);
	for (size_t i = 0; i < n; i++)
		fputc('}', out);
	fputc(']', out);
	fclose(out);
	return text;
}

static void
test_depth_is_bounded(void **state)
{
	/* The type t itself is the first of them. */
	char *most = list_of(DIST_JSON_DEPTH_MAX - 1),
	     *over = list_of(DIST_JSON_DEPTH_MAX);
	char *back, *failure;

	(void)state;
	back = there_and_back(LIST, most);
	failure = there_and_back(LIST, over);
	assert_int_equal(strncmp(back, "{\"value\":1,\"next\":{", 19), 0);
	assert_non_null(strstr(failure,
	                       ": there are over 500 types inside each other (t.x:1)"));
	assert_non_null(strstr(failure, "$[0].next.next"));
	assert_non_null(strstr(failure, "..."));
	free(most);
	free(over);
	free(back);
	free(failure);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_values_are_bytes_as_the_rfc_has_them),
	cmocka_unit_test(test_values_come_back_as_they_went),
	cmocka_unit_test(test_several_arguments_are_one_after_the_other),
	cmocka_unit_test(test_void_is_null),
	cmocka_unit_test(test_depth_is_bounded),
};

CHECK_MAIN(tests)
