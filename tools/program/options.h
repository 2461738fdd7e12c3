/*
 * What the command lines of our programs have in common: one sentence for what is
 * wrong, the same exit statuses, and options read by a table.
 */
#ifndef PROGRAM_OPTIONS_H
#define PROGRAM_OPTIONS_H

#include <dist/log.h>
#include <dist/macros.h>
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

/* Wrong usage, of which a sentence was printed: where to read on. PROGRAM_WRONG_USAGE.
 */
int program_wrong_option(void);

/* Flush stdout and say so if what was printed is lost; @status unless it was. */
int program_end(int status);

/* --- A command line as a table ---------------------------------------------------- */

enum program_kind {
	PROGRAM_KIND_HEADING, /* no option; .help is printed as it stands */
	PROGRAM_KIND_FLAG,    /* bool: set */
	PROGRAM_KIND_TEXT,    /* const char *: argv's */
	PROGRAM_KIND_NUMBER,  /* an integer of .size bytes, from .min to .max */
	PROGRAM_KIND_TIME,    /* int64_t of ms: a number and ms, s, m or h */
	PROGRAM_KIND_LEVEL,   /* enum dist_log_level */
	PROGRAM_KIND_OTHER,   /* .set takes it */
};

/* How an option is written, what --help says of it, and where its value goes. */
struct program_option {
	enum program_kind kind;
	const char *name;
	const char *value; /* what it takes, for --help; NULL: nothing */
	const char *help;  /* what it does, and its default; lines are broken for it */
	size_t offset;     /* in the program's struct */
	size_t size;
	int64_t min, max;
	/* Of the program's struct. Other than PROGRAM_DONE: a sentence said what is
	 * wrong. */
	int (*set)(void *config, char *text);
};

/* Rows, for a program that has its options in a struct config. */
#define PROGRAM_ROW(kind_, member, name_, value_, help_) \
	.kind = PROGRAM_KIND_##kind_, .name = (name_), .value = (value_), \
	.help = (help_), .offset = offsetof(struct config, member), \
	.size = sizeof(((struct config *)0)->member)

#define PROGRAM_HEADING(text)            { .help = (text) }
#define PROGRAM_FLAG(member, name, help)     { PROGRAM_ROW(FLAG, member, name, NULL, help) }
#define PROGRAM_TEXT(member, name, value, help) \
	{ PROGRAM_ROW(TEXT, member, name, value, help) }
#define PROGRAM_NUMBER(member, name, min_, max_, help) \
	{ PROGRAM_ROW(NUMBER, member, name, "N", help), .min = (min_), .max = (max_) }
#define PROGRAM_TIME(member, name, min_, max_, help) \
	{ PROGRAM_ROW(TIME, member, name, "TIME", help), .min = (min_), .max = (max_) }
#define PROGRAM_LEVEL(member, name, help) \
	{ PROGRAM_ROW(LEVEL, member, name, "LEVEL", help) }
#define PROGRAM_OTHER(set_, name_, value_, help_) \
	{ .kind = PROGRAM_KIND_OTHER, .name = (name_), .value = (value_), \
	  .help = (help_), .set = (set_) }

struct program_usage {
	const char *before; /* what --help prints before the options */
	const struct program_option *options;
	size_t n_options; /* --help and --version come besides */
	int column;       /* where --help begins to say what they do */
	const char *after;
};

/*
 * Read the command line into @config, up to optind. Options may be abbreviated, but for
 * the unit, as in --timeout for --timeout-ms: the number might be of seconds.
 *
 * True: go on. False: --help or --version was printed, or a sentence about what is
 * wrong; exit with @ret_status.
 */
bool program_read(const struct program_usage *usage, int argc, char **argv,
                  void *config, int *ret_status) DIST_MUST_CHECK;

/*
 * The index of the first word that is neither an option nor its value, for a program that
 * passes on what follows it; @argc: there is none, or an option is wrong.
 */
int program_find_word(const struct program_usage *usage, int argc, char **argv);

#endif
