#include "x/names.h"

#include <string.h>

static const struct {
	const char *c_type, *xdr;
} basic_names[] = {
	[DIST_SPEC_VOID] = { "void", "xdr_void" },
	[DIST_SPEC_CHAR] = { "char", "xdr_char" },
	[DIST_SPEC_UNSIGNED_CHAR] = { "u_char", "xdr_u_char" },
	[DIST_SPEC_SHORT] = { "short", "xdr_short" },
	[DIST_SPEC_UNSIGNED_SHORT] = { "u_short", "xdr_u_short" },
	[DIST_SPEC_INT] = { "int", "xdr_int" },
	[DIST_SPEC_UNSIGNED_INT] = { "u_int", "xdr_u_int" },
	[DIST_SPEC_LONG] = { "long", "xdr_long" },
	[DIST_SPEC_UNSIGNED_LONG] = { "u_long", "xdr_u_long" },
	[DIST_SPEC_HYPER] = { "quad_t", "xdr_quad_t" },
	[DIST_SPEC_UNSIGNED_HYPER] = { "u_quad_t", "xdr_u_quad_t" },
	[DIST_SPEC_FLOAT] = { "float", "xdr_float" },
	[DIST_SPEC_DOUBLE] = { "double", "xdr_double" },
	[DIST_SPEC_QUADRUPLE] = { "quadruple", "xdr_quadruple" },
	[DIST_SPEC_BOOL] = { "bool_t", "xdr_bool" },
	[DIST_SPEC_STRING] = { "char *", "xdr_wrapstring" },
	[DIST_SPEC_OPAQUE] = { "char", "xdr_opaque" },
};

const char *
dist_name_of_version(struct dist_arena *arena, const char *name,
                     const struct dist_spec_value *version)
{
	char *made = dist_arena_printf(arena, "%s_%s", name, version->text);

	/* ASCII alone, and the name alone, as rpcgen does it. */
	for (char *at = made; at < made + strlen(name); at++) {
		if (*at >= 'A' && *at <= 'Z')
			*at += 'a' - 'A';
	}
	return made;
}

const char *
dist_name_of_c_type(struct dist_arena *arena, const struct dist_spec_type *type)
{
	if (type->kind != DIST_SPEC_NAMED)
		return basic_names[type->kind].c_type;
	if (!type->tag)
		return type->name;
	/* A union of XDR is a struct in C, with its discriminant beside the union. */
	return dist_arena_printf(arena, "%s %s",
	                         strcmp(type->tag, "enum") == 0 ? "enum" : "struct",
	                         type->name);
}

const char *
dist_name_of_result(struct dist_arena *arena, const struct dist_spec *spec,
                    const struct dist_spec_type *type)
{
	const struct dist_spec_declaration *array = dist_spec_fixed_array(spec, type);

	return dist_name_of_c_type(arena, array ? &array->type : type);
}

const char *
dist_name_of_xdr(struct dist_arena *arena, const struct dist_spec_type *type)
{
	if (type->kind != DIST_SPEC_NAMED)
		return basic_names[type->kind].xdr;
	return dist_arena_printf(arena, "xdr_%s", type->name);
}
