/*
 * What our daemons have in common: log lines on stderr, stop signals, descriptors, and
 * what the service manager is told (sd_notify(3), when built with it).
 */
#ifndef PROGRAM_DAEMON_H
#define PROGRAM_DAEMON_H

#include <dist/error.h>
#include <dist/log.h>
#include <stdbool.h>

/*
 * Before any thread starts. SIGTERM and SIGINT are held back for daemon_wait_signal();
 * SIGPIPE is ignored, since whoever reads the log may go first, and so is SIGXFSZ, for a
 * log file that is full; the soft limit of descriptors is raised to the hard one.
 */
void daemon_begin(enum dist_log_level level);

/* The node or master was not started: says so, and what to exit with. */
int daemon_start_failed(enum dist_err err);

/*
 * It is ready: "@id address=... port=..." in the log, with name=@name unless that is
 * NULL, and the service manager is told. @listen: what --listen said, or NULL.
 */
void daemon_listening(const char *id, const char *listen, unsigned port,
                      const char *name);

/* Wait for SIGTERM or SIGINT: its number; 0: @fd, unless it is -1, turned readable. */
int daemon_wait_signal(int fd);
const char *daemon_signal_name(int number);

/*
 * From here on the program stops: the service manager hears why, and another SIGTERM or
 * SIGINT ends the process at once. Where it was not a signal that made it stop, the first
 * one is none of those: it asks for what is under way.
 */
void daemon_stopping(const char *why, bool by_signal);

#endif
