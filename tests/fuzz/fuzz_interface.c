/* Interfaces, as they come from the preprocessor: one error at most, and no crash. */
#include "x/check.h"
#include "x/parse.h"

#include "fuzz.h"

/* What is read of a tree that has no error; the messages are only counted. */
static void
fuzz_check(const struct dist_spec *spec, struct dist_diag *diag)
{
	bool fine = dist_spec_check(spec, diag);

	FUZZ_CHECK(fine == (diag->n_errors == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct dist_diag diag = { .stream = NULL };
	struct dist_spec spec;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	FUZZ_CHECK(nowhere);
	diag.stream = nowhere;
	dist_spec_init(&spec, "fuzz.x");
	if (dist_spec_parse(&spec, &diag, (const char *)data, size))
		fuzz_check(&spec, &diag);
	else
		FUZZ_CHECK(diag.n_errors == 1);
	dist_spec_fini(&spec);
	return 0;
}
