#include "support/allocations.h"

#include <errno.h>
#include <execinfo.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#define SHOWN_MAX  8
#define FRAMES_MAX 24

struct made {
	size_t size;
	int n_frames;
	void *frames[FRAMES_MAX];
};

static atomic_bool counting;
static atomic_ulong n_made;
static atomic_size_t largest;
static struct made made[SHOWN_MAX];

static void
count(size_t size)
{
	static __thread bool inside;
	size_t before = atomic_load_explicit(&largest, memory_order_relaxed);
	unsigned long at;

	if (!atomic_load_explicit(&counting, memory_order_relaxed) || inside)
		return;
	while (before < size && !atomic_compare_exchange_weak(&largest, &before, size))
		;
	inside = true;
	at = atomic_fetch_add(&n_made, 1);
	if (at < SHOWN_MAX) {
		made[at].size = size;
		made[at].n_frames = backtrace(made[at].frames, FRAMES_MAX);
	}
	inside = false;
}

#ifdef SANITIZED

/* --- By a hook of the sanitizer's own allocator ------------------------------- */

/* Of sanitizer/allocator_interface.h, which not every compiler brings. */
int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void *,
                                                                  size_t),
                                              void (*free_hook)(const volatile void *));

static void
on_malloc(const volatile void *memory, size_t size)
{
	(void)memory;
	count(size);
}

static void
on_free(const volatile void *memory)
{
	(void)memory;
}

static void
counting_begin(void)
{
	static bool hooked;

	if (!hooked)
		hooked = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
	if (!hooked)
		abort();
}

#else

/* --- In the place of the C library's, which are behind them ------------------- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

static void
counting_begin(void)
{
}

void *
malloc(size_t size)
{
	count(size);
	return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	count(n * size);
	return __libc_calloc(n, size);
}

void *
realloc(void *memory, size_t size)
{
	count(size);
	return __libc_realloc(memory, size);
}

void *
memalign(size_t alignment, size_t size)
{
	count(size);
	return __libc_memalign(alignment, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

int
posix_memalign(void **ret_memory, size_t alignment, size_t size)
{
	void *memory = memalign(alignment, size);

	if (!memory)
		return ENOMEM;
	*ret_memory = memory;
	return 0;
}

void
free(void *memory)
{
	__libc_free(memory);
}

#endif

/* --- Counting ----------------------------------------------------------------- */

void
allocations_start(void)
{
	void *frame;

	counting_begin();
	backtrace(&frame, 1); /* what it needs it takes the first time */
	atomic_store(&n_made, 0);
	atomic_store(&largest, 0);
	atomic_store(&counting, true);
}

unsigned long
allocations_stop(void)
{
	atomic_store(&counting, false);
	return atomic_load(&n_made);
}

size_t
allocations_largest(void)
{
	return atomic_load(&largest);
}

void
allocations_show(void)
{
	unsigned long n = atomic_load(&n_made);

	for (unsigned long i = 0; i < n && i < SHOWN_MAX; i++) {
		fprintf(stderr, "%lu of %lu: %zu bytes\n", i + 1, n, made[i].size);
		backtrace_symbols_fd(made[i].frames, made[i].n_frames, STDERR_FILENO);
	}
}
