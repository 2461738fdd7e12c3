#include "client/stress.h"

#include "server/fixture.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/hostile.h"

#define N_CALLERS 6
#define BATCH_MAX 12
#define DEFAULT_SECONDS 1
#define STUCK_NS (20000 * DIST_NS_PER_MS)
#define POISON 0x5ca1ab1e
#define LARGE 100000 /* bytes: the waiting thread decodes what is larger than 64 KiB */
#define N_ONES (LARGE / 4) /* are sent from where they were encoded, not copied */

const struct dist_call_options stress_flavors[STRESS_N_FLAVORS] = {
	[STRESS_PLAIN] = { 0 },
	[STRESS_HASTY] = { .timeout_ms = 1 },
	[STRESS_IDEMPOTENT] = { .idempotent = true },
	[STRESS_HEDGED] = { .idempotent = true, .hedge_after_ms = 1 },
};

enum kind {
	SMALL,
	LARGE_RESULT,
	LARGE_ARGUMENT,
};

/* One call. */
struct job {
	enum stress_flavor flavor;
	enum kind kind;
	uint32_t id, size;
	int sum;
	quad_t count;
	probe_bytes bytes;
	struct dist_waiter *waiter;
	atomic_uint n_callbacks;
};

struct caller {
	struct stress *stage;
	pthread_t thread, partner;
	uint64_t seed;
	const char *_Atomic doing;
	atomic_uint n_done;
	/* The second thread that waits for the same call. */
	sem_t asked, answered;
	struct dist_waiter *shared;
	enum dist_err shared_err;
};

/* A large argument is some of these, whose sum is their number. */
static int ones[N_ONES];

/* --- One call ------------------------------------------------------------------------ */

static void
job_init(struct caller *caller, struct job *job)
{
	*job = (struct job){ .sum = POISON, .count = POISON };
	job->flavor = hostile_random(&caller->seed, STRESS_N_FLAVORS);
	if (hostile_random(&caller->seed, 8) == 0)
		job->kind = 1 + hostile_random(&caller->seed, 2);
	job->size = LARGE + 4 * hostile_random(&caller->seed, 1000);
	job->id = atomic_fetch_add(&caller->stage->next_id, 1) % HOSTILE_IDS;
	if (job->flavor == STRESS_IDEMPOTENT || job->flavor == STRESS_HEDGED)
		atomic_store(&caller->stage->idempotent[job->id], 1);
}

static probe_ints
ones_of(const struct job *job)
{
	return (probe_ints){ job->size / 8, ones };
}

static void
job_start(struct caller *caller, struct job *job)
{
	CLIENT *clnt = caller->stage->clients[job->flavor];

	switch (job->kind) {
	case SMALL:
		job->waiter = dist_go(clnt, probe_add_1, (int)job->id, 5, &job->sum);
		return;
	case LARGE_RESULT:
		job->waiter = dist_go(clnt, probe_make_1, job->size, &job->bytes);
		return;
	case LARGE_ARGUMENT:
		job->waiter = dist_go(clnt, probe_sum_1, ones_of(job), &job->count);
		return;
	}
}

static void
job_check_result(const struct job *job)
{
	switch (job->kind) {
	case SMALL:
		CHECK(job->sum == (int)job->id + 5, "%d for %u + 5", job->sum, job->id);
		return;
	case LARGE_RESULT:
		CHECK(job->bytes.probe_bytes_len == (job->size & ~3u) &&
		              job->bytes.probe_bytes_val[0] ==
		                      job->bytes.probe_bytes_val[job->size - 4],
		      "%u bytes, not %u", job->bytes.probe_bytes_len, job->size);
		return;
	case LARGE_ARGUMENT:
		CHECK(job->count == job->size / 8, "%lld of %u ones", (long long)job->count,
		      job->size / 8);
		return;
	}
}

static bool
job_has_result(const struct job *job)
{
	return job->sum != (int)POISON || job->count != POISON || job->bytes.probe_bytes_val;
}

/* What a wait, or a synchronous call, may say. */
static void
job_check(struct stress *stage, const struct job *job, enum dist_err err)
{
	switch (err) {
	case DIST_OK:
		job_check_result(job);
		return;
	case DIST_EBUSY:
	case DIST_ENONODE:
	case DIST_ECONNECT:
		if (job->kind == SMALL)
			atomic_store(&stage->said_not_run[job->id], 1);
		CHECK(stage->loses, "refused: %s", dist_error_text());
		break;
	case DIST_EDEADLINE:
		CHECK(job->flavor == STRESS_HASTY, "a deadline that was not asked for");
		break;
	case DIST_ECANCELED:
		break;
	default:
		CHECK(stage->loses && (err == DIST_ECONNRESET || err == DIST_ERPC),
		      "%s: %s", dist_error_name(err), dist_error_text());
	}
	CHECK(!job_has_result(job), "a result although the call failed with %s", dist_error_name(err));
}

/* The waiter is freed: nobody writes any more. */
static void
job_end(struct stress *stage, struct job *job)
{
	enum dist_err err = dist_error_last();

	if (!job->waiter)
		job_check(stage, job, err);
	dist_waiter_free(job->waiter);
	free(job->bytes.probe_bytes_val);
}

/* --- What callers do ----------------------------------------------------------------- */

static void
do_synchronous(struct caller *caller)
{
	CLIENT *clnt;
	struct job job;
	enum clnt_stat stat;

	job_init(caller, &job);
	clnt = caller->stage->clients[job.flavor];
	dist_error_set(DIST_EADDRESS, "untouched");
	if (job.kind == SMALL)
		stat = probe_add_1((int)job.id, 5, &job.sum, clnt);
	else if (job.kind == LARGE_RESULT)
		stat = probe_make_1(job.size, &job.bytes, clnt);
	else
		stat = probe_sum_1(ones_of(&job), &job.count, clnt);
	CHECK(stat != RPC_SUCCESS || strcmp(dist_error_text(), "untouched") == 0,
	      "a success left \"%s\"", dist_error_text());
	job_check(caller->stage, &job, stat == RPC_SUCCESS ? DIST_OK : dist_error_last());
	free(job.bytes.probe_bytes_val);
}

static void
do_wait(struct caller *caller)
{
	struct job job;

	job_init(caller, &job);
	job_start(caller, &job);
	if (job.waiter)
		job_check(caller->stage, &job, dist_waiter_wait(job.waiter, DIST_FOREVER));
	job_end(caller->stage, &job);
}

static void
do_cancel(struct caller *caller)
{
	struct job job;
	enum dist_err err;

	job_init(caller, &job);
	job_start(caller, &job);
	if (job.waiter && hostile_random(&caller->seed, 2)) {
		err = dist_waiter_wait(job.waiter, hostile_random(&caller->seed, 3));
		if (err == DIST_ETIMEDOUT) {
			dist_waiter_cancel(job.waiter);
			CHECK(dist_waiter_done(job.waiter), "cancelled and not done");
			err = dist_waiter_wait(job.waiter, 0);
		}
		job_check(caller->stage, &job, err);
	}
	job_end(caller->stage, &job);
}

static void
do_two_wait(struct caller *caller)
{
	struct job job;
	enum dist_err err;

	job_init(caller, &job);
	job_start(caller, &job);
	if (job.waiter) {
		caller->shared = job.waiter;
		sem_post(&caller->asked);
		err = dist_waiter_wait(job.waiter, DIST_FOREVER);
		sem_wait(&caller->answered);
		CHECK(caller->shared_err == err, "two answers: %s and %s",
		      dist_error_name(err), dist_error_name(caller->shared_err));
		job_check(caller->stage, &job, err);
	}
	job_end(caller->stage, &job);
}

static void *
partner_main(void *arg)
{
	struct caller *caller = arg;

	for (;;) {
		sem_wait(&caller->asked);
		if (!caller->shared)
			return NULL;
		caller->shared_err = dist_waiter_wait(caller->shared, 60000);
		sem_post(&caller->answered);
	}
}

static void
do_any_and_all(struct caller *caller)
{
	uint32_t n = 1 + hostile_random(&caller->seed, BATCH_MAX), n_started = 0;
	struct dist_waiter *waiters[BATCH_MAX + 1];
	struct job jobs[BATCH_MAX];
	size_t index = BATCH_MAX;
	enum dist_err err;

	for (uint32_t i = 0; i < n; i++) {
		job_init(caller, &jobs[i]);
		job_start(caller, &jobs[i]);
		n_started += jobs[i].waiter != NULL;
		waiters[i] = jobs[i].waiter;
		if (!jobs[i].waiter)
			job_check(caller->stage, &jobs[i], dist_error_last());
	}
	waiters[n] = waiters[0]; /* twice the same does no harm */
	err = dist_wait_any(waiters, n + 1, hostile_random(&caller->seed, 2) ? -1 : 2,
	                    &index);
	CHECK(n_started || err == DIST_EINVAL, "any of none");
	if (n_started && err != DIST_ETIMEDOUT)
		job_check(caller->stage, &jobs[index % n], err);
	if (n_started == n)
		err = dist_wait_all(waiters, n, DIST_FOREVER);
	CHECK(n_started < n || err != DIST_ETIMEDOUT, "a wait for good that ended");
	for (uint32_t i = 0; i < n; i++) {
		if (jobs[i].waiter && n_started == n)
			job_check(caller->stage, &jobs[i], dist_waiter_wait(waiters[i], 0));
		dist_waiter_free(jobs[i].waiter);
		free(jobs[i].bytes.probe_bytes_val);
	}
}

/* Started with a callback, which frees what its caller did not. */
struct told {
	struct stress *stage;
	struct job job;
	bool freed;
};

static void
on_done(struct dist_waiter *waiter, void *arg)
{
	struct told *told = arg;

	CHECK(atomic_fetch_add(&told->job.n_callbacks, 1) == 0, "called back twice");
	CHECK(!waiter || dist_waiter_status(waiter) != RPC_INPROGRESS,
	      "called back before the end");
	if (waiter && dist_waiter_status(waiter) == RPC_SUCCESS)
		job_check_result(&told->job);
	if (!told->freed) {
		CHECK(dist_waiter_wait(waiter, 0) == DIST_EDEADLK, "waited for itself");
		dist_waiter_free(waiter);
	}
	atomic_fetch_add(&told->stage->n_callbacks_run, 1);
	free(told->job.bytes.probe_bytes_val);
	free(told);
}

static void
do_callback(struct caller *caller)
{
	struct told *told = malloc(sizeof(*told));
	struct dist_waiter *waiter;
	bool frees = hostile_random(&caller->seed, 2);

	told->stage = caller->stage;
	told->freed = frees;
	job_init(caller, &told->job);
	job_start(caller, &told->job);
	waiter = told->job.waiter;
	if (!waiter) {
		free(told);
		return;
	}
	atomic_fetch_add(&caller->stage->n_callbacks_due, 1);
	assert_ok(dist_waiter_then(waiter, on_done, told));
	if (frees)
		dist_waiter_free(waiter);
}

static void
do_queue(struct caller *caller)
{
	uint32_t n = 1 + hostile_random(&caller->seed, BATCH_MAX), n_queued = 0;
	struct job jobs[BATCH_MAX];
	struct dist_waiter *waiter;
	struct dist_queue *queue;
	bool leaves = hostile_random(&caller->seed, 4) == 0;

	assert_ok(dist_queue_new(&queue));
	if (hostile_random(&caller->seed, 2))
		assert_true(dist_queue_fd(queue) >= 0);
	for (uint32_t i = 0; i < n; i++) {
		job_init(caller, &jobs[i]);
		job_start(caller, &jobs[i]);
		if (!jobs[i].waiter)
			continue;
		assert_ok(dist_queue_add(queue, jobs[i].waiter, &jobs[i]));
		n_queued++;
	}
	while (!leaves && n_queued) {
		struct job *job;

		/* For good, for a moment, or only looking. */
		waiter = dist_queue_take(queue, (int)hostile_random(&caller->seed, 3) - 1);
		if (!waiter)
			continue;
		job = dist_waiter_tag(waiter);

		job_check(caller->stage, job, dist_waiter_wait(waiter, 0));
		dist_waiter_free(waiter);
		n_queued--;
	}
	CHECK(leaves || !dist_queue_take(queue, DIST_FOREVER), "more than was given");
	dist_queue_free(queue);
	for (uint32_t i = 0; i < n; i++)
		free(jobs[i].bytes.probe_bytes_val);
}

static void
shared_end(struct stress *stage, struct dist_waiter *waiter)
{
	struct job *job = dist_waiter_tag(waiter);

	job_check(stage, job, dist_waiter_wait(waiter, 0));
	dist_waiter_free(waiter);
	free(job->bytes.probe_bytes_val);
	free(job);
	atomic_fetch_sub(&stage->n_shared, 1);
}

/* A few in, a few out, whoever gave them; all that wait are to see each of them end. */
static void
do_shared_queue(struct caller *caller)
{
	uint32_t n = 1 + hostile_random(&caller->seed, BATCH_MAX);
	struct stress *stage = caller->stage;
	struct dist_waiter *waiter;

	for (uint32_t i = 0; i < n; i++) {
		struct job *job = malloc(sizeof(*job));

		job_init(caller, job);
		job_start(caller, job);
		if (!job->waiter) {
			job_end(stage, job);
			free(job);
			continue;
		}
		atomic_fetch_add(&stage->n_shared, 1);
		assert_ok(dist_queue_add(stage->queue, job->waiter, job));
	}
	for (uint32_t i = 0; i < n; i++) {
		waiter = dist_queue_take(stage->queue,
		                         (int)hostile_random(&caller->seed, 4) - 1);
		if (waiter)
			shared_end(stage, waiter);
	}
}

static void
empty_shared_queue(struct stress *stage)
{
	struct dist_waiter *waiter;

	while ((waiter = dist_queue_take(stage->queue, DIST_FOREVER)))
		shared_end(stage, waiter);
	CHECK(atomic_load(&stage->n_shared) == 0, "%u were lost in a queue",
	      atomic_load(&stage->n_shared));
}

static const struct {
	const char *name;
	void (*run)(struct caller *caller);
} deeds[] = {
	{ "a synchronous call", do_synchronous }, { "a wait", do_wait },
	{ "a cancel", do_cancel },                { "two waits for one call", do_two_wait },
	{ "any and all", do_any_and_all },        { "a callback", do_callback },
	{ "a queue", do_queue },                  { "the queue of all", do_shared_queue },
};

#define N_DEEDS (sizeof(deeds) / sizeof(deeds[0]))

static void *
caller_main(void *arg)
{
	struct caller *caller = arg;

	while (!atomic_load(&caller->stage->over)) {
		uint32_t deed = hostile_random(&caller->seed, N_DEEDS);

		atomic_store(&caller->doing, deeds[deed].name);
		deeds[deed].run(caller);
		atomic_fetch_add(&caller->n_done, 1);
	}
	atomic_store(&caller->doing, "nothing");
	caller->shared = NULL;
	sem_post(&caller->asked);
	pthread_join(caller->partner, NULL);
	return NULL;
}

/* --- The whole ----------------------------------------------------------------------- */

void
stress_pause_ms(int64_t ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* Fail with what each does when one of them does the same for too long. */
static void
watch(struct caller *callers, int64_t until_ns)
{
	unsigned seen[N_CALLERS] = { 0 };
	int64_t moved_ns[N_CALLERS];
	bool busy = true;

	for (unsigned i = 0; i < N_CALLERS; i++)
		moved_ns[i] = dist_clock_ns();
	while (busy) {
		int64_t now_ns = dist_clock_ns();

		busy = now_ns < until_ns;
		if (!busy)
			atomic_store(&callers[0].stage->over, true);
		for (unsigned i = 0; i < N_CALLERS; i++) {
			const char *doing = atomic_load(&callers[i].doing);

			if (seen[i] != atomic_load(&callers[i].n_done))
				moved_ns[i] = now_ns;
			seen[i] = atomic_load(&callers[i].n_done);
			busy = busy || strcmp(doing, "nothing") != 0;
			CHECK(strcmp(doing, "nothing") == 0 ||
			              now_ns - moved_ns[i] < STUCK_NS,
			      "caller %u is stuck in %s after %u", i, doing, seen[i]);
		}
		stress_pause_ms(5);
	}
}

uint64_t
stress_seed(void)
{
	const char *given = getenv("DIST_STRESS_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)dist_clock_ns();

	fprintf(stderr, "# DIST_STRESS_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static int64_t
stress_ns(void)
{
	const char *given = getenv("DIST_STRESS_SECONDS");

	return (given ? atoi(given) : DEFAULT_SECONDS) * 1000 * DIST_NS_PER_MS;
}

static bool
callbacks_are_over(void *arg)
{
	struct stress *stage = arg;

	return atomic_load(&stage->n_callbacks_run) == atomic_load(&stage->n_callbacks_due);
}

void
stress_init(struct stress *stage)
{
	*stage = (struct stress){ 0 };
	for (unsigned i = 0; i < N_ONES; i++)
		ones[i] = 1;
	stage->said_not_run = calloc(HOSTILE_IDS, 1);
	stage->idempotent = calloc(HOSTILE_IDS, 1);
	assert_ok(dist_queue_new(&stage->queue));
}

void
stress_fini(struct stress *stage)
{
	for (unsigned i = 0; i < STRESS_N_FLAVORS; i++)
		clnt_destroy(stage->clients[i]);
	dist_queue_free(stage->queue);
	free((void *)stage->said_not_run);
	free((void *)stage->idempotent);
}

void
stress_play(struct stress *stage, uint64_t seed)
{
	struct caller callers[N_CALLERS] = { { 0 } };
	unsigned n_done = 0;

	for (unsigned i = 0; i < N_CALLERS; i++) {
		struct caller *caller = &callers[i];

		caller->stage = stage;
		caller->seed = (seed + i) * 0x9e3779b97f4a7c15u | 1;
		caller->doing = "starting";
		sem_init(&caller->asked, 0, 0);
		sem_init(&caller->answered, 0, 0);
		pthread_create(&caller->partner, NULL, partner_main, caller);
		pthread_create(&caller->thread, NULL, caller_main, caller);
	}
	watch(callers, dist_clock_ns() + stress_ns());
	for (unsigned i = 0; i < N_CALLERS; i++) {
		pthread_join(callers[i].thread, NULL);
		sem_destroy(&callers[i].asked);
		sem_destroy(&callers[i].answered);
		n_done += atomic_load(&callers[i].n_done);
	}
	fprintf(stderr, "# %u deeds, %u calls\n", n_done, atomic_load(&stage->next_id));
	empty_shared_queue(stage);
	fixture_until(callbacks_are_over, stage);
}
