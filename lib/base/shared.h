/*
 * Bytes that never change and have several owners: what is encoded once and sent to many.
 */
#ifndef DIST_BASE_SHARED_H
#define DIST_BASE_SHARED_H

#include "base/cleanup.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct dist_shared {
	atomic_uint refs;
	size_t length;
	uint8_t *data; /* malloc()ed, and its own */
};

/* With one reference. @data is taken, unless this gives NULL: no memory. */
struct dist_shared *dist_shared_new(uint8_t *data, size_t length);
struct dist_shared *dist_shared_ref(struct dist_shared *shared);
void dist_shared_unref(struct dist_shared *shared);

#endif
