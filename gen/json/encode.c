/* From JSON to XDR: the tree of the text and the tree of the .x are gone down together.
 */
#include "json/encoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Types ------------------------------------------------------------------------ */

static bool put_value(struct dist_json_encoder *encoder,
                      const struct dist_json_place *place, const json_t *json,
                      const struct dist_spec_declaration *decl);

/* "name, age", or the first of them. */
static void
list_members(const struct dist_spec_definition *def, char *ret_names, size_t size)
{
	const struct dist_spec_declaration *member;
	size_t length = 0;

	*ret_names = '\0';
	for (member = def->members; member && length < size; member = member->next)
		length += (size_t)snprintf(ret_names + length, size - length, "%s%s",
		                           member == def->members ? "" : ", ",
		                           member->name);
	if (length >= size)
		memcpy(ret_names + size - 4, "...", 4);
}

/* A name that the type does not have: jansson has the names, the .x has fewer of them.
 */
static bool
refuse_names(struct dist_json_encoder *encoder, const struct dist_json_step *step,
             const json_t *json, const struct dist_spec_definition *def)
{
	const struct dist_spec_declaration *member;
	const char *name;
	char names[120];
	json_t *value;

	list_members(def, names, sizeof(names));
	json_object_foreach((json_t *)json, name, value)
	{
		for (member = def->members; member; member = member->next) {
			if (strcmp(member->name, name) == 0)
				break;
		}
		if (!member)
			return dist_json_refuse(
				encoder, step, def->where,
				"there is no member '%.60s' in the struct, but %s",
				name, names);
	}
	return false;
}

/* Whether null may stand for it, and so nothing at all. */
static bool
is_optional(const struct dist_spec_declaration *decl)
{
	for (unsigned i = 0; i < DIST_JSON_DEPTH_MAX; i++) {
		const struct dist_spec_definition *def = decl->type.definition;

		if (decl->shape == DIST_SPEC_OPTIONAL)
			return true;
		if (decl->shape != DIST_SPEC_PLAIN || !def ||
		    def->kind != DIST_SPEC_TYPEDEF)
			return false;
		decl = def->members;
	}
	return false;
}

static bool
put_member(struct dist_json_encoder *encoder, const struct dist_json_place *place,
           const json_t *json, const struct dist_spec_declaration *member)
{
	const struct dist_json_step step = { .up = place->step,
		                             .member = member->name };
	const struct dist_json_place inner = { &step, place->depth };
	const json_t *value = json_object_get(json, member->name);

	if (value)
		return put_value(encoder, &inner, value, member);
	if (is_optional(member))
		return dist_json_put_word(encoder, 0, false);
	return dist_json_refuse(encoder, place->step, member->where, "'%s' is missing",
	                        member->name);
}

static bool
put_struct(struct dist_json_encoder *encoder, const struct dist_json_place *place,
           const json_t *json, const struct dist_spec_definition *def)
{
	const struct dist_spec_declaration *member;
	size_t n_known = 0;

	for (member = def->members; member; member = member->next)
		n_known += json_object_get(json, member->name) != NULL;
	if (json_object_size(json) > n_known)
		return refuse_names(encoder, place->step, json, def);
	for (member = def->members; member; member = member->next) {
		if (!put_member(encoder, place, json, member))
			return false;
	}
	return true;
}

static bool
put_arm(struct dist_json_encoder *encoder, const struct dist_json_place *place,
        const json_t *json, const struct dist_spec_definition *def,
        const struct dist_spec_declaration *arm)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)json, name, value)
	{
		if (strcmp(name, def->discriminant->name) != 0 &&
		    (!arm->name || strcmp(name, arm->name) != 0))
			return dist_json_refuse(
				encoder, place->step, arm->where,
				"'%.60s' is not in this arm of the union", name);
	}
	return !arm->name || put_member(encoder, place, json, arm);
}

static bool
put_union(struct dist_json_encoder *encoder, const struct dist_json_place *place,
          const json_t *json, const struct dist_spec_definition *def)
{
	const struct dist_spec_declaration *decl = def->discriminant, *arm;
	const struct dist_json_step step = { .up = place->step, .member = decl->name };
	const json_t *value;
	struct dist_json_scalar scalar;
	bool unknown, wide;
	uint64_t word = 0;

	if (!dist_json_switch_of(def, &scalar))
		return dist_json_refuse(encoder, place->step, decl->where,
		                        "what switches this union is not known here");
	value = json_object_get(json, decl->name);
	if (!value)
		return dist_json_refuse(encoder, place->step, decl->where,
		                        "'%s' is missing", decl->name);
	wide = scalar.range && scalar.range->wide;
	if (!dist_json_read_word(encoder, &step, value, decl, &scalar, &word))
		return false;
	if (!dist_json_find_arm(def, word, wide, &arm, &unknown))
		return dist_json_refuse(
			encoder, &step, def->where, "%s",
			unknown ? "a case of the union is defined in C, and "
				  "not known here"
				: "there is no such case in the union");
	return dist_json_put_word(encoder, word, wide) &&
	       put_arm(encoder, place, json, def, arm);
}

static bool
put_defined(struct dist_json_encoder *encoder, const struct dist_json_place *place,
            const json_t *json, const struct dist_spec_declaration *decl,
            const struct dist_spec_definition *def)
{
	const struct dist_json_place inner = { place->step, place->depth + 1 };

	if (inner.depth > DIST_JSON_DEPTH_MAX)
		return dist_json_refuse(encoder, place->step, decl->where,
		                        "there are over %d types inside each other",
		                        DIST_JSON_DEPTH_MAX);
	if (def->kind == DIST_SPEC_TYPEDEF)
		return put_value(encoder, &inner, json, def->members);
	if (!json_is_object(json))
		return dist_json_refuse(encoder, place->step, def->where,
		                        "%s stands where an object belongs",
		                        dist_json_what_is(json));
	return def->kind == DIST_SPEC_STRUCT ? put_struct(encoder, &inner, json, def)
	                                     : put_union(encoder, &inner, json, def);
}

/* One, whatever the shape of the declaration. */
static bool
put_plain(struct dist_json_encoder *encoder, const struct dist_json_place *place,
          const json_t *json, const struct dist_spec_declaration *decl)
{
	enum dist_spec_type_kind kind = dist_json_kind(&decl->type);
	const struct dist_spec_definition *def =
		decl->type.body ? decl->type.body : decl->type.definition;
	struct dist_json_scalar scalar;
	uint64_t word = 0;

	if (kind == DIST_SPEC_FLOAT || kind == DIST_SPEC_DOUBLE)
		return dist_json_put_floating(encoder, place->step, json, decl->where,
		                              kind == DIST_SPEC_DOUBLE);
	if (def && def->kind != DIST_SPEC_ENUM)
		return put_defined(encoder, place, json, decl, def);
	if (dist_json_scalar_of(&decl->type, &scalar))
		return dist_json_read_word(encoder, place->step, json, decl, &scalar,
		                           &word) &&
		       dist_json_put_word(encoder, word,
		                          scalar.range && scalar.range->wide);
	if (kind == DIST_SPEC_NAMED)
		return dist_json_refuse(
			encoder, place->step, decl->where,
			"the type '%s' is not defined in this file, so its "
			"values cannot be written in JSON",
			decl->type.name);
	return dist_json_refuse(encoder, place->step, decl->where,
	                        "values of this type cannot be written in JSON");
}

static bool
put_array(struct dist_json_encoder *encoder, const struct dist_json_place *place,
          const json_t *json, const struct dist_spec_declaration *decl)
{
	size_t n = json_array_size(json);

	if (!json_is_array(json))
		return dist_json_refuse(encoder, place->step, decl->where,
		                        "%s stands where an array belongs",
		                        dist_json_what_is(json));
	if (!dist_json_check_count(encoder, place->step, decl, n, "element") ||
	    (decl->shape == DIST_SPEC_VARIABLE &&
	     !dist_json_put_word(encoder, n, false)))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct dist_json_step step = { .up = place->step, .index = i };
		const struct dist_json_place inner = { &step, place->depth };

		if (!put_plain(encoder, &inner, json_array_get(json, i), decl))
			return false;
	}
	return true;
}

static bool
put_value(struct dist_json_encoder *encoder, const struct dist_json_place *place,
          const json_t *json, const struct dist_spec_declaration *decl)
{
	if (decl->type.kind == DIST_SPEC_STRING)
		return dist_json_put_string(encoder, place->step, json, decl);
	if (decl->type.kind == DIST_SPEC_OPAQUE)
		return dist_json_put_opaque(encoder, place->step, json, decl);
	switch (decl->shape) {
	case DIST_SPEC_OPTIONAL:
		if (json_is_null(json))
			return dist_json_put_word(encoder, 0, false);
		return dist_json_put_word(encoder, 1, false) &&
		       put_plain(encoder, place, json, decl);
	case DIST_SPEC_FIXED:
	case DIST_SPEC_VARIABLE:
		return put_array(encoder, place, json, decl);
	default:
		return put_plain(encoder, place, json, decl);
	}
}

/* --- Arguments -------------------------------------------------------------------- */

static bool
put_arguments(struct dist_json_encoder *encoder,
              const struct dist_spec_procedure *procedure)
{
	const struct dist_json_step whole = { .up = NULL };
	const json_t *json = encoder->source.root;
	const struct dist_spec_declaration *arg;
	size_t n_wanted = 0, i = 0;

	for (arg = procedure->arguments; arg; arg = arg->next)
		n_wanted++;
	if (!json_is_array(json))
		return dist_json_refuse(
			encoder, &whole, procedure->where,
			"%s stands where the array of all arguments belongs",
			dist_json_what_is(json));
	if (json_array_size(json) != n_wanted)
		return dist_json_refuse(encoder, &whole, procedure->where,
		                        "%zu argument%s given, and '%s' takes %zu",
		                        json_array_size(json),
		                        json_array_size(json) == 1 ? " is" : "s are",
		                        procedure->name, n_wanted);
	for (arg = procedure->arguments; arg; arg = arg->next, i++) {
		const struct dist_json_step step = { .up = &whole, .index = i };
		const struct dist_json_place place = { &step, 0 };

		if (!put_value(encoder, &place, json_array_get(json, i), arg))
			return false;
	}
	return true;
}

bool
dist_json_encode_arguments(const struct dist_spec_procedure *procedure,
                           const char *json, size_t length,
                           struct dist_json_bytes *ret_bytes,
                           struct dist_json_failure *ret_failure)
{
	struct dist_json_encoder encoder = { .failure = ret_failure };

	*ret_failure = (struct dist_json_failure){ .line = 0 };
	if (!dist_json_source_open(&encoder.source, json, length, ret_failure))
		return false;
	/* Not NULL, even for no bytes at all. */
	if (dist_json_reserve(&encoder, 0) && put_arguments(&encoder, procedure)) {
		ret_bytes->data = (char *)encoder.data;
		ret_bytes->length = encoder.length;
		encoder.data = NULL;
	} else {
		ret_bytes = NULL;
	}
	free(encoder.data);
	dist_json_source_close(&encoder.source);
	return ret_bytes != NULL;
}
