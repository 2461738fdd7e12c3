/*
 * One flag for each block, which nobody waits for; a child of fork() in which some stay
 * set for ever is none the worse for it.
 */
#include "base/reserve.h"

#include <stdatomic.h>
#include <stdint.h>

#define BLOCKS_N 32

static _Alignas(64) unsigned char blocks[BLOCKS_N][DIST_RESERVE_BLOCK];
static atomic_bool taken[BLOCKS_N];

/* The first one that is free, so that few of them are ever touched. */
void *
dist_reserve_take(void)
{
	for (unsigned i = 0; i < BLOCKS_N; i++) {
		if (!atomic_load_explicit(&taken[i], memory_order_relaxed) &&
		    !atomic_exchange_explicit(&taken[i], true, memory_order_acquire))
			return blocks[i];
	}
	return NULL;
}

bool
dist_reserve_give(void *block)
{
	uintptr_t offset = (uintptr_t)block - (uintptr_t)blocks;

	if (offset >= sizeof(blocks))
		return false;
	atomic_store_explicit(&taken[offset / DIST_RESERVE_BLOCK], false,
	                      memory_order_release);
	return true;
}
