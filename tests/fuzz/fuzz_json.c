/*
 * An interface, JSON for the arguments of its procedures, and bytes for their results:
 * in this order, with a line "---" between. What JSON was taken is written again from
 * its bytes, and gives the same bytes; what was written is JSON.
 */
#include "json/convert.h"
#include "x/check.h"
#include "x/find.h"
#include "x/parse.h"

#include "fuzz.h"

#include <jansson.h>
#include <string.h>

#define TEXT_MAX ((size_t)1 << 16)

struct input {
	const char *json;
	size_t json_length;
	const uint8_t *bytes;
	size_t n_bytes;
	bool is_right; /* the interface */
};

/* Up to the line "---", which is taken; all there is if there is none. */
static const char *
take_part(const char **at, const char *end, size_t *ret_length)
{
	static const char line[] = "\n---\n";
	const char *part = *at;
	const char *found = memmem(part, (size_t)(end - part), line, strlen(line));

	*ret_length = (size_t)((found ? found : end) - part);
	*at = found ? found + strlen(line) : end;
	return part;
}

/* The JSON of one argument, as an array of arguments. */
static void
check_way_back(const struct dist_spec_procedure *procedure,
               const struct dist_json_bytes *bytes)
{
	struct dist_json_failure failure;
	struct dist_json_bytes json, again;
	char *text;

	if (!dist_json_decode(procedure->arguments, bytes->data, bytes->length,
	                      TEXT_MAX, &json, &failure)) {
		FUZZ_CHECK(strstr(failure.what, "longer than the limit"));
		return;
	}
	FUZZ_CHECK(asprintf(&text, "[%s]", json.data) > 0);
	FUZZ_CHECK(dist_json_encode_arguments(procedure, text, strlen(text), &again,
	                                      &failure));
	FUZZ_CHECK(again.length == bytes->length &&
	           memcmp(again.data, bytes->data, again.length) == 0);
	free(again.data);
	free(json.data);
	free(text);
}

static void
check_arguments(const struct dist_spec_procedure *procedure, const struct input *input)
{
	struct dist_json_failure failure;
	struct dist_json_bytes bytes;

	if (!dist_json_encode_arguments(procedure, input->json, input->json_length,
	                                &bytes, &failure)) {
		FUZZ_CHECK(*failure.what && failure.line > 0 && failure.column > 0);
		return;
	}
	FUZZ_CHECK(bytes.length % 4 == 0);
	if (input->is_right && procedure->arguments && !procedure->arguments->next)
		check_way_back(procedure, &bytes);
	free(bytes.data);
}

static void
check_result(const struct dist_spec_procedure *procedure, const struct input *input)
{
	struct dist_json_failure failure;
	struct dist_json_bytes json;
	json_t *read;

	if (!dist_json_decode(&procedure->result, input->bytes, input->n_bytes,
	                      TEXT_MAX, &json, &failure)) {
		FUZZ_CHECK(*failure.what && failure.offset <= input->n_bytes);
		return;
	}
	/* Else a struct may have two members of one name. */
	if (!input->is_right) {
		free(json.data);
		return;
	}
	read = json_loadb(json.data, json.length,
	                  JSON_REJECT_DUPLICATES | JSON_DECODE_ANY |
	                          JSON_DECODE_INT_AS_REAL,
	                  NULL);
	FUZZ_CHECK(read);
	json_decref(read);
	free(json.data);
}

static void
check_procedure(const struct dist_spec_found *found, void *arg)
{
	check_arguments(found->procedure, arg);
	check_result(found->procedure, arg);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct dist_diag diag = { .no_warnings = true };
	const char *at = (const char *)data, *end = at + size, *text;
	struct input input;
	struct dist_spec spec;
	size_t length;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	FUZZ_CHECK(nowhere);
	diag.stream = nowhere;
	text = take_part(&at, end, &length);
	input.json = take_part(&at, end, &input.json_length);
	input.bytes = (const uint8_t *)at;
	input.n_bytes = (size_t)(end - at);
	dist_spec_init(&spec, "fuzz.x");
	if (dist_spec_parse(&spec, &diag, text, length)) {
		input.is_right = dist_spec_check(&spec, &diag);
		dist_spec_find_procedures(&spec, NULL, check_procedure, &input);
	}
	dist_spec_fini(&spec);
	return 0;
}
