/*
 * arith: adds numbers on the nodes of a cluster. The smallest whole program; copy it.
 *
 *	arith --masters HOST 2 4 6
 *	arith --masters HOST --async 12 2 4 6
 *
 * First one synchronous call, with rpcgen's stub as it is; then, with --async, a number
 * of calls that run at the same time. Each line names the node that answered.
 */
#include "arith.h"

#include "numbers.h"

#include <dist/dist.h>

#include <getopt.h>
#include <stdio.h>

struct arguments {
	const char *masters;
	size_t n_async;
	int_array numbers; /* the type of idl/arith.x */
};

static const char arith_help[] =
	"Usage: arith [--masters LIST] [--async N] [--] NUMBER...\n"
	"Add numbers on the nodes of a cluster.\n"
	"\n"
	"  --masters LIST  HOST[:PORT][,HOST[:PORT]...]; localhost\n"
	"  --async N       then the same call N times at once\n"
	"  --help          print this\n"
	"  --version       print the version\n";

/* One call: the stub returns when the answer is there. */
static bool
arith_call(CLIENT *arith, int_array numbers)
{
	quad_t sum = 0; /* results are zeroed first, as rpcgen's decoding wants */

	if (arith_sum_1(numbers, &sum, arith) != RPC_SUCCESS) {
		fprintf(stderr, "arith: %s\n", dist_error_text());
		return false;
	}
	printf("%lld by %s\n", (long long)sum, dist_last_node(arith)->name);
	return true;
}

/* Waits for one started call, prints its end, and frees it. */
static bool
arith_finish(struct dist_waiter *waiter, const quad_t *sum)
{
	enum dist_err err = dist_waiter_wait(waiter, DIST_FOREVER);

	if (err)
		fprintf(stderr, "arith: %s\n", dist_waiter_error(waiter));
	else
		printf("%lld by %s\n", (long long)*sum, dist_waiter_node(waiter)->name);
	dist_waiter_free(waiter);
	return !err;
}

/* @n_calls at the same time: each has a place of its own for its result. */
static bool
arith_call_async(CLIENT *arith, int_array numbers, size_t n_calls)
{
	struct dist_waiter **waiters = calloc(n_calls, sizeof(*waiters));
	quad_t *sums = calloc(n_calls, sizeof(*sums));
	bool all_well = waiters && sums;

	if (!all_well)
		fprintf(stderr, "arith: no memory for %zu calls\n", n_calls);
	for (size_t i = 0; all_well && i < n_calls; i++) {
		waiters[i] = dist_go(arith, arith_sum_1, numbers, &sums[i]);
		if (!waiters[i]) { /* it did not start: this thread's error says why */
			fprintf(stderr, "arith: %s\n", dist_error_text());
			all_well = false;
		}
	}
	for (size_t i = 0; waiters && i < n_calls && waiters[i]; i++)
		all_well &= arith_finish(waiters[i], &sums[i]);

	free(sums);
	free(waiters);
	return all_well;
}

/* Opens the cluster, makes the calls, and closes what it opened. */
static bool
arith_run(const struct arguments *arguments)
{
	struct dist_cluster *cluster;
	bool all_well = false;
	CLIENT *arith;

	if (dist_cluster_open(&cluster, arguments->masters, NULL)) {
		fprintf(stderr, "arith: %s\n", dist_error_text());
		return false;
	}

	arith = dist_client_create(cluster, ARITH_PROG, ARITH_V1);
	if (arith) {
		all_well =
			arith_call(arith, arguments->numbers) &&
			arith_call_async(arith, arguments->numbers, arguments->n_async);
		clnt_destroy(arith);
	}
	dist_cluster_close(cluster);
	return all_well;
}

/* Wrong usage: a line that says what, one that says where to look, and status 2. */
static _Noreturn void
arith_usage(const char *complaint, const char *what)
{
	fprintf(stderr, "arith: %s%s\nTry 'arith --help'\n", complaint, what);
	exit(2);
}

static void
arguments_parse_numbers(struct arguments *arguments, int n_texts, char **texts)
{
	int *values;

	if (!n_texts)
		arith_usage("no numbers to add", "");
	values = calloc((size_t)n_texts, sizeof(*values));
	if (!values)
		arith_usage("no memory for the numbers", "");
	for (int i = 0; i < n_texts; i++) {
		int64_t number;

		if (!number_parse(texts[i], INT32_MIN, INT32_MAX, &number)) {
			free(values);
			arith_usage("not a 32-bit number: ", texts[i]);
		}
		values[i] = (int)number;
	}
	arguments->numbers = (int_array){ (u_int)n_texts, values };
}

static void
arguments_parse(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "masters", required_argument, NULL, 'm' },
		{ "async", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int64_t number;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'm':
			arguments->masters = optarg;
			break;
		case 'a':
			if (!number_parse(optarg, 0, 1000000, &number))
				arith_usage("--async takes 0 to 1000000, not ", optarg);
			arguments->n_async = (size_t)number;
			break;
		case 'h':
			fputs(arith_help, stdout);
			exit(0);
		case 'V':
			puts("arith " EXAMPLES_VERSION);
			exit(0);
		default: /* getopt_long() has said what is wrong */
			fputs("Try 'arith --help'\n", stderr);
			exit(2);
		}
	}
	arguments_parse_numbers(arguments, argc - optind, argv + optind);
}

int
main(int argc, char **argv)
{
	struct arguments arguments = { .masters = "localhost" };
	bool all_well;

	arguments_parse(&arguments, argc, argv);
	all_well = arith_run(&arguments);
	free(arguments.numbers.int_array_val);
	return all_well ? 0 : 1;
}
