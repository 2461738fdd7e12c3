/* Single values, from JSON to XDR: numbers, names, text and bytes. */
#include "json/base64.h"
#include "json/encoder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Bytes ------------------------------------------------------------------------ */

/* Zeroed; NULL: no memory, and it was told. */
uint8_t *
dist_json_reserve(struct dist_json_encoder *encoder, size_t length)
{
	size_t room = encoder->room ? encoder->room : 256;
	uint8_t *data;

	while (room - encoder->length < length) {
		if (room > SIZE_MAX / 4) {
			dist_json_fail_memory(encoder->failure);
			return NULL;
		}
		room *= 2;
	}
	if (room > encoder->room) {
		data = realloc(encoder->data, room);
		if (!data) {
			dist_json_fail_memory(encoder->failure);
			return NULL;
		}
		encoder->data = data;
		encoder->room = room;
	}
	data = encoder->data + encoder->length;
	memset(data, 0, length);
	encoder->length += length;
	return data;
}

bool
dist_json_put_word(struct dist_json_encoder *encoder, uint64_t word, bool wide)
{
	size_t n = wide ? 8 : 4;
	uint8_t *at = dist_json_reserve(encoder, n);

	for (size_t i = 0; at && i < n; i++)
		at[i] = (uint8_t)(word >> (8 * (n - 1 - i)));
	return at != NULL;
}

/* Padded, RFC 4506 section 3. */
static bool
put_bytes(struct dist_json_encoder *encoder, const void *bytes, size_t length)
{
	uint8_t *at = dist_json_reserve(encoder, (length + 3) / 4 * 4);

	if (at && length > 0)
		memcpy(at, bytes, length);
	return at != NULL;
}

/* --- What JSON calls what it has -------------------------------------------------- */

const char *
dist_json_what_is(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	case JSON_NULL:
		return "null";
	default:
		return "a number";
	}
}

/* --- Numbers ---------------------------------------------------------------------- */

/* False, which was told: it has a fraction, or over 64 bits. */
static bool
read_whole(struct dist_json_encoder *encoder, const struct dist_json_step *step,
           const json_t *json, struct dist_spec_where where,
           struct dist_spec_value *ret_value)
{
	struct dist_spec_value value = { .known = true };
	size_t length, i = 0;
	const char *text = dist_json_number_text(&encoder->source, json, &length);

	value.negative = *text == '-';
	for (i = value.negative; i < length; i++) {
		unsigned digit = (unsigned)(text[i] - '0');

		if (digit > 9)
			return dist_json_refuse(
				encoder, step, where,
				"%.*s is no whole number, written without "
				"fraction or exponent",
				(int)(length < 40 ? length : 40), text);
		if (__builtin_mul_overflow(value.magnitude, 10, &value.magnitude) ||
		    __builtin_add_overflow(value.magnitude, digit, &value.magnitude))
			return dist_json_refuse(encoder, step, where,
			                        "%.*s has more than 64 bits",
			                        (int)(length < 40 ? length : 40), text);
	}
	value.negative &= value.magnitude != 0;
	*ret_value = value;
	return true;
}

static bool
read_number(struct dist_json_encoder *encoder, const struct dist_json_step *step,
            const json_t *json, struct dist_spec_where where,
            const struct dist_json_range *range, struct dist_spec_value *ret_value)
{
	if (!json_is_real(json))
		return dist_json_refuse(encoder, step, where,
		                        "%s stands where a number of type %s belongs",
		                        dist_json_what_is(json), range->name);
	if (!read_whole(encoder, step, json, where, ret_value))
		return false;
	if (dist_json_in_range(range, ret_value))
		return true;
	return dist_json_refuse(
		encoder, step, where, "%s%llu is not from %s%llu to %llu, as %s is",
		ret_value->negative ? "-" : "",
		(unsigned long long)ret_value->magnitude, range->below ? "-" : "",
		(unsigned long long)range->below, (unsigned long long)range->above,
		range->name);
}

/* "NaN" and the infinities, for which JSON has no numbers. */
static bool
read_no_number(const json_t *json, double *ret_value)
{
	static const struct {
		const char *text;
		double value;
	} names[] = { { "NaN", NAN },
		      { "Infinity", INFINITY },
		      { "-Infinity", -INFINITY } };
	const char *text = json_string_value(json);

	for (size_t i = 0; text && i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i].text) == 0) {
			*ret_value = names[i].value;
			return true;
		}
	}
	return false;
}

/* The number ends before the end of the text, as it is in an array. */
bool
dist_json_put_floating(struct dist_json_encoder *encoder,
                       const struct dist_json_step *step, const json_t *json,
                       struct dist_spec_where where, bool is_double)
{
	const char *text = NULL;
	uint64_t bits = 0;
	uint32_t narrow_bits;
	size_t length = 0;
	double value;
	float narrow;

	if (json_is_real(json)) {
		text = dist_json_number_text(&encoder->source, json, &length);
		value = strtod(text, NULL);
		narrow = strtof(text, NULL);
	} else if (read_no_number(json, &value)) {
		narrow = (float)value;
	} else {
		return dist_json_refuse(encoder, step, where,
		                        "%s stands where a number belongs, or \"NaN\", "
		                        "\"Infinity\" or \"-Infinity\"",
		                        dist_json_what_is(json));
	}
	if (is_double) {
		memcpy(&bits, &value, sizeof(bits));
		return dist_json_put_word(encoder, bits, true);
	}
	if (text && isinf(narrow))
		return dist_json_refuse(encoder, step, where,
		                        "%.*s is more than a float holds",
		                        (int)(length < 40 ? length : 40), text);
	memcpy(&narrow_bits, &narrow, sizeof(narrow_bits));
	return dist_json_put_word(encoder, narrow_bits, false);
}

/* --- Words: what a union can be switched by --------------------------------------- */

/* "RED, GREEN, BLUE", or the first of them. */
static void
list_names(const struct dist_spec_definition *def, char *ret_names, size_t size)
{
	const struct dist_spec_enumerator *one;
	size_t length = 0;

	*ret_names = '\0';
	for (one = def->enumerators; one && length < size; one = one->next)
		length += (size_t)snprintf(ret_names + length, size - length, "%s%s",
		                           one == def->enumerators ? "" : ", ",
		                           one->name);
	if (length >= size)
		memcpy(ret_names + size - 4, "...", 4);
}

static const struct dist_spec_enumerator *
enumerator_by_name(const struct dist_spec_definition *def, const char *name)
{
	const struct dist_spec_enumerator *one;

	for (one = def->enumerators; one; one = one->next) {
		if (strcmp(one->name, name) == 0)
			return one;
	}
	return NULL;
}

static const struct dist_spec_enumerator *
enumerator_by_value(const struct dist_spec_definition *def,
                    const struct dist_spec_value *value)
{
	const struct dist_spec_enumerator *one;

	for (one = def->enumerators; one; one = one->next) {
		if (one->value.known && dist_spec_value_equal(&one->value, value))
			return one;
	}
	return NULL;
}

static bool
read_enum(struct dist_json_encoder *encoder, const struct dist_json_step *step,
          const json_t *json, const struct dist_spec_definition *def,
          uint64_t *ret_word)
{
	const struct dist_spec_enumerator *one;
	struct dist_spec_value value;
	char names[120];

	if (json_is_string(json)) {
		one = enumerator_by_name(def, json_string_value(json));
		if (one && !one->value.known)
			return dist_json_refuse(
				encoder, step, one->where,
				"the number of '%s' is defined in C, and not "
				"known here: write it",
				one->name);
	} else if (json_is_real(json)) {
		if (!read_whole(encoder, step, json, def->where, &value))
			return false;
		one = enumerator_by_value(def, &value);
	} else {
		return dist_json_refuse(encoder, step, def->where,
		                        "%s stands where a name of an enum belongs, or "
		                        "its number",
		                        dist_json_what_is(json));
	}
	if (one) {
		*ret_word = dist_json_word(&one->value, false);
		return true;
	}
	list_names(def, names, sizeof(names));
	return dist_json_refuse(encoder, step, def->where,
	                        "that is none of the enum's names: %s", names);
}

bool
dist_json_read_word(struct dist_json_encoder *encoder,
                    const struct dist_json_step *step, const json_t *json,
                    const struct dist_spec_declaration *decl,
                    const struct dist_json_scalar *scalar, uint64_t *ret_word)
{
	struct dist_spec_value value;

	if (scalar->enumeration)
		return read_enum(encoder, step, json, scalar->enumeration, ret_word);
	if (scalar->range) {
		if (!read_number(encoder, step, json, decl->where, scalar->range,
		                 &value))
			return false;
		*ret_word = dist_json_word(&value, scalar->range->wide);
		return true;
	}
	if (!json_is_boolean(json))
		return dist_json_refuse(encoder, step, decl->where,
		                        "%s stands where true or false belongs",
		                        dist_json_what_is(json));
	*ret_word = json_is_true(json);
	return true;
}

/* --- Text and bytes --------------------------------------------------------------- */

/* How many there may be, or must be. False: it is not known. */
bool
dist_json_check_count(struct dist_json_encoder *encoder,
                      const struct dist_json_step *step,
                      const struct dist_spec_declaration *decl, size_t count,
                      const char *what)
{
	const struct dist_spec_value *bound = &decl->bound;

	if (bound->known && !dist_spec_value_is_u32(bound))
		return dist_json_refuse(encoder, step, decl->where,
		                        "the length %s is not from 0 to 4294967295",
		                        bound->text);
	if (decl->shape == DIST_SPEC_FIXED && !bound->known)
		return dist_json_refuse(
			encoder, step, decl->where,
			"the length %s is defined in C, and not known here",
			bound->text);
	if (decl->shape == DIST_SPEC_FIXED && count != bound->magnitude)
		return dist_json_refuse(encoder, step, decl->where,
		                        "%zu %s%s, and there must be %llu", count, what,
		                        count == 1 ? "" : "s",
		                        (unsigned long long)bound->magnitude);
	if (count > (bound->known ? bound->magnitude : UINT32_MAX))
		return dist_json_refuse(encoder, step, decl->where,
		                        "%zu %s%s, and there may be %llu", count, what,
		                        count == 1 ? "" : "s",
		                        bound->known
		                                ? (unsigned long long)bound->magnitude
		                                : UINT32_MAX);
	return true;
}

static bool
put_counted(struct dist_json_encoder *encoder, const struct dist_json_step *step,
            const struct dist_spec_declaration *decl, const void *bytes, size_t length)
{
	return dist_json_check_count(encoder, step, decl, length, "byte") &&
	       (decl->shape == DIST_SPEC_FIXED ||
	        dist_json_put_word(encoder, length, false)) &&
	       put_bytes(encoder, bytes, length);
}

bool
dist_json_put_opaque(struct dist_json_encoder *encoder,
                     const struct dist_json_step *step, const json_t *json,
                     const struct dist_spec_declaration *decl)
{
	size_t length = json_string_length(json), n_bytes = 0;
	uint8_t *bytes;
	bool done;

	if (!json_is_string(json))
		return dist_json_refuse(
			encoder, step, decl->where,
			"%s stands where bytes belong, as base64 in a string",
			dist_json_what_is(json));
	bytes = malloc(length / 4 * 3 + 1);
	if (!bytes)
		return dist_json_fail_memory(encoder->failure);
	done = dist_base64_decode(json_string_value(json), length, bytes, &n_bytes);
	if (done)
		done = put_counted(encoder, step, decl, bytes, n_bytes);
	else
		dist_json_refuse(encoder, step, decl->where,
		                 "the string is no base64, RFC 4648 section 4");
	free(bytes);
	return done;
}

/* Text, or {"base64": "..."} for what is none. */
bool
dist_json_put_string(struct dist_json_encoder *encoder,
                     const struct dist_json_step *step, const json_t *json,
                     const struct dist_spec_declaration *decl)
{
	const json_t *base64 = json_object_get(json, "base64");
	const struct dist_json_step inner = { .up = step, .member = "base64" };

	if (base64 && json_object_size(json) == 1)
		return dist_json_put_opaque(encoder, &inner, base64, decl);
	if (!json_is_string(json))
		return dist_json_refuse(encoder, step, decl->where,
		                        "%s stands where a string belongs",
		                        dist_json_what_is(json));
	return put_counted(encoder, step, decl, json_string_value(json),
	                   json_string_length(json));
}
