#include "distctl/crowd.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS_MAX 32

struct crowd {
	size_t n;
	void (*ask)(size_t i, void *arg);
	void *arg;
	atomic_size_t next;
};

static void *
ask_next(void *arg)
{
	struct crowd *crowd = arg;
	size_t i;

	while ((i = atomic_fetch_add(&crowd->next, 1)) < crowd->n)
		crowd->ask(i, crowd->arg);
	return NULL;
}

void
crowd_ask(size_t n, size_t n_threads, void (*ask)(size_t i, void *arg), void *arg)
{
	struct crowd crowd = { .n = n, .ask = ask, .arg = arg };
	pthread_t others[THREADS_MAX - 1];
	size_t n_others = 0;

	while (n_others < THREADS_MAX - 1 && n_others + 1 < n_threads &&
	       n_others + 1 < n &&
	       pthread_create(&others[n_others], NULL, ask_next, &crowd) == 0)
		n_others++;
	ask_next(&crowd);
	while (n_others > 0)
		pthread_join(others[--n_others], NULL);
}
