/* The threads of the load; see load.h. */
#include "distbench/load.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>

static void *
caller_main(void *arg)
{
	struct caller *caller = arg;

	/* Starts are to be on time: the kernel is not to gather wake-ups over 50 us. */
	if (caller->load->config->rate)
		prctl(PR_SET_TIMERSLACK, 1UL);
	if (caller->load->config->n_in_flight == 1)
		caller_run_one(caller);
	else
		caller_run_window(caller);
	return NULL;
}

bool
load_start(struct load *load, const struct config *config, const struct work *work,
           CLIENT *const *clients, size_t n_clients)
{
	size_t n = (size_t)config->n_threads;

	*load = (struct load){ .config = config, .work = work };
	load->callers = calloc(n, sizeof(*load->callers));
	if (!load->callers)
		return false;
	load->begin_ns = clock_now_ns() + config->warm_up_ms * 1000000;
	load->end_ns = config->n_calls ? INT64_MAX
	                               : load->begin_ns + config->duration_ms * 1000000;
	while (load->n_callers < n) {
		struct caller *caller = &load->callers[load->n_callers];

		caller->load = load;
		caller->index = load->n_callers;
		caller->client = clients[load->n_callers % n_clients];
		tally_init(&caller->tally, load->begin_ns, load->end_ns);
		if (pthread_create(&caller->thread, NULL, caller_main, caller))
			return false;
		load->n_callers++;
	}
	return true;
}

static void
load_join_threads(struct load *load)
{
	while (load->n_joined < load->n_callers)
		pthread_join(load->callers[load->n_joined++].thread, NULL);
}

void
load_wait_end(struct load *load)
{
	if (!load->config->n_calls) {
		clock_sleep_until(load->end_ns);
		return;
	}
	load_join_threads(load);
	load->end_ns = clock_now_ns();
}

void
load_join(struct load *load, struct tally *ret_tally)
{
	load_join_threads(load);
	tally_init(ret_tally, load->begin_ns, load->end_ns);
	for (size_t i = 0; i < load->n_callers; i++)
		tally_merge(ret_tally, &load->callers[i].tally);
	free(load->callers);
	load->callers = NULL;
}
