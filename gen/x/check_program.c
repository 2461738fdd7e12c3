/* Programs: numbers, and what a procedure can take and give. */
#include "x/check.h"

#include <string.h>

/* rpcgen writes names in small letters into a buffer of 100 bytes, unchecked. */
#define RPCGEN_NAME_MAX 99

static void
check_length(struct dist_diag *diag, struct dist_spec_where where, const char *name)
{
	if (strlen(name) > RPCGEN_NAME_MAX)
		dist_diag_error(
			diag, where,
			"the name '%.20s...' has %zu characters, of which rpcgen can "
			"take %d",
			name, strlen(name), RPCGEN_NAME_MAX);
}

static void
check_number(struct dist_diag *diag, struct dist_spec_where where, const char *name,
             const struct dist_spec_value *number)
{
	if (number->known && !dist_spec_value_is_u32(number))
		dist_diag_error(diag, where,
		                "'%s' cannot have the number %s: numbers are from 0 to "
		                "0xFFFFFFFF",
		                name, number->text);
}

static void
check_argument(const struct dist_spec *spec, struct dist_diag *diag,
               const struct dist_spec_declaration *arg)
{
	if (arg->type.kind == DIST_SPEC_QUADRUPLE)
		dist_diag_error(
			diag, arg->where,
			"an argument is a quadruple, for which C has no type and "
			"libtirpc no routine");
	else if (arg->shape == DIST_SPEC_OPTIONAL)
		dist_diag_error(
			diag, arg->where,
			"rpcgen loses the '*' of an optional argument: give the "
			"optional type a name by typedef, and use that");
	else if (dist_spec_fixed_array(spec, &arg->type))
		dist_diag_error(
			diag, arg->where,
			"'%s' is an array of fixed length, which C cannot pass by "
			"value as rpcgen tries to: put it into a struct",
			arg->type.name);
}

static void
check_procedure(const struct dist_spec *spec, struct dist_diag *diag,
                const struct dist_spec_procedure *procedure)
{
	const struct dist_spec_declaration *arg;

	check_length(diag, procedure->where, procedure->name);
	check_number(diag, procedure->where, procedure->name, &procedure->number);
	if (procedure->result.type.kind == DIST_SPEC_QUADRUPLE)
		dist_diag_error(
			diag, procedure->where,
			"the result of '%s' is a quadruple, for which C has no type "
			"and libtirpc no routine",
			procedure->name);
	for (arg = procedure->arguments; arg; arg = arg->next)
		check_argument(spec, diag, arg);
}

static void
check_version(const struct dist_spec *spec, struct dist_diag *diag,
              const struct dist_spec_version *version)
{
	struct dist_check_numbers numbers = { .items = NULL };
	const struct dist_spec_procedure *procedure;

	check_number(diag, version->where, version->name, &version->number);
	for (procedure = version->procedures; procedure; procedure = procedure->next) {
		check_procedure(spec, diag, procedure);
		dist_check_number_add(&numbers, &procedure->number, procedure->where);
	}
	dist_check_distinct(diag, &numbers, "in this version, the procedure number");
}

static void
check_program(const struct dist_spec *spec, struct dist_diag *diag,
              const struct dist_spec_definition *program)
{
	struct dist_check_numbers numbers = { .items = NULL };
	const struct dist_spec_version *version;

	check_length(diag, program->where, program->name);
	check_number(diag, program->where, program->name, &program->value);
	for (version = program->versions; version; version = version->next) {
		check_version(spec, diag, version);
		dist_check_number_add(&numbers, &version->number, version->where);
	}
	dist_check_distinct(diag, &numbers, "in this program, the version number");
}

void
dist_check_programs(const struct dist_spec *spec, struct dist_diag *diag)
{
	struct dist_check_numbers numbers = { .items = NULL };
	const struct dist_spec_definition *def;

	for (def = spec->definitions; def; def = def->next) {
		if (def->kind != DIST_SPEC_PROGRAM)
			continue;
		check_program(spec, diag, def);
		dist_check_number_add(&numbers, &def->value, def->where);
	}
	dist_check_distinct(diag, &numbers, "the program number");
}
