/* Types: what C or rpcgen cannot have, though the grammar does. */
#include "x/check.h"

#include <string.h>

struct type_check {
	const struct dist_spec *spec;
	struct dist_diag *diag;
	const struct dist_spec_definition *def; /* the one that is looked at */
};

static bool
is_defined_later(const struct type_check *check,
                 const struct dist_spec_definition *target)
{
	const struct dist_spec_definition *def;

	for (def = check->def->next; def && def != target; def = def->next)
		;
	return def != NULL;
}

/*
 * rpcgen puts the definitions into C in their order, so a type must be there before it
 * is used, but for a pointer to the struct that it is a member of, or to "struct foo".
 */
static void
check_order(struct type_check *check, const struct dist_spec_declaration *decl)
{
	const struct dist_spec_definition *target =
		dist_spec_find_type(check->spec, decl->type.name);
	bool pointer =
		decl->shape == DIST_SPEC_OPTIONAL || decl->shape == DIST_SPEC_VARIABLE;

	if (!target || (pointer && (decl->type.tag || target == check->def)))
		return;
	if (target == check->def)
		dist_diag_error(check->diag, decl->where,
		                "'%s' is made of itself: make this member optional, "
		                "%s *%s",
		                target->name, target->name, decl->name);
	else if (is_defined_later(check, target) &&
	         !dist_spec_passes_through(check->spec, target->name) &&
	         !dist_spec_passes_through(check->spec, "include"))
		dist_diag_error(
			check->diag, decl->where,
			"'%s' is defined only in line %u, and C wants it before it "
			"is used: move it up",
			target->name, target->where.line);
}

static void
check_bound(struct type_check *check, const struct dist_spec_declaration *decl)
{
	const struct dist_spec_value *bound = &decl->bound;

	if (bound->known && !dist_spec_value_is_u32(bound))
		dist_diag_error(check->diag, decl->where,
		                "'%s' cannot have the length %s: lengths are from 0 to "
		                "4294967295",
		                decl->name, bound->text);
	else if (decl->shape == DIST_SPEC_FIXED && bound->known && !bound->magnitude)
		dist_diag_warning(
			check->diag, decl->where,
			"'%s' is an array without elements, which ISO C does not "
			"have",
			decl->name);
}

static void
check_declaration(const struct dist_spec_declaration *decl, void *arg)
{
	struct type_check *check = arg;

	switch (decl->type.kind) {
	case DIST_SPEC_INLINE:
		dist_diag_error(
			check->diag, decl->where,
			"rpcgen knows no types inside others: define the type of "
			"'%s' by itself, and name it here",
			decl->name);
		return;
	case DIST_SPEC_QUADRUPLE:
		dist_diag_error(
			check->diag, decl->where,
			"'%s' is a quadruple, for which C has no type and libtirpc no "
			"routine",
			decl->name);
		return;
	case DIST_SPEC_NAMED:
		check_order(check, decl);
		break;
	default:
		break;
	}
	check_bound(check, decl);
}

/* RFC 4506 section 4.15: int, unsigned int, bool or an enum. */
static void
check_discriminant(struct type_check *check)
{
	const struct dist_spec_declaration *decl = check->def->discriminant;
	const struct dist_spec_definition *named = NULL;

	if (decl->type.kind == DIST_SPEC_NAMED)
		named = dist_spec_find_type(check->spec, decl->type.name);
	if (!decl->name || decl->shape != DIST_SPEC_PLAIN ||
	    decl->type.kind == DIST_SPEC_FLOAT || decl->type.kind == DIST_SPEC_DOUBLE ||
	    (named &&
	     (named->kind == DIST_SPEC_STRUCT || named->kind == DIST_SPEC_UNION)))
		dist_diag_error(
			check->diag, decl->where,
			"a union is switched by an int, an unsigned int, a bool or an "
			"enum");
}

static void
check_cases(struct type_check *check)
{
	struct dist_check_numbers numbers = { .items = NULL };
	const struct dist_spec_case *one;

	for (one = check->def->cases; one; one = one->next) {
		if (!one->is_default)
			dist_check_number_add(&numbers, &one->value, one->where);
	}
	dist_check_distinct(check->diag, &numbers, "the case");
}

static void
check_enumerators(struct type_check *check)
{
	const struct dist_spec_enumerator *one;

	for (one = check->def->enumerators; one; one = one->next) {
		if (one->value.known &&
		    one->value.magnitude >
		            (one->value.negative ? 0x80000000u : 0xffffffffu))
			dist_diag_error(check->diag, one->where,
			                "'%s' does not fit into the 32 bits of an enum",
			                one->name);
	}
}

/* xdr_array() and the like are the library's own, and would be called for the type. */
static void
check_reserved(struct type_check *check)
{
	static const char *const reserved[] = {
		"array",  "bytes",  "destroy", "enum",       "free",
		"getpos", "inline", "pointer", "reference",  "setpos",
		"sizeof", "union",  "vector",  "wrapstring",
	};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (strcmp(check->def->name, reserved[i]) == 0)
			dist_diag_error(
				check->diag, check->def->where,
				"no type can be called '%s': xdr_%s() is a routine of "
				"the library",
				reserved[i], reserved[i]);
	}
}

void
dist_check_types(const struct dist_spec *spec, struct dist_diag *diag)
{
	struct type_check check = { .spec = spec, .diag = diag };

	for (check.def = spec->definitions; check.def; check.def = check.def->next) {
		if (check.def->kind == DIST_SPEC_CONST ||
		    check.def->kind == DIST_SPEC_PROGRAM)
			continue;
		dist_spec_each_declaration(check.def, check_declaration, &check);
		if (check.def->discriminant) {
			check_discriminant(&check);
			check_cases(&check);
		}
		check_enumerators(&check);
		check_reserved(&check);
	}
}
