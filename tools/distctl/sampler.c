/* A thread that gathers; see sampler.h. */
#include "distctl/sampler.h"

#include "program/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct sampler {
	/* Set by sampler_start(), then read-only. */
	struct gather *gather;
	int64_t interval_ms;
	int fd;
	pthread_t thread;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct gathered *last;
	bool stopping;
};

static void
tell(int fd)
{
	const uint64_t one = 1;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* @gathered in the place of one that nobody took. Whether to go on, at @until. */
static bool
publish(struct sampler *sampler, struct gathered *gathered, const struct timespec *until)
{
	bool stopping;

	pthread_mutex_lock(&sampler->lock);
	if (gathered) {
		gathered_free(sampler->last);
		sampler->last = gathered;
		tell(sampler->fd);
	}
	while (!sampler->stopping &&
	       pthread_cond_timedwait(&sampler->changed, &sampler->lock, until) == 0)
		;
	stopping = sampler->stopping;
	pthread_mutex_unlock(&sampler->lock);
	return !stopping;
}

static void *
sampler_main(void *arg)
{
	struct sampler *sampler = arg;
	struct timespec until;
	struct gathered *gathered;

	do {
		until = program_in_ms(sampler->interval_ms);
		gathered = gather_next(sampler->gather);
	} while (publish(sampler, gathered, &until));
	return NULL;
}

/* Signals are for the thread that draws: it must hear of another size. */
static int
start_thread(struct sampler *sampler)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&sampler->thread, NULL, sampler_main, sampler);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

struct sampler *
sampler_start(struct gather *gather, int64_t interval_ms)
{
	struct sampler *sampler = calloc(1, sizeof(*sampler));

	if (!sampler)
		return NULL;
	sampler->gather = gather;
	sampler->interval_ms = interval_ms;
	sampler->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&sampler->lock, NULL);
	program_cond_init(&sampler->changed);
	if (sampler->fd >= 0 && start_thread(sampler) == 0)
		return sampler;
	if (sampler->fd >= 0)
		close(sampler->fd);
	free(sampler);
	return NULL;
}

void
sampler_stop(struct sampler *sampler)
{
	if (!sampler)
		return;
	pthread_mutex_lock(&sampler->lock);
	sampler->stopping = true;
	pthread_cond_signal(&sampler->changed);
	pthread_mutex_unlock(&sampler->lock);
	pthread_join(sampler->thread, NULL);
	gathered_free(sampler->last);
	pthread_cond_destroy(&sampler->changed);
	pthread_mutex_destroy(&sampler->lock);
	close(sampler->fd);
	free(sampler);
}

int
sampler_fd(const struct sampler *sampler)
{
	return sampler->fd;
}

struct gathered *
sampler_take(struct sampler *sampler)
{
	struct gathered *last;
	uint64_t n;

	pthread_mutex_lock(&sampler->lock);
	while (read(sampler->fd, &n, sizeof(n)) < 0 && errno == EINTR)
		;
	last = sampler->last;
	sampler->last = NULL;
	pthread_mutex_unlock(&sampler->lock);
	return last;
}
