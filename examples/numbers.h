/* Whole numbers from the command line and from query strings, within bounds. */
#ifndef EXAMPLES_NUMBERS_H
#define EXAMPLES_NUMBERS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* False, and @ret_number untouched, unless @text is one number from @min to @max. */
static inline bool
number_parse(const char *text, int64_t min, int64_t max, int64_t *ret_number)
{
	long long number;
	char *end;

	/* strtoll() would also take leading spaces and a plus. */
	if (*text != '-' && (*text < '0' || *text > '9'))
		return false;
	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || *end || end == text || number < min || number > max)
		return false;
	*ret_number = number;
	return true;
}

#endif
