#include "json/place.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* "$[0][3].name", cut where there is no more room. */
static size_t
path_print(const struct dist_json_step *step, char *ret_path, size_t size)
{
	size_t length;
	int n;

	if (!step->up)
		return (size_t)snprintf(ret_path, size, "$");
	length = path_print(step->up, ret_path, size);
	if (length >= size)
		return length;
	if (step->member)
		n = snprintf(ret_path + length, size - length, ".%s", step->member);
	else
		n = snprintf(ret_path + length, size - length, "[%zu]", step->index);
	return length + (size_t)n;
}

bool
dist_json_fail(struct dist_json_failure *failure, const struct dist_json_step *step,
               struct dist_spec_where where, const char *format, ...)
{
	size_t size = sizeof(failure->path);
	va_list args;

	if (path_print(step, failure->path, size) >= size)
		memcpy(failure->path + size - 4, "...", 4);
	failure->where = where;
	va_start(args, format);
	vsnprintf(failure->what, sizeof(failure->what), format, args);
	va_end(args);
	return false;
}

bool
dist_json_fail_memory(struct dist_json_failure *failure)
{
	failure->no_memory = true;
	snprintf(failure->what, sizeof(failure->what), "out of memory");
	return false;
}
