/* Arguments that the user has prepared; see arguments.h. */
#include "distbench/arguments.h"

#include "program/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* XDR comes in units of four bytes (RFC 4506 section 3). */
static int
check_size(const char *option, size_t size)
{
	if (size % 4 == 0)
		return PROGRAM_DONE;
	return program_wrong_usage(
		"%s: %zu bytes are no XDR, which comes in units of 4", option, size);
}

/* All that is left of @file; NULL: errno says why. */
static char *
read_all(FILE *file, size_t *ret_size)
{
	size_t size = 0, capacity = 4096;
	char *bytes = malloc(capacity);

	while (bytes) {
		char *larger;

		size += fread(bytes + size, 1, capacity - size, file);
		if (size < capacity)
			break;
		capacity *= 2;
		larger = realloc(bytes, capacity);
		if (!larger)
			free(bytes);
		bytes = larger;
	}
	if (bytes && ferror(file)) {
		free(bytes);
		bytes = NULL;
	}
	*ret_size = size;
	return bytes;
}

int
arguments_read(const char *path, char **ret_bytes, size_t *ret_size)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	int status;

	if (!file)
		return program_fail("--arguments: %s: %s", path, strerror(errno));
	*ret_bytes = read_all(file, ret_size);
	status = *ret_bytes
	                 ? check_size("--arguments", *ret_size)
	                 : program_fail("--arguments: %s: %s", path, strerror(errno));
	if (file != stdin)
		fclose(file);
	return status;
}

static int
hex_digit(char digit)
{
	return isdigit((unsigned char)digit) ? digit - '0'
	                                     : tolower((unsigned char)digit) - 'a' + 10;
}

int
arguments_parse(const char *hex, char **ret_bytes, size_t *ret_size)
{
	size_t n_digits = strlen(hex);

	if (n_digits % 2 || hex[strspn(hex, "0123456789abcdefABCDEF")])
		return program_wrong_usage(
			"--arguments-hex: '%s' is not hexadecimal, two "
			"digits a byte",
			hex);
	*ret_size = n_digits / 2;
	*ret_bytes = malloc(*ret_size + 1);
	if (!*ret_bytes)
		return program_fail("out of memory");
	for (size_t i = 0; i < *ret_size; i++)
		(*ret_bytes)[i] =
			(char)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
	return check_size("--arguments-hex", *ret_size);
}
