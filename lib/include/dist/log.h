/*
 * Where the library's log lines go: nowhere, until the program gives a sink.
 *
 * A line has a level, an id that stays the same over versions ("lease-expired"), and a
 * text of key=value pairs. Arguments and results of calls are never logged.
 */
#ifndef DIST_LOG_H
#define DIST_LOG_H

#include <dist/macros.h>
#include <stdbool.h>

DIST_BEGIN_DECLS

/* syslog's numbers (RFC 5424 section 6.2.1), so that journald levels are these. */
enum dist_log_level {
	DIST_LOG_ERROR = 3,
	DIST_LOG_WARNING = 4,
	DIST_LOG_NOTICE = 5,
	DIST_LOG_INFO = 6,
	DIST_LOG_DEBUG = 7,
};

/*
 * Called from any of the library's threads, and under its locks: it must not call back
 * into the library. All strings are borrowed for the call.
 */
typedef void dist_log_fn(enum dist_log_level level, const char *id, const char *text,
                         void *arg);

/* Lines of @level and worse go to @sink from now on; NULL silences. Any thread. */
DIST_PUBLIC void dist_log_set_sink(dist_log_fn *sink, void *arg,
                                   enum dist_log_level level);

/*
 * A ready-made sink: one line on stderr, "2026-01-31T12:00:00.000Z info id key=value",
 * or, when the process runs under systemd (JOURNAL_STREAM is stderr), "<6>id key=value".
 */
DIST_PUBLIC dist_log_fn dist_log_to_stderr;

/* "error", "warning", "notice", "info" or "debug" to a level; false: it is none. */
DIST_PUBLIC bool dist_log_level_parse(const char *name, enum dist_log_level *ret_level);

/* One line to the sink, for programs that want theirs beside the library's. */
DIST_PUBLIC void dist_log(enum dist_log_level level, const char *id, const char *format,
                          ...) DIST_PRINTF(3, 4);

DIST_END_DECLS

#endif
