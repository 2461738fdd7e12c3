/* Small interfaces that rpcgen takes, and what distgen says of them. */
#include "x/tree.h"

struct row {
	const char *text, *expected;
};

static void
check_rows(const struct row *rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++) {
		char *tree = tree_of(rows[i].text, true);

		assert_string_equal(tree, rows[i].expected);
		free(tree);
	}
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

/* A program of one version, from its line 2 on. */
#define PROGRAM(procedures) \
	"program THE_PROG { version THE_V1 {\n" procedures "} = 1; } = 0x20000001;"

/* Said by a tree that is printed: nothing to say. */
static void
check_is_fine(const char *text)
{
	char *tree = tree_of(text, true);

	assert_null(strstr(tree, "error: "));
	assert_null(strstr(tree, "warning: "));
	free(tree);
}

static void
test_a_good_interface_is_not_spoken_of(void **state)
{
	(void)state;
	check_is_fine("");
	check_is_fine(PROGRAM("void THE_NULL(void) = 0;\nint THE_A(int, string) = 1;"));
	check_is_fine("const THE_MAX = 4; typedef int row<THE_MAX>;");
	/* The same procedure in two versions is what versions are for. */
	check_is_fine("program THE_PROG { version THE_V1 { int THE_A(int) = 1; } = 1; "
	              "version THE_V2 { hyper THE_A(hyper) = 1; } = 2; } = 9;");
	check_is_fine(
		"%#include <their.h>\n" PROGRAM("their_type THE_A(their_type) = 1;"));
	/* A number that an enum gives, under the same name. */
	check_is_fine("enum e { THE_A = 1 };" PROGRAM("int THE_A(int) = THE_A;"));
	/* Pointers to what comes later, as rpcgen's C can have them. */
	check_is_fine("struct a { struct b *b; };\nstruct b { int c; };");
}

static void
test_one_name_with_two_numbers_is_refused(void **state)
{
	static const struct row rows[] = {
		{ "program A_P { version A_V1 { int A_ADD(int) = 1; } = 1;\n"
		  "version A_V2 {\nint A_ADD(int) = 2; } = 2; } = 9;",
		  "t.x:3: error: 'A_ADD', a procedure, is 2 here and 1 in line 1, but rpcgen's C "
		  "would have one number for both: give it another name\n" },
		{ "program A_P { version A_V1 { int A_ADD(int) = 1; } = 1; } = 9;\n"
		  "program B_P { version B_V3 { int A_ADD(int) = 2; } = 3; } = 10;",
		  "t.x:2: error: 'A_ADD', a procedure, is 2 here and 1 in line 1, but rpcgen's C "
		  "would have one number for both: give it another name\n" },
		{ "const A_ADD = 7;\n" PROGRAM("int A_ADD(int) = 1;"),
		  "t.x:3: error: 'A_ADD', a procedure, is 1 here and 7 in line 1, but rpcgen's C "
		  "would have one number for both: give it another name\n" },
		{ "program A_P { version A_V { int A_ADD(int) = 1; } = 1; } = 9;\n"
		  "program B_P { version A_V { int B_ADD(int) = 1; } = 2; } = 10;",
		  "t.x:2: error: 'A_V', a version, is 2 here and 1 in line 1, but rpcgen's C "
		  "would have one number for both: give it another name\n" },
		{ "const A_MAX = 1;\nconst A_MAX = 2;",
		  "t.x:2: error: 'A_MAX', a constant, is 2 here and 1 in line 1, but rpcgen's C "
		  "would have one number for both: give it another name\n" },
		{ "const A_MAX = 1;\n# 7 \"o.x\"\nconst A_MAX = \"x\";",
		  "o.x:7: error: 'A_MAX', a constant, is \"x\" here and 1 in t.x:1, but rpcgen's "
		  "C would have one number for both: give it another name\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
test_a_number_that_is_there_twice_is_refused(void **state)
{
	static const struct row rows[] = {
		{ PROGRAM("int A_A(int) = 1;\nint A_B(int) = 2;\nint A_C(int) = 0x1;\n"),
		  "t.x:4: error: in this version, the procedure number 0x1 is there already, in "
		  "line 2\n" },
		{ "program A_P { version A_V1 { int A_A(int) = 1; } = 1;\n"
		  "version A_V2 { int A_B(int) = 1; } = 1; } = 9;",
		  "t.x:2: error: in this program, the version number 1 is there already, in line "
		  "1\n" },
		{ "program A_P { version A_V1 { int A_A(int) = 1; } = 1; } = 9;\n"
		  "program B_P { version B_V1 { int B_A(int) = 1; } = 1; } = 9;",
		  "t.x:2: error: the program number 9 is there already, in line 1\n" },
		{ "union u switch (int d) {\ncase 1: void;\ncase N: void;\n};\nconst N = 1;",
		  "t.x:3: error: the case N is there already, in line 2\n" },
		{ PROGRAM("int A_A(int) = -1;"),
		  "t.x:2: error: 'A_A' cannot have the number -1: numbers are from 0 to "
		  "0xFFFFFFFF\n" },
		{ "program A_P { version A_V { int A_A(int) = 1; } = 1; } = 4294967296;",
		  "t.x:1: error: 'A_P' cannot have the number 4294967296: numbers are from 0 to "
		  "0xFFFFFFFF\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
test_two_functions_of_one_name_are_refused(void **state)
{
	static const struct row rows[] = {
		{ PROGRAM("int A_add(int) = 1;\nint A_ADD(int) = 2;"),
		  "t.x:3: error: 'a_add_1', the client stub of A_ADD, is also the client stub of "
		  "A_add in line 2: give it another name\n" },
		{ "program A_P { version A_V1 { int A_A(int) = 1; } = 1; } = 9;\n"
		  "program B_P { version B_V1 {\nint A_A(int) = 1; } = 1; } = 10;",
		  "t.x:3: error: 'a_a_1', the client stub of A_A, is also the client stub of A_A "
		  "in line 1: give it another name\n" },
		{ PROGRAM("int THE_prog(int) = 1;"),
		  "t.x:2: error: 'the_prog_1', the client stub of THE_prog, is also the "
		  "dispatcher of THE_V1 in line 1: give it another name\n" },
		{ "struct a_a_1 { int b; };\n" PROGRAM("int A_A(int) = 1;"),
		  "t.x:3: error: 'a_a_1', the client stub of A_A, is also a type in line 1: give "
		  "it another name\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
test_macros_that_hit_other_names_are_refused(void **state)
{
	static const struct row rows[] = {
		{ "struct a {\nint A_SUM;\n};\n" PROGRAM("int A_SUM(int) = 1;"),
		  "t.x:2: error: 'A_SUM', a member, is also a procedure in line 5, and one of "
		  "them becomes a macro in C: give it another name\n" },
		{ "enum e { A_SUM = 2 };\n" PROGRAM("int A_SUM(int) = 1;"),
		  "t.x:3: error: 'A_SUM', a procedure, is also a name in an enum in line 1, and "
		  "one of them becomes a macro in C: give it another name\n" },
		{ "const A_SUM = 1;\nenum e { A_SUM = 1 };",
		  "t.x:2: error: 'A_SUM', a name in an enum, is also a constant in line 1, and "
		  "one of them becomes a macro in C: give it another name\n" },
		{ "typedef int A_SUM;\n" PROGRAM("int A_SUM(int) = 1;"),
		  "t.x:3: error: 'A_SUM', a procedure, is also a type in line 1, and one of them "
		  "becomes a macro in C: give it another name\n" },
		{ PROGRAM("int A_A(int A_A) = 1;"),
		  "t.x:2: error: 'A_A', an argument, is also a procedure in line 2, and one of "
		  "them becomes a macro in C: give it another name\n" },
		{ PROGRAM("int objp(int) = 1;"),
		  "t.x:2: error: 'objp', a procedure, is also a variable in rpcgen's C, and one "
		  "of them becomes a macro in C: give it another name\n" },
		{ PROGRAM("int NULL(int) = 1;"),
		  "t.x:2: error: 'NULL', a procedure, is a word of C: give it another name\n" },
		{ "struct a {\nint for;\n};",
		  "t.x:2: error: 'for', a member, is a word of C: give it another name\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
test_names_that_are_there_twice_are_refused(void **state)
{
	static const struct row rows[] = {
		{ "struct a { int b; };\ntypedef int a;",
		  "t.x:2: error: 'a', a type, is also a type in line 1: give it another name\n" },
		{ "enum a { A, B };\nenum b { B, C };",
		  "t.x:2: error: 'B', a name in an enum, is also a name in an enum in line 1: "
		  "give it another name\n" },
		{ "struct a { int b;\nint c; int b; };",
		  "t.x:2: error: 'b', a member, is also a member in line 1: give it another "
		  "name\n" },
		{ PROGRAM("int A_A(int b, int b) = 1;"),
		  "t.x:2: error: 'b', an argument, is also an argument in line 2: give it another "
		  "name\n" },
		{ PROGRAM("int A_A(int arg, int b) = 1;"),
		  "t.x:2: error: 'arg', an argument, is also a variable in rpcgen's stub in line "
		  "2: give it another name\n" },
		{ "struct dist_service { int a; };",
		  "t.x:1: error: 'dist_service', a type, is also a name of libdist: give it "
		  "another name\n" },
		{ "struct vector { int a; };",
		  "t.x:1: error: no type can be called 'vector': xdr_vector() is a routine of the "
		  "library\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
test_types_that_c_cannot_have_are_refused(void **state)
{
	static const struct row rows[] = {
		{ "struct a { b c; };\nstruct b { int d; };",
		  "t.x:1: error: 'b' is defined only in line 2, and C wants it before it is used: "
		  "move it up\n" },
		{ "struct a { b *c; };\nstruct b { int d; };",
		  "t.x:1: error: 'b' is defined only in line 2, and C wants it before it is used: "
		  "move it up\n" },
		{ "struct a { a b; };",
		  "t.x:1: error: 'a' is made of itself: make this member optional, a *b\n" },
		{ "struct a { struct { int b; } c; };",
		  "t.x:1: error: rpcgen knows no types inside others: define the type of 'c' by "
		  "itself, and name it here\n" },
		{ "struct a { quadruple b; };",
		  "t.x:1: error: 'b' is a quadruple, for which C has no type and libtirpc no "
		  "routine\n" },
		{ "struct a { int b<4294967296>; };",
		  "t.x:1: error: 'b' cannot have the length 4294967296: lengths are from 0 to "
		  "4294967295\n" },
		{ "enum a { B = 4294967295, C };",
		  "t.x:1: error: 'C' does not fit into the 32 bits of an enum\n" },
		{ "union u switch (double d) { case 1: void; };",
		  "t.x:1: error: a union is switched by an int, an unsigned int, a bool or an "
		  "enum\n" },
		{ "struct a { int b; }; union u switch (a d) { case 1: void; };",
		  "t.x:1: error: a union is switched by an int, an unsigned int, a bool or an "
		  "enum\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
	/* A forward declaration on a % line makes it right, and a header may have one.
	 */
	check_is_fine("%#include <b.h>\nstruct a { b *c; };\nstruct b { int d; };");
	check_is_fine(
		"%typedef struct b b;\nstruct a { b *c; };\nstruct b { int d; };");
}

static void
test_arguments_that_rpcgen_spoils_are_refused(void **state)
{
	static const struct row rows[] = {
		{ "typedef opaque key[8]; typedef key other;\n" PROGRAM(
			  "int A_A(other) = 1;"),
		  "t.x:3: error: 'other' is an array of fixed length, which C cannot pass by "
		  "value as rpcgen tries to: put it into a struct\n" },
		{ "struct a { int b; };\n" PROGRAM("int A_A(a *) = 1;"),
		  "t.x:3: error: rpcgen loses the '*' of an optional argument: give the optional "
		  "type a name by typedef, and use that\n" },
		{ PROGRAM("int A_A(quadruple) = 1;"),
		  "t.x:2: error: an argument is a quadruple, for which C has no type and libtirpc "
		  "no routine\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
	check_is_fine("typedef opaque key[8];\n" PROGRAM("key A_A(int) = 1;"));
}

/* rpcgen has a buffer of 100 bytes for a name in small letters. */
static void
test_names_longer_than_rpcgens_buffer_are_refused(void **state)
{
	char text[400], name[101] = "", *tree;

	(void)state;
	memset(name, 'A', 100);
	name[1] = '_';
	snprintf(text, sizeof(text),
	         "program A_P { version A_V { int %s(int) = 1; } = 1; } "
	         "= 9;",
	         name);
	tree = tree_of(text, true);
	assert_string_equal(tree,
	                    "t.x:1: error: the name 'A_AAAAAAAAAAAAAAAAAA...' has 100 "
	                    "characters, of which rpcgen can take 99\n");
	free(tree);
	name[99] = '\0';
	snprintf(text, sizeof(text),
	         "program A_P { version A_V { int %s(int) = 1; } = 1; } "
	         "= 9;",
	         name);
	check_is_fine(text);
}

static void
test_what_bites_later_is_warned_of(void **state)
{
	static const struct row rows[] = {
		{ "typedef int row<>;",
		  "t.x:1: warning: 'row' has no bound, so a peer chooses its size: write "
		  "row<MAXIMUM>, or rely on the node's max_decode_bytes\n" },
		{ "struct node { int value; node *next; };",
		  "t.x:1: warning: 'next' leads back to 'node': XDR calls itself for each step, "
		  "so a long chain is refused or overflows the stack; an array has no such "
		  "limit\n" },
		{ "%typedef struct b b;\nstruct a { b *c; };\ntypedef a d<3>;\n"
		  "struct b { d e; };",
		  "t.x:2: warning: 'c' leads back to 'a': XDR calls itself for each step, so a "
		  "long chain is refused or overflows the stack; an array has no such limit\n"
		  "t.x:3: warning: 'd' leads back to 'd': XDR calls itself for each step, so a "
		  "long chain is refused or overflows the stack; an array has no such limit\n" },
		{ "struct a { int b[0]; };",
		  "t.x:1: warning: 'b' is an array without elements, which ISO C does not "
		  "have\n" },
		{ PROGRAM("int A_A(string<9>) = 1;"),
		  "t.x:2: warning: rpcgen drops the bound of a string that is the only argument: "
		  "give the string a name by typedef, and use that\n" },
		{ PROGRAM("int SUM(int) = 1;"),
		  "t.x:2: warning: 'SUM' becomes a macro in all files that include the header: "
		  "give it a prefix\n" },
		{ PROGRAM("int A_A(int) = 0;"),
		  "t.x:2: warning: procedure 0 is called by programs that only ask whether the "
		  "server lives, without arguments or result: take another number\n" },
		{ "const A_N = 1; program A_P { version A_V { int A_A(int) = 1; } = A_N; } = 9;",
		  "t.x:1: warning: the version's number is a name, so rpcgen's functions are "
		  "called ..._A_N: write the number\n" },
		{ "struct a { in_array b; };",
		  "t.x:1: warning: the type 'in_array' is not defined in this file, and no % line "
		  "brings it in\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
	check_is_fine("struct a { u_int b; int64_t c; netobj d; };");
	check_is_fine(PROGRAM("int A_A(string<9>, int) = 1;"));
}

static void
test_names_that_cxx_cannot_have_are_warned_of(void **state)
{
	static const struct row rows[] = {
		{ "struct a {\nint class; };",
		  "t.x:2: warning: 'class' is a word of C++, whose programs cannot include the "
		  "header\n" },
		{ "enum a { private };\ntypedef int template;",
		  "t.x:1: warning: 'private' is a word of C++, whose programs cannot include the "
		  "header\n"
		  "t.x:2: warning: 'template' is a word of C++, whose programs cannot include "
		  "the header\n" },
		{ PROGRAM("int A_A(int, int new) = 1;"),
		  "t.x:2: warning: 'new' is a word of C++, whose programs cannot include the "
		  "header\n" },
	};

	(void)state;
	CHECK_ROWS(rows);
	check_is_fine(PROGRAM("int A_A(int new) = 1;"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_good_interface_is_not_spoken_of),
	cmocka_unit_test(test_one_name_with_two_numbers_is_refused),
	cmocka_unit_test(test_a_number_that_is_there_twice_is_refused),
	cmocka_unit_test(test_two_functions_of_one_name_are_refused),
	cmocka_unit_test(test_macros_that_hit_other_names_are_refused),
	cmocka_unit_test(test_names_that_are_there_twice_are_refused),
	cmocka_unit_test(test_types_that_c_cannot_have_are_refused),
	cmocka_unit_test(test_arguments_that_rpcgen_spoils_are_refused),
	cmocka_unit_test(test_names_longer_than_rpcgens_buffer_are_refused),
	cmocka_unit_test(test_what_bites_later_is_warned_of),
	cmocka_unit_test(test_names_that_cxx_cannot_have_are_warned_of),
};

CHECK_MAIN(tests)
