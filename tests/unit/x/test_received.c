/* Interfaces that somebody else sent: right, wrong, and made to do harm. */
#include "x/tree.h"

#include "x/received.h"
#include "x/text.h"

#include <sys/resource.h>

#define PROGRAM "program P { version V { int F(int) = 1; } = 2; } = 0x20000001;\n"

static char why[DIST_SPEC_WHY_MAX];

/* What is said of it; "": it was taken. */
static const char *
receive(const char *text, size_t length)
{
	struct dist_spec spec;
	bool taken = dist_spec_receive(&spec, "sent.x", text, length, why);

	assert_int_equal(taken, !*why);
	dist_spec_fini(&spec);
	return why;
}

static void
test_what_is_right_is_taken_and_what_is_not_is_told_with_its_place(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ PROGRAM, "" },
		{ "", "" },
		{ "# 7 \"a.x\"\nconst A = b c;\n",
		  "a.x:7: error: expected ';' after the definition, found 'c'" },
		{ "struct a {", "sent.x:1: error: expected a type, found the end of the file" },
		{ "# 1 \"a\033[2J.x\"\nx\n",
		  "a?[2J.x:1: error: expected const, enum, struct, typedef, union or program, "
		  "found 'x'" },
		{ "\001", "sent.x:1: error: a byte 0x01 has no meaning here" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(receive(rows[i].text, strlen(rows[i].text)),
		                    rows[i].why);
}

/* A name may be as long as the whole text. */
static void
test_what_is_said_has_a_limit(void **state)
{
	char text[3000];

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "# 1 \"", 5);
	memcpy(text + 2000, "\"\n", 2);
	assert_true(strlen(receive(text, sizeof(text))) < DIST_SPEC_WHY_MAX);
	assert_int_equal(memcmp(why, "aaaa", 4), 0);
}

static void
test_a_version_is_found_by_its_numbers(void **state)
{
	struct dist_spec_served served;
	struct dist_spec spec;

	(void)state;
	assert_true(dist_spec_receive(&spec, "sent.x", PROGRAM, strlen(PROGRAM), why));
	assert_true(dist_spec_find_served(&spec, 0x20000001, 2, &served));
	assert_string_equal(served.program->name, "P");
	assert_string_equal(served.version->name, "V");
	assert_false(dist_spec_find_served(&spec, 0x20000001, 1, &served));
	assert_false(dist_spec_find_served(&spec, 0x20000002, 2, &served));
	dist_spec_fini(&spec);
}

/* --- Made to do harm -------------------------------------------------------------- */

/* As many of @format, with a number each, as there may be. To be free()d. */
static char *
repeat(const char *before, const char *format, const char *after, size_t *ret_length)
{
	char *text = malloc(DIST_SPEC_TEXT_MAX + 100);
	size_t length, end = DIST_SPEC_TEXT_MAX - strlen(after) - 50;

	assert_non_null(text);
	strcpy(text, before);
	length = strlen(before);
	for (unsigned i = 0; length < end; i++)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		length += (size_t)sprintf(text + length, format, i, i + 1, i);
#pragma GCC diagnostic pop
	strcpy(text + length, after);
	*ret_length = length + strlen(after);
	assert_true(*ret_length <= DIST_SPEC_TEXT_MAX);
	return text;
}

static double
cpu_seconds(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
}

/* Each takes a fraction of a second; where a look-up is linear, minutes. */
static void
test_the_worst_there_is_takes_a_bounded_time(void **state)
{
	static const struct {
		const char *before, *format, *after;
	} rows[] = {
		{ "", "const A%u=A%u;\n", "const Z=1;" },
		{ "const A0=1;\n", "const B%u=A0;\n", "" },
		{ "enum e{A", ",A%u\n", "};" },
		{ "enum e{A", ",A%u=A%u\n", "};" },
		{ "", "typedef int t%u;\n", "" },
		{ "struct a{", "t%u a;\n", "};" },
		{ "typedef int t;struct a{", "t a%u;\n", "};" },
		{ "", "typedef t%u t%u;\n", "" },
		{ "", "# %u \"f%u\"\n", "" },
		{ "", "%%%u\n", "" },
		{ "union u switch(int k){", "case %u:void;\n", "};" },
		{ "program P{", "version V%u{int F(int)=%u;}=%u;\n", "}=1;" },
		{ "", ";%u\n", "" },
		{ "", "/*%u*/\n", "" },
		{ "struct a{", "struct{int a%u;}b;\n", "};" },
		{ "", "struct{\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double begin = cpu_seconds();
		size_t length;
		char *text = repeat(rows[i].before, rows[i].format, rows[i].after,
		                    &length);

		receive(text, length);
		free(text);
		if (cpu_seconds() - begin > 20)
			fail_msg("row %zu took %.1f s", i, cpu_seconds() - begin);
	}
}

static void
test_what_is_too_long_is_not_looked_at(void **state)
{
	char *text = malloc(DIST_SPEC_TEXT_MAX + 1);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', DIST_SPEC_TEXT_MAX + 1);
	assert_string_equal(receive(text, DIST_SPEC_TEXT_MAX), "");
	assert_string_equal(receive(text, DIST_SPEC_TEXT_MAX + 1), "it is too long");
	free(text);
}

/* The limit on memory is far above the limit on text, so the arena is asked for less. */
static void
test_an_arena_that_is_full_is_left(void **state)
{
	struct dist_arena arena = { 0 };
	volatile unsigned n = 0;
	jmp_buf full;

	(void)state;
	arena.full = &full;
	arena.left = 1000;
	if (!setjmp(full)) {
		for (;; n++)
			dist_arena_alloc(&arena, 100);
	}
	assert_in_range(n, 5, 9);
	dist_arena_fini(&arena);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(
		test_what_is_right_is_taken_and_what_is_not_is_told_with_its_place),
	cmocka_unit_test(test_what_is_said_has_a_limit),
	cmocka_unit_test(test_a_version_is_found_by_its_numbers),
	cmocka_unit_test(test_the_worst_there_is_takes_a_bounded_time),
	cmocka_unit_test(test_what_is_too_long_is_not_looked_at),
	cmocka_unit_test(test_an_arena_that_is_full_is_left),
};

CHECK_MAIN(tests)
