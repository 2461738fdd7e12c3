/* Look-ups in the tree; resolve.c has the values behind names. */
#include "spec.h"

#include <string.h>

void
dist_spec_init(struct dist_spec *spec, const char *file)
{
	*spec = (struct dist_spec){ .file = file };
}

void
dist_spec_fini(struct dist_spec *spec)
{
	dist_arena_fini(&spec->arena);
	spec->definitions = NULL;
}

struct dist_spec_definition *
dist_spec_find_type(const struct dist_spec *spec, const char *name)
{
	struct dist_spec_definition *def;

	for (def = spec->definitions; def; def = def->next) {
		if (def->kind != DIST_SPEC_CONST && def->kind != DIST_SPEC_PROGRAM &&
		    strcmp(def->name, name) == 0)
			return def;
	}
	return NULL;
}

bool
dist_spec_value_equal(const struct dist_spec_value *a, const struct dist_spec_value *b)
{
	if (a->known && b->known)
		return a->magnitude == b->magnitude &&
		       (a->negative == b->negative || !a->magnitude);
	return a->text && b->text && strcmp(a->text, b->text) == 0;
}

bool
dist_spec_value_is_u32(const struct dist_spec_value *value)
{
	return value->known && value->magnitude <= UINT32_MAX &&
	       (!value->negative || !value->magnitude);
}
