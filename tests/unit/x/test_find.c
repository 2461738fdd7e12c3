/* Procedures by what people call them, and types by their names. */
#include "x/tree.h"

#include "x/find.h"

static const char text[] =
	"const LATER = 7;\n"
	"typedef int row<4>;\n"
	"program A_PROG {\n"
	"version A_V1 { row A_GET(int) = 1; void A_PUT(row) = LATER; } = 1;\n"
	"version A_V2 { row A_GET(int) = 1; } = 2;\n"
	"} = 0x20000001;\n"
	"program B_PROG { version B_V { int A_PUT(foreign) = 3; } = 1; } = 9;\n";

static void
print_found(const struct dist_spec_found *found, void *arg)
{
	fprintf(arg, "%s/%s/%s ", found->program->name, found->version->name,
	        found->procedure->name);
}

static void
check_found(const struct dist_spec *spec, const char *name, const char *expected)
{
	char *found = NULL;
	size_t length, n, n_blanks = 0;
	FILE *out = open_memstream(&found, &length);

	assert_non_null(out);
	n = dist_spec_find_procedures(spec, name, print_found, out);
	fclose(out);
	for (const char *at = found; *at; at++)
		n_blanks += *at == ' ';
	assert_string_equal(found, expected);
	assert_int_equal(n, n_blanks);
	free(found);
}

static void
read_text(struct dist_spec *spec)
{
	struct dist_diag diag = { .stream = stderr };

	dist_spec_init(spec, "t.x");
	assert_true(dist_spec_parse(spec, &diag, text, strlen(text)));
}

static void
test_procedures_have_names_numbers_and_ways_to_them(void **state)
{
	static const struct {
		const char *name, *expected;
	} rows[] = {
		{ "A_GET", "A_PROG/A_V1/A_GET A_PROG/A_V2/A_GET " },
		{ "A_PUT", "A_PROG/A_V1/A_PUT B_PROG/B_V/A_PUT " },
		{ "A_PROG/2/A_GET", "A_PROG/A_V2/A_GET " },
		{ "A_PROG/A_V1/A_GET", "A_PROG/A_V1/A_GET " },
		{ "0x20000001/1/7", "A_PROG/A_V1/A_PUT " },
		{ "536870913/0x1/1", "A_PROG/A_V1/A_GET " },
		{ "3", "B_PROG/B_V/A_PUT " },
		{ NULL, "A_PROG/A_V1/A_GET A_PROG/A_V1/A_PUT A_PROG/A_V2/A_GET "
		        "B_PROG/B_V/A_PUT " },
		{ "a_get", "" },
		{ "A_GE", "" },
		{ "A_GETS", "" },
		{ "", "" },
		{ "A_PROG/A_GET", "A_PROG/A_V1/A_GET A_PROG/A_V2/A_GET " },
		{ "9/A_PUT", "B_PROG/B_V/A_PUT " },
		{ "A_PROG/1", "A_PROG/A_V1/A_GET A_PROG/A_V2/A_GET " },
		{ "A_PROG/2", "" },
		{ "/A_GET", "" },
		{ "A_PROG//A_GET", "" },
		{ "A_PROG/", "" },
		{ "A_PROG/3/A_GET", "" },
		{ "A_PROG/1x/A_GET", "" },
		{ "A_PROG/1/A_GET/1", "" },
		{ "//", "" },
	};
	struct dist_spec spec;

	(void)state;
	read_text(&spec);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_found(&spec, rows[i].name, rows[i].expected);
	dist_spec_fini(&spec);
}

static void
test_names_of_types_stand_for_definitions(void **state)
{
	const struct dist_spec_definition *row, *program;
	const struct dist_spec_procedure *get, *put, *foreign;
	struct dist_spec spec;

	(void)state;
	read_text(&spec);
	row = spec.definitions->next;
	program = row->next;
	get = program->versions->procedures;
	put = get->next;
	foreign = program->next->versions->procedures;
	assert_ptr_equal(get->result.type.definition, row);
	assert_ptr_equal(put->arguments->type.definition, row);
	assert_null(get->arguments->type.definition);
	assert_null(foreign->arguments->type.definition);
	dist_spec_fini(&spec);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_procedures_have_names_numbers_and_ways_to_them),
	cmocka_unit_test(test_names_of_types_stand_for_definitions),
};

CHECK_MAIN(tests)
