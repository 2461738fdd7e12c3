#include "x/tree.h"

#include "x/check.h"

#include <inttypes.h>

static void
print_value(FILE *out, const struct dist_spec_value *value)
{
	if (!value->known)
		fprintf(out, "?%s", value->text ? value->text : "");
	else
		fprintf(out, "%s%" PRIu64, value->negative ? "-" : "",
		        value->magnitude);
}

static void print_body(FILE *out, const struct dist_spec_definition *def);

static void
print_type(FILE *out, const struct dist_spec_type *type)
{
	static const char *const words[] = {
		[DIST_SPEC_VOID] = "void",
		[DIST_SPEC_CHAR] = "char",
		[DIST_SPEC_UNSIGNED_CHAR] = "unsigned char",
		[DIST_SPEC_SHORT] = "short",
		[DIST_SPEC_UNSIGNED_SHORT] = "unsigned short",
		[DIST_SPEC_INT] = "int",
		[DIST_SPEC_UNSIGNED_INT] = "unsigned int",
		[DIST_SPEC_LONG] = "long",
		[DIST_SPEC_UNSIGNED_LONG] = "unsigned long",
		[DIST_SPEC_HYPER] = "hyper",
		[DIST_SPEC_UNSIGNED_HYPER] = "unsigned hyper",
		[DIST_SPEC_FLOAT] = "float",
		[DIST_SPEC_DOUBLE] = "double",
		[DIST_SPEC_QUADRUPLE] = "quadruple",
		[DIST_SPEC_BOOL] = "bool",
		[DIST_SPEC_STRING] = "string",
		[DIST_SPEC_OPAQUE] = "opaque",
	};

	if (type->kind == DIST_SPEC_NAMED)
		fprintf(out, "%s%s%s", type->tag ? type->tag : "", type->tag ? " " : "",
		        type->name);
	else if (type->kind == DIST_SPEC_INLINE)
		print_body(out, type->body);
	else
		fputs(words[type->kind], out);
}

static void
print_declaration(FILE *out, const struct dist_spec_declaration *decl)
{
	print_type(out, &decl->type);
	if (decl->shape == DIST_SPEC_OPTIONAL)
		fputs(" *", out);
	else if (decl->name)
		fputc(' ', out);
	if (decl->name)
		fputs(decl->name, out);
	if (decl->shape == DIST_SPEC_FIXED) {
		fputc('[', out);
		print_value(out, &decl->bound);
		fputc(']', out);
	} else if (decl->shape == DIST_SPEC_VARIABLE) {
		fputc('<', out);
		if (decl->bound.text)
			print_value(out, &decl->bound);
		fputc('>', out);
	}
}

static void
print_cases(FILE *out, const struct dist_spec_definition *def)
{
	const struct dist_spec_case *one;

	fputs(" (", out);
	print_declaration(out, def->discriminant);
	fputs(") {", out);
	for (one = def->cases; one; one = one->next) {
		if (one->is_default) {
			fputs(" default:", out);
		} else {
			fputs(" case ", out);
			print_value(out, &one->value);
			fputc(':', out);
		}
		if (one->arm) {
			fputc(' ', out);
			print_declaration(out, one->arm);
			fputc(';', out);
		}
	}
	fputs(" }", out);
}

static void
print_program(FILE *out, const struct dist_spec_definition *def)
{
	const struct dist_spec_version *version;
	const struct dist_spec_procedure *procedure;
	const struct dist_spec_declaration *arg;

	fputs(" {", out);
	for (version = def->versions; version; version = version->next) {
		fprintf(out, " %s {", version->name);
		for (procedure = version->procedures; procedure;
		     procedure = procedure->next) {
			fputc(' ', out);
			print_type(out, &procedure->result.type);
			fprintf(out, " %s(", procedure->name);
			for (arg = procedure->arguments; arg; arg = arg->next) {
				print_declaration(out, arg);
				fputs(arg->next ? ", " : "", out);
			}
			fputs(") = ", out);
			print_value(out, &procedure->number);
			fputc(';', out);
		}
		fputs(" } = ", out);
		print_value(out, &version->number);
		fputc(';', out);
	}
	fputs(" } = ", out);
	print_value(out, &def->value);
}

static void
print_body(FILE *out, const struct dist_spec_definition *def)
{
	static const char *const kinds[] = {
		[DIST_SPEC_CONST] = "const",     [DIST_SPEC_ENUM] = "enum",
		[DIST_SPEC_STRUCT] = "struct",   [DIST_SPEC_UNION] = "union",
		[DIST_SPEC_TYPEDEF] = "typedef", [DIST_SPEC_PROGRAM] = "program",
	};
	const struct dist_spec_enumerator *one;
	const struct dist_spec_declaration *decl;

	fputs(kinds[def->kind], out);
	if (def->kind == DIST_SPEC_TYPEDEF) {
		fputc(' ', out);
		print_declaration(out, def->members);
		return;
	}
	if (def->name)
		fprintf(out, " %s", def->name);
	if (def->kind == DIST_SPEC_CONST && def->string)
		fprintf(out, " = %s", def->string);
	if (def->kind == DIST_SPEC_CONST && !def->string) {
		fputs(" = ", out);
		print_value(out, &def->value);
	}
	for (one = def->enumerators; one; one = one->next) {
		fprintf(out, "%s %s = ", one == def->enumerators ? " {" : "",
		        one->name);
		print_value(out, &one->value);
		fputs(one->next ? "," : " }", out);
	}
	for (decl = def->members; decl; decl = decl->next) {
		fputs(decl == def->members ? " { " : " ", out);
		print_declaration(out, decl);
		fputs(decl->next ? ";" : "; }", out);
	}
	if (def->kind == DIST_SPEC_UNION)
		print_cases(out, def);
	if (def->kind == DIST_SPEC_PROGRAM)
		print_program(out, def);
}

char *
tree_print(const struct dist_spec *spec)
{
	const struct dist_spec_definition *def;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	for (def = spec->definitions; def; def = def->next) {
		print_body(out, def);
		fputs(";\n", out);
	}
	fclose(out);
	return text;
}

char *
tree_of_length(const char *text, size_t length, bool check)
{
	struct dist_diag diag = { .stream = NULL };
	struct dist_spec spec;
	char *said = NULL;
	size_t n_said;
	bool fine;

	diag.stream = open_memstream(&said, &n_said);
	assert_non_null(diag.stream);
	dist_spec_init(&spec, "t.x");
	fine = dist_spec_parse(&spec, &diag, text, length) &&
	       (!check || dist_spec_check(&spec, &diag));
	fclose(diag.stream);
	assert_int_equal(fine, diag.n_errors == 0);
	if (n_said == 0) {
		free(said);
		said = tree_print(&spec);
	}
	dist_spec_fini(&spec);
	return said;
}

char *
tree_of(const char *text, bool check)
{
	return tree_of_length(text, strlen(text), check);
}
