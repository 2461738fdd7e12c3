#include "support/no_memory.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define BY_ADDRESS_SANITIZER 1
#elif defined(__SANITIZE_THREAD__)
#define BY_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BY_ADDRESS_SANITIZER 1
#elif __has_feature(thread_sanitizer)
#define BY_THREAD_SANITIZER 1
#endif
#endif

#ifdef BY_ADDRESS_SANITIZER

/* The loader forgets what it had when it is refused more in the middle of a library. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:dl_open_worker\n";
}

#endif

#define FRAMES_MAX 24

/* For what runs before a sanitizer is ready to look at memory. */
#define EARLY __attribute__((no_sanitize("address", "undefined")))

/* Those that fail are numbered from @first to before @after; counting starts at 1. */
static atomic_ulong n_asked, first_failing, after_failing, n_failed;
static void *frames[FRAMES_MAX];
static int n_frames;

#ifndef BY_THREAD_SANITIZER

/* This thread asks for what the program itself does not need. */
static __thread bool exempt;

EARLY static bool
fails(void)
{
	unsigned long number, after = atomic_load(&after_failing);

	if (!after || exempt)
		return false;
	number = atomic_fetch_add(&n_asked, 1) + 1;
	if (number < atomic_load(&first_failing) || number >= after)
		return false;
	if (atomic_fetch_add(&n_failed, 1) == 0)
		n_frames = backtrace(frames, FRAMES_MAX);
	errno = ENOMEM;
	return true;
}

/* --- In the place of the C library's, or of the sanitizer's, which are behind them --- */

#ifdef BY_ADDRESS_SANITIZER
#define BEHIND(name) __interceptor_##name
#else
#define BEHIND(name) __libc_##name
#endif

void *BEHIND(malloc)(size_t size);
void *BEHIND(calloc)(size_t n, size_t size);
void *BEHIND(realloc)(void *memory, size_t size);
void *BEHIND(memalign)(size_t alignment, size_t size);
void BEHIND(free)(void *memory);

EARLY void *
malloc(size_t size)
{
	return fails() ? NULL : BEHIND(malloc)(size);
}

EARLY void *
calloc(size_t n, size_t size)
{
	return fails() ? NULL : BEHIND(calloc)(n, size);
}

EARLY void *
realloc(void *memory, size_t size)
{
	return fails() ? NULL : BEHIND(realloc)(memory, size);
}

EARLY void *
reallocarray(void *memory, size_t n, size_t size)
{
	if (size && n > SIZE_MAX / size) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(memory, n * size);
}

EARLY void *
memalign(size_t alignment, size_t size)
{
	return fails() ? NULL : BEHIND(memalign)(alignment, size);
}

EARLY void *
aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

EARLY int
posix_memalign(void **ret_memory, size_t alignment, size_t size)
{
	void *memory = memalign(alignment, size);

	if (!memory)
		return ENOMEM;
	*ret_memory = memory;
	return 0;
}

EARLY void
free(void *memory)
{
	BEHIND(free)(memory);
}

#ifdef BY_ADDRESS_SANITIZER

/* By which it looks at the stack of a new thread; without an answer it gives up. */
EARLY int
pthread_getattr_np(pthread_t thread, pthread_attr_t *ret_attr)
{
	int (*behind)(pthread_t, pthread_attr_t *);
	void *symbol;
	int status;

	exempt = true;
	symbol = dlsym(RTLD_NEXT, "pthread_getattr_np");
	memcpy(&behind, &symbol, sizeof(behind));
	status = behind(thread, ret_attr);
	exempt = false;
	return status;
}

#endif

/* A sanitizer's own would not come by here. */
EARLY static char *
copy_text(const char *text, size_t length)
{
	char *copy = malloc(length + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

EARLY char *
strdup(const char *text)
{
	return copy_text(text, strlen(text));
}

EARLY char *
strndup(const char *text, size_t length)
{
	return copy_text(text, strnlen(text, length));
}

#endif

/* --- Failing ------------------------------------------------------------------------ */

bool
no_memory_works(void)
{
#ifdef BY_THREAD_SANITIZER
	return false;
#else
	return true;
#endif
}

void
no_memory_begin(unsigned long first, unsigned long n)
{
	void *frame;

	backtrace(&frame, 1); /* what it needs it takes the first time */
	atomic_store(&n_failed, 0);
	atomic_store(&n_asked, 0);
	atomic_store(&first_failing, first);
	atomic_store(&after_failing, first + n);
}

unsigned long
no_memory_failed(void)
{
	return atomic_load(&n_failed);
}

unsigned long
no_memory_end(void)
{
	atomic_store(&after_failing, 0);
	return atomic_load(&n_failed);
}

void
no_memory_show(void)
{
	if (no_memory_failed())
		backtrace_symbols_fd(frames, n_frames, STDERR_FILENO);
}
