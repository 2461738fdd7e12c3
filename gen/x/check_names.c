/*
 * Names. To C, an interface is a heap of macros (constants, numbers), symbols (types,
 * functions) and members, all in one file, most of them made up by rpcgen. Where two of
 * them have one name, rpcgen keeps the first macro in silence and sends its number for
 * the second, too; or C fails in a line that the user never wrote.
 *
 * All names are gathered, sorted, and each is held against the first that is called so.
 */
#include "x/check.h"
#include "x/names.h"

#include <stdlib.h>
#include <string.h>

enum name_kind {
	NAME_RESERVED, /* a word of C */
	NAME_SYMBOL,
	NAME_MACRO,
	NAME_MEMBER, /* of a struct, or a parameter: alone in its scope */
};

struct name {
	const char *text;
	enum name_kind kind;
	const char *what; /* "the constant", to be followed by nothing */
	struct dist_spec_where where;
	const char *value; /* a macro's, as written */
	const struct dist_spec_value
		*number; /* and as a number; an enumerator's, too */
	unsigned scope;  /* a member's */
	size_t order;
	const struct name *clash; /* the one that has this name already */
};

struct names {
	const struct dist_spec *spec;
	struct dist_diag *diag;
	struct dist_arena arena;
	struct name *items;
	size_t n_items, room;
	unsigned scope;
};

static void
names_add(struct names *names, struct name name)
{
	if (names->n_items == names->room) {
		struct name *items;

		names->room = names->room ? 2 * names->room : 256;
		items = dist_arena_alloc(&names->arena, names->room * sizeof(*items));
		if (names->n_items)
			memcpy(items, names->items, names->n_items * sizeof(*items));
		names->items = items;
	}
	name.order = names->n_items;
	names->items[names->n_items++] = name;
}

static void
add_symbol(struct names *names, struct dist_spec_where where, const char *text,
           const char *what)
{
	names_add(names, (struct name){ .text = text,
	                                .kind = NAME_SYMBOL,
	                                .what = what,
	                                .where = where });
}

static void
add_macro(struct names *names, struct dist_spec_where where, const char *text,
          const char *what, const struct dist_spec_value *number)
{
	names_add(names, (struct name){ .text = text,
	                                .kind = NAME_MACRO,
	                                .what = what,
	                                .where = where,
	                                .value = number->text,
	                                .number = number });
}

static void
add_member(struct names *names, struct dist_spec_where where, const char *text,
           const char *what)
{
	names_add(names, (struct name){ .text = text,
	                                .kind = NAME_MEMBER,
	                                .what = what,
	                                .where = where,
	                                .scope = names->scope });
}

/* "the client stub of ARITH_SUM" */
static const char *
what_of(struct names *names, const char *what, const char *owner)
{
	return dist_arena_printf(&names->arena, "%s of %s", what, owner);
}

/* Words that break the C that is made, whatever they are used for. */
static void
add_foreign(struct names *names)
{
	static const char *const words[] = {
		"FALSE",  "NULL",     "TRUE",     "auto",   "break",  "continue",
		"do",     "else",     "extern",   "for",    "goto",   "if",
		"inline", "register", "restrict", "return", "signed", "sizeof",
		"static", "volatile", "while",    "asm",    "typeof", "EOF",
	};
	static const char *const locals[] = {
		"TIMEOUT", "_xdr_argument", "_xdr_result", "arg1",  "argp", "argument",
		"buf",     "clnt",          "clnt_res",    "local", "objp", "result",
		"retval",  "rqstp",         "transp",      "xdrs",
	};
	static const char *const ours[] = {
		"dist_deferred",
		"dist_err",
		"dist_procedure",
		"dist_service",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		names_add(names,
		          (struct name){ .text = words[i], .kind = NAME_RESERVED });
	for (size_t i = 0; i < sizeof(locals) / sizeof(locals[0]); i++)
		add_member(names, (struct dist_spec_where){ NULL, 0 }, locals[i],
		           "a variable in rpcgen's C");
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		add_symbol(names, (struct dist_spec_where){ NULL, 0 }, ours[i],
		           "a name of libdist");
}

static void
add_declaration(const struct dist_spec_declaration *decl, void *arg)
{
	struct names *names = arg;

	if (decl->name)
		add_member(names, decl->where, decl->name, "a member");
}

static void
add_type(struct names *names, const struct dist_spec_definition *def)
{
	const struct dist_spec_enumerator *one;

	add_symbol(names, def->where, def->name, "a type");
	add_symbol(names, def->where,
	           dist_arena_printf(&names->arena, "xdr_%s", def->name),
	           what_of(names, "the XDR routine", def->name));
	for (one = def->enumerators; one; one = one->next)
		names_add(names, (struct name){ .text = one->name,
		                                .kind = NAME_SYMBOL,
		                                .what = "a name in an enum",
		                                .where = one->where,
		                                .number = &one->value });
	names->scope++;
	if (def->kind != DIST_SPEC_TYPEDEF)
		dist_spec_each_declaration(def, add_declaration, names);
}

/* What -N makes parameters of, or, if there are several, a struct. */
static void
add_arguments(struct names *names, const struct dist_spec_procedure *procedure)
{
	const struct dist_spec_declaration *arg;
	unsigned n = 0;

	names->scope++;
	add_member(names, procedure->where, "clnt", "a variable in rpcgen's stub");
	add_member(names, procedure->where, "clnt_res", "a variable in rpcgen's stub");
	if (procedure->arguments && procedure->arguments->next)
		add_member(names, procedure->where, "arg",
		           "a variable in rpcgen's stub");
	for (arg = procedure->arguments; arg; arg = arg->next) {
		n++;
		add_member(names, arg->where,
		           arg->name ? arg->name
		                     : dist_arena_printf(&names->arena, "arg%u", n),
		           "an argument");
	}
}

static void
add_procedure(struct names *names, const struct dist_spec_version *version,
              const struct dist_spec_procedure *procedure)
{
	static const struct {
		const char *format, *what;
		bool several; /* made only if there are several arguments */
	} derived[] = {
		{ "%s", "the client stub", false },
		{ "%s_svc", "the procedure itself", false },
		{ "_%s", "the dispatcher's call", false },
		{ "%s_reply", "the typed reply", false },
		{ "%s_argument", "the arguments' struct", true },
		{ "xdr_%s_argument", "the arguments' XDR routine", true },
	};
	const char *stub =
		dist_name_of_version(&names->arena, procedure->name, &version->number);
	bool several = procedure->arguments && procedure->arguments->next;

	add_macro(names, procedure->where, procedure->name, "a procedure",
	          &procedure->number);
	for (size_t i = 0; i < sizeof(derived) / sizeof(derived[0]); i++) {
		const char *percent = strchr(derived[i].format, '%');

		if (derived[i].several && !several)
			continue;
		add_symbol(names, procedure->where,
		           dist_arena_printf(&names->arena, "%.*s%s%s",
		                             (int)(percent - derived[i].format),
		                             derived[i].format, stub, percent + 2),
		           what_of(names, derived[i].what, procedure->name));
	}
	add_arguments(names, procedure);
}

static void
add_version(struct names *names, const struct dist_spec_definition *program,
            const struct dist_spec_version *version)
{
	const struct dist_spec_procedure *procedure;
	const char *name =
		dist_name_of_version(&names->arena, program->name, &version->number);

	add_macro(names, version->where, version->name, "a version", &version->number);
	add_symbol(names, version->where, name,
	           what_of(names, "the dispatcher", version->name));
	add_symbol(names, version->where,
	           dist_arena_printf(&names->arena, "%s_freeresult", name),
	           what_of(names, "the result's release", version->name));
	add_symbol(names, version->where,
	           dist_arena_printf(&names->arena, "%s_service", name),
	           what_of(names, "the service", version->name));
	for (procedure = version->procedures; procedure; procedure = procedure->next)
		add_procedure(names, version, procedure);
}

static void
add_definition(struct names *names, const struct dist_spec_definition *def)
{
	const struct dist_spec_version *version;

	switch (def->kind) {
	case DIST_SPEC_CONST:
		names_add(names,
		          (struct name){ .text = def->name,
		                         .kind = NAME_MACRO,
		                         .what = "a constant",
		                         .where = def->where,
		                         .value = def->string ? def->string
		                                              : def->value.text,
		                         .number = def->string ? NULL : &def->value });
		break;
	case DIST_SPEC_PROGRAM:
		add_macro(names, def->where, def->name, "a program", &def->value);
		for (version = def->versions; version; version = version->next)
			add_version(names, def, version);
		break;
	default:
		add_type(names, def);
		break;
	}
}

/* By name; then what is global before what is in a scope; then as they came. */
static int
name_compare(const void *left, const void *right)
{
	const struct name *a = *(struct name *const *)left;
	const struct name *b = *(struct name *const *)right;
	int order = strcmp(a->text, b->text);

	if (order)
		return order;
	if (a->scope != b->scope)
		return a->scope < b->scope ? -1 : 1;
	return (a->order > b->order) - (a->order < b->order);
}

static bool
name_clashes(const struct name *name, const struct name *first)
{
	if (strcmp(name->text, first->text) != 0)
		return false;
	if (name->kind == NAME_MACRO && first->kind == NAME_MACRO) {
		if (name->number && first->number)
			return !dist_spec_value_equal(name->number, first->number);
		return strcmp(name->value, first->value) != 0;
	}
	/* enum { A = 1 }, then #define A 1: each use of A stays what it was. */
	if (name->kind == NAME_MACRO && first->kind == NAME_SYMBOL && name->number &&
	    first->number)
		return !dist_spec_value_equal(name->number, first->number);
	if (name->kind == NAME_MEMBER)
		return first->kind == NAME_MACRO || first->kind == NAME_RESERVED ||
		       first->scope == name->scope;
	return first->kind != NAME_MEMBER || name->kind == NAME_MACRO;
}

static void
names_find_clashes(struct names *names)
{
	struct name **sorted =
		dist_arena_alloc(&names->arena, (names->n_items + 1) * sizeof(*sorted));
	const struct name *first;

	for (size_t i = 0; i < names->n_items; i++)
		sorted[i] = &names->items[i];
	qsort(sorted, names->n_items, sizeof(*sorted), name_compare);
	first = sorted[0];
	for (size_t i = 1; i < names->n_items; i++) {
		if (strcmp(first->text, sorted[i]->text) != 0)
			first = sorted[i];
		else if (name_clashes(sorted[i], first))
			sorted[i]->clash = first;
		else if (name_clashes(sorted[i], sorted[i - 1]))
			sorted[i]->clash = sorted[i - 1];
	}
}

/* " in line 7", " in other.x:7", or nothing for what is in no file. */
static const char *
place_of(struct names *names, const struct name *there, const struct name *here)
{
	if (!there->where.file)
		return "";
	if (strcmp(there->where.file, here->where.file) == 0)
		return dist_arena_printf(&names->arena, " in line %u",
		                         there->where.line);
	return dist_arena_printf(&names->arena, " in %s:%u", there->where.file,
	                         there->where.line);
}

static void
tell_clash(struct names *names, const struct name *name)
{
	const struct name *first = name->clash;
	const char *there = place_of(names, first, name);
	const char *macro = name->kind == NAME_MACRO || first->kind == NAME_MACRO
	                            ? ", and one of them becomes a macro in C"
	                            : "";

	if (first->kind == NAME_RESERVED)
		dist_diag_error(names->diag, name->where,
		                "'%s', %s, is a word of C: give it another name",
		                name->text, name->what);
	else if (name->kind == NAME_MACRO && first->kind == NAME_MACRO)
		dist_diag_error(
			names->diag, name->where,
			"'%s', %s, is %s here and %s%s, but rpcgen's C would have "
			"one number for both: give it another name",
			name->text, name->what, name->value, first->value, there);
	else
		dist_diag_error(names->diag, name->where,
		                "'%s', %s, is also %s%s%s: give it another name",
		                name->text, name->what, first->what, there, macro);
}

/* One error for a line: a procedure's name is in half a dozen others. */
static void
names_tell_clashes(struct names *names)
{
	struct dist_spec_where told = { NULL, 0 };

	for (size_t i = 0; i < names->n_items; i++) {
		const struct name *name = &names->items[i];

		if (!name->clash ||
		    (name->where.line == told.line && name->where.file == told.file))
			continue;
		tell_clash(names, name);
		told = name->where;
	}
}

void
dist_check_names(const struct dist_spec *spec, struct dist_diag *diag)
{
	struct names names = { .spec = spec, .diag = diag };
	const struct dist_spec_definition *def;

	add_foreign(&names);
	for (def = spec->definitions; def; def = def->next)
		add_definition(&names, def);
	names_find_clashes(&names);
	names_tell_clashes(&names);
	dist_arena_fini(&names.arena);
}
