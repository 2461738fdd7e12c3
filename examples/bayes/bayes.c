/*
 * bayes: trains a classifier on many nodes, and tries it there.
 *
 *	bayes --masters HOST --shards 8 digits.csv
 *
 * Half of the data, every second line, is to train on, and the other half to test on.
 * Both are cut into shards, and each shard is a call; dist_map() spreads those of a
 * step over the nodes. The sums of the shards add up to one model, which goes out with the
 * shards to be classified. --local does the same work in this process, with the same
 * result.
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

/* What a step's callbacks work with. */
struct step {
	struct bayes *bayes;
	bayes_sums *sums; /* of all shards, in training */
};

/*
 * A shard's call starts when a node has a worker for it; when a node is lost its shards
 * go to others.
 */
static bool
step_run(struct step *step, CLIENT *client, struct dist_map_options *options)
{
	options->n_items = step->bayes->n_shards;
	options->arg = step;
	options->max_failures = 1; /* without a shard the others are of no use */
	options->progress = dist_map_bar;
	return dist_map(client, options) ? complain(dist_error_text()) : true;
}

/* Why a step goes no further. */
static enum dist_err
step_refused(const char *reason)
{
	dist_map_bar_hide();
	complain(reason);
	return DIST_EPROTO;
}

static void
shard_say(const bayes_shard *shard, const char *done, const struct dist_map_item *item)
{
	dist_map_bar_hide();
	printf("%u examples %s by %s\n", shard->labels.labels_len, done,
	       item->node->name);
}

static bayes_shard
train_shard(const struct step *step, const struct dist_map_item *item)
{
	return data_shard(&step->bayes->train, step->bayes->n_shards,
	                  (u_int)item->index);
}

static struct dist_waiter *
train_start(CLIENT *client, const struct dist_map_item *item, void *arg)
{
	return dist_go(client, bayes_train_1, train_shard(arg, item), item->result);
}

/* Adds a shard's sums up. */
static enum dist_err
train_done(const struct dist_map_item *item, void *arg)
{
	const bayes_train_result *result = item->result;
	struct step *step = arg;
	bayes_shard shard = train_shard(step, item);
	const char *wrong;

	if (item->err)
		return DIST_OK; /* dist_map() says it */
	shard_say(&shard, "trained on", item);
	if (result->status != BAYES_DONE)
		return step_refused(result->bayes_train_result_u.reason);
	wrong = bayes_sums_add(step->sums, &result->bayes_train_result_u.sums);
	return wrong ? step_refused(wrong) : DIST_OK;
}

static bool
train_on_cluster(struct bayes *bayes, CLIENT *client, bayes_sums *sums)
{
	struct step step = { .bayes = bayes, .sums = sums };
	struct dist_map_options options = {
		.start = train_start,
		.done = train_done,
		.result_bytes = sizeof(bayes_train_result),
		.xdr_result = (xdrproc_t)xdr_bayes_train_result,
		.progress_arg = "training",
	};

	return step_run(&step, client, &options);
}

static bayes_shard
classify_shard(const struct step *step, const struct dist_map_item *item)
{
	return data_shard(&step->bayes->test, step->bayes->n_shards,
	                  (u_int)item->index);
}

static struct dist_waiter *
classify_start(CLIENT *client, const struct dist_map_item *item, void *arg)
{
	struct step *step = arg;

	return dist_go(client, bayes_classify_1, step->bayes->model,
	               classify_shard(step, item).examples, item->result);
}

/* Takes a shard's labels to where it lies among all. */
static enum dist_err
classify_done(const struct dist_map_item *item, void *arg)
{
	const bayes_classify_result *result = item->result;
	struct step *step = arg;
	bayes_shard shard = classify_shard(step, item);
	u_int n_examples = shard.labels.labels_len;
	ptrdiff_t first = shard.labels.labels_val - step->bayes->test.labels.labels_val;

	if (item->err)
		return DIST_OK;
	shard_say(&shard, "classified", item);
	if (result->status != BAYES_DONE)
		return step_refused(result->bayes_classify_result_u.reason);
	if (result->bayes_classify_result_u.labels.labels_len != n_examples)
		return step_refused(
			"a node did not answer with one label for each example");
	memcpy(step->bayes->found + first,
	       result->bayes_classify_result_u.labels.labels_val,
	       n_examples * sizeof(int));
	return DIST_OK;
}

static bool
classify_on_cluster(struct bayes *bayes, CLIENT *client)
{
	struct step step = { .bayes = bayes };
	struct dist_map_options options = {
		.start = classify_start,
		.done = classify_done,
		.result_bytes = sizeof(bayes_classify_result),
		.xdr_result = (xdrproc_t)xdr_bayes_classify_result,
		.progress_arg = "classifying",
	};

	return step_run(&step, client, &options);
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
