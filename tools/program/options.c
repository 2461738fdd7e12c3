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
program_next_option(int argc, char **argv, const struct option *options)
{
	int index = -1, option = getopt_long(argc, argv, "", options, &index);
	const char *word, *left_out;

	if (option == -1 || option == '?' || index < 0)
		return option;
	word = argv[optind - (optarg && optarg == argv[optind - 1] ? 2 : 1)];
	left_out = options[index].name + strcspn(word, "=") - strlen("--");
	if (strcmp(left_out, "-ms") != 0 && strcmp(left_out, "-us") != 0)
		return option;
	program_fail("'%s' has no unit; write --%s", word, options[index].name);
	return '?';
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
program_unsigned(const char *option, const char *text, int64_t min, int64_t max,
                 unsigned *ret_number)
{
	int64_t number;

	if (!program_number(option, text, min, max, &number))
		return false;
	*ret_number = (unsigned)number;
	return true;
}

bool
program_size(const char *option, const char *text, int64_t min, int64_t max,
             size_t *ret_number)
{
	int64_t number;

	if (!program_number(option, text, min, max, &number))
		return false;
	*ret_number = (size_t)number;
	return true;
}

/* The milliseconds of a unit; 0: it is none. */
static double
unit_ms(const char *unit)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = { { "ms", 1 }, { "s", 1e3 }, { "m", 60e3 }, { "h", 3600e3 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].name) == 0)
			return units[i].ms;
	}
	return 0;
}

bool
program_duration(const char *option, const char *text, int64_t min_ms, int64_t max_ms,
                 int64_t *ret_ms)
{
	size_t n_digits = strspn(text, "0123456789.");
	char *unit = NULL;
	double number = strtod(text, &unit), ms = number * unit_ms(unit);

	/* Digits alone: no sign, exponent or hexadecimal. */
	if (n_digits == 0 || unit != text + n_digits || unit_ms(unit) == 0) {
		program_wrong_usage("%s: '%s' is not a time: a number and its unit, "
		                    "as in 500ms, 2s, 1.5m or 1h",
		                    option, text);
		return false;
	}
	if (ms < (double)min_ms || ms > (double)max_ms) {
		program_wrong_usage("%s: '%s' is not from %lldms to %lldms", option,
		                    text, (long long)min_ms, (long long)max_ms);
		return false;
	}
	*ret_ms = (int64_t)(ms + 0.5);
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
