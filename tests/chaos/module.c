/*
 * chaos.so: the procedures of chaos.x. Each writes down when it begins and when it is
 * done, in the journal that CHAOS_JOURNAL names, as the node that CHAOS_NODE names:
 *
 *	B TOKEN NODE PID ATTEMPT NS   an execution begins
 *	F TOKEN NODE PID NS           and is done; its answer is not yet sent
 */
#include "chaos.h"

#include "journal.h"

#include <dist/dist.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Shorter than this is worked, longer is slept: a sleep is never as short. */
#define MODULE_SPIN_US 500

static struct {
	const char *node; /* set at loading */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t nobody_later;
	unsigned n_later; /* threads that answer later */
} module = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.nobody_later = PTHREAD_COND_INITIALIZER,
};

int dist_module_init(void);
void dist_module_fini(void);

int
dist_module_init(void)
{
	const char *path = getenv("CHAOS_JOURNAL");

	module.node = getenv("CHAOS_NODE");
	if (!path || !module.node)
		return -1;
	journal_open(path);
	return 0;
}

/* Threads that still run this module's code must not lose it under their feet. */
void
dist_module_fini(void)
{
	pthread_mutex_lock(&module.lock);
	while (module.n_later)
		pthread_cond_wait(&module.nobody_later, &module.lock);
	pthread_mutex_unlock(&module.lock);
}

/* --- One execution ---------------------------------------------------------------- */

static void
work(unsigned work_us)
{
	int64_t until_ns = journal_now_ns() + (int64_t)work_us * 1000;
	struct timespec until = {
		.tv_sec = until_ns / 1000000000,
		.tv_nsec = until_ns % 1000000000,
	};

	if (work_us <= MODULE_SPIN_US) {
		while (journal_now_ns() < until_ns)
			;
		return;
	}
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

/* Room for the answer comes first: what has begun shall not fail for want of memory. */
static bool
answer_prepare(chaos_answer *answer, const chaos_work *task)
{
	u_int length = task->payload.payload_len;

	memset(answer, 0, sizeof(*answer));
	answer->node = strdup(module.node);
	answer->payload.payload_val = malloc(length ? length : 1);
	if (!answer->node || !answer->payload.payload_val) {
		free(answer->node);
		free(answer->payload.payload_val);
		return false;
	}
	answer->payload.payload_len = length;
	return true;
}

static void
answer_work_out(chaos_answer *answer, const chaos_work *task, unsigned attempt)
{
	u_int length = task->payload.payload_len;

	journal_write("B %llu %s %d %u %lld", (unsigned long long)task->token,
	              module.node, (int)getpid(), attempt, (long long)journal_now_ns());
	work(task->work_us);
	answer->token = task->token;
	answer->pid = (int)getpid();
	for (u_int i = 0; i < length; i++)
		answer->payload.payload_val[i] =
			task->payload.payload_val[length - 1 - i];
	journal_write("F %llu %s %d %lld", (unsigned long long)task->token, module.node,
	              (int)getpid(), (long long)journal_now_ns());
}

static bool_t
answer_now(const chaos_work *task, chaos_answer *answer, struct svc_req *rqstp)
{
	if (!answer_prepare(answer, task))
		return FALSE;
	answer_work_out(answer, task, dist_request_attempt(rqstp));
	return TRUE;
}

bool_t
chaos_run_1_svc(chaos_work task, chaos_answer *answer, struct svc_req *rqstp)
{
	return answer_now(&task, answer, rqstp);
}

bool_t
chaos_quick_1_svc(chaos_work task, chaos_answer *answer, struct svc_req *rqstp)
{
	return answer_now(&task, answer, rqstp);
}

/* --- Answering later -------------------------------------------------------------- */

struct later {
	struct dist_deferred *deferred;
	chaos_work task;
	chaos_answer answer;
	unsigned attempt;
};

static void
later_free(struct later *later)
{
	free(later->task.payload.payload_val);
	free(later->answer.node);
	free(later->answer.payload.payload_val);
	free(later);
}

/* The task dies with the call that brought it, so it is copied. */
static struct later *
later_new(const chaos_work *task)
{
	u_int length = task->payload.payload_len;
	struct later *later = calloc(1, sizeof(*later));
	char *payload = malloc(length ? length : 1);

	if (!later || !payload || !answer_prepare(&later->answer, task)) {
		free(later);
		free(payload);
		return NULL;
	}
	if (length)
		memcpy(payload, task->payload.payload_val, length);
	later->task = *task;
	later->task.payload.payload_val = payload;
	return later;
}

static void
later_count(int difference)
{
	pthread_mutex_lock(&module.lock);
	module.n_later += (unsigned)difference;
	if (!module.n_later)
		pthread_cond_broadcast(&module.nobody_later);
	pthread_mutex_unlock(&module.lock);
}

static void *
later_main(void *arg)
{
	struct later *later = arg;

	answer_work_out(&later->answer, &later->task, later->attempt);
	/* Whether the caller is still there is what the checker looks at, not we. */
	if (dist_deferred_reply(later->deferred, (xdrproc_t)xdr_chaos_answer,
	                        &later->answer))
		journal_write("# %llu was not sent: %s",
		              (unsigned long long)later->task.token, dist_error_text());
	later_free(later);
	later_count(-1);
	return NULL;
}

bool_t
chaos_later_1_svc(chaos_work task, chaos_answer *answer, struct svc_req *rqstp)
{
	struct later *later = later_new(&task);
	pthread_attr_t detached;
	pthread_t thread;
	int status;

	if (!later)
		return FALSE;
	later->attempt = dist_request_attempt(rqstp);
	later->deferred = dist_request_defer(rqstp);
	if (!later->deferred) {
		later_free(later);
		return answer_now(&task, answer, rqstp);
	}
	later_count(1);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	status = pthread_create(&thread, &detached, later_main, later);
	pthread_attr_destroy(&detached);
	if (status) {
		dist_deferred_fail(later->deferred);
		later_free(later);
		later_count(-1);
	}
	return FALSE;
}
