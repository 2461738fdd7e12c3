/*
 * load: calls ARITH_SUM from several threads without a pause, and tells what it sees.
 *
 *	load --masters LIST [--servers LIST] [--threads N] [--in-flight N] [--idempotent]
 *	     [--max-tries N] [--timeout-ms N] [--wait-for-nodes-ms N] [--affinity N]
 *
 * The test that started it reads stdout and waits for lines:
 *
 *	calling             the first view is there, the threads call
 *	view a,b            the live nodes in its view, whenever they change
 *	failed TEXT         a call failed, and how
 *	report {...}        the answer to "report" and to "forget" on stdin, and the last
 *	                    word after "stop"
 *
 * The longest gap between two answers is that since the last "forget". Sums are checked.
 * Each thread keeps --in-flight calls going; with 1, the default, they are plain
 * synchronous calls.
 */
#include "arith.h"

#include <dist/dist.h>

#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOAD_MAX_NODES        256
#define LOAD_MAX_THREADS      256
#define LOAD_MAX_FAILED_LINES 20
#define LOAD_NAMES_MAX        4096

struct node_count {
	char name[128];
	unsigned long n_calls;
};

struct load {
	/* Set before the threads start. */
	struct dist_cluster *cluster;
	CLIENT *arith;
	unsigned n_threads, n_in_flight;

	atomic_bool stopping;

	pthread_mutex_t lock; /* guards all below */
	unsigned long n_calls, n_failed, n_wrong;
	int64_t last_answer_ns, max_gap_ns;
	struct node_count nodes[LOAD_MAX_NODES];
	unsigned n_nodes;
};

static int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- What became of the calls ------------------------------------------------- */

static void
load_count_node_locked(struct load *load, const char *name)
{
	struct node_count *node;

	for (unsigned i = 0; i < load->n_nodes; i++) {
		if (strcmp(load->nodes[i].name, name) == 0) {
			load->nodes[i].n_calls++;
			return;
		}
	}
	if (load->n_nodes == LOAD_MAX_NODES)
		return;
	node = &load->nodes[load->n_nodes++];
	snprintf(node->name, sizeof(node->name), "%s", name);
	node->n_calls = 1;
}

static void
load_count_answer(struct load *load, const struct dist_node_info *node, bool right)
{
	int64_t now = now_ns();

	pthread_mutex_lock(&load->lock);
	load->n_calls++;
	if (!right)
		load->n_wrong++;
	if (load->last_answer_ns && now - load->last_answer_ns > load->max_gap_ns)
		load->max_gap_ns = now - load->last_answer_ns;
	load->last_answer_ns = now;
	load_count_node_locked(load, node ? node->name : "?");
	pthread_mutex_unlock(&load->lock);
}

static void
load_count_failure(struct load *load, const char *text)
{
	pthread_mutex_lock(&load->lock);
	load->n_calls++;
	if (load->n_failed++ < LOAD_MAX_FAILED_LINES)
		printf("failed %s\n", text);
	pthread_mutex_unlock(&load->lock);
}

/* --- Calling ------------------------------------------------------------------ */

/* One call with its numbers and the place for its result. */
struct call {
	int numbers[3];
	quad_t sum;
	struct dist_waiter *waiter;
};

static int_array
call_prepare(struct call *call, unsigned *seed)
{
	for (int i = 0; i < 3; i++)
		call->numbers[i] = (int)(rand_r(seed) % 2000) - 1000;
	call->sum = 0;
	return (int_array){ 3, call->numbers };
}

static bool
call_is_right(const struct call *call)
{
	return call->sum == call->numbers[0] + call->numbers[1] + call->numbers[2];
}

/* A failure may come at once and for long: the loop must not spin on it. */
static void
rest_after_failure(void)
{
	poll(NULL, 0, 1);
}

static void
call_once(struct load *load, struct call *call, unsigned *seed)
{
	int_array args = call_prepare(call, seed);

	if (arith_sum_1(args, &call->sum, load->arith) == RPC_SUCCESS) {
		load_count_answer(load, dist_last_node(load->arith),
		                  call_is_right(call));
	} else {
		load_count_failure(load, dist_error_text());
		rest_after_failure();
	}
}

static void
call_start(struct load *load, struct call *call, unsigned *seed)
{
	int_array args = call_prepare(call, seed);

	call->waiter = dist_go(load->arith, arith_sum_1, args, &call->sum);
	if (!call->waiter) {
		load_count_failure(load, dist_error_text());
		rest_after_failure();
	}
}

static void
call_finish(struct load *load, struct call *call)
{
	if (!call->waiter)
		return;
	if (dist_waiter_wait(call->waiter, DIST_FOREVER) == DIST_OK)
		load_count_answer(load, dist_waiter_node(call->waiter),
		                  call_is_right(call));
	else
		load_count_failure(load, dist_waiter_error(call->waiter));
	dist_waiter_free(call->waiter);
	call->waiter = NULL;
}

/* A ring of calls in flight: the oldest is waited for, and starts anew. */
static void
call_many(struct load *load, unsigned *seed)
{
	struct call *calls = calloc(load->n_in_flight, sizeof(*calls));
	unsigned oldest = 0;

	if (!calls)
		return;
	for (unsigned i = 0; i < load->n_in_flight; i++)
		call_start(load, &calls[i], seed);
	while (!load->stopping) {
		call_finish(load, &calls[oldest]);
		call_start(load, &calls[oldest], seed);
		oldest = (oldest + 1) % load->n_in_flight;
	}
	for (unsigned i = 0; i < load->n_in_flight; i++)
		call_finish(load, &calls[i]);
	free(calls);
}

static void *
caller_main(void *arg)
{
	struct load *load = arg;
	struct call call = { 0 };
	unsigned seed = (unsigned)now_ns();

	if (load->n_in_flight > 1) {
		call_many(load, &seed);
		return NULL;
	}
	while (!load->stopping)
		call_once(load, &call, &seed);
	return NULL;
}

/* --- The view ----------------------------------------------------------------- */

static enum dist_err
add_name(const struct dist_node_info *node, void *arg)
{
	char *names = arg;
	size_t length = strlen(names);

	if (!node->draining)
		snprintf(names + length, LOAD_NAMES_MAX - length, "%s%s",
		         length ? "," : "", node->name);
	return DIST_OK;
}

/* Prints the names of the live nodes if they are others than in @shown. */
static void
show_view(struct load *load, char *shown)
{
	char names[LOAD_NAMES_MAX] = "";

	if (dist_cluster_each_node(load->cluster, add_name, names) ||
	    strcmp(names, shown) == 0)
		return;
	memcpy(shown, names, sizeof(names));
	pthread_mutex_lock(&load->lock);
	printf("view %s\n", names);
	pthread_mutex_unlock(&load->lock);
}

/* --- The conversation on stdin and stdout ------------------------------------- */

static void
report(struct load *load)
{
	int64_t gap_ns;

	pthread_mutex_lock(&load->lock);
	gap_ns = load->last_answer_ns ? now_ns() - load->last_answer_ns : 0;
	if (load->max_gap_ns > gap_ns)
		gap_ns = load->max_gap_ns;
	printf("report {\"calls\": %lu, \"failed\": %lu, \"wrong\": %lu, "
	       "\"max_gap_ms\": %.3f, \"nodes\": {",
	       load->n_calls, load->n_failed, load->n_wrong, (double)gap_ns / 1e6);
	for (unsigned i = 0; i < load->n_nodes; i++)
		printf("%s\"%s\": %lu", i ? ", " : "", load->nodes[i].name,
		       load->nodes[i].n_calls);
	printf("}}\n");
	pthread_mutex_unlock(&load->lock);
}

static void
forget_gaps(struct load *load)
{
	pthread_mutex_lock(&load->lock);
	load->max_gap_ns = 0;
	load->last_answer_ns = now_ns();
	pthread_mutex_unlock(&load->lock);
}

/* False: told to stop, or nobody is there any more. */
static bool
obey(struct load *load, const char *word)
{
	if (strcmp(word, "forget\n") == 0)
		forget_gaps(load);
	if (strcmp(word, "report\n") == 0 || strcmp(word, "forget\n") == 0) {
		report(load);
		return true;
	}
	return false;
}

static void
converse(struct load *load)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char shown[LOAD_NAMES_MAX] = "", word[64];
	ssize_t length;

	for (;;) {
		show_view(load, shown);
		if (poll(&input, 1, 1) <= 0)
			continue;
		length = read(STDIN_FILENO, word, sizeof(word) - 1);
		if (length <= 0)
			return;
		word[length] = '\0';
		if (!obey(load, word))
			return;
	}
}

static void
run(struct load *load)
{
	pthread_t threads[LOAD_MAX_THREADS];
	unsigned n_started = 0;

	printf("calling from %u threads\n", load->n_threads);
	while (n_started < load->n_threads &&
	       !pthread_create(&threads[n_started], NULL, caller_main, load))
		n_started++;
	converse(load);
	load->stopping = true;
	for (unsigned i = 0; i < n_started; i++)
		pthread_join(threads[i], NULL);
	report(load);
}

/* --- Arguments ---------------------------------------------------------------- */

struct arguments {
	const char *masters;
	struct dist_cluster_options cluster;
	struct dist_call_options call;
};

static const struct option long_options[] = {
	{ "masters", required_argument, NULL, 'm' },
	{ "servers", required_argument, NULL, 's' },
	{ "threads", required_argument, NULL, 't' },
	{ "in-flight", required_argument, NULL, 'f' },
	{ "idempotent", no_argument, NULL, 'i' },
	{ "max-tries", required_argument, NULL, 'x' },
	{ "timeout-ms", required_argument, NULL, 'd' },
	{ "wait-for-nodes-ms", required_argument, NULL, 'w' },
	{ "affinity", required_argument, NULL, 'a' },
	{ NULL, 0, NULL, 0 },
};

static bool
arguments_take(struct arguments *arguments, struct load *load, int letter)
{
	switch (letter) {
	case 'm':
		arguments->masters = optarg;
		return true;
	case 's':
		arguments->cluster.servers = optarg;
		return true;
	case 't':
		load->n_threads = (unsigned)strtoul(optarg, NULL, 10);
		return load->n_threads > 0 && load->n_threads <= LOAD_MAX_THREADS;
	case 'f':
		load->n_in_flight = (unsigned)strtoul(optarg, NULL, 10);
		return load->n_in_flight > 0;
	case 'i':
		arguments->call.idempotent = true;
		return true;
	case 'x':
		arguments->call.max_tries = (unsigned)strtoul(optarg, NULL, 10);
		return true;
	case 'd':
		arguments->call.timeout_ms = strtoll(optarg, NULL, 10);
		return true;
	case 'w':
		arguments->call.wait_for_nodes_ms = strtoll(optarg, NULL, 10);
		return true;
	case 'a':
		arguments->call.affinity = strtoull(optarg, NULL, 10);
		return true;
	default:
		return false;
	}
}

static bool
arguments_parse(struct arguments *arguments, struct load *load, int argc, char **argv)
{
	int letter;

	while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (!arguments_take(arguments, load, letter))
			return false;
	}
	return optind == argc;
}

int
main(int argc, char **argv)
{
	static struct load load = { .n_threads = 1,
		                    .n_in_flight = 1,
		                    .lock = PTHREAD_MUTEX_INITIALIZER };
	/* A busy machine may take more than five seconds to have a view. */
	struct arguments arguments = { .cluster.open_timeout_ms = 30000 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!arguments_parse(&arguments, &load, argc, argv))
		return 2;
	if (dist_cluster_open(&load.cluster, arguments.masters, &arguments.cluster)) {
		fprintf(stderr, "load: %s\n", dist_error_text());
		return 1;
	}
	load.arith = dist_client_create_with(load.cluster, ARITH_PROG, ARITH_V1,
	                                     &arguments.call);
	if (load.arith) {
		run(&load);
		clnt_destroy(load.arith);
	}
	dist_cluster_close(load.cluster);
	return load.arith ? 0 : 1;
}
