/* Whole numbers and what stands for them: how wide on the wire, and from where to
 * where. */
#ifndef JSON_NUMBER_H
#define JSON_NUMBER_H

#include "x/spec.h"

/*
 * What a type is, those of C's headers that libtirpc has routines for being what they
 * are on the wire. DIST_SPEC_NAMED: one of this .x, or of nobody knows where.
 */
enum dist_spec_type_kind dist_json_kind(const struct dist_spec_type *type);

struct dist_json_range {
	const char *name; /* of the type */
	bool wide;        /* 64 bits on the wire, not 32 */
	uint64_t below;   /* how far it goes below 0 */
	uint64_t above;
};

/* NULL: @kind is no whole number. */
const struct dist_json_range *dist_json_range_of(enum dist_spec_type_kind kind);

/* What a union can be switched by. One of the two, or neither: a bool. */
struct dist_json_scalar {
	const struct dist_json_range *range;
	const struct dist_spec_definition *enumeration;
};

/* What @type, or what it is a typedef of, is. False: it is no such thing. */
bool dist_json_scalar_of(const struct dist_spec_type *type,
                         struct dist_json_scalar *ret_scalar);

/* What switches a union. False: nothing that could. */
bool dist_json_switch_of(const struct dist_spec_definition *def,
                         struct dist_json_scalar *ret_scalar);

/* On the wire, two's complement in 32 or 64 bits. */
uint64_t dist_json_word(const struct dist_spec_value *value, bool wide);

/* The value of a word of a type that goes below 0 or not. */
struct dist_spec_value dist_json_value(uint64_t word, bool wide, bool is_signed);

bool dist_json_in_range(const struct dist_json_range *range,
                        const struct dist_spec_value *value);

/*
 * The arm of a union for a discriminant of these bits. False: there is none, or it
 * cannot be told, as *@ret_unknown says, since a number of the .x is defined in C.
 */
bool dist_json_find_arm(const struct dist_spec_definition *def, uint64_t word,
                        bool wide, const struct dist_spec_declaration **ret_arm,
                        bool *ret_unknown);

#endif
