#include "agent/map_work.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

extern const struct dist_service arith_prog_1_service;

/* --- The procedure ---------------------------------------------------------------- */

atomic_uint map_n_arrived[N_ITEMS_MAX];
atomic_uint map_n_running, map_n_held, map_n_cancelled, map_most_running;
atomic_bool map_let_go;

static bool
hold(struct svc_req *rqstp)
{
	bool cancelled = false;

	atomic_fetch_add(&map_n_held, 1);
	while (!atomic_load(&map_let_go) && !cancelled) {
		cancelled = dist_request_cancelled(rqstp);
		sched_yield();
	}
	if (cancelled)
		atomic_fetch_add(&map_n_cancelled, 1);
	atomic_fetch_sub(&map_n_held, 1);
	return !cancelled;
}

bool_t
arith_sum_1_svc(int_array numbers, quad_t *result, struct svc_req *rqstp)
{
	int what = numbers.int_array_val[0], index = numbers.int_array_val[1];
	unsigned nth = 1, running = atomic_fetch_add(&map_n_running, 1) + 1;
	bool answers = true;

	if (index < N_ITEMS_MAX)
		nth = atomic_fetch_add(&map_n_arrived[index], 1) + 1;
	if (running > atomic_load(&map_most_running))
		atomic_store(&map_most_running, running);
	*result = 2 * (quad_t)index + 1;
	if (what == HOLD || (what == HOLD_FIRST && nth == 1))
		answers = hold(rqstp);
	atomic_fetch_sub(&map_n_running, 1);
	return answers && what != SAY_NO;
}

/* --- Nodes ------------------------------------------------------------------------ */

void
map_start_node(struct map_fixture *f, unsigned i)
{
	static const char *const names[N_NODES] = { "one", "two", "three" };
	const struct dist_service *services[] = { &arith_prog_1_service, NULL };
	struct dist_node_options options = { .listen = "127.0.0.1:0",
		                             .name = names[i],
		                             .masters = f->masters,
		                             .workers = N_WORKERS,
		                             .drain_timeout_ms = f->drain_ms,
		                             .no_rpcbind = true };

	assert_ok(dist_node_start(&f->nodes[i], services, &options));
}

void
map_stop_node(struct map_fixture *f, unsigned i)
{
	dist_node_stop(f->nodes[i]);
	f->nodes[i] = NULL;
}

static void
make_clients(struct map_fixture *f)
{
	struct dist_call_options options = { .idempotent = true, .max_tries = 10 };

	f->arith = dist_client_create_with(f->cluster, ARITH_PROG, ARITH_V1, &options);
	f->arith_once = dist_client_create(f->cluster, ARITH_PROG, ARITH_V1);
	assert_non_null(f->arith);
	assert_non_null(f->arith_once);
}

static int
set_up(void **state, unsigned n_nodes, int64_t drain_ms)
{
	struct dist_master_options options = { .listen = "127.0.0.1:0",
		                               .no_rpcbind = true };
	struct map_fixture *f = calloc(1, sizeof(*f));

	f->drain_ms = drain_ms;
	for (unsigned i = 0; i < N_ITEMS_MAX; i++)
		atomic_store(&map_n_arrived[i], 0);
	atomic_store(&map_n_cancelled, 0);
	atomic_store(&map_most_running, 0);
	atomic_store(&map_let_go, false);
	assert_ok(dist_master_start(&f->master, &options));
	snprintf(f->masters, sizeof(f->masters), "127.0.0.1:%u",
	         dist_master_port(f->master));
	for (unsigned i = 0; i < n_nodes; i++)
		map_start_node(f, i);
	assert_ok(dist_cluster_open(&f->cluster, f->masters, NULL));
	assert_ok(dist_cluster_wait_nodes(f->cluster, ARITH_PROG, ARITH_V1, n_nodes,
	                                  20000));
	make_clients(f);
	*state = f;
	return 0;
}

int
map_setup(void **state)
{
	return set_up(state, N_NODES, 1);
}

int
map_setup_leavers(void **state)
{
	return set_up(state, N_NODES - 1, 60000);
}

int
map_teardown(void **state)
{
	struct map_fixture *f = *state;

	atomic_store(&map_let_go, true);
	clnt_destroy(f->arith);
	clnt_destroy(f->arith_once);
	dist_cluster_close(f->cluster);
	for (unsigned i = 0; i < N_NODES; i++)
		dist_node_stop(f->nodes[i]);
	dist_master_stop(f->master);
	free(f);
	return 0;
}

/* End every connection to a port, as a process that is killed would. */
static void
cut(unsigned port)
{
	for (int fd = 3; fd < 1024; fd++) {
		struct sockaddr_in peer;
		socklen_t length = sizeof(peer);

		if (getpeername(fd, (struct sockaddr *)&peer, &length) == 0 &&
		    peer.sin_family == AF_INET && ntohs(peer.sin_port) == port)
			shutdown(fd, SHUT_RDWR);
	}
}

struct victim {
	unsigned port;
	atomic_bool stopped;
};

static void *
cut_until_stopped(void *arg)
{
	struct victim *victim = arg;

	while (!atomic_load(&victim->stopped)) {
		cut(victim->port);
		sched_yield();
	}
	return NULL;
}

void
map_kill_node(struct map_fixture *f, unsigned i)
{
	struct victim victim = { .port = dist_node_port(f->nodes[i]) };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, cut_until_stopped, &victim), 0);
	map_stop_node(f, i);
	atomic_store(&victim.stopped, true);
	pthread_join(thread, NULL);
}

/* --- Callbacks -------------------------------------------------------------------- */

struct dist_waiter *
map_start(CLIENT *clnt, const struct dist_map_item *item, void *arg)
{
	struct map_work *work = arg;
	bool special = item->index - work->special < work->n_special;
	int numbers[] = { special ? work->what_special : work->what, (int)item->index };

	work->n_started++;
	work->wrong = work->wrong || *(quad_t *)item->result != 0;
	return dist_go(clnt, arith_sum_1, ((int_array){ 2, numbers }), item->result);
}

enum dist_err
map_done(const struct dist_map_item *item, void *arg)
{
	struct map_work *work = arg;

	work->n_done++;
	if (item->index < N_ITEMS_MAX)
		work->done_of[item->index]++;
	if (item->index != work->next++)
		work->out_of_order = true;
	if (!item->err)
		work->wrong = work->wrong || item->failure || !item->node ||
		              *(quad_t *)item->result != 2 * (quad_t)item->index + 1;
	else
		work->wrong = work->wrong || !item->failure ||
		              item->failure->index != item->index ||
		              item->failure->err != item->err || !*item->failure->text;
	work->n_failed += item->err && item->err != DIST_ECANCELED;
	work->n_cancelled += item->err == DIST_ECANCELED;
	if (item->index == work->cancel_at && work->mapping)
		dist_mapping_cancel(work->mapping);
	return item->index == work->cancel_at ? work->give : DIST_OK;
}

struct dist_map_options
map_options_for(struct map_work *work, uint64_t n_items)
{
	return (struct dist_map_options){ .n_items = n_items,
		                          .start = map_start,
		                          .done = map_done,
		                          .arg = work,
		                          .result_bytes = sizeof(quad_t) };
}

void
map_check_all_told(const struct map_work *work, uint64_t n_items)
{
	assert_false(work->wrong);
	assert_int_equal(work->n_done, n_items);
	for (uint64_t i = 0; i < n_items && i < N_ITEMS_MAX; i++)
		assert_int_equal(work->done_of[i], 1);
}
