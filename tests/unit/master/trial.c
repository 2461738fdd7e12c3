#include "unit/master/trial.h"

#include "base/clock.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

/* Its procedure 0 does nothing, and there is no other. */
static void
dispatch(struct svc_req *rqstp, SVCXPRT *xprt)
{
	if (rqstp->rq_proc == NULLPROC)
		svc_sendreply(xprt, (xdrproc_t)xdr_void, NULL);
	else
		svcerr_noproc(xprt);
}

static const struct dist_procedure procedures[] = { { NULLPROC, "TRIAL_NULL" } };

static const struct dist_service service = {
	.size = sizeof(struct dist_service),
	.program = PROG,
	.version = 1,
	.program_name = "TRIAL_PROG",
	.version_name = "TRIAL_V1",
	.procedures = procedures,
	.n_procedures = 1,
	.dispatch = dispatch,
};

static const struct dist_service *const services[] = { &service, NULL };

void
trial_masters(const struct trial *trial, char text[32])
{
	snprintf(text, 32, "127.0.0.1:%u", dist_master_port(trial->registry.master));
}

void
trial_begin(struct trial *trial, const struct dist_master_options *options)
{
	char masters[32];

	*trial = (struct trial){ 0 };
	registry_open(&trial->registry, options);
	trial_masters(trial, masters);
	assert_ok(dist_node_start(&trial->node, services,
	                          &(struct dist_node_options){ .masters = masters,
	                                                       .name = "one",
	                                                       .no_rpcbind = true }));
}

void
trial_end(struct trial *trial)
{
	dist_node_stop(trial->node);
	registry_close(&trial->registry);
	dist_overview_free(trial->overview);
}

int
trial_setup(void **state)
{
	static struct trial trial;

	trial_begin(&trial, &(struct dist_master_options){ .stats_ms = OFTEN_MS });
	*state = &trial;
	return 0;
}

int
trial_teardown(void **state)
{
	trial_end(*state);
	return 0;
}

struct dist_cluster *
trial_cluster(struct trial *trial)
{
	struct dist_cluster *cluster = NULL;
	char masters[32];

	trial_masters(trial, masters);
	assert_ok(dist_cluster_open(&cluster, masters, NULL));
	assert_ok(dist_cluster_wait_nodes(cluster, PROG, 1, 1, PATIENCE_MS));
	return cluster;
}

void
trial_call(struct dist_cluster *cluster, unsigned n)
{
	const struct dist_call_options options = { .timeout_ms = PATIENCE_MS };
	CLIENT *clnt = dist_client_create_with(cluster, PROG, 1, &options);
	static const struct timeval unused;

	assert_non_null(clnt);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(clnt_call(clnt, NULLPROC, (xdrproc_t)xdr_void, NULL,
		                           (xdrproc_t)xdr_void, NULL, unused),
		                 RPC_SUCCESS);
	assert_int_equal(clnt_call(clnt, 7, (xdrproc_t)xdr_void, NULL,
	                           (xdrproc_t)xdr_void, NULL, unused),
	                 RPC_PROCUNAVAIL);
	clnt_destroy(clnt);
}

const struct dist_overview *
trial_look(struct trial *trial)
{
	dist_overview_free(trial->overview);
	trial->overview = NULL;
	assert_ok(dist_master_overview(&trial->overview, trial->registry.master));
	return trial->overview;
}

uint64_t
trial_total(struct trial *trial, uint32_t proc, const char *counter)
{
	struct dist_stats *stats = NULL;
	uint64_t value = 0;

	assert_ok(dist_master_caller_totals(&stats, trial->registry.master));
	for (size_t i = 0; i < stats->nodes[0]->n_procedures; i++) {
		const struct dist_procedure_stats *it = stats->nodes[0]->procedures[i];

		if (it->program == PROG && it->version == 1 && it->procedure == proc)
			value += dist_counters_value(&it->counters, counter);
	}
	dist_stats_free(stats);
	return value;
}

void
trial_await_total(struct trial *trial, uint32_t proc, const char *counter, uint64_t value)
{
	int64_t until_ns = dist_deadline_in_ms(TOLD_MS);

	while (trial_total(trial, proc, counter) != value) {
		assert_false(dist_deadline_passed(until_ns));
		sched_yield();
	}
}

void
trial_await_callers(struct trial *trial, size_t n)
{
	int64_t until_ns = dist_deadline_in_ms(TOLD_MS);

	while (trial_look(trial)->n_callers_in_all != n) {
		assert_false(dist_deadline_passed(until_ns));
		sched_yield();
	}
}
