/* Warnings: what is right, and bites later. */
#include "x/check.h"
#include "x/names.h"

#include <stdlib.h>
#include <string.h>

struct habits {
	const struct dist_spec *spec;
	struct dist_diag *diag;
	const struct dist_spec_definition *def; /* the one that is looked at */
};

static void
warn_unbounded(const struct habits *habits, const struct dist_spec_declaration *decl)
{
	if (decl->shape == DIST_SPEC_VARIABLE && !decl->bound.text)
		dist_diag_warning(
			habits->diag, decl->where,
			"'%s' has no bound, so a peer chooses its size: write "
			"%s<MAXIMUM>, or rely on the node's max_decode_bytes",
			decl->name, decl->name);
}

/* With no % line that could bring it in, a type is here or in libtirpc's xdr.h. */
static void
warn_unknown(const struct habits *habits, const struct dist_spec_declaration *decl)
{
	static const char *const known[] = {
		"bool_t",   "char",      "des_block",    "enum_t",     "int16_t",
		"int32_t",  "int64_t",   "int8_t",       "longlong_t", "netobj",
		"quad_t",   "rpcproc_t", "rpcprog_t",    "rpcvers_t",  "u_char",
		"u_hyper",  "u_int",     "u_int16_t",    "u_int32_t",  "u_int64_t",
		"u_int8_t", "u_long",    "u_longlong_t", "u_quad_t",   "u_short",
		"uint16_t", "uint32_t",  "uint64_t",     "uint8_t",
	};

	if (decl->type.kind != DIST_SPEC_NAMED || habits->spec->passthroughs ||
	    dist_spec_find_type(habits->spec, decl->type.name))
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i], decl->type.name) == 0)
			return;
	}
	dist_diag_warning(
		habits->diag, decl->where,
		"the type '%s' is not defined in this file, and no %% line brings "
		"it in",
		decl->type.name);
}

static void
warn_declaration(const struct dist_spec_declaration *decl, void *arg)
{
	const struct habits *habits = arg;

	warn_unbounded(habits, decl);
	warn_unknown(habits, decl);
}

/* A way from a type to itself. The marks make each type be entered once. */
struct path {
	const struct dist_spec *spec;
	const struct dist_spec_definition *from;
	const struct dist_spec_definition **seen;
	size_t n_seen, room;
	bool found;
};

static void
path_follow(const struct dist_spec_declaration *decl, void *arg)
{
	const struct dist_spec_definition *def;
	struct path *path = arg;

	if (path->found || decl->type.kind != DIST_SPEC_NAMED)
		return;
	def = dist_spec_find_type(path->spec, decl->type.name);
	if (!def)
		return;
	path->found = def == path->from;
	for (size_t i = 0; i < path->n_seen; i++) {
		if (path->seen[i] == def)
			return;
	}
	if (path->n_seen < path->room)
		path->seen[path->n_seen++] = def;
}

static bool
leads_to_itself(const struct habits *habits, const struct dist_spec_declaration *decl)
{
	const struct dist_spec_definition *seen[64];
	struct path path = {
		.spec = habits->spec,
		.from = habits->def,
		.seen = seen,
		.room = sizeof(seen) / sizeof(seen[0]),
	};

	path_follow(decl, &path);
	for (size_t i = 0; i < path.n_seen && !path.found; i++)
		dist_spec_each_declaration(seen[i], path_follow, &path);
	return path.found;
}

static void
warn_recursion(const struct dist_spec_declaration *decl, void *arg)
{
	const struct habits *habits = arg;

	if (decl->shape != DIST_SPEC_OPTIONAL && decl->shape != DIST_SPEC_VARIABLE)
		return;
	if (leads_to_itself(habits, decl))
		dist_diag_warning(
			habits->diag, decl->where,
			"'%s' leads back to '%s': XDR calls itself for each step, so "
			"a long chain is refused or overflows the stack; an array "
			"has no such limit",
			decl->name, habits->def->name);
}

/* "SUM" is a macro wherever the header is included; "ARITH_SUM" harms nobody. */
static void
warn_short(const struct habits *habits, struct dist_spec_where where, const char *name)
{
	if (!strchr(name, '_') && strlen(name) < 8)
		dist_diag_warning(
			habits->diag, where,
			"'%s' becomes a macro in all files that include the header: "
			"give it a prefix",
			name);
}

static void
warn_procedure(const struct habits *habits, const struct dist_spec_procedure *procedure)
{
	const struct dist_spec_declaration *arg = procedure->arguments;

	warn_short(habits, procedure->where, procedure->name);
	if (arg && !arg->next && arg->type.kind == DIST_SPEC_STRING && arg->bound.text)
		dist_diag_warning(
			habits->diag, arg->where,
			"rpcgen drops the bound of a string that is the only "
			"argument: give the string a name by typedef, and use that");
	for (; arg; arg = arg->next)
		warn_unknown(habits, arg);
	warn_unknown(habits, &procedure->result);
	if (procedure->number.known && !procedure->number.magnitude &&
	    (procedure->arguments || procedure->result.type.kind != DIST_SPEC_VOID))
		dist_diag_warning(
			habits->diag, procedure->where,
			"procedure 0 is called by programs that only ask whether the "
			"server lives, without arguments or result: take another "
			"number");
}

static void
warn_version(const struct habits *habits, const struct dist_spec_version *version)
{
	const struct dist_spec_procedure *procedure;
	char c = *version->number.text;

	warn_short(habits, version->where, version->name);
	if (c < '0' || c > '9')
		dist_diag_warning(
			habits->diag, version->where,
			"the version's number is a name, so rpcgen's functions are "
			"called ..._%s: write the number",
			version->number.text);
	for (procedure = version->procedures; procedure; procedure = procedure->next)
		warn_procedure(habits, procedure);
}

void
dist_check_habits(const struct dist_spec *spec, struct dist_diag *diag)
{
	struct habits habits = { .spec = spec, .diag = diag };
	const struct dist_spec_version *version;

	for (habits.def = spec->definitions; habits.def;
	     habits.def = habits.def->next) {
		dist_spec_each_declaration(habits.def, warn_declaration, &habits);
		dist_spec_each_declaration(habits.def, warn_recursion, &habits);
		if (habits.def->kind == DIST_SPEC_PROGRAM)
			warn_short(&habits, habits.def->where, habits.def->name);
		for (version = habits.def->versions; version; version = version->next)
			warn_version(&habits, version);
	}
}
