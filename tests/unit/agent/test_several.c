/*
 * Several of each in one process: two masters, four nodes, three clusters, each with no
 * more to do with the others than if they were on machines of their own.
 */
#include "server/fixture.h"

#include <dist/dist.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 20000

static void
start_master(struct dist_master **master, char *ret_address)
{
	/* A busy machine may keep nodes from beating for longer than they ask for. */
	const struct dist_master_options options = { .listen = "127.0.0.1:0",
		                                     .min_lease_ms = PATIENCE_MS,
		                                     .no_rpcbind = true };

	assert_ok(dist_master_start(master, &options));
	sprintf(ret_address, "127.0.0.1:%u", dist_master_port(*master));
}

static struct dist_node *
start_node(const char *name, const char *masters, unsigned n_masters)
{
	const struct dist_service *services[] = { &probe_prog_1_service, NULL };
	const struct dist_node_options options = { .name = name,
		                                   .listen = "127.0.0.1:0",
		                                   .masters = masters,
		                                   .workers = 1,
		                                   .no_rpcbind = true };
	struct dist_node *node;

	assert_ok(dist_node_start(&node, services, &options));
	assert_ok(dist_node_wait_registered(node, n_masters, PATIENCE_MS));
	return node;
}

/* A program's own cluster, and its thread that calls through it. */
struct user {
	struct dist_cluster *cluster;
	const char *names; /* of the nodes that it may have, a letter each */
	atomic_bool stop;
	atomic_uint n_of[128]; /* answers, by that letter */
	pthread_t thread;
};

static enum dist_err
check_name(const struct dist_node_info *info, void *arg)
{
	const struct user *user = arg;

	assert_non_null(strchr(user->names, info->name[0]));
	return DIST_OK;
}

static void *
use(void *arg)
{
	struct user *user = arg;
	CLIENT *client = dist_client_create(user->cluster, PROBE_PROG, 1);

	assert_non_null(client);
	for (int i = 0; !atomic_load(&user->stop); i++) {
		int sum = 0;
		struct dist_waiter *waiter = dist_go(client, probe_add_1, i, 1, &sum);

		assert_non_null(waiter);
		assert_ok(dist_waiter_wait(waiter, PATIENCE_MS));
		assert_int_equal(sum, i + 1);
		user->n_of[dist_waiter_node(waiter)->name[0] & 127]++;
		dist_waiter_free(waiter);
	}
	clnt_destroy(client);
	return NULL;
}

static void
start_user(struct user *user, const char *masters, const char *names)
{
	memset(user, 0, sizeof(*user));
	user->names = names;
	assert_ok(dist_cluster_open(&user->cluster, masters, CHECK_PATIENT));
	assert_ok(dist_cluster_wait_nodes(user->cluster, PROBE_PROG, 1,
	                                  (unsigned)strlen(names), PATIENCE_MS));
	assert_int_equal(pthread_create(&user->thread, NULL, use, user), 0);
}

static bool
had_all(void *arg)
{
	struct user *user = arg;

	for (const char *name = user->names; *name; name++) {
		if (!user->n_of[*name & 127])
			return false;
	}
	return true;
}

/* All of its nodes have answered, and no other. */
static void
end_user(struct user *user)
{
	atomic_store(&user->stop, true);
	pthread_join(user->thread, NULL);
	assert_ok(dist_cluster_each_node(user->cluster, check_name, user));
	dist_cluster_close(user->cluster);
	for (unsigned letter = 1; letter < 128; letter++)
		assert_int_equal(user->n_of[letter] > 0,
		                 strchr(user->names, (int)letter) != NULL);
}

static void
test_several_of_each_keep_to_themselves(void **state)
{
	struct dist_master *first, *second;
	struct dist_node *a, *b, *c, *shared;
	char of_first[32], of_second[32], of_both[72];
	struct user x, y, z;

	(void)state;
	start_master(&first, of_first);
	start_master(&second, of_second);
	snprintf(of_both, sizeof(of_both), "%s,%s", of_first, of_second);
	a = start_node("a", of_first, 1);
	b = start_node("b", of_first, 1);
	c = start_node("c", of_second, 1);
	shared = start_node("s", of_both, 2);
	start_user(&x, of_first, "abs");
	start_user(&y, of_second, "cs");
	start_user(&z, of_both, "abcs");
	fixture_until(had_all, &x);
	fixture_until(had_all, &y);
	fixture_until(had_all, &z);

	/* Each ends while the others go on: a cluster, a master, a node. */
	end_user(&y);
	dist_master_stop(first);
	dist_node_stop(c);
	end_user(&x);
	dist_node_stop(a);
	end_user(&z);
	dist_master_stop(second);
	dist_node_stop(shared);
	dist_node_stop(b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_several_of_each_keep_to_themselves),
};

CHECK_MAIN(tests)
