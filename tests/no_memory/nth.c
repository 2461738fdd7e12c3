/*
 * A program that is refused some of its requests for memory, as the environment says:
 *
 *   DIST_NO_MEMORY_NTH=FIRST:N   refuse the FIRST-th request of all threads, and those
 *                                behind it, N in all; say "refused" on stderr
 *   DIST_NO_MEMORY_COUNT=FILE    write to FILE at the end how many there were
 *
 * Requests count from before main() on.
 */
#include "support/allocator.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_ulong n_asked;
static unsigned long first, n; /* 0: none is refused */
static const char *count_path;

static bool
refuses(const void *caller)
{
	static const char word[] = "refused\n";
	unsigned long nth = atomic_fetch_add(&n_asked, 1) + 1;
	ssize_t written;

	(void)caller;
	if (nth < first || nth - first >= n)
		return false;
	if (nth == first) {
		written = write(STDERR_FILENO, word, sizeof(word) - 1);
		(void)written;
	}
	return true;
}

static void
write_count(void)
{
	unsigned long count = atomic_load(&n_asked);
	FILE *file = fopen(count_path, "w");

	if (!file || fprintf(file, "%lu\n", count) < 0 || fclose(file))
		abort();
}

__attribute__((constructor)) static void
begin(void)
{
	const char *nth = getenv("DIST_NO_MEMORY_NTH");

	if (nth && sscanf(nth, "%lu:%lu", &first, &n) != 2)
		abort();
	count_path = getenv("DIST_NO_MEMORY_COUNT");
	if (count_path && atexit(write_count))
		abort();
	/* What distctl starts, the preprocessor say, is none of its own. */
	unsetenv("DIST_NO_MEMORY_NTH");
	unsetenv("DIST_NO_MEMORY_COUNT");
	allocator_ask(refuses);
}
