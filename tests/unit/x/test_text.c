/* What services carry of their interface: the same to a parser, and nothing besides. */
#include "x/tree.h"

#include "x/text.h"

/* To be free()d. */
static char *
carried(const char *text)
{
	struct dist_diag diag = { .stream = stderr };
	struct dist_spec spec;
	const char *made;
	size_t length = 0;
	char *copy;

	dist_spec_init(&spec, "/home/me/t.x");
	spec.text = text;
	spec.length = strlen(text);
	assert_true(dist_spec_parse(&spec, &diag, spec.text, spec.length));
	made = dist_spec_text(&spec, &length);
	assert_non_null(made);
	assert_int_equal(strlen(made), length);
	copy = strdup(made);
	assert_non_null(copy);
	dist_spec_fini(&spec);
	return copy;
}

static void
test_comments_c_lines_and_directories_are_left_out(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "", "\n" },
		{ "/* a secret */\n%#include <secret.h>\nconst A = 1; /* another */\n",
		  "# 3 \"t.x\"\nconst A = 1;\n" },
		{ "typedef  int\trow <4> ;\n\nstruct a{int b;unsigned c[2];};\n",
		  "# 1 \"t.x\"\ntypedef int row<4>;\n\n"
		  "struct a { int b; unsigned c[2]; };\n" },
		{ "# 1 \"/home/me/in/part.x\" 1\nconst A = -1;\n# 7 \"./t.x\" 2\n"
		  "const B = \"a /* b\";\n",
		  "# 1 \"part.x\"\nconst A = -1;\n# 7 \"t.x\"\nconst B = \"a /* b\";\n" },
		{ "union u switch (int k) { case 'a': int *b; default: void; };",
		  "# 1 \"t.x\"\n"
		  "union u switch(int k) { case 'a': int *b; default: void; };\n" },
		{ "const A = 1;\n\n\n\n\n\n\n\n\n\nconst B = 2;\n",
		  "# 1 \"t.x\"\nconst A = 1;\n# 11 \"t.x\"\nconst B = 2;\n" },
		/* Two files for the scanner, one for who gets the text. */
		{ "# 1 \"a/t.x\"\nconst A = 1;\n# 1 \"b/t.x\"\nconst B = 2;\nconst C = 3;\n"
		  "# 4 \"<t.x\"\nconst D = 4;\n# 4 \"<t.x\"\nconst E = 5;\n",
		  "# 1 \"t.x\"\nconst A = 1; const B = 2;\nconst C = 3;\n"
		  "# 4 \"<t.x\"\nconst D = 4; const E = 5;\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = carried(rows[i].text), *again = carried(text);

		assert_string_equal(text, rows[i].expected);
		assert_string_equal(again, rows[i].expected);
		free(text);
		free(again);
	}
}

static void
test_a_parser_makes_the_same_of_it(void **state)
{
	static const char text[] =
		"const MAX = 0x10; const TEXT = \"x?\?=y\"; enum e { A, B = 5, C };\n"
		"struct s { unsigned hyper h; opaque o<MAX>; string t<>; s *next;\n"
		" struct { int a; } inside; };\n"
		"union u switch (e kind) { case A: case B: s many[3]; case C: void; };\n"
		"program P { version V1 { void GET(void) = 1; u PUT(s, string) = 2; }\n"
		" = 1; version V2 { int GET(int) = 1; } = 2; } = 0x20000001;\n";
	char *made = carried(text), *again = carried(made);
	char *tree = tree_of(text, false), *made_tree = tree_of(made, false);

	(void)state;
	assert_string_equal(tree, made_tree);
	assert_string_equal(made, again);
	free(made);
	free(again);
	free(tree);
	free(made_tree);
}

/* The scanner wants no word at the 1023rd byte of a line, and text grows by its blanks. */
static void
test_long_lines_are_broken_between_words(void **state)
{
	char text[1000] = "enum e {A", *made, *tree, *made_tree;
	size_t length = strlen(text);

	(void)state;
	for (int i = 0; length < sizeof(text) - 20; i++)
		length += (size_t)sprintf(text + length, ",B%d=%d", i, i);
	strcpy(text + length, "};\n");
	made = carried(text);
	tree = tree_of(text, false);
	made_tree = tree_of(made, false);
	assert_true(strlen(made) > 1100);
	assert_string_equal(tree, made_tree);
	free(made);
	free(tree);
	free(made_tree);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_comments_c_lines_and_directories_are_left_out),
	cmocka_unit_test(test_a_parser_makes_the_same_of_it),
	cmocka_unit_test(test_long_lines_are_broken_between_words),
};

CHECK_MAIN(tests)
