/* Running the programs underneath: the C preprocessor and rpcgen. */
#ifndef X_COMMAND_H
#define X_COMMAND_H

#include "x/arena.h"

#include <signal.h>
#include <stdbool.h>

struct dist_command {
	const char *const *argv;  /* found along PATH; ended by NULL */
	const char *directory;    /* where it runs; NULL: here */
	const char *include_path; /* the preprocessor's CPATH; NULL: as it is */
	int output;               /* a descriptor for its standard output; -1: none */
	int messages;             /* and for its standard error */
};

/* A file without a name, for what a program writes; -1 with errno. */
int dist_command_catch(void);

/* All that was written to it, with a NUL behind; closed then. NULL with errno. */
char *dist_command_caught(struct dist_arena *arena, int caught, size_t *ret_length);

/*
 * The signal that asked to stop, 0 until then: set by the handler that
 * dist_command_catch_signals() installs for SIGINT, SIGTERM and SIGHUP. The program
 * that runs is ended too, and none is started any more; the caller cleans up.
 */
extern volatile sig_atomic_t dist_command_interrupted;
void dist_command_catch_signals(void);

/* dist_command_run() of a program that is not there. */
#define DIST_COMMAND_NOT_FOUND 127

/*
 * Run it and wait: its exit status, DIST_COMMAND_NOT_FOUND, or -1 with errno when it
 * could not be run or died of a signal (errno is EINTR then).
 */
int dist_command_run(const struct dist_command *command);

/* A whole file; NULL with errno when it cannot be read. Ends in a NUL of its own. */
char *dist_file_read(struct dist_arena *arena, const char *path, size_t *ret_length);

#endif
