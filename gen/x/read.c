#include "x/read.h"

#include "x/parse.h"

bool
dist_spec_read(struct dist_spec *spec, struct dist_diag *diag,
               const struct dist_preprocess *how)
{
	size_t length;
	char *text;

	dist_spec_init(spec, how->source);
	text = dist_preprocess(&spec->arena, diag, how, &length);
	return text && dist_spec_parse(spec, diag, text, length);
}
