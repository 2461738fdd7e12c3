/* Look-ups in the tree; resolve.c has the values behind names. */
#include "x/spec.h"

#include <ctype.h>
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

const char *
dist_spec_add_file(struct dist_spec *spec, const char *name, size_t length)
{
	struct dist_spec_file *file, **tail;

	for (tail = &spec->files; (file = *tail); tail = &file->next) {
		if (strlen(file->name) == length &&
		    memcmp(file->name, name, length) == 0)
			return file->name;
	}
	if (spec->n_files == DIST_SPEC_FILES_MAX)
		return NULL;
	name = dist_arena_copy(&spec->arena, name, length);
	/* "<built-in>" and its like are no files. */
	if (*name == '<')
		return name;
	spec->n_files++;
	file = dist_arena_alloc(&spec->arena, sizeof(*file));
	file->name = name;
	*tail = file;
	return name;
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

const struct dist_spec_declaration *
dist_spec_fixed_array(const struct dist_spec *spec, const struct dist_spec_type *type)
{
	/* A chain of typedefs that is longer than this is a circle. */
	for (unsigned depth = 0; depth < 100 && type->kind == DIST_SPEC_NAMED;
	     depth++) {
		const struct dist_spec_definition *def =
			dist_spec_find_type(spec, type->name);

		if (!def || def->kind != DIST_SPEC_TYPEDEF)
			return NULL;
		if (def->members->shape == DIST_SPEC_FIXED)
			return def->members;
		if (def->members->shape != DIST_SPEC_PLAIN)
			return NULL;
		type = &def->members->type;
	}
	return NULL;
}

static bool
is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

bool
dist_spec_passes_through(const struct dist_spec *spec, const char *name)
{
	const struct dist_spec_passthrough *line;
	size_t length = strlen(name);

	for (line = spec->passthroughs; line; line = line->next) {
		const char *at = line->text;

		for (; (at = strstr(at, name)); at += length) {
			if ((at == line->text || !is_name_char(at[-1])) &&
			    !is_name_char(at[length]))
				return true;
		}
	}
	return false;
}

void
dist_spec_each_declaration(const struct dist_spec_definition *def,
                           dist_spec_declaration_fn *fn, void *arg)
{
	const struct dist_spec_declaration *decl;
	const struct dist_spec_case *one;

	for (decl = def->members; decl; decl = decl->next)
		fn(decl, arg);
	if (def->discriminant)
		fn(def->discriminant, arg);
	for (one = def->cases; one; one = one->next) {
		if (one->arm && one->arm->name)
			fn(one->arm, arg);
	}
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
