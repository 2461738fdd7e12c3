/* The common part of the command lines; see options.h. */
#include "program/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
program_begin(char **argv)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	if (argv[0])
		argv[0] = program_invocation_short_name;
}

static void
print_sentence(const char *format, va_list args)
{
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int
program_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_sentence(format, args);
	va_end(args);
	return PROGRAM_FAILED;
}

int
program_wrong_usage(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_sentence(format, args);
	va_end(args);
	return program_wrong_option();
}

int
program_wrong_option(void)
{
	fprintf(stderr, "Try '%s --help' for more information.\n",
	        program_invocation_short_name);
	return PROGRAM_WRONG_USAGE;
}

int
program_print(const char *text)
{
	fputs(text, stdout);
	return program_end(PROGRAM_DONE);
}

int
program_print_version(void)
{
	printf("%s (distribution) %s\n", program_invocation_short_name, DIST_VERSION);
	return program_end(PROGRAM_DONE);
}

int
program_end(int status)
{
	bool lost = ferror(stdout);

	if (fflush(stdout) || lost)
		return program_fail("cannot write to standard output: %s",
		                    strerror(errno));
	return status;
}

bool
program_number(const char *option, const char *text, int64_t min, int64_t max,
               int64_t *ret_number)
{
	bool digits = *text != '\0' && text[strspn(text, "0123456789")] == '\0';
	long long number;

	errno = 0;
	number = digits ? strtoll(text, NULL, 10) : 0;
	if (!digits || errno || number < min || number > max) {
		program_wrong_usage("%s: '%s' is not a whole number from %lld to %lld",
		                    option, text, (long long)min, (long long)max);
		return false;
	}
	*ret_number = number;
	return true;
}

bool
program_log_level(const char *text, enum dist_log_level *ret_level)
{
	if (dist_log_level_parse(text, ret_level))
		return true;
	program_wrong_usage("--log-level: '%s' is not one of error, warning, notice, "
	                    "info, debug",
	                    text);
	return false;
}
