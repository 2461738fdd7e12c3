/*
 * dist_map() among real nodes. The procedure does what its item asks for, by how many
 * of its sendings came to any node before.
 */
#include "support/check.h"

#include <arpa/inet.h>
#include <dist/dist.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "arith.h"

extern const struct dist_service arith_prog_1_service;

/* A sanitizer has memory of its own, and keeps what was freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

#define N_NODES     3
#define N_WORKERS   2
#define N_ITEMS_MAX 2000

/* What the first number asks for; the second is the item. */
enum what {
	ANSWER,
	SAY_NO,
	HOLD,       /* until the test lets all go, or it is cancelled */
	HOLD_FIRST, /* the same for an item's first sending alone */
};

static atomic_uint n_arrived[N_ITEMS_MAX]; /* of each item's sendings */
static atomic_uint n_running, n_held, n_cancelled, most_running;
static atomic_bool let_go;

static bool
hold(struct svc_req *rqstp)
{
	bool cancelled = false;

	atomic_fetch_add(&n_held, 1);
	while (!atomic_load(&let_go) && !cancelled) {
		cancelled = dist_request_cancelled(rqstp);
		sched_yield();
	}
	if (cancelled)
		atomic_fetch_add(&n_cancelled, 1);
	atomic_fetch_sub(&n_held, 1);
	return !cancelled;
}

bool_t
arith_sum_1_svc(int_array numbers, quad_t *result, struct svc_req *rqstp)
{
	int what = numbers.int_array_val[0], index = numbers.int_array_val[1];
	unsigned nth = 1, running = atomic_fetch_add(&n_running, 1) + 1;
	bool answers = true;

	if (index < N_ITEMS_MAX)
		nth = atomic_fetch_add(&n_arrived[index], 1) + 1;
	if (running > atomic_load(&most_running))
		atomic_store(&most_running, running);
	*result = 2 * (quad_t)index + 1;
	if (what == HOLD || (what == HOLD_FIRST && nth == 1))
		answers = hold(rqstp);
	atomic_fetch_sub(&n_running, 1);
	return answers && what != SAY_NO;
}

/* --- Fixture ---------------------------------------------------------------------- */

struct fixture {
	struct dist_master *master;
	char masters[64];
	struct dist_node *nodes[N_NODES];
	struct dist_cluster *cluster;
	CLIENT *arith;      /* idempotent */
	CLIENT *arith_once; /* not */
	int64_t drain_ms;   /* how long one that is stopped goes on with what it has */
};

/* What a map's callbacks share. */
struct work {
	enum what what;   /* of all items but: */
	uint64_t special; /* this one, from here on */
	enum what what_special;
	uint64_t n_special; /* how many */

	unsigned n_started, n_done, n_failed, n_cancelled;
	unsigned done_of[N_ITEMS_MAX];
	uint64_t next; /* in order */
	bool out_of_order, wrong;

	struct dist_mapping *mapping; /* cancelled in done() of @cancel_at */
	uint64_t cancel_at;
	enum dist_err give; /* by done() of @cancel_at */
};

static void
start_node(struct fixture *f, unsigned i)
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

static void
stop_node(struct fixture *f, unsigned i)
{
	dist_node_stop(f->nodes[i]);
	f->nodes[i] = NULL;
}

static void
make_clients(struct fixture *f)
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
	struct fixture *f = calloc(1, sizeof(*f));

	f->drain_ms = drain_ms;
	for (unsigned i = 0; i < N_ITEMS_MAX; i++)
		atomic_store(&n_arrived[i], 0);
	atomic_store(&n_cancelled, 0);
	atomic_store(&most_running, 0);
	atomic_store(&let_go, false);
	assert_ok(dist_master_start(&f->master, &options));
	snprintf(f->masters, sizeof(f->masters), "127.0.0.1:%u",
	         dist_master_port(f->master));
	for (unsigned i = 0; i < n_nodes; i++)
		start_node(f, i);
	assert_ok(dist_cluster_open(&f->cluster, f->masters, NULL));
	assert_ok(dist_cluster_wait_nodes(f->cluster, ARITH_PROG, ARITH_V1, n_nodes,
	                                  20000));
	make_clients(f);
	*state = f;
	return 0;
}

static int
setup(void **state)
{
	return set_up(state, N_NODES, 1);
}

/* All but the last, which end what they have when they are stopped. */
static int
setup_leavers(void **state)
{
	return set_up(state, N_NODES - 1, 60000);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	atomic_store(&let_go, true);
	clnt_destroy(f->arith);
	clnt_destroy(f->arith_once);
	dist_cluster_close(f->cluster);
	for (unsigned i = 0; i < N_NODES; i++)
		dist_node_stop(f->nodes[i]);
	dist_master_stop(f->master);
	free(f);
	return 0;
}

static struct dist_waiter *
start(CLIENT *clnt, const struct dist_map_item *item, void *arg)
{
	struct work *work = arg;
	bool special = item->index - work->special < work->n_special;
	int numbers[] = { special ? work->what_special : work->what, (int)item->index };

	work->n_started++;
	work->wrong = work->wrong || *(quad_t *)item->result != 0;
	return dist_go(clnt, arith_sum_1, ((int_array){ 2, numbers }), item->result);
}

static enum dist_err
done(const struct dist_map_item *item, void *arg)
{
	struct work *work = arg;

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

static struct dist_map_options
options_for(struct work *work, uint64_t n_items)
{
	return (struct dist_map_options){ .n_items = n_items,
		                          .start = start,
		                          .done = done,
		                          .arg = work,
		                          .result_bytes = sizeof(quad_t) };
}

/* Each item was told once. */
static void
check_all_told(const struct work *work, uint64_t n_items)
{
	assert_false(work->wrong);
	assert_int_equal(work->n_done, n_items);
	for (uint64_t i = 0; i < n_items && i < N_ITEMS_MAX; i++)
		assert_int_equal(work->done_of[i], 1);
}

/* --- Results ---------------------------------------------------------------------- */

static void
test_each_item_is_told_once(void **state)
{
	struct fixture *f = *state;
	struct work work = { 0 };
	struct dist_map_options options = options_for(&work, N_ITEMS_MAX);

	assert_ok(dist_map(f->arith, &options));
	check_all_told(&work, N_ITEMS_MAX);
	assert_int_equal(work.n_failed, 0);
}

static void
test_in_order_each_comes_in_its_turn(void **state)
{
	struct fixture *f = *state;
	struct work work = { 0 };
	struct dist_map_options options = options_for(&work, N_ITEMS_MAX);

	options.in_order = true;
	assert_ok(dist_map(f->arith, &options));
	check_all_told(&work, N_ITEMS_MAX);
	assert_false(work.out_of_order);
}

/* The first item is held: nothing is told, and only so many are started. */
static void *
let_go_when_ahead(void *arg)
{
	unsigned n;

	(void)arg;
	do {
		n = 0;
		for (unsigned i = 1; i < 16; i++)
			n += atomic_load(&n_arrived[i]) > 0;
		sched_yield();
	} while (n < 15);
	for (unsigned i = 16; i < 1000; i++)
		n += atomic_load(&n_arrived[i]);
	atomic_store(&let_go, true);
	return (void *)(uintptr_t)n;
}

static void
test_in_order_no_item_is_too_far_ahead(void **state)
{
	struct fixture *f = *state;
	struct work work = { .n_special = 1, .what_special = HOLD };
	struct dist_map_options options = options_for(&work, 1000);
	pthread_t thread;
	void *n_ahead;

	options.in_order = true;
	options.max_ahead = 16;
	options.never_twice = true;
	assert_int_equal(pthread_create(&thread, NULL, let_go_when_ahead, NULL), 0);
	assert_ok(dist_map(f->arith, &options));
	pthread_join(thread, &n_ahead);
	assert_int_equal((uintptr_t)n_ahead, 15);
	check_all_told(&work, 1000);
	assert_false(work.out_of_order);
}

/* Data is made by next(), and freed by done(). */
struct source {
	unsigned n_left, n_freed;
	quad_t sum;
};

static bool
source_next(struct dist_map_item *item, void *arg)
{
	struct source *source = arg;
	int *data;

	if (source->n_left == 0)
		return false;
	data = malloc(sizeof(*data));
	*data = (int)--source->n_left;
	item->data = data;
	return true;
}

static struct dist_waiter *
source_start(CLIENT *clnt, const struct dist_map_item *item, void *arg)
{
	int numbers[] = { ANSWER, *(int *)item->data };

	(void)arg;
	return dist_go(clnt, arith_sum_1, ((int_array){ 2, numbers }), item->result);
}

static enum dist_err
source_done(const struct dist_map_item *item, void *arg)
{
	struct source *source = arg;

	if (!item->err)
		source->sum += *(quad_t *)item->result;
	free(item->data);
	source->n_freed++;
	return DIST_OK;
}

static void
test_items_come_from_an_iterator(void **state)
{
	struct fixture *f = *state;
	struct source source = { .n_left = 300 };
	struct dist_map_options options = { .next = source_next,
		                            .start = source_start,
		                            .done = source_done,
		                            .arg = &source,
		                            .result_bytes = sizeof(quad_t) };

	assert_ok(dist_map(f->arith, &options));
	assert_int_equal(source.n_freed, 300);
	assert_int_equal(source.sum, 300 * 300);
}

static void
test_no_items_are_no_work(void **state)
{
	struct fixture *f = *state;
	struct work work = { 0 };
	struct dist_map_options options = options_for(&work, 0);

	assert_ok(dist_map(f->arith, &options));
	for (unsigned i = 0; i < N_NODES; i++)
		stop_node(f, i);
	assert_ok(dist_map(f->arith, &options));
	assert_int_equal(work.n_started, 0);
}

/* --- How much is in flight -------------------------------------------------------- */

static struct dist_waiter *
start_and_let_go(CLIENT *clnt, const struct dist_map_item *item, void *arg)
{
	struct dist_waiter *waiter = start(clnt, item, arg);

	/* One more than the workers, for each node: then no more is started. */
	if (item->index == N_NODES * (N_WORKERS + 1) - 1)
		atomic_store(&let_go, true);
	return waiter;
}

static void
test_each_node_has_one_more_than_its_workers_need(void **state)
{
	struct fixture *f = *state;
	struct work work = { .what = HOLD };
	struct dist_map_options options = options_for(&work, 100);

	options.start = start_and_let_go;
	options.never_twice = true;
	assert_ok(dist_map(f->arith, &options));
	check_all_told(&work, 100);
	assert_true(atomic_load(&most_running) <= N_NODES * N_WORKERS);
}

/* --- Nodes that come and go ------------------------------------------------------- */

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

/* It does not get to answer what it has. */
static void
kill_node(struct fixture *f, unsigned i)
{
	struct victim victim = { .port = dist_node_port(f->nodes[i]) };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, cut_until_stopped, &victim), 0);
	stop_node(f, i);
	atomic_store(&victim.stopped, true);
	pthread_join(thread, NULL);
}

/* One node is stopped while items run on it; another is started. */
struct change {
	struct fixture *f;
	unsigned at; /* so many have arrived */
	bool all;    /* stop all, and start one of them again */
};

static void *
change_nodes(void *arg)
{
	struct change *change = arg;
	unsigned n;

	do {
		n = 0;
		for (unsigned i = 0; i < N_ITEMS_MAX; i++)
			n += atomic_load(&n_arrived[i]);
		sched_yield();
	} while (n < change->at);
	for (unsigned i = 0; i < (change->all ? N_NODES : 1); i++)
		kill_node(change->f, i);
	if (change->all)
		start_node(change->f, 1);
	atomic_store(&let_go, true);
	return NULL;
}

static void
run_with_change(struct fixture *f, CLIENT *clnt, struct work *work, bool all,
                enum dist_err expected)
{
	struct change change = { f, N_WORKERS * N_NODES, all };
	struct dist_map_options options = options_for(work, 500);
	pthread_t thread;

	options.never_twice = true;
	options.max_failures = DIST_MAP_ANY;
	assert_int_equal(pthread_create(&thread, NULL, change_nodes, &change), 0);
	assert_err(dist_map(clnt, &options), expected);
	pthread_join(thread, NULL);
	check_all_told(work, 500);
}

static void
test_what_was_on_a_lost_node_goes_to_others(void **state)
{
	struct work work = { .what = HOLD };

	run_with_change(*state, ((struct fixture *)*state)->arith, &work, false,
	                DIST_OK);
	assert_int_equal(work.n_failed, 0);
}

static void
test_it_goes_on_when_all_nodes_were_gone(void **state)
{
	struct work work = { .what = HOLD };

	run_with_change(*state, ((struct fixture *)*state)->arith, &work, true,
	                DIST_OK);
	assert_int_equal(work.n_failed, 0);
}

/*
 * The nodes that are there are stopped when they hold all that is sent to them, and go
 * on with it; then the last one comes, which does all else while they do.
 */
#define N_AWAY ((N_NODES - 1) * (N_WORKERS + 1))

struct stop {
	struct fixture *f;
	unsigned i;
	pthread_t thread;
};

static void *
stop_slowly(void *arg)
{
	struct stop *stop = arg;

	stop_node(stop->f, stop->i);
	return NULL;
}

static enum dist_err
count_takers(const struct dist_node_info *info, void *arg)
{
	*(unsigned *)arg += !info->draining;
	return DIST_OK;
}

static unsigned
n_takers(struct fixture *f)
{
	unsigned n = 0;

	assert_ok(dist_cluster_each_node(f->cluster, count_takers, &n));
	return n;
}

static void *
replace_nodes(void *arg)
{
	struct stop stops[N_NODES - 1];

	while (atomic_load(&n_held) < (N_NODES - 1) * N_WORKERS)
		sched_yield();
	for (unsigned i = 0; i < N_NODES - 1; i++) {
		stops[i] = (struct stop){ arg, i, 0 };
		assert_int_equal(pthread_create(&stops[i].thread, NULL, stop_slowly,
		                                &stops[i]),
		                 0);
	}
	while (n_takers(arg))
		sched_yield();
	start_node(arg, N_NODES - 1);
	for (unsigned i = 0; i < N_NODES - 1; i++)
		pthread_join(stops[i].thread, NULL);
	return NULL;
}

struct last_words {
	size_t n_nodes, n_gone;
};

static void
let_go_of_the_rest(const struct dist_map_progress *progress, void *arg)
{
	struct last_words *words = arg;

	if (progress->n_done >= 500 - N_AWAY)
		atomic_store(&let_go, true);
	words->n_nodes = progress->n_nodes;
	words->n_gone = 0;
	for (size_t i = 0; i < progress->n_nodes; i++)
		words->n_gone += progress->nodes[i].gone;
}

static void
test_what_leaving_nodes_have_holds_up_no_other(void **state)
{
	struct fixture *f = *state;
	struct work work = { .n_special = N_AWAY, .what_special = HOLD_FIRST };
	struct dist_map_options options = options_for(&work, 500);
	struct last_words words = { 0 };
	pthread_t thread;

	options.progress = let_go_of_the_rest;
	options.progress_arg = &words;
	assert_int_equal(pthread_create(&thread, NULL, replace_nodes, f), 0);
	assert_ok(dist_map(f->arith_once, &options));
	pthread_join(thread, NULL);
	check_all_told(&work, 500);
	/* All but the last one, also where their connections have ended meanwhile. */
	assert_int_equal(words.n_nodes, N_NODES);
	assert_int_equal(words.n_gone, N_NODES - 1);
}

/* It may have run there, and must not run again. */
static void
test_without_idempotence_what_was_lost_fails(void **state)
{
	struct work work = { .what = HOLD };

	run_with_change(*state, ((struct fixture *)*state)->arith_once, &work, false,
	                DIST_ECONNRESET);
	assert_true(work.n_failed > 0);
	assert_true(work.n_failed < 100);
	for (unsigned i = 0; i < 500; i++)
		assert_true(atomic_load(&n_arrived[i]) <= 1);
}

static enum dist_err
count_live(const struct dist_node_info *info, void *arg)
{
	*(unsigned *)arg += !info->draining;
	return DIST_OK;
}

/* The master may tell a little later than the node has stopped. */
static void
wait_until_all_left(struct fixture *f)
{
	unsigned n;

	do {
		n = 0;
		assert_ok(dist_cluster_each_node(f->cluster, count_live, &n));
		sched_yield();
	} while (n > 0);
}

static void
test_without_a_node_it_gives_up_in_the_end(void **state)
{
	struct fixture *f = *state;
	struct work work = { 0 };
	struct dist_map_options options = options_for(&work, 10);

	for (unsigned i = 0; i < N_NODES; i++)
		stop_node(f, i);
	wait_until_all_left(f);
	options.wait_for_nodes_ms = 1;
	assert_err(dist_map(f->arith, &options), DIST_ENONODE);
	assert_non_null(strstr(dist_error_text(), "no live node"));
	assert_int_equal(work.n_failed, 0);
	assert_int_equal(work.n_cancelled, work.n_done);
}

/* --- Failures --------------------------------------------------------------------- */

static void
test_failures_are_collected_by_item(void **state)
{
	struct fixture *f = *state;
	struct work work = { .special = 20, .n_special = 3, .what_special = SAY_NO };
	struct dist_map_options options = options_for(&work, 100);
	const struct dist_map_failure *failures;
	struct dist_mapping *mapping;
	size_t n;

	options.in_order = true;
	assert_ok(dist_mapping_new(&mapping, f->arith, &options));
	assert_err(dist_mapping_run(mapping), DIST_ERPC);
	assert_non_null(strstr(dist_error_text(), "3 of 100 items failed"));
	assert_non_null(strstr(dist_error_text(), "item 20"));
	check_all_told(&work, 100);
	failures = dist_mapping_failures(mapping, &n);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(failures[i].index, 20 + i);
		assert_int_equal(failures[i].err, DIST_ERPC);
		assert_int_equal(failures[i].status, RPC_SYSTEMERROR);
		assert_int_equal(failures[i].n_nodes, 1);
		assert_non_null(strstr(failures[i].text, failures[i].nodes[0]));
	}
	assert_err(dist_mapping_run(mapping), DIST_EINVAL);
	dist_mapping_free(mapping);
}

static void
test_a_limit_of_failures_ends_it(void **state)
{
	struct fixture *f = *state;
	struct work work = { .what = SAY_NO };
	struct dist_map_options options = options_for(&work, 1000000);

	options.max_failures = 5;
	assert_err(dist_map(f->arith, &options), DIST_ERPC);
	assert_non_null(strstr(dist_error_text(), "the others were not run"));
	assert_true(work.n_failed >= 5);
	assert_true(work.n_started < 100000);
	assert_int_equal(work.n_done, work.n_started);
	assert_int_equal(work.n_done, work.n_failed + work.n_cancelled);
}

static void
test_without_a_limit_all_are_run(void **state)
{
	struct fixture *f = *state;
	struct work work = { .what = SAY_NO };
	struct dist_map_options options = options_for(&work, N_ITEMS_MAX);
	struct dist_mapping *mapping;
	size_t n;

	options.max_failures = DIST_MAP_ANY;
	assert_ok(dist_mapping_new(&mapping, f->arith, &options));
	assert_err(dist_mapping_run(mapping), DIST_ERPC);
	dist_mapping_failures(mapping, &n);
	assert_int_equal(n, 1000);
	assert_int_equal(work.n_failed, N_ITEMS_MAX);
	dist_mapping_free(mapping);
}

static void *
stop_who_holds(void *arg)
{
	struct fixture *f = arg;

	for (unsigned i = 0; i < N_NODES; i++) {
		/* It is somewhere: whichever node it is on goes in the end. */
		while (atomic_load(&n_arrived[0]) == 0)
			sched_yield();
		kill_node(f, i);
	}
	return NULL;
}

static void
test_one_that_was_lost_too_often_names_the_nodes(void **state)
{
	struct fixture *f = *state;
	struct work work = { .what = HOLD };
	struct dist_map_options options = options_for(&work, 1);
	struct dist_call_options call = { .idempotent = true, .max_tries = 1 };
	CLIENT *clnt = dist_client_create_with(f->cluster, ARITH_PROG, ARITH_V1, &call);
	const struct dist_map_failure *failures;
	struct dist_mapping *mapping;
	pthread_t thread;
	size_t n;

	assert_ok(dist_mapping_new(&mapping, clnt, &options));
	clnt_destroy(clnt);
	assert_int_equal(pthread_create(&thread, NULL, stop_who_holds, f), 0);
	assert_err(dist_mapping_run(mapping), DIST_ECONNRESET);
	pthread_join(thread, NULL);
	failures = dist_mapping_failures(mapping, &n);
	assert_int_equal(n, 1);
	assert_int_equal(failures[0].n_nodes, 1);
	assert_non_null(strstr(failures[0].text, failures[0].nodes[0]));
	dist_mapping_free(mapping);
	check_all_told(&work, 1);
}

static struct dist_waiter *
start_what_does_not_encode(CLIENT *clnt, const struct dist_map_item *item, void *arg)
{
	static int numbers[2];

	if (item->index != 7)
		return start(clnt, item, arg);
	/* Beyond any record's limit. */
	return dist_go(clnt, arith_sum_1, ((int_array){ 1u << 30, numbers }),
	               item->result);
}

static void
test_one_that_does_not_start_fails_alone(void **state)
{
	struct fixture *f = *state;
	struct work work = { 0 };
	struct dist_map_options options = options_for(&work, 20);

	options.start = start_what_does_not_encode;
	assert_int_not_equal(dist_map(f->arith, &options), DIST_OK);
	assert_non_null(strstr(dist_error_text(), "1 of 20 items failed"));
	check_all_told(&work, 20);
	assert_int_equal(work.n_failed, 1);
}

/* --- Ending early ----------------------------------------------------------------- */

static void
test_done_cancels(void **state)
{
	struct fixture *f = *state;
	struct work work = { .cancel_at = 10 };
	struct dist_map_options options = options_for(&work, 100000000);

	assert_ok(dist_mapping_new(&work.mapping, f->arith, &options));
	assert_err(dist_mapping_run(work.mapping), DIST_ECANCELED);
	assert_int_equal(work.n_started, work.n_done);
	assert_false(work.wrong);
	assert_int_equal(work.n_failed, 0);
	dist_mapping_free(work.mapping);
}

static void
test_done_gives_an_error(void **state)
{
	struct fixture *f = *state;
	struct work work = { .cancel_at = 10, .give = DIST_EPROTO };
	struct dist_map_options options = options_for(&work, 100000000);

	assert_err(dist_map(f->arith, &options), DIST_EPROTO);
	assert_int_equal(work.n_started, work.n_done);
}

static void *
cancel_when_held(void *arg)
{
	while (atomic_load(&n_held) < N_NODES * N_WORKERS)
		sched_yield();
	dist_mapping_cancel(arg);
	return NULL;
}

static void
test_another_thread_cancels_what_is_held(void **state)
{
	struct fixture *f = *state;
	struct work work = { .what = HOLD, .cancel_at = UINT64_MAX };
	struct dist_map_options options = options_for(&work, 1000);
	pthread_t thread;

	options.never_twice = true;
	assert_ok(dist_mapping_new(&work.mapping, f->arith, &options));
	assert_int_equal(pthread_create(&thread, NULL, cancel_when_held, work.mapping),
	                 0);
	assert_err(dist_mapping_run(work.mapping), DIST_ECANCELED);
	pthread_join(thread, NULL);
	assert_int_equal(work.n_cancelled, work.n_started);
	assert_int_equal(work.n_done, work.n_started);
	/* The nodes were told. */
	while (atomic_load(&n_held))
		sched_yield();
	dist_mapping_free(work.mapping);
}

static void *
cancel_at_once(void *arg)
{
	dist_mapping_cancel(arg);
	return NULL;
}

static void
test_another_thread_cancels_while_there_is_no_node(void **state)
{
	struct fixture *f = *state;
	struct work work = { .cancel_at = UINT64_MAX };
	struct dist_map_options options = options_for(&work, 1000);
	pthread_t thread;

	for (unsigned i = 0; i < N_NODES; i++)
		stop_node(f, i);
	options.wait_for_nodes_ms = DIST_FOREVER;
	assert_ok(dist_mapping_new(&work.mapping, f->arith, &options));
	assert_int_equal(pthread_create(&thread, NULL, cancel_at_once, work.mapping),
	                 0);
	assert_err(dist_mapping_run(work.mapping), DIST_ECANCELED);
	pthread_join(thread, NULL);
	dist_mapping_free(work.mapping);
}

static void *
close_when_held(void *arg)
{
	struct fixture *f = arg;

	while (atomic_load(&n_held) < N_NODES * N_WORKERS)
		sched_yield();
	dist_cluster_close(f->cluster);
	f->cluster = NULL;
	return NULL;
}

static void
test_closing_the_cluster_ends_it(void **state)
{
	struct fixture *f = *state;
	struct work work = { .what = HOLD, .cancel_at = UINT64_MAX };
	struct dist_map_options options = options_for(&work, 1000);
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, close_when_held, f), 0);
	assert_err(dist_map(f->arith, &options), DIST_ECLOSED);
	pthread_join(thread, NULL);
	assert_int_equal(work.n_failed, 0);
	assert_int_equal(work.n_done, work.n_started);
	assert_err(dist_map(f->arith, &options), DIST_ECLOSED);
}

/* --- Stragglers ------------------------------------------------------------------- */

static void
test_a_straggler_is_run_twice_and_told_once(void **state)
{
	struct fixture *f = *state;
	struct work work = { .special = 50,
		             .n_special = 1,
		             .what_special = HOLD_FIRST };
	struct dist_map_options options = options_for(&work, 100);

	assert_ok(dist_map(f->arith, &options));
	check_all_told(&work, 100);
	assert_int_equal(atomic_load(&n_arrived[50]), 2);
	/* The node that has it still was told. */
	while (atomic_load(&n_held))
		sched_yield();
	assert_int_equal(atomic_load(&n_cancelled), 1);
}

static void
test_in_order_a_straggler_in_the_middle_is_run_twice(void **state)
{
	struct fixture *f = *state;
	struct work work = { .special = 50,
		             .n_special = 1,
		             .what_special = HOLD_FIRST };
	struct dist_map_options options = options_for(&work, 1000);

	options.in_order = true;
	options.max_ahead = 64;
	assert_ok(dist_map(f->arith, &options));
	check_all_told(&work, 1000);
	assert_false(work.out_of_order);
	assert_int_equal(atomic_load(&n_arrived[50]), 2);
}

/* Tells when the map is at its end but for what is held, for a while. */
static void
let_go_at_the_end(const struct dist_map_progress *progress, void *arg)
{
	unsigned *n_looks = arg;

	assert_int_equal(progress->n_twice, 0);
	if (progress->n_done == 99 && ++*n_looks == 20)
		atomic_store(&let_go, true);
}

static void
check_nothing_runs_twice(CLIENT *clnt, bool never_twice)
{
	struct work work = { .special = 50,
		             .n_special = 1,
		             .what_special = HOLD_FIRST };
	struct dist_map_options options = options_for(&work, 100);
	unsigned n_looks = 0;

	options.never_twice = never_twice;
	options.progress = let_go_at_the_end;
	options.progress_arg = &n_looks;
	options.progress_every_ms = 5;
	assert_ok(dist_map(clnt, &options));
	check_all_told(&work, 100);
	assert_int_equal(atomic_load(&n_arrived[50]), 1);
}

static void
test_without_idempotence_nothing_runs_twice(void **state)
{
	check_nothing_runs_twice(((struct fixture *)*state)->arith_once, false);
}

static void
test_nothing_runs_twice_where_it_must_not(void **state)
{
	check_nothing_runs_twice(((struct fixture *)*state)->arith, true);
}

/* --- Memory, progress, arguments -------------------------------------------------- */

static size_t
resident_pages(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long size = 0, resident = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
	fclose(file);
	return resident;
}

static void
test_a_million_items_take_no_more_memory(void **state)
{
	struct fixture *f = *state;
	struct work work = { .cancel_at = UINT64_MAX };
	struct dist_map_options options = options_for(&work, 20000);
	size_t before;

	assert_ok(dist_map(f->arith, &options));
	before = resident_pages();
	work = (struct work){ .cancel_at = UINT64_MAX };
	options.n_items = SANITIZED ? 100000 : 1000000;
	assert_ok(dist_map(f->arith, &options));
	assert_int_equal(work.n_done, options.n_items);
	assert_false(work.wrong);
	/* A million items of 8 bytes would be 2000 pages for the results alone. */
	assert_true(SANITIZED || resident_pages() < before + 1500);
}

struct seen {
	unsigned n, n_over;
	struct dist_map_progress last;
	uint64_t n_of_nodes;
	bool wrong;
};

static void
see(const struct dist_map_progress *progress, void *arg)
{
	struct seen *seen = arg;

	seen->wrong =
		seen->wrong || seen->n_over || progress->n_done < seen->last.n_done ||
		progress->n_done > progress->n_items || progress->n_items != 100000;
	seen->n++;
	seen->n_over += progress->over;
	seen->last = *progress;
	seen->n_of_nodes = 0;
	for (size_t i = 0; i < progress->n_nodes; i++) {
		seen->n_of_nodes += progress->nodes[i].n_done;
		seen->wrong =
			seen->wrong || (i && strcmp(progress->nodes[i - 1].name,
		                                    progress->nodes[i].name) >= 0);
	}
}

static void
test_progress_tells_how_far_it_is(void **state)
{
	struct fixture *f = *state;
	struct seen seen = { 0 };
	struct work work = { .cancel_at = UINT64_MAX };
	struct dist_map_options options = options_for(&work, 100000);

	options.progress = see;
	options.progress_arg = &seen;
	options.progress_every_ms = 1;
	assert_ok(dist_map(f->arith, &options));
	assert_false(seen.wrong);
	assert_true(seen.n > 2);
	assert_int_equal(seen.n_over, 1);
	assert_true(seen.last.over);
	assert_int_equal(seen.last.n_done, 100000);
	assert_int_equal(seen.last.n_nodes, N_NODES);
	assert_int_equal(seen.n_of_nodes, 100000);
	assert_int_equal(seen.last.in_flight, 0);
	assert_int_equal(seen.last.left_ms, 0);
	assert_true(seen.last.rate > 0);
}

static void
test_what_is_wrong_is_refused(void **state)
{
	struct fixture *f = *state;
	struct work work = { 0 };
	struct dist_map_options options = options_for(&work, 10);
	CLIENT foreign = { 0 };

	assert_err(dist_map(NULL, &options), DIST_EINVAL);
	assert_err(dist_map(&foreign, &options), DIST_EINVAL);
	options.start = NULL;
	assert_err(dist_map(f->arith, &options), DIST_EINVAL);
	assert_err(dist_map(f->arith, NULL), DIST_EINVAL);
	dist_mapping_cancel(NULL);
	dist_mapping_free(NULL);
	assert_int_equal(work.n_started, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_each_item_is_told_once, setup, teardown),
	cmocka_unit_test_setup_teardown(test_in_order_each_comes_in_its_turn, setup,
	                                teardown),
	cmocka_unit_test_setup_teardown(test_in_order_no_item_is_too_far_ahead, setup,
	                                teardown),
	cmocka_unit_test_setup_teardown(test_items_come_from_an_iterator, setup,
	                                teardown),
	cmocka_unit_test_setup_teardown(test_no_items_are_no_work, setup, teardown),
	cmocka_unit_test_setup_teardown(
		test_each_node_has_one_more_than_its_workers_need, setup, teardown),
	cmocka_unit_test_setup_teardown(test_what_was_on_a_lost_node_goes_to_others,
	                                setup, teardown),
	cmocka_unit_test_setup_teardown(test_it_goes_on_when_all_nodes_were_gone, setup,
	                                teardown),
	cmocka_unit_test_setup_teardown(test_what_leaving_nodes_have_holds_up_no_other,
	                                setup_leavers, teardown),
	cmocka_unit_test_setup_teardown(test_without_idempotence_what_was_lost_fails,
	                                setup, teardown),
	cmocka_unit_test_setup_teardown(test_without_a_node_it_gives_up_in_the_end,
	                                setup, teardown),
	cmocka_unit_test_setup_teardown(test_failures_are_collected_by_item, setup,
	                                teardown),
	cmocka_unit_test_setup_teardown(test_a_limit_of_failures_ends_it, setup,
	                                teardown),
	cmocka_unit_test_setup_teardown(test_without_a_limit_all_are_run, setup,
	                                teardown),
	cmocka_unit_test_setup_teardown(
		test_one_that_was_lost_too_often_names_the_nodes, setup, teardown),
	cmocka_unit_test_setup_teardown(test_one_that_does_not_start_fails_alone, setup,
	                                teardown),
	cmocka_unit_test_setup_teardown(test_done_cancels, setup, teardown),
	cmocka_unit_test_setup_teardown(test_done_gives_an_error, setup, teardown),
	cmocka_unit_test_setup_teardown(test_another_thread_cancels_what_is_held, setup,
	                                teardown),
	cmocka_unit_test_setup_teardown(
		test_another_thread_cancels_while_there_is_no_node, setup, teardown),
	cmocka_unit_test_setup_teardown(test_closing_the_cluster_ends_it, setup,
	                                teardown),
	cmocka_unit_test_setup_teardown(test_a_straggler_is_run_twice_and_told_once,
	                                setup, teardown),
	cmocka_unit_test_setup_teardown(
		test_in_order_a_straggler_in_the_middle_is_run_twice, setup, teardown),
	cmocka_unit_test_setup_teardown(test_without_idempotence_nothing_runs_twice,
	                                setup, teardown),
	cmocka_unit_test_setup_teardown(test_nothing_runs_twice_where_it_must_not,
	                                setup, teardown),
	cmocka_unit_test_setup_teardown(test_a_million_items_take_no_more_memory, setup,
	                                teardown),
	cmocka_unit_test_setup_teardown(test_progress_tells_how_far_it_is, setup,
	                                teardown),
	cmocka_unit_test_setup_teardown(test_what_is_wrong_is_refused, setup, teardown),
};

CHECK_MAIN(tests)
