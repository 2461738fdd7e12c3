/* A server that loses every call is set aside, tried with one call now and then, and back. */
#include "support/check.h"

#include <dist/dist.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "client/hostile.h"
#include "probe.h"

#define N_SERVERS 3

struct fixture {
	struct hostile *servers[N_SERVERS];
	char addresses[N_SERVERS][32];
	struct dist_cluster *cluster;
	CLIENT *clnt;
};

static atomic_uint n_aside_lines, n_tried_lines, n_back_lines;

static void
count_lines(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	(void)level, (void)text, (void)arg;
	if (strcmp(id, "node-set-aside") == 0)
		atomic_fetch_add(&n_aside_lines, 1);
	if (strcmp(id, "node-tried-again") == 0)
		atomic_fetch_add(&n_tried_lines, 1);
	if (strcmp(id, "node-taken-back") == 0)
		atomic_fetch_add(&n_back_lines, 1);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct dist_cluster_options options = { 0 };
	char servers[128] = "";

	for (int i = 0; i < N_SERVERS; i++) {
		f->servers[i] = hostile_start(HOSTILE_GOOD, (uint64_t)i + 1);
		snprintf(f->addresses[i], sizeof(f->addresses[i]), "127.0.0.1:%u",
		         hostile_port(f->servers[i]));
		strcat(servers, i ? "," : "");
		strcat(servers, f->addresses[i]);
	}
	options.servers = servers;
	assert_ok(dist_cluster_open(&f->cluster, NULL, &options));
	f->clnt = dist_client_create(f->cluster, PROBE_PROG, 1);
	assert_non_null(f->clnt);
	atomic_store(&n_aside_lines, 0);
	atomic_store(&n_tried_lines, 0);
	atomic_store(&n_back_lines, 0);
	dist_log_set_sink(count_lines, NULL, DIST_LOG_INFO);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	clnt_destroy(f->clnt);
	dist_cluster_close(f->cluster);
	dist_log_set_sink(NULL, NULL, DIST_LOG_INFO);
	for (int i = 0; i < N_SERVERS; i++)
		hostile_stop(f->servers[i]);
	free(f);
	return 0;
}

static bool
call(struct fixture *f)
{
	int sum = 0;

	if (probe_add_1(1, 2, &sum, f->clnt) != RPC_SUCCESS)
		return false;
	assert_int_equal(sum, 3);
	return true;
}

struct looked {
	const char *address;
	bool aside;
	unsigned n_aside;
};

static enum dist_err
look_at(const struct dist_node_info *info, void *arg)
{
	struct looked *looked = arg;

	looked->n_aside += info->set_aside;
	if (strcmp(info->address, looked->address) == 0)
		looked->aside = info->set_aside;
	return DIST_OK;
}

static struct looked
look(struct fixture *f, int server)
{
	struct looked looked = { .address = f->addresses[server] };

	assert_ok(dist_cluster_each_node(f->cluster, look_at, &looked));
	return looked;
}

static void
test_a_server_that_fails_is_set_aside_and_taken_back(void **state)
{
	struct fixture *f = *state;
	unsigned n_failed = 0, n_taken;

	for (int i = 0; i < 30; i++)
		assert_true(call(f));
	hostile_change(f->servers[1], HOSTILE_CLOSES);
	while (!look(f, 1).aside)
		n_failed += !call(f);
	assert_true(n_failed >= 5);
	assert_int_equal(look(f, 1).n_aside, 1);
	assert_int_equal(atomic_load(&n_aside_lines), 1);

	/* From now on one call fails for each time that it is tried. */
	n_failed = 0;
	while (atomic_load(&n_tried_lines) < 2)
		n_failed += !call(f);
	for (int i = 0; i < 100; i++)
		n_failed += !call(f);
	assert_in_range(n_failed, 2, atomic_load(&n_tried_lines));
	assert_int_equal(atomic_load(&n_aside_lines), 1);
	assert_int_equal(look(f, 1).n_aside, 1);

	hostile_change(f->servers[1], HOSTILE_GOOD);
	while (look(f, 1).aside)
		(void)call(f);
	assert_int_equal(atomic_load(&n_back_lines), 1);
	n_taken = hostile_n_taken(f->servers[1]);
	for (int i = 0; i < 30; i++)
		assert_true(call(f));
	assert_true(hostile_n_taken(f->servers[1]) >= n_taken + 10);
}

/* With no other to go to it is called all the same. */
static void
test_one_that_is_aside_serves_when_no_other_does(void **state)
{
	struct fixture *f = *state;

	hostile_change(f->servers[1], HOSTILE_CLOSES);
	while (!look(f, 1).aside)
		(void)call(f);
	hostile_change(f->servers[1], HOSTILE_GOOD);
	hostile_change(f->servers[0], HOSTILE_BUSY);
	hostile_change(f->servers[2], HOSTILE_BUSY);
	for (int i = 0; i < 20; i++)
		assert_true(call(f));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_a_server_that_fails_is_set_aside_and_taken_back,
	                                setup, teardown),
	cmocka_unit_test_setup_teardown(test_one_that_is_aside_serves_when_no_other_does,
	                                setup, teardown),
};

CHECK_MAIN(tests)
