#include "support/refusal.h"

#include <execinfo.h>
#include <unistd.h>

void
refusal_begin(struct refusal *refusal, unsigned long first, unsigned long n)
{
	void *frame;

	backtrace(&frame, 1); /* what it needs it takes the first time */
	atomic_store(&refusal->n_refused, 0);
	atomic_store(&refusal->n_asked, 0);
	atomic_store(&refusal->first, first);
	atomic_store(&refusal->after, first + n);
}

bool
refusal_is_next(struct refusal *refusal)
{
	unsigned long number, after = atomic_load(&refusal->after);

	if (!after)
		return false;
	number = atomic_fetch_add(&refusal->n_asked, 1) + 1;
	if (number < atomic_load(&refusal->first) || number >= after)
		return false;
	if (atomic_fetch_add(&refusal->n_refused, 1) == 0)
		refusal->n_frames = backtrace(refusal->frames, REFUSAL_FRAMES_MAX);
	return true;
}

unsigned long
refusal_count(const struct refusal *refusal)
{
	return atomic_load(&refusal->n_refused);
}

unsigned long
refusal_end(struct refusal *refusal)
{
	atomic_store(&refusal->after, 0);
	return refusal_count(refusal);
}

void
refusal_show(const struct refusal *refusal)
{
	if (refusal_count(refusal))
		backtrace_symbols_fd(refusal->frames, refusal->n_frames, STDERR_FILENO);
}
