#include "distctl/input.h"

#include "program/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *
input_read(size_t *ret_length)
{
	char *text = NULL;
	size_t size = 0;
	ssize_t length;

	/* A NUL, which JSON has nowhere, does not come before the end. */
	errno = 0;
	length = getdelim(&text, &size, '\0', stdin);
	if (length < 0 && (ferror(stdin) || errno == ENOMEM)) {
		program_fail("standard input: %s", strerror(errno));
		free(text);
		return NULL;
	}
	*ret_length = length > 0 ? (size_t)length : 0;
	return text;
}
