/* The common part of the command lines; see options.h. */
#include "program/options.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_MAX 64 /* of a program */
#define HELP_WIDTH  86

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
program_end(int status)
{
	bool lost = ferror(stdout);

	if (fflush(stdout) || lost)
		return program_fail("cannot write to standard output: %s",
		                    strerror(errno));
	return status;
}

/* --- Values -------------------------------------------------------------------- */

static int
set_number(const struct program_option *option, const char *text, void *field)
{
	bool digits = *text != '\0' && text[strspn(text, "0123456789")] == '\0';
	long long number;

	errno = 0;
	number = digits ? strtoll(text, NULL, 10) : 0;
	if (!digits || errno || number < option->min || number > option->max)
		return program_wrong_usage(
			"--%s: '%s' is not a whole number from %lld to %lld",
			option->name, text, (long long)option->min,
			(long long)option->max);
	if (option->size == sizeof(unsigned))
		*(unsigned *)field = (unsigned)number;
	else
		*(int64_t *)field = number;
	return PROGRAM_DONE;
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

static int
set_time(const struct program_option *option, const char *text, int64_t *field)
{
	size_t n_digits = strspn(text, "0123456789.");
	char *unit = NULL;
	double number = strtod(text, &unit), ms = number * unit_ms(unit);

	/* Digits alone: no sign, exponent or hexadecimal. */
	if (n_digits == 0 || unit != text + n_digits || unit_ms(unit) == 0)
		return program_wrong_usage("--%s: '%s' is not a time: a number and its "
		                           "unit, as in 500ms, 2s, 1.5m or 1h",
		                           option->name, text);
	if (ms < (double)option->min || ms > (double)option->max)
		return program_wrong_usage("--%s: '%s' is not from %lldms to %lldms",
		                           option->name, text, (long long)option->min,
		                           (long long)option->max);
	*field = (int64_t)(ms + 0.5);
	return PROGRAM_DONE;
}

static int
set_level(const struct program_option *option, const char *text,
          enum dist_log_level *field)
{
	if (dist_log_level_parse(text, field))
		return PROGRAM_DONE;
	return program_wrong_usage("--%s: '%s' is not one of error, warning, notice, "
	                           "info, debug",
	                           option->name, text);
}

/* An exit status; other than PROGRAM_DONE, a sentence said what is wrong. */
static int
set_option(const struct program_option *option, char *text, void *config)
{
	void *field = (char *)config + option->offset;

	switch (option->kind) {
	case PROGRAM_KIND_FLAG:
		*(bool *)field = true;
		return PROGRAM_DONE;
	case PROGRAM_KIND_TEXT:
		*(const char **)field = text;
		return PROGRAM_DONE;
	case PROGRAM_KIND_NUMBER:
		return set_number(option, text, field);
	case PROGRAM_KIND_TIME:
		return set_time(option, text, field);
	case PROGRAM_KIND_LEVEL:
		return set_level(option, text, field);
	default:
		return option->set(config, text);
	}
}

/* --- --help -------------------------------------------------------------------- */

/* @words from @column on, in as many lines as they take; the first one is @at so far.
 */
static void
print_words(const char *words, int at, int column)
{
	bool too_wide = at >= column;

	while (*words) {
		int length = (int)strcspn(words, " ");

		if (too_wide || (at >= column && at + 1 + length > HELP_WIDTH)) {
			putchar('\n');
			at = 0;
			too_wide = false;
		}
		at += printf("%*s%.*s", at < column ? column - at : 1, "", length,
		             words);
		words += length + (words[length] == ' ');
	}
	putchar('\n');
}

static void
print_option(const struct program_option *option, int column)
{
	if (option->name)
		print_words(option->help,
		            printf("  --%s%s%s", option->name, option->value ? " " : "",
		                   option->value ? option->value : ""),
		            column);
	else
		fputs(option->help, stdout);
}

static int
print_help(const struct program_usage *usage)
{
	static const struct program_option always[] = {
		{ .name = "help", .help = "print this and exit" },
		{ .name = "version", .help = "print the version and exit" },
	};

	fputs(usage->before, stdout);
	for (size_t i = 0; i < usage->n_options; i++)
		print_option(&usage->options[i], usage->column);
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		print_option(&always[i], usage->column);
	fputs(usage->after, stdout);
	return program_end(PROGRAM_DONE);
}

static int
print_version(void)
{
	printf("%s (distribution) %s\n", program_invocation_short_name, DIST_VERSION);
	return program_end(PROGRAM_DONE);
}

/* --- Reading ------------------------------------------------------------------- */

/* What getopt_long() gives for the first row of a table; one more for each further. */
enum { OPTION_HELP = 256, OPTION_VERSION, OPTION_FIRST };

static void
list_options(const struct program_usage *usage, struct option *ret_list)
{
	struct option *next = ret_list;

	for (size_t i = 0; i < usage->n_options; i++) {
		const struct program_option *option = &usage->options[i];

		if (option->name)
			*next++ = (struct option){
				.name = option->name,
				.has_arg =
					option->value ? required_argument : no_argument,
				.val = OPTION_FIRST + (int)i,
			};
	}
	*next++ = (struct option){ "help", no_argument, NULL, OPTION_HELP };
	*next++ = (struct option){ "version", no_argument, NULL, OPTION_VERSION };
	*next = (struct option){ .name = NULL };
}

/* As getopt_long(), without short options, and without an abbreviated unit. */
static int
next_option(int argc, char **argv, const struct option *list)
{
	int index = -1, option = getopt_long(argc, argv, "", list, &index);
	const char *word, *left_out;

	if (option == -1 || option == '?' || index < 0)
		return option;
	word = argv[optind - (optarg && optarg == argv[optind - 1] ? 2 : 1)];
	left_out = list[index].name + strcspn(word, "=") - strlen("--");
	if (strcmp(left_out, "-ms") != 0 && strcmp(left_out, "-us") != 0)
		return option;
	program_fail("'%s' has no unit; write --%s", word, list[index].name);
	return '?';
}

bool
program_read(const struct program_usage *usage, int argc, char **argv, void *config,
             int *ret_status)
{
	struct option list[OPTIONS_MAX + 3];
	int option, status = PROGRAM_DONE;

	assert(usage->n_options <= OPTIONS_MAX);
	list_options(usage, list);
	while (status == PROGRAM_DONE &&
	       (option = next_option(argc, argv, list)) != -1) {
		if (option == OPTION_HELP || option == OPTION_VERSION) {
			*ret_status = option == OPTION_HELP ? print_help(usage)
			                                    : print_version();
			return false;
		}
		if (option == '?')
			status = program_wrong_option();
		else
			status = set_option(&usage->options[option - OPTION_FIRST],
			                    optarg, config);
	}
	if (status != PROGRAM_DONE)
		*ret_status = status;
	return status == PROGRAM_DONE;
}

int
program_find_word(const struct program_usage *usage, int argc, char **argv)
{
	struct option list[OPTIONS_MAX + 3];
	int option, word;

	list_options(usage, list);
	opterr = 0;
	/* "+": it ends at the first word, and argv stays in order. */
	while ((option = getopt_long(argc, argv, "+", list, NULL)) != -1 && option != '?')
		;
	word = option == '?' ? argc : optind;
	opterr = 1;
	optind = 0; /* so that program_read() begins anew */
	return word;
}
