/* What distctl doctor finds out: a line for each check, in words. */
#ifndef DISTCTL_DIAGNOSIS_H
#define DISTCTL_DIAGNOSIS_H

#include "distctl/json.h"

#include <dist/macros.h>
#include <stdbool.h>
#include <stddef.h>

enum verdict {
	VERDICT_OK,
	VERDICT_WARNING, /* it works, but not well, or not for everybody */
	VERDICT_WRONG,   /* it does not work */
};

struct diagnosis {
	bool as_json;   /* or as lines for people, at once */
	json_t *checks; /* NULL: there was no memory, which json_check() tells */
	size_t n_wrong;
};

void diagnosis_begin(struct diagnosis *diagnosis, bool as_json);

/*
 * One more check. @name says which, @subject of what (a host, a node): cleaned, see
 * text.h. @advice: what to do about it; NULL: nothing. What was found follows as for
 * printf().
 */
void diagnosis_add(struct diagnosis *diagnosis, enum verdict verdict, const char *name,
                   const char *subject, const char *advice, const char *format, ...)
	DIST_PRINTF(6, 7);

/* What @other found, which was begun as JSON, comes next; @other is at its end. */
void diagnosis_take(struct diagnosis *diagnosis, struct diagnosis *other);

/*
 * Returns the exit status: @status, unless that is 0 and anything is wrong. Where the
 * command line was wrong nothing is printed.
 */
int diagnosis_end(struct diagnosis *diagnosis, int status);

#endif
