/*
 * A short list, the block given last at its end, which is the one still in the cache.
 * It is guarded by a flag that nobody waits for: who finds it set does without, and a
 * child of fork() in which it stays set for ever is none the worse for it.
 */
#include "base/large.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

#if defined(__SANITIZE_ADDRESS__)
#define LARGE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LARGE_ASAN 1
#endif
#endif

#ifdef LARGE_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, size)   ((void)(memory), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#endif

#define BLOCKS_MAX 16
/* Pages of freed blocks from this size on are given back at once: see block_free(). */
#define RELEASE_MIN ((size_t)1024 * 1024)
/* From this size on malloc() always asks the system, and realloc() moves pages. */
#define MAPPED_MIN ((size_t)32 * 1024 * 1024)
/* An array and the record that it came in are of one size but for this. */
#define HEADERS_MAX 8192

struct block {
	void *memory;
	size_t size;
	int64_t since_ns;
};

static atomic_uint n_trimmers;
static atomic_bool busy; /* guards the next group */
static struct block blocks[BLOCKS_MAX];
static unsigned n_blocks;
static size_t n_bytes;

static bool
blocks_try_lock(void)
{
	return !atomic_exchange_explicit(&busy, true, memory_order_acquire);
}

static void
blocks_unlock(void)
{
	atomic_store_explicit(&busy, false, memory_order_release);
}

static struct block
blocks_remove(unsigned i)
{
	struct block block = blocks[i];

	n_blocks--;
	n_bytes -= block.size;
	memmove(&blocks[i], &blocks[i + 1], (n_blocks - i) * sizeof(block));
	ASAN_UNPOISON_MEMORY_REGION(block.memory, block.size);
	return block;
}

/*
 * Once a large block was freed, malloc() takes later ones of its size from its heaps, and
 * keeps these at the height that a burst needed. So the pages are given back here; what
 * is in a block that is about to be freed is nobody's.
 */
static void
block_free(void *memory, size_t size)
{
#ifndef LARGE_ASAN
	if (size >= RELEASE_MIN) {
		uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
		uintptr_t start = ((uintptr_t)memory + page - 1) & ~(page - 1);
		uintptr_t end = ((uintptr_t)memory + size) & ~(page - 1);
		int error = errno;

		/* That it fails means only that the pages stay. */
		madvise((void *)start, end - start, MADV_DONTNEED);
		errno = error;
	}
#else
	(void)size;
#endif
	free(memory);
}

/* Not over a quarter larger: what is asked for may be held for long. */
static bool
block_fits(const struct block *block, size_t size)
{
	return block->size >= size && block->size - size <= size / 4;
}

size_t
dist_large_round(size_t size)
{
	size_t grain;

	if (size < DIST_LARGE_MIN || size > SIZE_MAX / 2)
		return size;
	size += HEADERS_MAX;
	grain = ((size_t)1 << (sizeof(long) * 8 - 1 - (unsigned)__builtin_clzl(size))) /
	        8;
	return (size + grain - 1) / grain * grain;
}

void *
dist_large_take(size_t size)
{
	void *memory = NULL;

	size = dist_large_round(size);
	if (size < DIST_LARGE_MIN || !blocks_try_lock())
		return NULL;
	for (unsigned i = n_blocks; i > 0 && !memory; i--) {
		if (block_fits(&blocks[i - 1], size))
			memory = blocks_remove(i - 1).memory;
	}
	blocks_unlock();
	return memory;
}

void *
dist_large_alloc(size_t size)
{
	void *memory = dist_large_take(size);

	return memory ? memory : malloc(DIST_MAX(dist_large_round(size), 1));
}

size_t
dist_large_size(void *memory)
{
	return malloc_usable_size(memory);
}

/* Whether it is kept now. */
static bool
large_keep(void *memory, size_t size)
{
	bool keep = false;

	if (!blocks_try_lock())
		return false;
	if (atomic_load_explicit(&n_trimmers, memory_order_relaxed) > 0 &&
	    n_blocks < BLOCKS_MAX && n_bytes + size <= DIST_LARGE_KEPT_MAX) {
		ASAN_POISON_MEMORY_REGION(memory, size);
		blocks[n_blocks++] = (struct block){ memory, size, dist_clock_ns() };
		n_bytes += size;
		keep = true;
	}
	blocks_unlock();
	return keep;
}

void
dist_large_free(void *memory)
{
	size_t size = memory ? malloc_usable_size(memory) : 0;

	if (size < DIST_LARGE_MIN || !large_keep(memory, size))
		block_free(memory, size);
}

void *
dist_large_grow(void *memory, size_t used, size_t size)
{
	size_t had = malloc_usable_size(memory);
	void *grown;

	if (had < RELEASE_MIN || had >= MAPPED_MIN)
		return realloc(memory, dist_large_round(size));
	grown = dist_large_alloc(size);
	if (!grown)
		return NULL;
	memcpy(grown, memory, used);
	dist_large_free(memory);
	return grown;
}

/* Those given before @before_ns; freed when the flag is down again: that takes long. */
static void
blocks_give_back(int64_t before_ns)
{
	struct block old[BLOCKS_MAX];
	unsigned n_old = 0;

	if (!blocks_try_lock())
		return;
	for (unsigned i = n_blocks; i > 0; i--) {
		if (blocks[i - 1].since_ns <= before_ns)
			old[n_old++] = blocks_remove(i - 1);
	}
	blocks_unlock();
	while (n_old-- > 0)
		block_free(old[n_old].memory, old[n_old].size);
}

void
dist_large_trim(int64_t now_ns)
{
	blocks_give_back(now_ns - DIST_LARGE_KEPT_NS);
}

void
dist_large_begin(void)
{
	atomic_fetch_add(&n_trimmers, 1);
}

void
dist_large_end(void)
{
	if (atomic_fetch_sub(&n_trimmers, 1) == 1)
		blocks_give_back(INT64_MAX);
}
