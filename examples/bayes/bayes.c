/*
 * bayes: trains a classifier on many nodes, and tries it there.
 *
 *	bayes --masters HOST --shards 8 digits.csv
 *
 * Half of the data, every second line, is to train on, and the other half to test on.
 * Both are cut into shards, and each shard is a call; all calls of a step run at the
 * same time. The sums of the shards add up to one model, which goes out with the shards
 * to be classified. --local does the same work in this process, with the same result.
 */
#include "bayes/data.h"
#include "bayes/model.h"

#include "numbers.h"

#include <dist/dist.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define MAX_SHARDS 1000

struct arguments {
	const char *masters;
	const char *data;
	const char *labels; /* a file for what was found; NULL: none */
	int64_t n_shards;
	bool local;
};

/*
 * The work: what to train on, what to test on, and the label found for each of these.
 */
struct bayes {
	u_int n_shards;
	bayes_shard train;
	bayes_shard test;
	bayes_model model;
	int *found;
};

static bool
complain(const char *complaint)
{
	fprintf(stderr, "bayes: %s\n", complaint);
	return false;
}

/* --- On the nodes of a cluster -------------------------------------------- */

/* One shard's call: each has a place of its own for its result. */
struct train_call {
	bayes_shard shard; /* borrowed from the data */
	bayes_train_result result;
	struct dist_waiter *waiter; /* NULL: it did not start */
};

struct classify_call {
	bayes_shard shard;
	bayes_classify_result result;
	struct dist_waiter *waiter;
};

/* The end of a shard's call. False, with a line that says why: it failed. */
static bool
shard_wait(struct dist_waiter *waiter, const bayes_shard *shard, const char *done)
{
	if (dist_waiter_wait(waiter, DIST_FOREVER))
		return complain(dist_waiter_error(waiter));
	printf("%u examples %s by %s\n", shard->labels.labels_len, done,
	       dist_waiter_node(waiter)->name);
	return true;
}

/* Waits for a shard's sums, and adds them up. */
static bool
train_call_end(struct train_call *call, bayes_sums *sums)
{
	const char *wrong;

	if (!shard_wait(call->waiter, &call->shard, "trained on"))
		return false;
	if (call->result.status != BAYES_DONE)
		return complain(call->result.bayes_train_result_u.reason);
	wrong = bayes_sums_add(sums, &call->result.bayes_train_result_u.sums);
	return wrong ? complain(wrong) : true;
}

static bool
train_on_cluster(struct bayes *bayes, CLIENT *client, bayes_sums *sums)
{
	struct train_call *calls = calloc(bayes->n_shards, sizeof(*calls));
	bool all_well = calls ? true : complain("out of memory");

	for (u_int i = 0; all_well && i < bayes->n_shards; i++) {
		struct train_call *call = &calls[i];

		call->shard = data_shard(&bayes->train, bayes->n_shards, i);
		call->waiter =
			dist_go(client, bayes_train_1, call->shard, &call->result);
		if (!call->waiter)
			all_well = complain(dist_error_text());
	}
	for (u_int i = 0; calls && i < bayes->n_shards; i++) {
		all_well = all_well && train_call_end(&calls[i], sums);
		dist_waiter_free(calls[i].waiter); /* cancels what is still in flight */
		xdr_free((xdrproc_t)xdr_bayes_train_result, &calls[i].result);
	}
	free(calls);
	return all_well;
}

/* Waits for a shard's labels, and takes them to @found, its part of all. */
static bool
classify_call_end(struct classify_call *call, int *found)
{
	u_int n_examples = call->shard.labels.labels_len;

	if (!shard_wait(call->waiter, &call->shard, "classified"))
		return false;
	if (call->result.status != BAYES_DONE)
		return complain(call->result.bayes_classify_result_u.reason);
	if (call->result.bayes_classify_result_u.labels.labels_len != n_examples)
		return complain(
			"a node did not answer with one label for each example");
	memcpy(found, call->result.bayes_classify_result_u.labels.labels_val,
	       n_examples * sizeof(*found));
	return true;
}

static bool
classify_on_cluster(struct bayes *bayes, CLIENT *client)
{
	struct classify_call *calls = calloc(bayes->n_shards, sizeof(*calls));
	bool all_well = calls ? true : complain("out of memory");
	int *found = bayes->found;

	for (u_int i = 0; all_well && i < bayes->n_shards; i++) {
		struct classify_call *call = &calls[i];

		call->shard = data_shard(&bayes->test, bayes->n_shards, i);
		call->waiter = dist_go(client, bayes_classify_1, bayes->model,
		                       call->shard.examples, &call->result);
		if (!call->waiter)
			all_well = complain(dist_error_text());
	}
	for (u_int i = 0; calls && i < bayes->n_shards; i++) {
		all_well = all_well && classify_call_end(&calls[i], found);
		found += calls[i].shard.labels.labels_len;
		dist_waiter_free(calls[i].waiter);
		xdr_free((xdrproc_t)xdr_bayes_classify_result, &calls[i].result);
	}
	free(calls);
	return all_well;
}

static bool
bayes_on_client(struct bayes *bayes, CLIENT *client)
{
	bayes_sums sums = { 0 };
	bool all_well = train_on_cluster(bayes, client, &sums);

	if (all_well) {
		const char *wrong = bayes_model_train(&sums, &bayes->model);

		all_well = wrong ? complain(wrong) : classify_on_cluster(bayes, client);
	}
	xdr_free((xdrproc_t)xdr_bayes_sums, &sums);
	return all_well;
}

static bool
bayes_on_cluster(struct bayes *bayes, const char *masters)
{
	/* Doing a shard twice does no harm: it goes on when its node is lost. */
	struct dist_call_options options = { .idempotent = true };
	struct dist_cluster *cluster;
	bool all_well = false;
	CLIENT *client;

	if (dist_cluster_open(&cluster, masters, NULL))
		return complain(dist_error_text());
	client = dist_client_create_with(cluster, BAYES_PROG, BAYES_V1, &options);
	if (client) {
		all_well = bayes_on_client(bayes, client);
		clnt_destroy(client);
	}
	dist_cluster_close(cluster);
	return all_well;
}

/* --- In this process ------------------------------------------------------ */

static bool
bayes_on_one(struct bayes *bayes)
{
	bayes_sums sums = { 0 };
	const char *wrong = bayes_sums_of_shard(&bayes->train, &sums);

	if (!wrong)
		wrong = bayes_model_train(&sums, &bayes->model);
	if (!wrong)
		wrong = bayes_model_classify(&bayes->model, &bayes->test.examples,
		                             bayes->found);
	xdr_free((xdrproc_t)xdr_bayes_sums, &sums);
	return wrong ? complain(wrong) : true;
}

/* --- Data and result ------------------------------------------------------ */

static bool
bayes_init(struct bayes *bayes, const struct arguments *arguments)
{
	bayes_shard data = { 0 };
	bool ready;

	if (!data_read(arguments->data, &data))
		return false;
	if (data.labels.labels_len < 2 * (u_int)arguments->n_shards) {
		data_free(&data);
		return complain("the data has too few examples for so many shards");
	}

	bayes->n_shards = (u_int)arguments->n_shards;
	ready = data_every_second(&data, 0, &bayes->train) &&
	        data_every_second(&data, 1, &bayes->test);
	if (ready)
		bayes->found = calloc(bayes->test.labels.labels_len, sizeof(int));
	data_free(&data);
	return bayes->found ? true : complain("out of memory");
}

static void
bayes_fini(struct bayes *bayes)
{
	free(bayes->found);
	xdr_free((xdrproc_t)xdr_bayes_model, &bayes->model);
	data_free(&bayes->test);
	data_free(&bayes->train);
}

static void
bayes_report(const struct bayes *bayes)
{
	u_int n_examples = bayes->test.labels.labels_len, n_right = 0;

	for (u_int i = 0; i < n_examples; i++)
		n_right += bayes->found[i] == bayes->test.labels.labels_val[i];
	printf("%u of %u right (%.2f %%), trained on %u\n", n_right, n_examples,
	       100.0 * n_right / n_examples, bayes->train.labels.labels_len);
}

static bool
bayes_write_labels(const struct bayes *bayes, const char *path)
{
	FILE *file = fopen(path, "we");

	for (u_int i = 0; file && i < bayes->test.labels.labels_len; i++)
		fprintf(file, "%d\n", bayes->found[i]);
	if (file && !fclose(file))
		return true;
	fprintf(stderr, "bayes: %s: %s\n", path, strerror(errno));
	return false;
}

static bool
bayes_run(struct bayes *bayes, const struct arguments *arguments)
{
	if (!bayes_init(bayes, arguments))
		return false;
	if (!(arguments->local ? bayes_on_one(bayes)
	                       : bayes_on_cluster(bayes, arguments->masters)))
		return false;
	bayes_report(bayes);
	return !arguments->labels || bayes_write_labels(bayes, arguments->labels);
}

/* --- The command line ----------------------------------------------------- */

static const char bayes_help[] =
	"Usage: bayes [--masters LIST] [--shards N] [--labels FILE] DATA\n"
	"       bayes --local [--labels FILE] DATA\n"
	"Train a Gaussian naive Bayes classifier on every second line of DATA, and test it\n"
	"on the others. A line has the whole numbers of one example, with commas, and its\n"
	"class at the end.\n"
	"\n"
	"  --masters LIST  HOST[:PORT][,HOST[:PORT]...]; localhost\n"
	"  --shards N      how many calls to make of each step; 8\n"
	"  --local         do all of it in this process, without a cluster\n"
	"  --labels FILE   write the class found for each example tested, one a line\n"
	"  --help          print this\n"
	"  --version       print the version\n";

static _Noreturn void
bayes_usage(const char *complaint, const char *what)
{
	fprintf(stderr, "bayes: %s%s\nTry 'bayes --help'\n", complaint, what);
	exit(2);
}

static void
arguments_parse(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "masters", required_argument, NULL, 'm' },
		{ "shards", required_argument, NULL, 's' },
		{ "local", no_argument, NULL, 'l' },
		{ "labels", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'm':
			arguments->masters = optarg;
			break;
		case 's':
			if (!number_parse(optarg, 1, MAX_SHARDS, &arguments->n_shards))
				bayes_usage("--shards takes 1 to 1000, not ", optarg);
			break;
		case 'l':
			arguments->local = true;
			break;
		case 'o':
			arguments->labels = optarg;
			break;
		case 'h':
			fputs(bayes_help, stdout);
			exit(0);
		case 'V':
			puts("bayes " EXAMPLES_VERSION);
			exit(0);
		default:
			fputs("Try 'bayes --help'\n", stderr);
			exit(2);
		}
	}
	if (optind != argc - 1)
		bayes_usage("one file is wanted: the data", "");
	arguments->data = argv[optind];
}

int
main(int argc, char **argv)
{
	struct arguments arguments = { .masters = "localhost", .n_shards = 8 };
	struct bayes bayes = { 0 };
	bool all_well;

	arguments_parse(&arguments, argc, argv);
	all_well = bayes_run(&bayes, &arguments);
	bayes_fini(&bayes);
	return all_well ? 0 : 1;
}
