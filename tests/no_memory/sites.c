/*
 * A unit test whose memory runs out at one place. Each place that asks for memory is a
 * site: the innermost addresses of the program itself on its stack, those of shared
 * libraries left out, so that what libtirpc asks for is told apart by who called it.
 * The environment says what to do:
 *
 *   DIST_NO_MEMORY_LIST=1         print the names of all cases, and run none
 *   DIST_NO_MEMORY_CASE=NAME      run this case alone
 *   DIST_NO_MEMORY_SITES=FILE     write all sites to FILE at the end
 *   DIST_NO_MEMORY_REFUSE=SITE:N  refuse the N-th request of SITE, and say "refused"
 *
 * The first assertion that fails ends the program with a status of its own: what cmocka
 * does, a jump out of the case, would leave the threads of the case to what comes
 * after.
 */
#include "support/check.h"

#include "support/allocator.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

#define ASSERTION_FAILED 40
#define SITE_FRAMES      3
#define FRAMES_MAX       32
#define SITES_MAX        (1u << 14)

/* Of the linker: where this program begins, and its code ends. */
extern const char __executable_start[], etext[];

struct site {
	uint64_t key; /* 0: free */
	unsigned long n_asked;
	unsigned n_frames;
	uint32_t frames[FRAMES_MAX]; /* all of the program's own, from its beginning */
};

static atomic_flag busy = ATOMIC_FLAG_INIT; /* guards @sites */
static struct site sites[SITES_MAX];

/* Set before any thread is there. */
static const char *sites_path;
static uint64_t refused_key; /* 0: none */
static unsigned long refused_number;
static pid_t own_pid;

/* --- Where a request comes from ----------------------------------------------- */

struct walk {
	const void *caller;
	bool is_beyond; /* what stands in the place of malloc() */
	unsigned n_frames, n_frames_max;
	uint32_t frames[FRAMES_MAX];
};

static _Unwind_Reason_Code
walk_on(struct _Unwind_Context *context, void *arg)
{
	struct walk *walk = arg;
	const char *at = (const char *)_Unwind_GetIP(context);

	walk->is_beyond |= at == walk->caller;
	if (walk->is_beyond && at >= __executable_start && at < etext)
		walk->frames[walk->n_frames++] = (uint32_t)(at - __executable_start);
	return walk->n_frames < walk->n_frames_max ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static uint64_t
walk_key(const struct walk *walk)
{
	uint64_t key = 1469598103934665603u; /* FNV-1a, by words */

	for (unsigned i = 0; i < walk->n_frames; i++)
		key = (key ^ walk->frames[i]) * 1099511628211u;
	return key;
}

/* --- The sites ---------------------------------------------------------------- */

/* NULL: there are too many. */
static struct site *
site_find_locked(uint64_t key)
{
	for (unsigned i = 0; i < SITES_MAX; i++) {
		struct site *site = &sites[(key + i) % SITES_MAX];

		if (site->key == key || !site->key)
			return site;
	}
	return NULL;
}

static unsigned long
site_count_locked(uint64_t key, const void *caller)
{
	struct walk walk = { .caller = caller, .n_frames_max = FRAMES_MAX };
	struct site *site = site_find_locked(key);

	if (!site)
		return 0;
	if (!site->key) {
		_Unwind_Backtrace(walk_on, &walk);
		site->key = key;
		site->n_frames = walk.n_frames;
		memcpy(site->frames, walk.frames, sizeof(site->frames));
	}
	return ++site->n_asked;
}

static void
sites_lock(void)
{
	while (atomic_flag_test_and_set(&busy))
		sched_yield();
}

static void
sites_unlock(void)
{
	atomic_flag_clear(&busy);
}

static bool
refuses(const void *caller)
{
	struct walk walk = { .caller = caller, .n_frames_max = SITE_FRAMES };
	unsigned long number;
	uint64_t key;
	int state;

	_Unwind_Backtrace(walk_on, &walk);
	key = walk_key(&walk);
	sites_lock();
	number = site_count_locked(key, caller);
	sites_unlock();
	if (key != refused_key || number != refused_number)
		return false;
	/* A malloc() is no place where a thread is cancelled. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	dprintf(STDERR_FILENO, "refused\n");
	pthread_setcancelstate(state, NULL);
	return true;
}

/* --- Beginning and end -------------------------------------------------------- */

static void
write_sites(void)
{
	FILE *file;

	allocator_ask(NULL);
	if (!sites_path || getpid() != own_pid || !(file = fopen(sites_path, "w")))
		return;
	for (unsigned i = 0; i < SITES_MAX; i++) {
		if (!sites[i].key)
			continue;
		fprintf(file, "%016" PRIx64 " %lu", sites[i].key, sites[i].n_asked);
		for (unsigned j = 0; j < sites[i].n_frames; j++)
			fprintf(file, " %" PRIx32, sites[i].frames[j]);
		fputc('\n', file);
	}
	fclose(file);
}

/* What a thread without a case of its own says instead of an assertion. That of
 * assert() does not come by here. */
void
abort(void)
{
	fputs("a thread of the test gave up\n", stderr);
	_exit(ASSERTION_FAILED);
}

/* In the place of cmocka's, as is the one below. */
void
_fail(const char *const file, const int line)
{
	fprintf(stderr, "%s:%d: an assertion failed\n", file, line);
	_exit(ASSERTION_FAILED);
}

int
_cmocka_run_group_tests(const char *group, const struct CMUnitTest *const tests,
                        const size_t n_tests, CMFixtureFunction setup,
                        CMFixtureFunction teardown)
{
	int (*run)(const char *, const struct CMUnitTest *, size_t, CMFixtureFunction,
	           CMFixtureFunction);
	void *symbol = dlsym(RTLD_NEXT, __func__);

	memcpy(&run, &symbol, sizeof(run));
	if (!getenv("DIST_NO_MEMORY_LIST"))
		return run(group, tests, n_tests, setup, teardown);
	for (size_t i = 0; i < n_tests; i++)
		puts(tests[i].name);
	return 0;
}

__attribute__((constructor)) static void
sites_begin(void)
{
	const char *refused = getenv("DIST_NO_MEMORY_REFUSE");
	const char *name = getenv("DIST_NO_MEMORY_CASE");

	if (name)
		cmocka_set_test_filter(name);
	sites_path = getenv("DIST_NO_MEMORY_SITES");
	if (refused &&
	    sscanf(refused, "%" SCNx64 ":%lu", &refused_key, &refused_number) != 2)
		abort();
	own_pid = getpid();
	/* The first to be told of, so the last before a fork and the first behind it.
	 */
	pthread_atfork(sites_lock, sites_unlock, sites_unlock);
	atexit(write_sites);
	if (sites_path || refused)
		allocator_ask(refuses);
}
