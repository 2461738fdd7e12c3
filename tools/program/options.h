/*
 * What the command lines of our programs have in common: one sentence for what is
 * wrong, the same exit statuses, numbers with bounds.
 */
#ifndef PROGRAM_OPTIONS_H
#define PROGRAM_OPTIONS_H

#include <dist/log.h>
#include <dist/macros.h>
#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum program_status {
	PROGRAM_DONE = 0,
	PROGRAM_FAILED = 1,
	PROGRAM_WRONG_USAGE = 2,
};

/*
 * First in main(): descriptors 0 to 2 are opened on /dev/null if they were closed, so
 * that no socket gets their number, and getopt_long() names the program without its
 * path.
 */
void program_begin(char **argv);

/* "NAME: sentence" on stderr. Always PROGRAM_FAILED. */
int program_fail(const char *format, ...) DIST_PRINTF(1, 2);

/* The same, and where to read on. Always PROGRAM_WRONG_USAGE. */
int program_wrong_usage(const char *format, ...) DIST_PRINTF(1, 2);

/*
 * getopt_long() without short options. It takes abbreviations; one that leaves out the
 * unit, such as --timeout for --timeout-ms, is refused: its number might be of seconds.
 */
int program_next_option(int argc, char **argv, const struct option *options);

/* After a '?' of program_next_option(), which said itself what is wrong. */
int program_wrong_option(void);

/* @text, or the version, to stdout. PROGRAM_DONE, or PROGRAM_FAILED with a sentence. */
int program_print(const char *text);
int program_print_version(void);

/* Flush stdout and say so if what was printed is lost; @status unless it was. */
int program_end(int status);

/*
 * A whole number from @min to @max out of @text. False, with a sentence about @option:
 * it is none.
 */
bool program_number(const char *option, const char *text, int64_t min, int64_t max,
                    int64_t *ret_number) DIST_MUST_CHECK;

/* The same, into what our structs of options hold; both bounds must fit. */
bool program_unsigned(const char *option, const char *text, int64_t min, int64_t max,
                      unsigned *ret_number) DIST_MUST_CHECK;
bool program_size(const char *option, const char *text, int64_t min, int64_t max,
                  size_t *ret_number) DIST_MUST_CHECK;

/*
 * A time out of @text: a number, with a fraction or not, and ms, s, m or h; from @min_ms
 * to @max_ms milliseconds. False, with a sentence about @option: it is none.
 */
bool program_duration(const char *option, const char *text, int64_t min_ms,
                      int64_t max_ms, int64_t *ret_ms) DIST_MUST_CHECK;

/* False, with a sentence: @text names no log level. */
bool program_log_level(const char *text, enum dist_log_level *ret_level)
	DIST_MUST_CHECK;

#endif
