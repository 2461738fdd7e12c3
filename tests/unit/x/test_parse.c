/* Small interfaces, and the trees or the error lines that they give. */
#include "x/tree.h"

struct row {
	const char *text, *expected;
};

static void
check_rows(const struct row *rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++) {
		char *tree = tree_of(rows[i].text, false);

		assert_string_equal(tree, rows[i].expected);
		free(tree);
	}
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void
test_constants_are_numbers_names_or_strings(void **state)
{
	static const struct row rows[] = {
		{ "const A = 10;", "const A = 10;\n" },
		{ "const A = -1;", "const A = -1;\n" },
		{ "const A = 0x20000A01;", "const A = 536873473;\n" },
		{ "const A = 0xffffffffffffffff;",
		  "const A = 18446744073709551615;\n" },
		{ "const A = 017;", "const A = 15;\n" },
		{ "const A = 0;", "const A = 0;\n" },
		{ "const A = \"a /* b\";", "const A = \"a /* b\";\n" },
		{ "const A = B; const B = 7;", "const A = 7;\nconst B = 7;\n" },
		{ "const A = FOREIGN;", "const A = ?FOREIGN;\n" },
		{ "const A = B; const B = A;", "const A = ?B;\nconst B = ?A;\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
test_enums_count_on_as_rpcgen_does(void **state)
{
	static const struct row rows[] = {
		{ "enum e { A, B, C };", "enum e { A = 0, B = 1, C = 2 };\n" },
		{ "enum e { A = 5, B, C = -2, D, E, F };",
		  "enum e { A = 5, B = 6, C = -2, D = -1, E = 0, F = 1 };\n" },
		{ "enum e { A = X, B }; const X = 0x10;",
		  "enum e { A = 16, B = 17 };\nconst X = 16;\n" },
		{ "enum e { A = X, B };", "enum e { A = ?X, B = ? };\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
test_every_type_and_shape(void **state)
{
	static const struct row rows[] = {
		{ "struct s { unsigned a; unsigned int b; unsigned char c; unsigned short d;"
		  " unsigned long e; unsigned hyper f; };",
		  "struct s { unsigned int a; unsigned int b; unsigned char c; "
		  "unsigned short d; unsigned long e; unsigned hyper f; };\n" },
		{ "struct s { short int a; long int b; hyper int c; unsigned long int d; };",
		  "struct s { short a; long b; hyper c; unsigned long d; };\n" },
		{ "struct s { int a; char b; float c; double d; bool e; int64_t f; };",
		  "struct s { int a; char b; float c; double d; bool e; int64_t f; };\n" },
		{ "struct s { string a<>; string b<9>; opaque c<>; opaque d<N>; opaque e[4]; };",
		  "struct s { string a<>; string b<9>; opaque c<>; opaque d<?N>; "
		  "opaque e[4]; };\n" },
		{ "struct s { foo *a; foo b[3]; foo c<3>; struct foo d; enum bar e; };",
		  "struct s { foo *a; foo b[3]; foo c<3>; struct foo d; enum bar e; };\n" },
		{ "typedef foo *bar; const N = 3; typedef int row[N];",
		  "typedef foo *bar;\nconst N = 3;\ntypedef int row[3];\n" },
		{ "struct s { struct { int a; } b; enum { X = 1 } c; };",
		  "struct s { struct { int a; } b; enum { X = 1 } c; };\n" },
		{ "struct s { quadruple q; };", "struct s { quadruple q; };\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
test_unions_have_cases_that_share_arms(void **state)
{
	static const struct row rows[] = {
		{ "union u switch (int d) { case 1: int a; case 2: case N: void; };",
		  "union u (int d) { case 1: int a; case 2: case ?N: void; };\n" },
		{ "union u switch (bool d) { case TRUE: foo a<3>; default: void; };",
		  "union u (bool d) { case 1: foo a<3>; default: void; };\n" },
		{ "enum c { R = 4 }; union u switch (c d) { case R: case 'a': int a; };",
		  "enum c { R = 4 };\nunion u (c d) { case 4: case 97: int a; };\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
test_programs_have_versions_and_procedures(void **state)
{
	static const struct row rows[] = {
		{ "program P { version V { void N(void) = 0; } = 1; } = 0x20000001;",
		  "program P { V { void N() = 0; } = 1; } = 536870913;\n" },
		{ "program P { version V { int A() = 1; string B(string) = 2; } = 1;"
		  " version W { hyper A(foo) = 1; } = 2; } = 9;",
		  "program P { V { int A() = 1; string B(string<>) = 2; } = 1; "
		  "W { hyper A(foo) = 1; } = 2; } = 9;\n" },
		{ "program P { version V { struct s A(int, int b, string c<9>, foo *d) = N; }"
		  " = V1; } = 9; const V1 = 4;",
		  "program P { V { struct s A(int, int b, string c<9>, foo *d) = ?N; } = 4; } "
		  "= 9;\nconst V1 = 4;\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
test_comments_markers_and_passed_lines_are_no_tokens(void **state)
{
	static const struct row rows[] = {
		{ "", "" },
		{ "/* a */ const /* b\n % c\n # d */ A = /**/ 1;/***/",
		  "const A = 1;\n" },
		{ "%#include <x.h> /* 'odd\nconst A = 1;\n%", "const A = 1;\n" },
		{ "# 1 \"t.x\"\n# 1 \"<built-in>\" 1\n# 3 \"t.x\" 2\nconst A = 1;",
		  "const A = 1;\n" },
		{ "const A = 1;\r\n", "const A = 1;\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
test_passed_lines_are_kept_with_their_places(void **state)
{
	static const char text[] = "const A = 1;\n%int a;\n# 9 \"o.x\"\n%b";
	struct dist_diag diag = { .stream = stderr };
	struct dist_spec spec;

	(void)state;
	dist_spec_init(&spec, "t.x");
	assert_true(dist_spec_parse(&spec, &diag, text, sizeof(text) - 1));
	assert_string_equal(spec.passthroughs->text, "int a;");
	assert_int_equal(spec.passthroughs->where.line, 2);
	assert_string_equal(spec.passthroughs->next->text, "b");
	assert_string_equal(spec.passthroughs->next->where.file, "o.x");
	assert_int_equal(spec.passthroughs->next->where.line, 9);
	assert_null(spec.passthroughs->next->next);
	assert_true(dist_spec_passes_through(&spec, "int"));
	assert_true(dist_spec_passes_through(&spec, "a"));
	assert_false(dist_spec_passes_through(&spec, "in"));
	dist_spec_fini(&spec);
}

static void
test_each_error_is_one_line_with_its_place(void **state)
{
	static const struct row rows[] = {
		{ "\nint a;",
		  "t.x:2: error: expected const, enum, struct, typedef, union or program, "
		  "found 'int'\n" },
		{ "# 40 \"dir/o.x\"\n\nstruct s { int a }",
		  "dir/o.x:41: error: expected ';' after the member, found '}'\n" },
		{ "struct s {",
		  "t.x:1: error: expected a type, found the end of the file\n" },
		{ "struct s { };", "t.x:1: error: expected a type, found '}'\n" },
		{ "struct s { void a; };", "t.x:1: error: no member can be void\n" },
		{ "struct s { string a; };",
		  "t.x:1: error: a string is written string name<> or string name<bound>\n" },
		{ "struct s { opaque a; };",
		  "t.x:1: error: opaque data is written opaque name[length], name<> or "
		  "name<bound>\n" },
		{ "struct s { foo *a<>; };",
		  "t.x:1: error: no arrays of optional data: give the optional a typedef\n" },
		{ "struct s { int a[]; };",
		  "t.x:1: error: expected the array's length, found ']'\n" },
		{ "typedef void;", "t.x:1: error: void cannot be given a name\n" },
		{ "union u switch (int d) { default: void; case 1: void; };",
		  "t.x:1: error: default must be the last case\n" },
		{ "union u switch (int d) { };",
		  "t.x:1: error: expected 'case' after the union's discriminant, found '}'\n" },
		{ "const A = 08;",
		  "t.x:1: error: '08' is not a number: write 10, 0xA or 012\n" },
		{ "const A = 0X1;",
		  "t.x:1: error: '0X1' is not a number: write 10, 0xA or 012\n" },
		{ "const A = 1x;",
		  "t.x:1: error: '1x' is not a number: write 10, 0xA or 012\n" },
		{ "const A = 18446744073709551616;",
		  "t.x:1: error: the number does not fit into 64 bits\n" },
		{ "const A = B + 1;", "t.x:1: error: '+' has no meaning here\n" },
		{ "const A = \"b",
		  "t.x:1: error: the string does not end in this line\n" },
		{ "// c",
		  "t.x:1: error: comments are written /* like this */: rpcgen knows no "
		  "//\n" },
		{ "\n/* c\n\n", "t.x:2: error: the comment does not end\n" },
		{ "\n#pragma once\n",
		  "t.x:2: error: rpcgen takes no such # line: write it as a % line, which goes "
		  "to the C compiler\n" },
		{ "const A = \xe9;",
		  "t.x:1: error: a byte 0xe9 has no meaning here\n" },
		{ "program P { };",
		  "t.x:1: error: expected 'version' after the program's '{', found '}'\n" },
		{ "program P { version V { opaque A(void) = 1; } = 1; } = 1;",
		  "t.x:1: error: optional and opaque data and types defined on the spot cannot "
		  "be results: give them a typedef\n" },
		{ "program P { version V { int A(int<3>) = 1; } = 1; } = 1;",
		  "t.x:1: error: opaque data, arrays and types defined on the spot cannot be "
		  "arguments: give them a typedef\n" },
		{ "program P { version V { int A(int, void) = 1; } = 1; } = 1;",
		  "t.x:1: error: void is no argument beside others\n" },
		{ "program P { version V { int A(void) = \"x\"; } = 1; } = 1;",
		  "t.x:1: error: expected the procedure's number, found '\"x\"'\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

/* rpcgen reads 1023 bytes of a line at once, and the rest as if it were another. */
static void
test_a_word_that_rpcgen_would_cut_is_refused(void **state)
{
	static const char cut[] =
		"t.x:2: error: rpcgen reads lines in pieces of 1023 bytes, "
		"and would cut this one inside a word: break it\n";
	static const char *const words[] = { "AB = 1;", "/* c */ AB = 1;", "12;" };
	static const char *const starts[] = { "const ", "const ", "const AB = " };
	char text[1100], *tree;

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (size_t at = 1020; at < 1025; at++) {
			int length = snprintf(text, sizeof(text), "\n%-*s%s", (int)at,
			                      starts[i], words[i]);

			/* The cut is behind byte 1022, counted from 0. */
			tree = tree_of_length(text, (size_t)length, false);
			assert_string_equal(tree, at == 1022 ? cut
			                          : i == 2   ? "const AB = 12;\n"
			                                     : "const AB = 1;\n");
			free(tree);
		}
	}
	/* What is cut off a % line would be read as if it had no %. */
	snprintf(text, sizeof(text), "\n%%%-1022s", "c");
	tree = tree_of(text, false);
	assert_string_equal(tree, "");
	free(tree);
	snprintf(text, sizeof(text), "\n%%%-1023s", "c");
	tree = tree_of(text, false);
	assert_string_equal(tree, cut);
	free(tree);
}

static void
test_types_inside_types_have_a_limit(void **state)
{
	static const char step[] = "struct {\n";
	char text[100 * sizeof(step)] = "typedef ", *tree;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		strcat(text, step);
	tree = tree_of(text, false);
	assert_string_equal(tree, "t.x:65: error: too many types inside each other\n");
	free(tree);
}

/* One that uses all of the grammar. */
static const char sample[] =
	"# 1 \"t.x\"\n"
	"%#include <x.h>\n"
	"const N = 0x10; const S = \"s\"; /* c */\n"
	"enum e { A = -1, B };\n"
	"typedef opaque id[N];\n"
	"struct s { e a; string b<>; struct s *next; unsigned hyper c<4>; };\n"
	"union u switch (e d) { case A: case 'x': s a; default: void; };\n"
	"program P { version V { u F(s, string<7> x) = 1; void G() = 2; } = 1; } = 99;\n";

static unsigned
lines_in(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void
test_a_file_cut_anywhere_gives_one_error_or_none(void **state)
{
	(void)state;
	for (size_t length = 0; length < sizeof(sample); length++) {
		char *exact = malloc(length + 1), *tree;

		/* Its own allocation, so that a sanitizer sees a read past the end. */
		assert_non_null(exact);
		memcpy(exact, sample, length);
		tree = tree_of_length(exact, length, false);
		if (strstr(tree, "error: "))
			assert_int_equal(lines_in(tree), 1);
		free(tree);
		free(exact);
	}
}

static void
test_a_byte_changed_anywhere_gives_one_error_or_none(void **state)
{
	static const char bytes[] = { 0,   '\n', '#', '%', '"', '\'', '/', '*',   '{',
		                      '}', '<',  '>', ';', '0', '-',  'a', '\xff' };

	(void)state;
	for (size_t at = 0; at < sizeof(sample) - 1; at++) {
		for (size_t i = 0; i < sizeof(bytes); i++) {
			char changed[sizeof(sample)], *tree;

			memcpy(changed, sample, sizeof(sample));
			changed[at] = bytes[i];
			tree = tree_of_length(changed, sizeof(sample) - 1, false);
			if (strstr(tree, ": error: "))
				assert_int_equal(lines_in(tree), 1);
			free(tree);
		}
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_constants_are_numbers_names_or_strings),
	cmocka_unit_test(test_enums_count_on_as_rpcgen_does),
	cmocka_unit_test(test_every_type_and_shape),
	cmocka_unit_test(test_unions_have_cases_that_share_arms),
	cmocka_unit_test(test_programs_have_versions_and_procedures),
	cmocka_unit_test(test_comments_markers_and_passed_lines_are_no_tokens),
	cmocka_unit_test(test_passed_lines_are_kept_with_their_places),
	cmocka_unit_test(test_each_error_is_one_line_with_its_place),
	cmocka_unit_test(test_a_word_that_rpcgen_would_cut_is_refused),
	cmocka_unit_test(test_types_inside_types_have_a_limit),
	cmocka_unit_test(test_a_file_cut_anywhere_gives_one_error_or_none),
	cmocka_unit_test(test_a_byte_changed_anywhere_gives_one_error_or_none),
};

CHECK_MAIN(tests)
