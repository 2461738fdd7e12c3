/* What is wrong with JSON or with bytes, and where: in them, and in the .x. */
#include "json/rows.h"

#include <stdlib.h>
#include <string.h>

#define COLOR  "enum color {\nRED = 1,\nGREEN };\n"
#define PEOPLE "struct p {\nstring name<4>;\nint *age;\n};\ntypedef p t<2>;"
#define CHOICE "union t switch (color c) {\ncase RED:\nint n;\n};"

static void
test_text_that_is_no_json_is_pointed_at(void **state)
{
	static const struct row rows[] = {
		{ "typedef int t;", "",
		  "1:1 there is none; what it takes is an array, as in [1, 2]" },
		{ "typedef int t;", " \n ",
		  "1:1 there is none; what it takes is an array, as in [1, 2]" },
		{ "typedef int t;", "[1", "1:2 ']' expected near end of file" },
		{ "typedef int t;", "[1]\n x", "2:2 end of file expected near 'x'" },
		{ "typedef int t;", "[01]", "1:2 invalid token near '0'" },
		{ "typedef int t;", "[NaN]", "1:4 invalid token near 'NaN'" },
		{ "typedef int t;", "[\"\xff\"]",
		  "1:2 unable to decode byte 0xff near '\"'" },
		{ "struct t { int a; };", "[{\"a\":1,\"a\":2}]",
		  "1:11 duplicate object key near '\"a\"'" },
		{ "typedef double t;", "[1e999]",
		  "1:6 real number overflow near '1e999'" },
	};

	(void)state;
	CHECK_ROWS(encoded, rows);
}

static void
test_numbers_and_names_that_do_not_fit_are_pointed_at(void **state)
{
	static const struct row rows[] = {
		{ "typedef int t;", "7",
		  "1:1 $: a number stands where the array of all arguments belongs (t.x:2)" },
		{ "typedef int t;", "[]",
		  "1:1 $: 0 arguments are given, and 'T_ECHO' takes 1 (t.x:2)" },
		{ "typedef int t;", "[2147483648]",
		  "1:2 $[0]: 2147483648 is not from -2147483648 to 2147483647, as int is "
		  "(t.x:1)" },
		{ "typedef unsigned t;", "[\n -1]",
		  "2:2 $[0]: -1 is not from 0 to 4294967295, as unsigned int is (t.x:1)" },
		{ "typedef char t;", "[128]",
		  "1:2 $[0]: 128 is not from -128 to 127, as char is (t.x:1)" },
		{ "typedef hyper t;", "[9223372036854775808]",
		  "1:2 $[0]: 9223372036854775808 is not from -9223372036854775808 to "
		  "9223372036854775807, as hyper is (t.x:1)" },
		{ "typedef hyper t;", "[18446744073709551616]",
		  "1:2 $[0]: 18446744073709551616 has more than 64 bits (t.x:1)" },
		{ "typedef int t;", "[1.0]",
		  "1:2 $[0]: 1.0 is no whole number, written without fraction or exponent "
		  "(t.x:1)" },
		{ "typedef int t;", "[true]",
		  "1:2 $[0]: true stands where a number of type int belongs (t.x:1)" },
		{ "typedef float t;", "[3.5e38]",
		  "1:2 $[0]: 3.5e38 is more than a float holds (t.x:1)" },
		{ "typedef float t;", "[\"nan\"]",
		  "1:2 $[0]: a string stands where a number belongs, or \"NaN\", "
		  "\"Infinity\" or \"-Infinity\" (t.x:1)" },
		{ "typedef bool t;", "[1]",
		  "1:2 $[0]: a number stands where true or false belongs (t.x:1)" },
		{ COLOR "typedef color t;", "[\"BLUE\"]",
		  "1:2 $[0]: that is none of the enum's names: RED, GREEN (t.x:1)" },
		{ COLOR "typedef color t;", "[3]",
		  "1:2 $[0]: that is none of the enum's names: RED, GREEN (t.x:1)" },
		{ COLOR "typedef color t;", "[null]",
		  "1:2 $[0]: null stands where a name of an enum belongs, or its number "
		  "(t.x:1)" },
		{ "enum color { RED = FOREIGN };\ntypedef color t;", "[\"RED\"]",
		  "1:2 $[0]: the number of 'RED' is defined in C, and not known here: write it "
		  "(t.x:1)" },
	};

	(void)state;
	CHECK_ROWS(encoded, rows);
}

static void
test_bytes_and_arrays_that_do_not_fit_are_pointed_at(void **state)
{
	static const struct row rows[] = {
		{ "typedef string t<2>;", "[\"abc\"]",
		  "1:2 $[0]: 3 bytes, and there may be 2 (t.x:1)" },
		{ "typedef string t<>;", "[{\"base64\":\"?\"}]",
		  "1:12 $[0].base64: the string is no base64, RFC 4648 section 4 (t.x:1)" },
		{ "typedef string t<>;", "[{\"a\":\"?\"}]",
		  "1:2 $[0]: an object stands where a string belongs (t.x:1)" },
		{ "typedef opaque t[2];", "[\"AQID\"]",
		  "1:2 $[0]: 3 bytes, and there must be 2 (t.x:1)" },
		{ "typedef opaque t<>;", "[5]",
		  "1:2 $[0]: a number stands where bytes belong, as base64 in a string "
		  "(t.x:1)" },
		{ "typedef int t[FOREIGN];", "[[]]",
		  "1:2 $[0]: the length FOREIGN is defined in C, and not known here (t.x:1)" },
		{ "const N = 2;\ntypedef int t<N>;", "[[1, 2, 3]]",
		  "1:2 $[0]: 3 elements, and there may be 2 (t.x:2)" },
		{ "typedef int t[2];", "[[1]]",
		  "1:2 $[0]: 1 element, and there must be 2 (t.x:1)" },
		{ "typedef int t<>;", "[{}]",
		  "1:2 $[0]: an object stands where an array belongs (t.x:1)" },
	};

	(void)state;
	CHECK_ROWS(encoded, rows);
}

static void
test_structs_and_unions_that_do_not_fit_are_pointed_at(void **state)
{
	static const struct row rows[] = {
		{ PEOPLE, "[[{\"name\": \"x\"},\n  {\"name\": \"h\\u00e9llo\"}]]",
		  "2:12 $[0][1].name: 6 bytes, and there may be 4 (t.x:2)" },
		{ PEOPLE, "[[{\"name\": \"\xc3\xa9\", \"age\": \"old\"}]]",
		  "1:24 $[0][0].age: a string stands where a number of type int belongs "
		  "(t.x:3)" },
		{ PEOPLE, "[[{\"age\": 5}]]",
		  "1:3 $[0][0]: 'name' is missing (t.x:2)" },
		{ PEOPLE, "[[{\"name\": \"\", \"height\": 5}]]",
		  "1:3 $[0][0]: there is no member 'height' in the struct, but name, age "
		  "(t.x:1)" },
		{ PEOPLE, "[[[]]]",
		  "1:3 $[0][0]: an array stands where an object belongs (t.x:1)" },
		{ COLOR CHOICE, "[{\"n\": 1}]", "1:2 $[0]: 'c' is missing (t.x:4)" },
		{ COLOR CHOICE, "[{\"n\": 1, \"c\": \"GREEN\"}]",
		  "1:16 $[0].c: there is no such case in the union (t.x:4)" },
		{ COLOR CHOICE, "[{\"c\": \"RED\"}]",
		  "1:2 $[0]: 'n' is missing (t.x:6)" },
		{ COLOR CHOICE, "[{\"c\": \"RED\", \"n\": 1, \"m\": 2}]",
		  "1:2 $[0]: 'm' is not in this arm of the union (t.x:6)" },
		{ COLOR
		  "union t switch (color c) {\ncase GREEN: void;\ncase FOREIGN: void; };",
		  "[{\"c\": \"RED\"}]",
		  "1:8 $[0].c: a case of the union is defined in C, and not known here "
		  "(t.x:4)" },
		{ "struct t {\nint a;\nforeign b; };", "[{\"a\": 1, \"b\": 2}]",
		  "1:16 $[0].b: the type 'foreign' is not defined in this file, so its values "
		  "cannot be written in JSON (t.x:3)" },
		{ "typedef quadruple t;", "[1]",
		  "1:2 $[0]: values of this type cannot be written in JSON (t.x:1)" },
	};

	(void)state;
	CHECK_ROWS(encoded, rows);
}

static void
test_what_is_hard_to_find_or_to_know_is_pointed_at(void **state)
{
	static const struct row rows[] = {
		/* Names are found where a string looks like one, and behind nested
		   values. */
		{ "struct t { string a<>; int b<>; int c; };",
		  "[{\"a\": \"\\\"c\\\": 1\", \"b\": [1, [2], {\"c\": 3}], \"c\": null}]",
		  "1:29 $[0].b[1]: an array stands where a number of type int belongs "
		  "(t.x:1)" },
		{ "struct t { string a<>; int b<>; int c; };",
		  "[{\"a\": \"\\\"c\\\": 1\", \"b\": [1, 2], \"c\": null}]",
		  "1:38 $[0].c: null stands where a number of type int belongs (t.x:1)" },
		{ "typedef int t[-1];", "[[1]]",
		  "1:2 $[0]: the length -1 is not from 0 to 4294967295 (t.x:1)" },
		{ "union t switch (void) { case 1: void; };", "[{}]",
		  "1:2 $[0]: what switches this union is not known here (t.x:1)" },
		{ "union t switch (int d<>) { case 1: void; };", "[{\"d\":1}]",
		  "1:2 $[0]: what switches this union is not known here (t.x:1)" },
		/* A circle of typedefs, as a % line makes possible. */
		{ "%#include <a.h>\ntypedef u t;\ntypedef t u;", "[1]",
		  "1:2 $[0]: there are over 500 types inside each other (t.x:3)" },
	};

	(void)state;
	CHECK_ROWS(encoded, rows);
}

static void
test_bytes_that_are_no_such_value_are_pointed_at(void **state)
{
	static const struct row rows[] = {
		{ "typedef int t;", "",
		  "byte 0 $: 4 bytes are wanted, and 0 are left (t.x:1)" },
		{ "typedef int t;", "00000001 000000",
		  "byte 4 $: 3 bytes are left over: this is another type (t.x:2)" },
		{ "typedef char t;", "00000100", "byte 4 $: 256 is no char (t.x:1)" },
		{ "typedef char t;", "000000ff", "255" },
		{ "typedef char t;", "ffffff7f", "byte 4 $: -129 is no char (t.x:1)" },
		{ "typedef short t;", "00008000",
		  "byte 4 $: 32768 is no short (t.x:1)" },
		{ "typedef bool t;", "00000002",
		  "byte 4 $: a bool is 0 or 1, and not 2 (t.x:1)" },
		{ "typedef int *t;", "00000002 00000000",
		  "byte 4 $: before optional data is 0 or 1, and not 2 (t.x:1)" },
		{ COLOR "typedef color t;", "00000009", "9" },
		{ COLOR "typedef color t;", "ffffffff", "-1" },
		{ COLOR CHOICE, "00000002",
		  "byte 4 $.c: there is no such case in the union (t.x:4)" },
		{ COLOR CHOICE, "00000001",
		  "byte 4 $.n: 4 bytes are wanted, and 0 are left (t.x:6)" },
		{ "typedef string t<3>;", "00000004 61626364",
		  "byte 4 $: its length is 4, and may be 3 (t.x:1)" },
		{ "typedef opaque t<>;", "fffffffd 00000000",
		  "byte 4 $: 4294967296 bytes are wanted, and 4 are left (t.x:1)" },
		{ "typedef int t<>;", "ffffffff 00000007",
		  "byte 8 $[1]: 4 bytes are wanted, and 0 are left (t.x:1)" },
		{ "typedef string t<>;", "00000003 61006200", "{\"base64\":\"YQBi\"}" },
		{ "typedef string t<>;", "00000003 c3a90000", "{\"base64\":\"w6kA\"}" },
		{ "typedef string t<>;", "00000002 c0800000", "{\"base64\":\"wIA=\"}" },
		{ PEOPLE, "00000001 00000001 78000000 00000003",
		  "byte 16 $[0].age: before optional data is 0 or 1, and not 3 (t.x:3)" },
		{ "typedef foreign t;", "00000000",
		  "byte 0 $: the type 'foreign' is not defined in this file, so its values "
		  "cannot be written in JSON (t.x:1)" },
		{ "typedef opaque t[FOREIGN];", "00000000",
		  "byte 0 $: the length FOREIGN is defined in C, and not known here (t.x:1)" },
		{ "typedef opaque t[18446744073709551615];", "00000000",
		  "byte 0 $: the length 18446744073709551615 is not from 0 to 4294967295 "
		  "(t.x:1)" },
		{ "union t switch (double d) { case 1: void; };", "00000000 00000000",
		  "byte 0 $: what switches this union is not known here (t.x:1)" },
		/* No byte for an element, and no end to them but the limit on the text.
		 */
		{ "typedef opaque e[0];\ntypedef e t<>;", "ffffffff",
		  "byte 4 $[349525]: as JSON it is longer than the limit of 1048576 bytes "
		  "(t.x:1)" },
		{ "%#include <a.h>\ntypedef u t;\ntypedef t u;", "",
		  "byte 0 $: there are over 500 types inside each other (t.x:3)" },
	};

	(void)state;
	CHECK_ROWS(decoded, rows);
}

/* Each node of the list: 1, a value, and whether another one follows. */
static void
test_a_list_from_the_wire_is_bounded(void **state)
{
	static const char node[] = "0000000100000007";
	char *hex = calloc(1, 3000 * strlen(node) + 9), *to;

	(void)state;
	assert_non_null(hex);
	for (size_t i = 0; i < 3000; i++)
		memcpy(hex + i * strlen(node), node, strlen(node));
	to = decoded("struct node { int value; node *next; }; typedef node *t;", hex);
	assert_non_null(
		strstr(to, ": there are over 500 types inside each other (t.x:1)"));
	free(to);
	free(hex);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_text_that_is_no_json_is_pointed_at),
	cmocka_unit_test(test_numbers_and_names_that_do_not_fit_are_pointed_at),
	cmocka_unit_test(test_bytes_and_arrays_that_do_not_fit_are_pointed_at),
	cmocka_unit_test(test_structs_and_unions_that_do_not_fit_are_pointed_at),
	cmocka_unit_test(test_what_is_hard_to_find_or_to_know_is_pointed_at),
	cmocka_unit_test(test_bytes_that_are_no_such_value_are_pointed_at),
	cmocka_unit_test(test_a_list_from_the_wire_is_bounded),
};

CHECK_MAIN(tests)
