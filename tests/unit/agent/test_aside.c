/*
 * Of four real nodes two serve one program, and let all of its deadlines pass. Of all nodes
 * both could be set aside; of those that serve the program one must stay.
 */
#include "server/fixture.h"

#include <dist/dist.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define N_NODES 4

static atomic_uint n_tried_lines;

static void
count_lines(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	(void)level, (void)text, (void)arg;
	if (strcmp(id, "node-tried-again") == 0)
		atomic_fetch_add(&n_tried_lines, 1);
}

static enum dist_err
count_aside(const struct dist_node_info *info, void *arg)
{
	*(unsigned *)arg += info->set_aside;
	return DIST_OK;
}

static struct dist_node *
start_node(const char *master, const struct dist_service *service)
{
	const struct dist_service *services[] = { service, NULL };
	struct dist_node_options options = { .listen = "127.0.0.1:0",
		                             .masters = master,
		                             .workers = 2,
		                             .no_rpcbind = true };
	struct dist_node *node;

	assert_ok(dist_node_start(&node, services, &options));
	return node;
}

static void
test_half_of_those_that_serve_a_program_stay(void **state)
{
	struct dist_master_options for_master = { .listen = "127.0.0.1:0",
		                                  .no_rpcbind = true };
	struct dist_call_options hasty = { .timeout_ms = 5 };
	struct dist_node *nodes[N_NODES];
	struct dist_cluster *cluster;
	struct dist_master *master;
	CLIENT *failing, *fine;
	unsigned n_most = 0;
	char address[64];

	(void)state;
	fixture_gate_reset();
	assert_ok(dist_master_start(&master, &for_master));
	snprintf(address, sizeof(address), "127.0.0.1:%u", dist_master_port(master));
	for (unsigned i = 0; i < N_NODES; i++)
		nodes[i] = start_node(address, i < 2 ? &probe_prog_1_service
		                                     : &probe_prog_3_service);
	assert_ok(dist_cluster_open(&cluster, address, CHECK_PATIENT));
	assert_ok(dist_cluster_wait_nodes(cluster, PROBE_PROG, 1, 2, 20000));
	assert_ok(dist_cluster_wait_nodes(cluster, PROBE_PROG, 3, 2, 20000));
	failing = dist_client_create_with(cluster, PROBE_PROG, 1, &hasty);
	fine = dist_client_create(cluster, PROBE_PROG, 3);
	atomic_store(&n_tried_lines, 0);
	dist_log_set_sink(count_lines, NULL, DIST_LOG_INFO);
	/* Until one was set aside, tried, set aside again and tried again: many rounds. */
	while (atomic_load(&n_tried_lines) < 2) {
		unsigned n_aside = 0;
		int result = 0;

		assert_int_equal(probe_hold_1(7, &result, failing), RPC_TIMEDOUT);
		assert_int_equal(probe3_add_3(1, 2, &result, fine), RPC_SUCCESS);
		assert_ok(dist_cluster_each_node(cluster, count_aside, &n_aside));
		n_most = n_aside > n_most ? n_aside : n_most;
	}
	assert_int_equal(n_most, 1);
	dist_log_set_sink(NULL, NULL, DIST_LOG_INFO);
	fixture_gate_open();
	clnt_destroy(failing);
	clnt_destroy(fine);
	dist_cluster_close(cluster);
	for (unsigned i = 0; i < N_NODES; i++)
		dist_node_stop(nodes[i]);
	dist_master_stop(master);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_half_of_those_that_serve_a_program_stay),
};

CHECK_MAIN(tests)
