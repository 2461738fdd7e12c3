/*
 * The values and types behind names. A constant may be defined by one that comes later in the
 * file (to C they are macros), so constants and enumerators are gone over until a round
 * finds nothing new; what is left is foreign, or a circle.
 */
#include "x/spec.h"

#include <string.h>

static const struct dist_spec_value *
enumerator_find(const struct dist_spec_definition *def, const char *name)
{
	const struct dist_spec_enumerator *one;

	for (one = def->enumerators; one; one = one->next) {
		if (strcmp(one->name, name) == 0)
			return &one->value;
	}
	return NULL;
}

static const struct dist_spec_value *
value_find(const struct dist_spec *spec, const char *name)
{
	static const struct dist_spec_value no = { .text = "FALSE", .known = true };
	static const struct dist_spec_value yes = { .text = "TRUE",
		                                    .known = true,
		                                    .magnitude = 1 };
	const struct dist_spec_definition *def;
	const struct dist_spec_value *value;

	for (def = spec->definitions; def; def = def->next) {
		if (def->kind == DIST_SPEC_CONST && strcmp(def->name, name) == 0)
			return &def->value;
		if (def->kind == DIST_SPEC_ENUM && (value = enumerator_find(def, name)))
			return value;
	}
	if (strcmp(name, "TRUE") == 0)
		return &yes;
	return strcmp(name, "FALSE") == 0 ? &no : NULL;
}

/* Whether it became known just now. */
static bool
value_resolve(const struct dist_spec *spec, struct dist_spec_value *value)
{
	const struct dist_spec_value *found;

	if (value->known || !value->text)
		return false;
	found = value_find(spec, value->text);
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
resolve_constants(const struct dist_spec *spec)
{
	struct dist_spec_definition *def;
	struct dist_spec_enumerator *one;
	bool changed = false;

	for (def = spec->definitions; def; def = def->next) {
		const struct dist_spec_value *before = NULL;

		if (def->kind == DIST_SPEC_CONST)
			changed |= value_resolve(spec, &def->value);
		for (one = def->enumerators; one; one = one->next) {
			changed |= value_resolve(spec, &one->value);
			changed |= enumerator_count_on(&one->value, before);
			before = &one->value;
		}
	}
	return changed;
}

static void resolve_definition(const struct dist_spec *spec,
                               struct dist_spec_definition *def);

static void
resolve_declarations(const struct dist_spec *spec, struct dist_spec_declaration *decl)
{
	for (; decl; decl = decl->next) {
		value_resolve(spec, &decl->bound);
		if (decl->type.name)
			decl->type.definition =
				dist_spec_find_type(spec, decl->type.name);
		if (decl->type.body)
			resolve_definition(spec, decl->type.body);
	}
}

static void
resolve_program(const struct dist_spec *spec, struct dist_spec_definition *def)
{
	struct dist_spec_version *version;
	struct dist_spec_procedure *procedure;

	value_resolve(spec, &def->value);
	for (version = def->versions; version; version = version->next) {
		value_resolve(spec, &version->number);
		for (procedure = version->procedures; procedure;
		     procedure = procedure->next) {
			value_resolve(spec, &procedure->number);
			resolve_declarations(spec, &procedure->result);
			resolve_declarations(spec, procedure->arguments);
		}
	}
}

static void
resolve_definition(const struct dist_spec *spec, struct dist_spec_definition *def)
{
	struct dist_spec_case *one;

	resolve_declarations(spec, def->members);
	resolve_declarations(spec, def->discriminant);
	for (one = def->cases; one; one = one->next) {
		value_resolve(spec, &one->value);
		resolve_declarations(spec, one->arm);
	}
	resolve_program(spec, def);
}

void
dist_spec_resolve(struct dist_spec *spec)
{
	struct dist_spec_definition *def;

	while (resolve_constants(spec))
		;
	for (def = spec->definitions; def; def = def->next)
		resolve_definition(spec, def);
}
