/* The .x file that a command is about; see interface.h. */
#include "distctl/interface.h"

#include "program/options.h"
#include "x/check.h"
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

	if (!dist_spec_read(spec, &diag, &how))
		return PROGRAM_WRONG_USAGE;
	/* It may be the interface of a server that was not made by distgen. */
	diag.errors_warn = true;
	if (!dist_spec_check(spec, &diag))
		program_fail("%s: distgen refuses it; going on", file);
	return PROGRAM_DONE;
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
refuse_number(const char *name, const struct dist_spec_value *number)
{
	return program_wrong_usage("%s: its number, %s, is %s", name, number->text,
	                           number->known ? "not from 0 to 4294967295"
	                                         : "defined in C, and not known here");
}

int
interface_number(struct procedure *procedure)
{
	const struct dist_spec_found *found = &procedure->found;

	if (!dist_spec_value_is_u32(&found->program->value))
		return refuse_number(found->program->name, &found->program->value);
	if (!dist_spec_value_is_u32(&found->version->number))
		return refuse_number(found->version->name, &found->version->number);
	if (!dist_spec_value_is_u32(&found->procedure->number))
		return refuse_number(found->procedure->name, &found->procedure->number);
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
	return interface_number(ret_procedure);
}
