/*
 * The values and types behind names. A constant may be defined by one that comes later in the
 * file (to C they are macros), so constants and enumerators are gone over until a round
 * finds nothing new; what is left is foreign, or a circle.
 */
#include "x/spec.h"

#include <stdlib.h>
#include <string.h>

/* Rounds of constants that stand for later ones; longer chains are as foreign. */
#define ROUNDS_MAX 100

/* --- What names stand for --------------------------------------------------------- */

/* One of the two. */
struct named {
	const char *name;
	size_t nth; /* in the file */
	const struct dist_spec_value *value;
	const struct dist_spec_definition *type;
};

/* In order of name, so that an interface of many names takes no longer than it should. */
struct names {
	struct named *list;
	size_t n;
};

static void
names_add(struct names *names, const char *name, const struct dist_spec_value *value,
          const struct dist_spec_definition *type)
{
	names->list[names->n] = (struct named){ name, names->n, value, type };
	names->n++;
}

static int
named_compare(const void *left, const void *right)
{
	const struct named *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	return order ? order : (a->nth > b->nth) - (a->nth < b->nth);
}

/* The first in the file; NULL: there is none. */
static const struct named *
names_find(const struct names *names, const char *name)
{
	size_t low = 0, high = names->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(names->list[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < names->n && strcmp(names->list[low].name, name) == 0)
		return &names->list[low];
	return NULL;
}

static size_t
count_names(const struct dist_spec *spec)
{
	const struct dist_spec_definition *def;
	const struct dist_spec_enumerator *one;
	size_t n = 0;

	for (def = spec->definitions; def; def = def->next) {
		n++;
		for (one = def->enumerators; one; one = one->next)
			n++;
	}
	return n;
}

/* Room for all names there are, whichever of them it is for. */
static struct names
names_new(struct dist_spec *spec)
{
	size_t n = count_names(spec);

	return (struct names){ dist_arena_alloc(
		&spec->arena, (n + 1) * sizeof(struct named)) };
}

static void
names_sort(struct names *names)
{
	if (names->n > 0)
		qsort(names->list, names->n, sizeof(*names->list), named_compare);
}

static struct names
names_of_values(struct dist_spec *spec)
{
	struct names names = names_new(spec);
	const struct dist_spec_definition *def;
	const struct dist_spec_enumerator *one;

	for (def = spec->definitions; def; def = def->next) {
		if (def->kind == DIST_SPEC_CONST)
			names_add(&names, def->name, &def->value, NULL);
		for (one = def->enumerators; one; one = one->next)
			names_add(&names, one->name, &one->value, NULL);
	}
	names_sort(&names);
	return names;
}

static struct names
names_of_types(struct dist_spec *spec)
{
	struct names names = names_new(spec);
	const struct dist_spec_definition *def;

	for (def = spec->definitions; def; def = def->next) {
		if (def->kind != DIST_SPEC_CONST && def->kind != DIST_SPEC_PROGRAM)
			names_add(&names, def->name, NULL, def);
	}
	names_sort(&names);
	return names;
}

/* --- Values ----------------------------------------------------------------------- */

static const struct dist_spec_value *
value_find(const struct names *values, const char *name)
{
	static const struct dist_spec_value no = { .text = "FALSE", .known = true };
	static const struct dist_spec_value yes = { .text = "TRUE",
		                                    .known = true,
		                                    .magnitude = 1 };
	const struct named *found = names_find(values, name);

	if (found)
		return found->value;
	if (strcmp(name, "TRUE") == 0)
		return &yes;
	return strcmp(name, "FALSE") == 0 ? &no : NULL;
}

/* Whether it became known just now. */
static bool
value_resolve(const struct names *values, struct dist_spec_value *value)
{
	const struct dist_spec_value *found;

	if (value->known || !value->text)
		return false;
	found = value_find(values, value->text);
	if (!found || !found->known)
		return false;
	value->known = true;
	value->negative = found->negative;
	value->magnitude = found->magnitude;
	return true;
}

/* rpcgen counts on from the name before, and from 0 at the start. */
static bool
enumerator_count_on(struct dist_spec_value *value, const struct dist_spec_value *before)
{
	if (value->known || value->text || (before && !before->known))
		return false;
	if (before) {
		value->negative = before->negative && before->magnitude > 1;
		value->magnitude = before->negative ? before->magnitude - 1
		                                    : before->magnitude + 1;
	}
	value->known = true;
	return true;
}

static bool
resolve_constants(const struct dist_spec *spec, const struct names *values)
{
	struct dist_spec_definition *def;
	struct dist_spec_enumerator *one;
	bool changed = false;

	for (def = spec->definitions; def; def = def->next) {
		const struct dist_spec_value *before = NULL;

		if (def->kind == DIST_SPEC_CONST)
			changed |= value_resolve(values, &def->value);
		for (one = def->enumerators; one; one = one->next) {
			changed |= value_resolve(values, &one->value);
			changed |= enumerator_count_on(&one->value, before);
			before = &one->value;
		}
	}
	return changed;
}

/* --- Definitions ------------------------------------------------------------------ */

struct known {
	struct names values, types;
};

static void resolve_definition(const struct known *known,
                               struct dist_spec_definition *def);

static const struct dist_spec_definition *
type_find(const struct names *types, const char *name)
{
	const struct named *found = names_find(types, name);

	return found ? found->type : NULL;
}

static void
resolve_declarations(const struct known *known, struct dist_spec_declaration *decl)
{
	for (; decl; decl = decl->next) {
		value_resolve(&known->values, &decl->bound);
		if (decl->type.name)
			decl->type.definition = type_find(&known->types, decl->type.name);
		if (decl->type.body)
			resolve_definition(known, decl->type.body);
	}
}

static void
resolve_program(const struct known *known, struct dist_spec_definition *def)
{
	struct dist_spec_version *version;
	struct dist_spec_procedure *procedure;

	value_resolve(&known->values, &def->value);
	for (version = def->versions; version; version = version->next) {
		value_resolve(&known->values, &version->number);
		for (procedure = version->procedures; procedure;
		     procedure = procedure->next) {
			value_resolve(&known->values, &procedure->number);
			resolve_declarations(known, &procedure->result);
			resolve_declarations(known, procedure->arguments);
		}
	}
}

static void
resolve_definition(const struct known *known, struct dist_spec_definition *def)
{
	struct dist_spec_case *one;

	resolve_declarations(known, def->members);
	resolve_declarations(known, def->discriminant);
	for (one = def->cases; one; one = one->next) {
		value_resolve(&known->values, &one->value);
		resolve_declarations(known, one->arm);
	}
	resolve_program(known, def);
}

void
dist_spec_resolve(struct dist_spec *spec)
{
	struct known known = { names_of_values(spec), names_of_types(spec) };
	struct dist_spec_definition *def;
	unsigned n_rounds = 0;

	while (resolve_constants(spec, &known.values) && ++n_rounds < ROUNDS_MAX)
		;
	for (def = spec->definitions; def; def = def->next)
		resolve_definition(&known, def);
}
