/* Our additions, put into the files that rpcgen made. */
#include "distgen/emit.h"

#include "distgen/job.h"
#include "x/command.h"
#include "x/text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static const char *
output_read(struct dist_job *job, unsigned output)
{
	const char *path = dist_job_output(job, output), *text;
	size_t length;

	text = dist_file_read(&job->arena, path, &length);
	if (!text)
		dist_diag_fail(&job->diag, "%s: %s", path, strerror(errno));
	return text;
}

static FILE *
output_open(struct dist_job *job, unsigned output)
{
	const char *path = dist_job_output(job, output);
	FILE *out = fopen(path, "we");

	if (!out)
		dist_diag_fail(&job->diag, "%s: %s", path, strerror(errno));
	return out;
}

static bool
output_close(struct dist_job *job, FILE *out, unsigned output)
{
	if (!ferror(out) && fclose(out) == 0)
		return true;
	dist_diag_fail(&job->diag, "%s: cannot be written: %s",
	               dist_job_output(job, output), strerror(errno));
	return false;
}

/* What rpcgen writes may change with its version: then say so, and make nothing. */
static bool
rpcgen_is_strange(struct dist_job *job, unsigned output, const char *what)
{
	dist_diag_fail(&job->diag,
	               "this rpcgen's %s%s has no %s, so distgen cannot add to it",
	               job->base, dist_output_suffixes[output], what);
	return false;
}

/*
 * rpcgen makes the include guard of the file's name, whatever is in that: "my-types.x"
 * and "my-calls.x" would both be guarded by _MY, and the second header be empty.
 */
static void
guard_repair(char *text)
{
	static const char ifndef[] = "#ifndef _", end[] = "_H_RPCGEN";
	char *guard = strstr(text, ifndef), *stop;
	size_t length;

	if (!guard || !(stop = strstr(guard, end)))
		return;
	guard += sizeof(ifndef) - 1;
	length = (size_t)(stop - guard);
	for (char *at = guard; (at = strstr(at, end)); at++) {
		for (char *c = at - length; c < at; c++) {
			if (!isalnum((unsigned char)*c))
				*c = '_';
		}
	}
}

/*
 * <dist/error.h> goes in at the top, before any macro of the interface, the
 * declarations at the end, before the #endif of the guard.
 */
static bool
emit_header(struct dist_job *job, const struct dist_spec *spec)
{
	static const char include[] = "#include <rpc/rpc.h>\n",
			  guard_end[] = "\n#endif /* !";
	char *text = (char *)output_read(job, DIST_OUTPUT_HEADER);
	char *top, *bottom = NULL;
	FILE *out;

	if (!text)
		return false;
	guard_repair(text);
	top = strstr(text, include);
	for (char *at = top; at && (at = strstr(at, guard_end)); at++)
		bottom = at + 1;
	if (!bottom)
		return rpcgen_is_strange(job, DIST_OUTPUT_HEADER, "include guard");
	top += sizeof(include) - 1;
	out = output_open(job, DIST_OUTPUT_HEADER);
	if (!out)
		return false;
	fwrite(text, 1, (size_t)(top - text), out);
	fputs("#include <dist/error.h>\n", out);
	fwrite(top, 1, (size_t)(bottom - top), out);
	dist_emit_declarations(out, &job->arena, spec);
	fputs(bottom, out);
	return output_close(job, out, DIST_OUTPUT_HEADER);
}

/*
 * <dist/xdr.h> puts our bounded routines in the place of the library's, and must be
 * read before NAME.h, whose macros could be any word. Stubs and dispatcher use one of
 * them too, for strings that are whole arguments or results.
 */
static bool
emit_xdr_include(struct dist_job *job, unsigned output)
{
	const char *text = output_read(job, output), *include;
	FILE *out;

	if (!text)
		return false;
	include = strstr(text, "#include \"");
	if (!include)
		return rpcgen_is_strange(job, output, "#include");
	out = output_open(job, output);
	if (!out)
		return false;
	fwrite(text, 1, (size_t)(include - text), out);
	fputs("#include <dist/xdr.h>\n", out);
	fputs(include, out);
	return output_close(job, out, output);
}

/* What the services carry of their interface; NULL: nothing, or, with an error, failed. */
static const char *
carried_text(struct dist_job *job, struct dist_spec *spec)
{
	const char *text;
	size_t length;

	if (job->no_interface)
		return NULL;
	text = dist_spec_text(spec, &length);
	if (!text) {
		dist_diag_fail(&job->diag, "%s: %s", job->source, strerror(errno));
	} else if (length > DIST_SPEC_TEXT_MAX) {
		dist_diag_warning(&job->diag,
		                  (struct dist_spec_where){ job->source, 0 },
		                  "a module carries no text of over %zu bytes, and this "
		                  "interface has %zu: it cannot be called without its "
		                  "file",
		                  DIST_SPEC_TEXT_MAX, length);
		return NULL;
	}
	return text;
}

static bool
emit_service(struct dist_job *job, struct dist_spec *spec)
{
	const char *text = carried_text(job, spec);
	FILE *out;

	if (job->diag.n_errors)
		return false;
	out = output_open(job, DIST_OUTPUT_SERVICE);
	if (!out)
		return false;
	dist_emit_service(out, &job->arena, spec, job->base, text);
	return output_close(job, out, DIST_OUTPUT_SERVICE);
}

bool
dist_job_emit(struct dist_job *job, struct dist_spec *spec)
{
	return emit_header(job, spec) && emit_xdr_include(job, DIST_OUTPUT_XDR) &&
	       emit_xdr_include(job, DIST_OUTPUT_CLIENT) &&
	       emit_xdr_include(job, DIST_OUTPUT_SERVER) && emit_service(job, spec);
}
