#include "steps.h"

#include "base/cleanup.h"
#include "wire/record.h"

#include <string.h>

bool
steps_next(struct steps *steps, struct step *ret_step)
{
	size_t left = (size_t)(steps->end - steps->at), length;

	if (left < STEP_HEADER)
		return false;
	ret_step->kind = steps->at[0] % steps->n_kinds;
	ret_step->which = steps->at[1];
	length = (size_t)steps->at[2] << 8 | steps->at[3];
	length = DIST_MIN(length, left - STEP_HEADER);
	ret_step->bytes = (struct dist_bytes){ steps->at + STEP_HEADER, length };
	steps->at += STEP_HEADER + length;
	return true;
}

size_t
step_write(const struct step *step, uint8_t *to)
{
	size_t length = step->bytes.length;
	size_t mark = step->kind == STEP_RAW ? 0 : DIST_RECORD_MARK_SIZE;

	if (step->kind == STEP_RECORD)
		dist_record_mark(to, length);
	else if (step->kind == STEP_FRAGMENT)
		dist_store_be32(to, (uint32_t)length);
	if (length > 0)
		memcpy(to + mark, step->bytes.data, length);
	return mark + length;
}
