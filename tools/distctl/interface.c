/* The .x file that a command is about; see interface.h. */
#include "distctl/interface.h"

#include "program/options.h"
#include "x/read.h"

#include <stdlib.h>

int
interface_read(struct dist_spec *spec, const char *file, const struct config *config)
{
	struct dist_diag diag = { .stream = stderr, .no_warnings = true };
	const struct dist_preprocess how = {
		.source = file,
		.defines = config->defines,
		.n_defines = config->n_defines,
		.includes = config->includes,
		.n_includes = config->n_includes,
	};

	return dist_spec_read(spec, &diag, &how) ? PROGRAM_DONE : PROGRAM_WRONG_USAGE;
}

static void
take_found(const struct dist_spec_found *found, void *arg)
{
	*(struct dist_spec_found *)arg = *found;
}

/* Told when there are several: how to say which. */
static void
tell_found(const struct dist_spec_found *found, void *arg)
{
	(void)arg;
	fprintf(stderr, "  %s/%s/%s\n", found->program->name,
	        found->version->number.text, found->procedure->name);
}

static int
refuse_foreign(const char *name, const struct dist_spec_value *number)
{
	return program_wrong_usage("%s: its number, %s, is defined in C, and not known "
	                           "here",
	                           name, number->text);
}

static int
find_numbers(struct procedure *procedure)
{
	const struct dist_spec_found *found = &procedure->found;

	if (!found->program->value.known)
		return refuse_foreign(found->program->name, &found->program->value);
	if (!found->version->number.known)
		return refuse_foreign(found->version->name, &found->version->number);
	if (!found->procedure->number.known)
		return refuse_foreign(found->procedure->name,
		                      &found->procedure->number);
	procedure->prog = (rpcprog_t)found->program->value.magnitude;
	procedure->vers = (rpcvers_t)found->version->number.magnitude;
	procedure->proc = (rpcproc_t)found->procedure->number.magnitude;
	return PROGRAM_DONE;
}

int
interface_find(struct procedure *ret_procedure, const struct dist_spec *spec,
               const char *name)
{
	size_t n = dist_spec_find_procedures(spec, name, take_found,
	                                     &ret_procedure->found);

	if (n == 0)
		return program_wrong_usage("%s has no procedure '%s'", spec->file,
		                           name);
	if (n > 1) {
		program_wrong_usage(
			"%s has %zu procedures '%s'; say which:", spec->file, n, name);
		dist_spec_find_procedures(spec, name, tell_found, NULL);
		return PROGRAM_WRONG_USAGE;
	}
	return find_numbers(ret_procedure);
}
