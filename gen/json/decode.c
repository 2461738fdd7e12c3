/*
 * From XDR to JSON, in one pass: nothing is kept but the text. Each value writes at
 * least a character, so the limit on the text is one on the work, too, whatever counts
 * the bytes claim.
 */
#include "json/convert.h"
#include "json/number.h"
#include "json/place.h"
#include "json/writer.h"

#include <stdlib.h>
#include <string.h>

struct decoder {
	struct dist_json_failure *failure;
	struct dist_json_writer writer;
	const uint8_t *begin, *at, *end;
};

#define decoder_fail(decoder, step, where, ...) \
	((decoder)->failure->offset = (size_t)((decoder)->at - (decoder)->begin), \
	 dist_json_fail((decoder)->failure, (step), (where), __VA_ARGS__))

/* --- Bytes ------------------------------------------------------------------------ */

/* NULL: they are not there, which was told. */
static const uint8_t *
take(struct decoder *decoder, const struct dist_json_step *step,
     struct dist_spec_where where, size_t length)
{
	const uint8_t *at = decoder->at;

	if (length > (size_t)(decoder->end - at)) {
		decoder_fail(decoder, step, where,
		             "%zu bytes are wanted, and %zu are left", length,
		             (size_t)(decoder->end - at));
		return NULL;
	}
	decoder->at += length;
	return at;
}

static bool
take_word(struct decoder *decoder, const struct dist_json_step *step,
          struct dist_spec_where where, bool wide, uint64_t *ret_word)
{
	size_t n = wide ? 8 : 4;
	const uint8_t *at = take(decoder, step, where, n);
	uint64_t word = 0;

	for (size_t i = 0; at && i < n; i++)
		word = word << 8 | at[i];
	*ret_word = word;
	return at != NULL;
}

/* Of data of @length bytes: it is padded, RFC 4506 section 3. */
static const uint8_t *
take_data(struct decoder *decoder, const struct dist_json_step *step,
          struct dist_spec_where where, size_t length)
{
	return take(decoder, step, where, (length + 3) / 4 * 4);
}

/* --- What is said of it ----------------------------------------------------------- */

/* @wrote false: tell why it is not written. */
static bool
written(struct decoder *decoder, const struct dist_json_step *step,
        struct dist_spec_where where, bool wrote)
{
	if (wrote)
		return true;
	if (decoder->writer.no_memory)
		return dist_json_fail_memory(decoder->failure);
	return decoder_fail(decoder, step, where,
	                    "as JSON it is longer than the limit of %zu bytes",
	                    decoder->writer.max);
}

/* --- Words ------------------------------------------------------------------------ */

static const char *
enumerator_name(const struct dist_spec_definition *def, uint64_t word)
{
	const struct dist_spec_enumerator *one;

	for (one = def->enumerators; one; one = one->next) {
		if (one->value.known && dist_json_word(&one->value, false) == word)
			return one->name;
	}
	return NULL;
}

static bool
get_number(struct decoder *decoder, const struct dist_json_step *step,
           const struct dist_spec_declaration *decl,
           const struct dist_json_range *range, uint64_t word)
{
	struct dist_spec_value value =
		dist_json_value(word, range->wide, range->below > 0);
	/* Where char has no sign it goes to 255. */
	bool fits = dist_json_in_range(range, &value) ||
	            (range->below == 0x80 && value.magnitude <= UINT8_MAX &&
	             !value.negative);

	if (!fits)
		return decoder_fail(decoder, step, decl->where, "%s%llu is no %s",
		                    value.negative ? "-" : "",
		                    (unsigned long long)value.magnitude, range->name);
	return written(decoder, step, decl->where,
	               dist_json_print(&decoder->writer, "%s%llu",
	                               value.negative ? "-" : "",
	                               (unsigned long long)value.magnitude));
}

static bool
get_word(struct decoder *decoder, const struct dist_json_step *step,
         const struct dist_spec_declaration *decl,
         const struct dist_json_scalar *scalar, uint64_t *ret_word)
{
	struct dist_json_writer *writer = &decoder->writer;
	const char *name;
	bool wrote;

	if (!take_word(decoder, step, decl->where, scalar->range && scalar->range->wide,
	               ret_word))
		return false;
	if (scalar->range)
		return get_number(decoder, step, decl, scalar->range, *ret_word);
	if (scalar->enumeration) {
		name = enumerator_name(scalar->enumeration, *ret_word);
		wrote = name ? dist_json_print(writer, "\"%s\"", name)
		             : dist_json_print(writer, "%d", (int)*ret_word);
		return written(decoder, step, decl->where, wrote);
	}
	if (*ret_word > 1)
		return decoder_fail(decoder, step, decl->where,
		                    "a bool is 0 or 1, and not %u",
		                    (unsigned)*ret_word);
	return written(decoder, step, decl->where,
	               dist_json_print(writer, "%s", *ret_word ? "true" : "false"));
}

static bool
get_floating(struct decoder *decoder, const struct dist_json_step *step,
             const struct dist_spec_declaration *decl, bool is_double)
{
	uint64_t word;
	uint32_t narrow_word;
	double value;
	float narrow;
	bool wrote;

	if (!take_word(decoder, step, decl->where, is_double, &word))
		return false;
	if (is_double) {
		memcpy(&value, &word, sizeof(value));
		wrote = dist_json_write_double(&decoder->writer, value);
	} else {
		narrow_word = (uint32_t)word;
		memcpy(&narrow, &narrow_word, sizeof(narrow));
		wrote = dist_json_write_float(&decoder->writer, narrow);
	}
	return written(decoder, step, decl->where, wrote);
}

/* --- Counts ----------------------------------------------------------------------- */

static bool
take_count(struct decoder *decoder, const struct dist_json_step *step,
           const struct dist_spec_declaration *decl, uint64_t *ret_count)
{
	const struct dist_spec_value *bound = &decl->bound;

	if (bound->known && !dist_spec_value_is_u32(bound))
		return decoder_fail(decoder, step, decl->where,
		                    "the length %s is not from 0 to 4294967295",
		                    bound->text);
	if (decl->shape == DIST_SPEC_FIXED) {
		*ret_count = bound->magnitude;
		return bound->known ||
		       decoder_fail(decoder, step, decl->where,
		                    "the length %s is defined in C, and not known here",
		                    bound->text);
	}
	if (!take_word(decoder, step, decl->where, false, ret_count))
		return false;
	if (!bound->known || *ret_count <= bound->magnitude)
		return true;
	return decoder_fail(
		decoder, step, decl->where, "its length is %llu, and may be %llu",
		(unsigned long long)*ret_count, (unsigned long long)bound->magnitude);
}

static bool
get_data(struct decoder *decoder, const struct dist_json_step *step,
         const struct dist_spec_declaration *decl)
{
	const uint8_t *bytes;
	uint64_t count;
	bool wrote;

	if (!take_count(decoder, step, decl, &count))
		return false;
	bytes = take_data(decoder, step, decl->where, (size_t)count);
	if (!bytes)
		return false;
	if (decl->type.kind == DIST_SPEC_STRING)
		wrote = dist_json_write_string(&decoder->writer, bytes, (size_t)count);
	else
		wrote = dist_json_write_base64(&decoder->writer, bytes, (size_t)count);
	return written(decoder, step, decl->where, wrote);
}

/* --- Types ------------------------------------------------------------------------ */

static bool get_value(struct decoder *decoder, const struct dist_json_place *place,
                      const struct dist_spec_declaration *decl);

/* "name": value, behind a comma if there is something before. */
static bool
get_member(struct decoder *decoder, const struct dist_json_place *place,
           const struct dist_spec_declaration *member, bool first)
{
	const struct dist_json_step step = { .up = place->step,
		                             .member = member->name };
	const struct dist_json_place inner = { &step, place->depth };

	return written(decoder, &step, member->where,
	               dist_json_write(&decoder->writer, first ? "\"" : ",\"",
	                               first ? 1 : 2) &&
	                       dist_json_write(&decoder->writer, member->name,
	                                       strlen(member->name)) &&
	                       dist_json_write(&decoder->writer, "\":", 2)) &&
	       get_value(decoder, &inner, member);
}

static bool
get_struct(struct decoder *decoder, const struct dist_json_place *place,
           const struct dist_spec_definition *def)
{
	const struct dist_spec_declaration *member;

	for (member = def->members; member; member = member->next) {
		if (!get_member(decoder, place, member, member == def->members))
			return false;
	}
	return true;
}

static bool
get_union(struct decoder *decoder, const struct dist_json_place *place,
          const struct dist_spec_definition *def)
{
	const struct dist_spec_declaration *decl = def->discriminant, *arm;
	const struct dist_json_step step = { .up = place->step, .member = decl->name };
	struct dist_json_scalar scalar;
	uint64_t word = 0;
	bool unknown;

	if (!dist_json_switch_of(def, &scalar))
		return decoder_fail(decoder, place->step, decl->where,
		                    "what switches this union is not known here");
	if (!written(decoder, &step, decl->where,
	             dist_json_print(&decoder->writer, "\"%s\":", decl->name)) ||
	    !get_word(decoder, &step, decl, &scalar, &word))
		return false;
	if (!dist_json_find_arm(def, word, scalar.range && scalar.range->wide, &arm,
	                        &unknown))
		return decoder_fail(
			decoder, &step, def->where, "%s",
			unknown ? "a case of the union is defined in C, and "
				  "not known here"
				: "there is no such case in the union");
	return !arm->name || get_member(decoder, place, arm, false);
}

static bool
get_defined(struct decoder *decoder, const struct dist_json_place *place,
            const struct dist_spec_declaration *decl,
            const struct dist_spec_definition *def)
{
	const struct dist_json_place inner = { place->step, place->depth + 1 };
	struct dist_json_writer *writer = &decoder->writer;

	if (inner.depth > DIST_JSON_DEPTH_MAX)
		return decoder_fail(decoder, place->step, decl->where,
		                    "there are over %d types inside each other",
		                    DIST_JSON_DEPTH_MAX);
	if (def->kind == DIST_SPEC_TYPEDEF)
		return get_value(decoder, &inner, def->members);
	return written(decoder, place->step, decl->where,
	               dist_json_write(writer, "{", 1)) &&
	       (def->kind == DIST_SPEC_STRUCT ? get_struct(decoder, &inner, def)
	                                      : get_union(decoder, &inner, def)) &&
	       written(decoder, place->step, decl->where,
	               dist_json_write(writer, "}", 1));
}

/* One, whatever the shape of the declaration. */
static bool
get_plain(struct decoder *decoder, const struct dist_json_place *place,
          const struct dist_spec_declaration *decl)
{
	enum dist_spec_type_kind kind = dist_json_kind(&decl->type);
	const struct dist_spec_definition *def =
		decl->type.body ? decl->type.body : decl->type.definition;
	struct dist_json_scalar scalar;
	uint64_t word;

	if (kind == DIST_SPEC_VOID)
		return written(decoder, place->step, decl->where,
		               dist_json_write(&decoder->writer, "null", 4));
	if (kind == DIST_SPEC_FLOAT || kind == DIST_SPEC_DOUBLE)
		return get_floating(decoder, place->step, decl,
		                    kind == DIST_SPEC_DOUBLE);
	if (def && def->kind != DIST_SPEC_ENUM)
		return get_defined(decoder, place, decl, def);
	if (dist_json_scalar_of(&decl->type, &scalar))
		return get_word(decoder, place->step, decl, &scalar, &word);
	if (kind == DIST_SPEC_NAMED)
		return decoder_fail(decoder, place->step, decl->where,
		                    "the type '%s' is not defined in this file, so its "
		                    "values cannot be written in JSON",
		                    decl->type.name);
	return decoder_fail(decoder, place->step, decl->where,
	                    "values of this type cannot be written in JSON");
}

static bool
get_optional(struct decoder *decoder, const struct dist_json_place *place,
             const struct dist_spec_declaration *decl)
{
	uint64_t is_there;

	if (!take_word(decoder, place->step, decl->where, false, &is_there))
		return false;
	if (is_there > 1)
		return decoder_fail(decoder, place->step, decl->where,
		                    "before optional data is 0 or 1, and not %u",
		                    (unsigned)is_there);
	if (is_there)
		return get_plain(decoder, place, decl);
	return written(decoder, place->step, decl->where,
	               dist_json_write(&decoder->writer, "null", 4));
}

static bool
get_array(struct decoder *decoder, const struct dist_json_place *place,
          const struct dist_spec_declaration *decl)
{
	struct dist_json_writer *writer = &decoder->writer;
	uint64_t count;

	if (!take_count(decoder, place->step, decl, &count) ||
	    !written(decoder, place->step, decl->where,
	             dist_json_write(writer, "[", 1)))
		return false;
	for (uint64_t i = 0; i < count; i++) {
		const struct dist_json_step step = { .up = place->step,
			                             .index = (size_t)i };
		const struct dist_json_place inner = { &step, place->depth };

		if ((i > 0 && !written(decoder, &step, decl->where,
		                       dist_json_write(writer, ",", 1))) ||
		    !get_plain(decoder, &inner, decl))
			return false;
	}
	return written(decoder, place->step, decl->where,
	               dist_json_write(writer, "]", 1));
}

static bool
get_value(struct decoder *decoder, const struct dist_json_place *place,
          const struct dist_spec_declaration *decl)
{
	if (decl->type.kind == DIST_SPEC_STRING || decl->type.kind == DIST_SPEC_OPAQUE)
		return get_data(decoder, place->step, decl);
	switch (decl->shape) {
	case DIST_SPEC_OPTIONAL:
		return get_optional(decoder, place, decl);
	case DIST_SPEC_FIXED:
	case DIST_SPEC_VARIABLE:
		return get_array(decoder, place, decl);
	default:
		return get_plain(decoder, place, decl);
	}
}

static bool
get_all(struct decoder *decoder, const struct dist_spec_declaration *decl)
{
	const struct dist_json_step whole = { .up = NULL };
	const struct dist_json_place place = { &whole, 0 };

	if (!get_value(decoder, &place, decl))
		return false;
	if (decoder->at == decoder->end)
		return true;
	return decoder_fail(decoder, &whole, decl->where,
	                    "%zu bytes are left over: this is another type",
	                    (size_t)(decoder->end - decoder->at));
}

bool
dist_json_decode(const struct dist_spec_declaration *decl, const void *bytes,
                 size_t length, size_t max, struct dist_json_bytes *ret_json,
                 struct dist_json_failure *ret_failure)
{
	const uint8_t *begin = length > 0 ? bytes : (const uint8_t *)"";
	struct decoder decoder = {
		.failure = ret_failure,
		.writer = { .max = max },
		.begin = begin,
		.at = begin,
		.end = begin + length,
	};

	*ret_failure = (struct dist_json_failure){ .line = 0 };
	if (!get_all(&decoder, decl)) {
		free(decoder.writer.text);
		return false;
	}
	ret_json->data = decoder.writer.text;
	ret_json->length = decoder.writer.length;
	return true;
}
