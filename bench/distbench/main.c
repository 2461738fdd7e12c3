/*
 * distbench: a load for a cluster, and what came of it.
 *
 * The main thread opens the clusters, starts the load, and reads the CPU times where
 * the time that counts begins and ends; all calls are made by the load's threads.
 */
#include "distbench/config.h"
#include "measure/cpu.h"
#include "distbench/load.h"
#include "distbench/pace.h"
#include "distbench/report.h"
#include "distbench/servers.h"
#include "program/options.h"

#include <stdlib.h>

/* How long a program may be waited for before the first call. */
#define NODES_TIMEOUT_MS 5000
/* How long nodes may take to tell their CPU time when the load is over. */
#define SERVERS_TIMEOUT_NS INT64_C(5000000000)

struct target {
	struct dist_cluster **clusters;
	CLIENT **clients;
	size_t n;
};

static int
target_fail(enum dist_err err)
{
	if (err == DIST_EADDRESS)
		return program_wrong_usage("%s", dist_error_text());
	return program_fail("%s", dist_error_text());
}

/* Fixed servers are taken to serve every program: there is nothing to wait for. */
static enum dist_err
target_open_one(struct target *target, const struct config *config,
                const struct work *work)
{
	const struct dist_cluster_options options = {
		.servers = config->servers,
		.spin_us = (unsigned)config->spin_us,
	};
	const struct dist_call_options calls = {
		.timeout_ms = config->timeout_ms,
		.idempotent = config->idempotent,
	};
	struct dist_cluster **cluster = &target->clusters[target->n];
	enum dist_err err = dist_cluster_open(cluster, config->masters, &options);

	if (err)
		return err;
	target->clients[target->n] =
		dist_client_create_with(*cluster, work->prog, work->vers, &calls);
	target->n++;
	if (!target->clients[target->n - 1])
		return dist_error_last();
	if (config->servers)
		return DIST_OK;
	return dist_cluster_wait_nodes(*cluster, work->prog, work->vers, 1,
	                               NODES_TIMEOUT_MS);
}

static int
target_open(struct target *target, const struct config *config, const struct work *work)
{
	size_t n = (size_t)config->n_clusters;

	target->n = 0;
	target->clusters = calloc(n, sizeof(*target->clusters));
	target->clients = calloc(n, sizeof(*target->clients));
	if (!target->clusters || !target->clients)
		return program_fail("out of memory");
	while (target->n < n) {
		enum dist_err err = target_open_one(target, config, work);

		if (err)
			return target_fail(err);
	}
	return PROGRAM_DONE;
}

static void
target_close(struct target *target)
{
	for (size_t i = 0; i < target->n; i++) {
		if (target->clients[i])
			clnt_destroy(target->clients[i]);
		dist_cluster_close(target->clusters[i]);
	}
	free(target->clients);
	free(target->clusters);
}

/* What this process has used so far: taken off at the begin, added at the end. */
static void
count_self(struct outcome *outcome, double times)
{
	outcome->client_cpu_s += times * cpu_self_s();
	outcome->client_switches += times * cpu_self_switches();
}

/* The CPU times between begin and end, while the load runs: @ret_outcome's. */
static void
measure_pids(struct load *load, struct outcome *ret_outcome)
{
	const struct config *config = load->config;
	double servers;

	clock_sleep_until(load->begin_ns);
	count_self(ret_outcome, -1);
	servers = cpu_of_s(config->pids, config->n_pids);
	load_wait_end(load);
	count_self(ret_outcome, 1);
	ret_outcome->server_cpu_s = cpu_of_s(config->pids, config->n_pids) - servers;
	if (servers < 0)
		ret_outcome->server_cpu_s = -1;
}

/* The same, the servers' as the nodes of @cluster tell it. */
static void
measure_nodes(struct load *load, struct dist_cluster *cluster,
              struct outcome *ret_outcome)
{
	const struct work *work = load->work;
	struct servers before, after = { 0 };
	bool told;

	clock_sleep_until(load->begin_ns);
	count_self(ret_outcome, -1);
	told = servers_ask(&before, cluster, work->prog, work->vers, load->end_ns);
	load_wait_end(load);
	count_self(ret_outcome, 1);
	ret_outcome->server_cpu_s = -1;
	if (told && servers_ask(&after, cluster, work->prog, work->vers,
	                        load->end_ns + SERVERS_TIMEOUT_NS))
		ret_outcome->server_cpu_s =
			servers_cpu_s(&before, &after, load->begin_ns, load->end_ns);
	servers_fini(&after);
	servers_fini(&before);
}

static int
run(const struct config *config, const struct work *work, const struct target *target)
{
	struct outcome *outcome = calloc(1, sizeof(*outcome));
	struct load load;
	bool started;
	int status;

	if (!outcome)
		return program_fail("out of memory");
	started = load_start(&load, config, work, target->clients, target->n);
	if (started && config->n_pids)
		measure_pids(&load, outcome);
	else if (started)
		measure_nodes(&load, target->clusters[0], outcome);
	load_join(&load, &outcome->tally);
	outcome->seconds = (double)(load.end_ns - load.begin_ns) / 1e9;
	status = started ? report_print(config, outcome)
	                 : program_fail("no memory or no thread for all the callers");
	free(outcome);
	return status;
}

int
main(int argc, char **argv)
{
	struct target target;
	struct config config;
	struct work work;
	int status;

	program_begin(argv);
	if (!config_parse(&config, argc, argv, &status))
		return status;
	if (!work_init(&work, &config)) {
		config_fini(&config);
		return program_fail("out of memory");
	}
	status = target_open(&target, &config, &work);
	if (!status)
		status = run(&config, &work, &target);
	target_close(&target);
	work_fini(&work);
	config_fini(&config);
	return program_end(status);
}
