/* Leaving an error, and its sentence, for the thread (public side: dist/error.h). */
#ifndef DIST_BASE_ERROR_H
#define DIST_BASE_ERROR_H

#include <dist/error.h>
#include <stdbool.h>

/* The longest sentence kept, with its NUL; longer ones are cut. */
#define DIST_ERROR_TEXT_MAX 512

/*
 * Keep @err and a sentence for dist_error_text(); returns @err, so that a function can
 * end in it. @err is not DIST_OK.
 */
enum dist_err dist_error_set(enum dist_err err, const char *format, ...)
	DIST_PRINTF(2, 3);

/* The same for a failed system call: ": " and strerror(@saved_errno) are added. */
enum dist_err dist_error_set_errno(enum dist_err err, int saved_errno,
                                   const char *format, ...) DIST_PRINTF(3, 4);

/* The general sentence alone. */
enum dist_err dist_error_set_plain(enum dist_err err);

/*
 * From now on this thread's errors are kept aside (true), or where its user sees them
 * (false); returns what was so before. A thread that does work of others meanwhile leaves
 * alone what its user last was told.
 */
bool dist_error_aside(bool aside);

#endif
