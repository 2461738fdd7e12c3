/*
 * Between JSON and XDR (RFC 4506), by an interface that was read from its .x file: from
 * JSON to the bytes of a call's arguments, and from the bytes of a result to JSON.
 *
 * What values look like in JSON:
 *
 *   int, unsigned, hyper, ...  a number without fraction or exponent, exact
 *   float, double              a number that reads back as the same; "NaN", "Infinity",
 *                              "-Infinity"
 *   bool                       true, false
 *   enum                       "NAME"; also the number of one, and as such what has no
 *                              name
 *   string                     a string; {"base64": "..."} if its bytes are no UTF-8, or
 *                              one is NUL
 *   opaque                     a string, base64 (RFC 4648 section 4)
 *   array                      an array
 *   struct                     an object; of optional members null ones may be left out
 *   union                      an object of the discriminant, under its name, and of the
 *                              arm, under its name unless it is void
 *   optional data              null, or the value; an optional of an optional has one
 *                              null for both
 *   void                       null, as a result
 *
 * The arguments of a procedure are one array: [] for void, [1, "two"] for two.
 *
 * Neither direction trusts what it reads: lengths are held against the bytes that are
 * there before memory is taken, and types inside types end at DIST_JSON_DEPTH_MAX.
 *
 * Any thread; the spec is only read.
 */
#ifndef JSON_CONVERT_H
#define JSON_CONVERT_H

#include "x/spec.h"

/* Types inside types, each member of a list that is made of optional data being one. */
#define DIST_JSON_DEPTH_MAX 500

/* What is wrong, and where. */
struct dist_json_failure {
	bool no_memory;               /* that is all, then */
	unsigned line, column;        /* in the JSON, from 1; 0: nowhere */
	size_t offset;                /* in the bytes, when they were decoded */
	char path[160];               /* of the value: $[0][3].name */
	struct dist_spec_where where; /* in the .x; .file NULL: nowhere */
	char what[240];               /* a sentence */
};

/* Bytes, and text with a NUL behind that is not counted: free() .data. */
struct dist_json_bytes {
	char *data;
	size_t length;
};

/*
 * The arguments of @procedure, from JSON.
 *
 * @procedure    of a spec that was parsed; dist_spec_check() may have found it wrong.
 * @ret_bytes    given; untouched on failure.
 * @ret_failure  filled in on failure; it points into the spec.
 */
bool dist_json_encode_arguments(const struct dist_spec_procedure *procedure,
                                const char *json, size_t length,
                                struct dist_json_bytes *ret_bytes,
                                struct dist_json_failure *ret_failure);

/*
 * One value of the type that @decl declares, such as a procedure's result, to JSON in
 * one line; its bytes must be all there are. @max: bytes that the text may have.
 */
bool dist_json_decode(const struct dist_spec_declaration *decl, const void *bytes,
                      size_t length, size_t max, struct dist_json_bytes *ret_json,
                      struct dist_json_failure *ret_failure);

#endif
