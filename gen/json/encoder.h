/*
 * What the two halves of encoding share: single values (encode_value.c), and what is
 * made of them (encode.c).
 */
#ifndef JSON_ENCODER_H
#define JSON_ENCODER_H

#include "json/number.h"
#include "json/source.h"

struct dist_json_encoder {
	struct dist_json_source source;
	struct dist_json_failure *failure;
	uint8_t *data;
	size_t length, room;
};

/* What the value at @step should be, and is not. Always false. */
#define dist_json_refuse(encoder, step, where, ...) \
	(dist_json_source_locate(&(encoder)->source, (step), \
	                         &(encoder)->failure->line, \
	                         &(encoder)->failure->column), \
	 dist_json_fail((encoder)->failure, (step), (where), __VA_ARGS__))

/* "an object": what JSON calls it. */
const char *dist_json_what_is(const json_t *json);

/* Each of these false: it was told why not. */

/* Room for @length bytes more, zeroed; NULL: no memory. */
uint8_t *dist_json_reserve(struct dist_json_encoder *encoder, size_t length);

bool dist_json_put_word(struct dist_json_encoder *encoder, uint64_t word, bool wide);

/* A whole number, a bool or an enum, but not to the bytes yet. */
bool dist_json_read_word(struct dist_json_encoder *encoder,
                         const struct dist_json_step *step, const json_t *json,
                         const struct dist_spec_declaration *decl,
                         const struct dist_json_scalar *scalar, uint64_t *ret_word);

bool dist_json_put_floating(struct dist_json_encoder *encoder,
                            const struct dist_json_step *step, const json_t *json,
                            struct dist_spec_where where, bool is_double);

/* The whole declaration of a string, or of opaque data. */
bool dist_json_put_string(struct dist_json_encoder *encoder,
                          const struct dist_json_step *step, const json_t *json,
                          const struct dist_spec_declaration *decl);
bool dist_json_put_opaque(struct dist_json_encoder *encoder,
                          const struct dist_json_step *step, const json_t *json,
                          const struct dist_spec_declaration *decl);

/* Whether there may be @count of @what, which is one of them. */
bool dist_json_check_count(struct dist_json_encoder *encoder,
                           const struct dist_json_step *step,
                           const struct dist_spec_declaration *decl, size_t count,
                           const char *what);

#endif
