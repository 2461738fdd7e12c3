#include "support/allocator.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* For what runs before a sanitizer is ready to look at memory. */
#define EARLY __attribute__((no_sanitize("address", "undefined")))

static _Atomic(allocator_refuses_fn *) asked;

#ifndef BY_THREAD_SANITIZER

/* This thread asks for what the program itself does not need. */
static __thread bool exempt;

EARLY static bool
fails(const void *caller)
{
	allocator_refuses_fn *refuses =
		atomic_load_explicit(&asked, memory_order_acquire);
	bool refused;

	if (!refuses || exempt)
		return false;
	exempt = true;
	refused = refuses(caller);
	exempt = false;
	if (refused)
		errno = ENOMEM;
	return refused;
}

/* --- In the place of the C library's, or of the sanitizer's, which are behind them  */

#ifdef BY_ADDRESS_SANITIZER
#define BEHIND(name) __interceptor_##name
#else
#define BEHIND(name) __libc_##name
#endif

#define CALLER __builtin_return_address(0)

void *BEHIND(malloc)(size_t size);
void *BEHIND(calloc)(size_t n, size_t size);
void *BEHIND(realloc)(void *memory, size_t size);
void *BEHIND(memalign)(size_t alignment, size_t size);
void BEHIND(free)(void *memory);

EARLY void *
malloc(size_t size)
{
	return fails(CALLER) ? NULL : BEHIND(malloc)(size);
}

EARLY void *
calloc(size_t n, size_t size)
{
	return fails(CALLER) ? NULL : BEHIND(calloc)(n, size);
}

EARLY void *
realloc(void *memory, size_t size)
{
	return fails(CALLER) ? NULL : BEHIND(realloc)(memory, size);
}

EARLY void *
reallocarray(void *memory, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return fails(CALLER) ? NULL : BEHIND(realloc)(memory, bytes);
}

EARLY void *
memalign(size_t alignment, size_t size)
{
	return fails(CALLER) ? NULL : BEHIND(memalign)(alignment, size);
}

EARLY void *
aligned_alloc(size_t alignment, size_t size)
{
	return fails(CALLER) ? NULL : BEHIND(memalign)(alignment, size);
}

EARLY int
posix_memalign(void **ret_memory, size_t alignment, size_t size)
{
	void *memory = fails(CALLER) ? NULL : BEHIND(memalign)(alignment, size);

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
copy_text(const char *text, size_t length, const void *caller)
{
	char *copy = fails(caller) ? NULL : BEHIND(malloc)(length + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

EARLY char *
strdup(const char *text)
{
	return copy_text(text, strlen(text), CALLER);
}

EARLY char *
strndup(const char *text, size_t length)
{
	return copy_text(text, strnlen(text, length), CALLER);
}

#endif

/* --- Asking ------------------------------------------------------------------- */

bool
allocator_works(void)
{
#ifdef BY_THREAD_SANITIZER
	return false;
#else
	return true;
#endif
}

void
allocator_ask(allocator_refuses_fn *refuses)
{
	atomic_store_explicit(&asked, refuses, memory_order_release);
}
