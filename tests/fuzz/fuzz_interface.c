/*
 * Interfaces, as they come from the preprocessor: one error at most, and no crash. They are
 * received as well, as a node's peer does, to the same end; and what a module would carry of
 * them is received too, and carried as it is.
 */
#include "x/check.h"
#include "x/parse.h"
#include "x/received.h"
#include "x/text.h"

#include "fuzz.h"

#include <string.h>

/* What is read of a tree that has no error; the messages are only counted. */
static void
fuzz_check(const struct dist_spec *spec, struct dist_diag *diag)
{
	bool fine = dist_spec_check(spec, diag);

	FUZZ_CHECK(fine == (diag->n_errors == 0));
}

static void
fuzz_receive(const char *text, size_t length, bool is_right)
{
	char why[DIST_SPEC_WHY_MAX];
	struct dist_spec spec;
	bool taken = dist_spec_receive(&spec, "fuzz.x", text, length, why);

	FUZZ_CHECK(taken == !*why);
	if (length <= DIST_SPEC_TEXT_MAX)
		FUZZ_CHECK(taken == is_right);
	dist_spec_fini(&spec);
}

/* What is carried of @spec, whose text is @text; and of that again. */
static void
fuzz_text(struct dist_spec *spec, const char *text, size_t length)
{
	char why[DIST_SPEC_WHY_MAX];
	struct dist_spec again;
	size_t carried_length, again_length;
	const char *carried, *copy;

	spec->text = text;
	spec->length = length;
	carried = dist_spec_text(spec, &carried_length);
	FUZZ_CHECK(carried);
	if (carried_length > DIST_SPEC_TEXT_MAX)
		return;
	FUZZ_CHECK(dist_spec_receive(&again, "fuzz.x", carried, carried_length, why));
	again.text = carried;
	again.length = carried_length;
	copy = dist_spec_text(&again, &again_length);
	FUZZ_CHECK(copy && again_length == carried_length &&
	           memcmp(copy, carried, carried_length) == 0);
	dist_spec_fini(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct dist_diag diag = { .stream = NULL };
	const char *text = (const char *)data;
	struct dist_spec spec;
	bool is_right;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	FUZZ_CHECK(nowhere);
	diag.stream = nowhere;
	dist_spec_init(&spec, "fuzz.x");
	is_right = dist_spec_parse(&spec, &diag, text, size);
	fuzz_receive(text, size, is_right);
	if (is_right) {
		fuzz_text(&spec, text, size);
		fuzz_check(&spec, &diag);
	} else {
		FUZZ_CHECK(diag.n_errors == 1);
	}
	dist_spec_fini(&spec);
	return 0;
}
