#include "x/read.h"

#include "x/parse.h"

bool
dist_spec_read(struct dist_spec *spec, struct dist_diag *diag,
               const struct dist_preprocess *how)
{
	dist_spec_init(spec, how->source);
	spec->text = dist_preprocess(&spec->arena, diag, how, &spec->length);
	return spec->text && dist_spec_parse(spec, diag, spec->text, spec->length);
}
