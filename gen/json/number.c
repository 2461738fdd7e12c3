#include "json/number.h"

#include <string.h>

static const struct dist_json_range ranges[] = {
	[DIST_SPEC_CHAR] = { "char", false, 0x80, 0x7f },
	[DIST_SPEC_UNSIGNED_CHAR] = { "unsigned char", false, 0, UINT8_MAX },
	[DIST_SPEC_SHORT] = { "short", false, 0x8000, INT16_MAX },
	[DIST_SPEC_UNSIGNED_SHORT] = { "unsigned short", false, 0, UINT16_MAX },
	[DIST_SPEC_INT] = { "int", false, 0x80000000, INT32_MAX },
	[DIST_SPEC_UNSIGNED_INT] = { "unsigned int", false, 0, UINT32_MAX },
	[DIST_SPEC_LONG] = { "long", false, 0x80000000, INT32_MAX },
	[DIST_SPEC_UNSIGNED_LONG] = { "unsigned long", false, 0, UINT32_MAX },
	[DIST_SPEC_HYPER] = { "hyper", true, 0x8000000000000000, INT64_MAX },
	[DIST_SPEC_UNSIGNED_HYPER] = { "unsigned hyper", true, 0, UINT64_MAX },
};

enum dist_spec_type_kind
dist_json_kind(const struct dist_spec_type *type)
{
	static const struct {
		const char *name;
		enum dist_spec_type_kind kind;
	} known[] = {
		{ "bool_t", DIST_SPEC_BOOL },
		{ "enum_t", DIST_SPEC_INT },
		{ "int16_t", DIST_SPEC_SHORT },
		{ "int32_t", DIST_SPEC_INT },
		{ "int64_t", DIST_SPEC_HYPER },
		{ "int8_t", DIST_SPEC_CHAR },
		{ "longlong_t", DIST_SPEC_HYPER },
		{ "quad_t", DIST_SPEC_HYPER },
		{ "rpcproc_t", DIST_SPEC_UNSIGNED_INT },
		{ "rpcprog_t", DIST_SPEC_UNSIGNED_INT },
		{ "rpcvers_t", DIST_SPEC_UNSIGNED_INT },
		{ "u_char", DIST_SPEC_UNSIGNED_CHAR },
		{ "u_hyper", DIST_SPEC_UNSIGNED_HYPER },
		{ "u_int", DIST_SPEC_UNSIGNED_INT },
		{ "u_int16_t", DIST_SPEC_UNSIGNED_SHORT },
		{ "u_int32_t", DIST_SPEC_UNSIGNED_INT },
		{ "u_int64_t", DIST_SPEC_UNSIGNED_HYPER },
		{ "u_int8_t", DIST_SPEC_UNSIGNED_CHAR },
		{ "u_long", DIST_SPEC_UNSIGNED_LONG },
		{ "u_longlong_t", DIST_SPEC_UNSIGNED_HYPER },
		{ "u_quad_t", DIST_SPEC_UNSIGNED_HYPER },
		{ "u_short", DIST_SPEC_UNSIGNED_SHORT },
		{ "uint16_t", DIST_SPEC_UNSIGNED_SHORT },
		{ "uint32_t", DIST_SPEC_UNSIGNED_INT },
		{ "uint64_t", DIST_SPEC_UNSIGNED_HYPER },
		{ "uint8_t", DIST_SPEC_UNSIGNED_CHAR },
	};

	if (type->kind != DIST_SPEC_NAMED || type->definition)
		return type->kind;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, type->name) == 0)
			return known[i].kind;
	}
	return DIST_SPEC_NAMED;
}

const struct dist_json_range *
dist_json_range_of(enum dist_spec_type_kind kind)
{
	if ((size_t)kind >= sizeof(ranges) / sizeof(ranges[0]) || !ranges[kind].name)
		return NULL;
	return &ranges[kind];
}

bool
dist_json_scalar_of(const struct dist_spec_type *type,
                    struct dist_json_scalar *ret_scalar)
{
	const struct dist_spec_definition *def;
	enum dist_spec_type_kind kind;

	/* A chain of typedefs that is longer than this is a circle. */
	for (unsigned depth = 0; depth < 100; depth++) {
		def = type->body ? type->body : type->definition;
		if (!def || def->kind != DIST_SPEC_TYPEDEF)
			break;
		if (def->members->shape != DIST_SPEC_PLAIN)
			return false;
		type = &def->members->type;
	}
	kind = dist_json_kind(type);
	ret_scalar->range = dist_json_range_of(kind);
	ret_scalar->enumeration = def && def->kind == DIST_SPEC_ENUM ? def : NULL;
	return ret_scalar->range || ret_scalar->enumeration || kind == DIST_SPEC_BOOL;
}

bool
dist_json_switch_of(const struct dist_spec_definition *def,
                    struct dist_json_scalar *ret_scalar)
{
	const struct dist_spec_declaration *decl = def->discriminant;

	return decl->name && decl->shape == DIST_SPEC_PLAIN &&
	       dist_json_scalar_of(&decl->type, ret_scalar);
}

uint64_t
dist_json_word(const struct dist_spec_value *value, bool wide)
{
	uint64_t word = value->negative ? 0 - value->magnitude : value->magnitude;

	return wide ? word : (uint32_t)word;
}

struct dist_spec_value
dist_json_value(uint64_t word, bool wide, bool is_signed)
{
	struct dist_spec_value value = { .known = true };

	value.negative = is_signed && word >> (wide ? 63 : 31);
	value.magnitude = value.negative ? 0 - word : word;
	if (!wide)
		value.magnitude = (uint32_t)value.magnitude;
	return value;
}

bool
dist_json_in_range(const struct dist_json_range *range,
                   const struct dist_spec_value *value)
{
	return value->magnitude <= (value->negative ? range->below : range->above);
}

bool
dist_json_find_arm(const struct dist_spec_definition *def, uint64_t word, bool wide,
                   const struct dist_spec_declaration **ret_arm, bool *ret_unknown)
{
	const struct dist_spec_case *one;

	*ret_unknown = false;
	for (one = def->cases; one; one = one->next) {
		if (one->is_default)
			break;
		if (!one->value.known)
			*ret_unknown = true;
		else if (dist_json_word(&one->value, wide) == word)
			break;
	}
	if (!one || (one->is_default && *ret_unknown))
		return false;
	while (!one->arm && one->next)
		one = one->next;
	*ret_arm = one->arm;
	return one->arm != NULL;
}
