#include "x/diag.h"

#include <errno.h>
#include <stdarg.h>

static void
diag_print(struct dist_diag *diag, struct dist_spec_where where, const char *severity,
           const char *format, va_list args)
{
	if (!where.file)
		fprintf(diag->stream, "%s: %s: ", program_invocation_short_name,
		        severity);
	else if (!where.line)
		fprintf(diag->stream, "%s: %s: ", where.file, severity);
	else
		fprintf(diag->stream, "%s:%u: %s: ", where.file, where.line, severity);
	vfprintf(diag->stream, format, args);
	fputc('\n', diag->stream);
}

void
dist_diag_error(struct dist_diag *diag, struct dist_spec_where where,
                const char *format, ...)
{
	va_list args;

	diag->n_errors++;
	va_start(args, format);
	diag_print(diag, where, diag->errors_warn ? "warning" : "error", format, args);
	va_end(args);
}

void
dist_diag_warning(struct dist_diag *diag, struct dist_spec_where where,
                  const char *format, ...)
{
	va_list args;

	if (diag->no_warnings)
		return;
	diag->n_warnings++;
	va_start(args, format);
	diag_print(diag, where, "warning", format, args);
	va_end(args);
}
