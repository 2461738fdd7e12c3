/*
 * Inputs of the targets that have connections: steps, one after another, each of
 *
 *	kind, which, length (2 bytes, the high one first), and so many bytes
 *
 * so that an input is what several peers do in turn. A step that is cut has the bytes
 * that are there. Records are marked here, for else a fuzzer would mostly try marks;
 * what a mark can do wrong is in the raw bytes.
 */
#ifndef FUZZ_STEPS_H
#define FUZZ_STEPS_H

#include "base/bytes.h"

#include <stdbool.h>

#define STEP_HEADER 4
#define STEP_MAX    65535

enum step_kind {
	STEP_RAW,      /* bytes as they are */
	STEP_RECORD,   /* a record of one fragment */
	STEP_FRAGMENT, /* one that is not its record's last */
	STEP_SHUT,     /* nothing more is sent */
	STEP_CLOSE,
	STEP_N_COMMON, /* a target's own follow */
};

struct step {
	unsigned kind; /* of @n_kinds */
	unsigned which;
	struct dist_bytes bytes;
};

struct steps {
	const uint8_t *at, *end;
	unsigned n_kinds;
};

/* False: there are no more. */
bool steps_next(struct steps *steps, struct step *ret_step);

/*
 * What of a RAW, RECORD or FRAGMENT step is sent, mark included, at @to, which has room
 * for 4 bytes more than it has. Returns its length.
 */
size_t step_write(const struct step *step, uint8_t *to);

#endif
