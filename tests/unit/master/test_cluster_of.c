/* Clusters on a master of the same process, with nodes of the same process. */
#include "unit/master/registry.h"

#include <dist/cluster.h>
#include <dist/node.h>
#include <stdio.h>
#include <string.h>

static const struct dist_service *const services[] = { &hollow_service, NULL };

static struct dist_node *
start_node(struct registry *registry, const char *name)
{
	struct dist_node *node = NULL;
	char masters[32];

	snprintf(masters, sizeof(masters), "127.0.0.1:%u",
	         dist_master_port(registry->master));
	assert_ok(dist_node_start(&node, services,
	                          &(struct dist_node_options){ .masters = masters,
	                                                       .name = name,
	                                                       .no_rpcbind = true }));
	return node;
}

static void
test_a_cluster_of_a_master_sees_its_nodes_come_and_go(void **state)
{
	struct dist_cluster *cluster = NULL;
	struct dist_node *one, *two;
	struct registry registry;

	(void)state;
	registry_open(&registry, NULL);
	one = start_node(&registry, "one");
	assert_ok(dist_cluster_of(&cluster, registry.master, NULL));
	assert_ok(dist_cluster_wait_nodes(cluster, hollow_service.program, 1, 1,
	                                  PATIENCE_MS));
	two = start_node(&registry, "two");
	assert_ok(dist_cluster_wait_nodes(cluster, hollow_service.program, 1, 2,
	                                  PATIENCE_MS));
	assert_err(dist_cluster_wait_nodes(cluster, hollow_service.program, 1, 3, 20),
	           DIST_ETIMEDOUT);
	assert_non_null(strstr(dist_error_text(), "version 1: 2, and 3 wanted; "));
	assert_err(dist_cluster_wait_nodes(cluster, 0, 0, 4, 20), DIST_ETIMEDOUT);
	assert_non_null(strstr(dist_error_text(), "too few live nodes: 2, and 4 wanted; "));
	dist_node_stop(one);
	dist_node_stop(two);
	dist_cluster_close(cluster);
	registry_close(&registry);
}

static void
test_calls_reach_a_node_and_end_with_its_answer(void **state)
{
	const struct dist_call_options options = { .timeout_ms = PATIENCE_MS };
	struct dist_cluster *cluster = NULL;
	struct registry registry;
	struct dist_node *node;
	CLIENT *clnt;

	(void)state;
	registry_open(&registry, NULL);
	node = start_node(&registry, "one");
	assert_ok(dist_cluster_of(&cluster, registry.master, NULL));
	assert_ok(dist_cluster_wait_nodes(cluster, hollow_service.program, 1, 1,
	                                  PATIENCE_MS));
	clnt = dist_client_create_with(cluster, hollow_service.program, 1, &options);
	assert_non_null(clnt);
	assert_int_equal(clnt_call(clnt, 7, (xdrproc_t)xdr_void, NULL,
	                           (xdrproc_t)xdr_void, NULL, (struct timeval){ 0 }),
	                 RPC_PROCUNAVAIL);
	assert_non_null(dist_last_node(clnt));
	assert_string_equal(dist_last_node(clnt)->name, "one");
	clnt_destroy(clnt);
	dist_cluster_close(cluster);
	dist_node_stop(node);
	registry_close(&registry);
}

static void
test_closing_does_not_wait_for_the_watch(void **state)
{
	struct dist_cluster *clusters[8];
	struct registry registry;

	(void)state;
	registry_open(&registry, NULL);
	for (int i = 0; i < 8; i++)
		assert_ok(dist_cluster_of(&clusters[i], registry.master, NULL));
	for (int i = 0; i < 8; i++)
		dist_cluster_close(clusters[i]);
	registry_close(&registry);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_cluster_of_a_master_sees_its_nodes_come_and_go),
	cmocka_unit_test(test_calls_reach_a_node_and_end_with_its_answer),
	cmocka_unit_test(test_closing_does_not_wait_for_the_watch),
};

CHECK_MAIN(tests)
