#include "base/shared.h"

#include <stdlib.h>

struct dist_shared *
dist_shared_new(uint8_t *data, size_t length)
{
	struct dist_shared *shared = malloc(sizeof(*shared));

	if (!shared)
		return NULL;
	atomic_init(&shared->refs, 1);
	shared->length = length;
	shared->data = data;
	return shared;
}

struct dist_shared *
dist_shared_ref(struct dist_shared *shared)
{
	atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
	return shared;
}

void
dist_shared_unref(struct dist_shared *shared)
{
	if (!shared ||
	    atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(shared->data);
	free(shared);
}
