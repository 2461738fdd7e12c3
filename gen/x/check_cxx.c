/*
 * Warnings: names that C has no objection to, but a C++ program that includes the
 * header does. Procedures, programs and constants are macros, so their names are not
 * looked at.
 */
#include "x/check.h"

#include <string.h>

static const char *const words[] = {
	"and",       "bitand",    "bitor",    "catch",     "class",  "compl",
	"constexpr", "delete",    "explicit", "export",    "false",  "friend",
	"mutable",   "namespace", "new",      "noexcept",  "not",    "nullptr",
	"operator",  "or",        "private",  "protected", "public", "template",
	"this",      "throw",     "true",     "try",       "typeid", "typename",
	"using",     "virtual",   "wchar_t",  "xor",
};

static void
warn_word(struct dist_diag *diag, struct dist_spec_where where, const char *name)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(name, words[i]) == 0)
			dist_diag_warning(
				diag, where,
				"'%s' is a word of C++, whose programs cannot "
				"include the header",
				name);
	}
}

static void
warn_member(const struct dist_spec_declaration *decl, void *arg)
{
	struct dist_diag *diag = arg;

	if (decl->name)
		warn_word(diag, decl->where, decl->name);
}

static void
warn_program(struct dist_diag *diag, const struct dist_spec_definition *program)
{
	const struct dist_spec_version *version;
	const struct dist_spec_procedure *procedure;
	const struct dist_spec_declaration *arg;

	for (version = program->versions; version; version = version->next) {
		for (procedure = version->procedures; procedure;
		     procedure = procedure->next) {
			arg = procedure->arguments;
			/* One alone is a nameless parameter; several, members. */
			if (arg && !arg->next)
				continue;
			for (; arg; arg = arg->next)
				warn_member(arg, diag);
		}
	}
}

void
dist_check_cxx(const struct dist_spec *spec, struct dist_diag *diag)
{
	const struct dist_spec_definition *def;
	const struct dist_spec_enumerator *one;

	for (def = spec->definitions; def; def = def->next) {
		if (def->kind == DIST_SPEC_PROGRAM) {
			warn_program(diag, def);
		} else if (def->kind != DIST_SPEC_CONST) {
			warn_word(diag, def->where, def->name);
			for (one = def->enumerators; one; one = one->next)
				warn_word(diag, one->where, one->name);
			if (def->kind != DIST_SPEC_TYPEDEF)
				dist_spec_each_declaration(def, warn_member, diag);
		}
	}
}
