/*
 * palindrome: counts the binary palindromes from 0 to N on all nodes of a cluster.
 *
 *	palindrome --masters HOST 2000
 *
 * The range is cut into pieces, some for each procedure that the nodes run at once, and
 * all are started together. A queue gives them back in the order in which they end: a
 * fast node takes more of them than a slow one, without any planning.
 */
#include "palindrome.h"

#include "numbers.h"
#include "palindrome/pieces.h"

#include <dist/dist.h>

#include <getopt.h>
#include <stdio.h>

struct arguments {
	const char *masters;
	int64_t last;
	int64_t n_pieces; /* 0: as many as suit the nodes */
};

struct piece {
	palindrome_range range;
	palindrome_tally tally;
};

/* Starts the call of one piece. False, with a line that says why: it did not start. */
static bool
piece_start(struct piece *piece, CLIENT *palindrome, struct dist_queue *queue)
{
	struct dist_waiter *waiter;

	waiter = dist_go(palindrome, palindrome_count_1, piece->range, &piece->tally);
	if (waiter && !dist_queue_add(queue, waiter, piece))
		return true;
	fprintf(stderr, "palindrome: %s\n", dist_error_text());
	dist_waiter_free(waiter);
	return false;
}

/* Prints one piece that ended, and adds it. False: it failed. */
static bool
piece_end(struct dist_waiter *waiter, quad_t *count)
{
	const struct piece *piece = dist_waiter_tag(waiter);
	long long found = piece->tally.palindrome_tally_u.count;

	if (dist_waiter_wait(waiter, 0)) {
		fprintf(stderr, "palindrome: %s\n", dist_waiter_error(waiter));
		return false;
	}
	if (piece->tally.status != PALINDROME_COUNTED) {
		fprintf(stderr, "palindrome: the node refused the range\n");
		return false;
	}
	printf("%lld..%lld: %lld by %s\n", (long long)piece->range.first,
	       (long long)piece->range.last, found, dist_waiter_node(waiter)->name);
	*count += found;
	return true;
}

/* All pieces at once; the queue hands them out as they end. */
static bool
pieces_run(struct piece *pieces, uint64_t n_pieces, CLIENT *palindrome,
           struct dist_queue *queue, int64_t last)
{
	struct dist_waiter *waiter;
	quad_t count = 0;

	for (uint64_t i = 0; i < n_pieces; i++) {
		pieces[i].range = pieces_get(last, n_pieces, i);
		if (!piece_start(&pieces[i], palindrome, queue))
			return false;
	}
	while ((waiter = dist_queue_take(queue, DIST_FOREVER))) {
		bool counted = piece_end(waiter, &count);

		dist_waiter_free(waiter);
		if (!counted)
			return false;
	}
	printf("%lld binary palindromes from 0 to %lld\n", (long long)count,
	       (long long)last);
	return true;
}

static bool
pieces_run_on(CLIENT *palindrome, uint64_t n_pieces, int64_t last)
{
	struct piece *pieces = calloc(n_pieces, sizeof(*pieces));
	struct dist_queue *queue = NULL;
	bool all_well = false;

	if (!pieces)
		fprintf(stderr, "palindrome: out of memory\n");
	else if (dist_queue_new(&queue))
		fprintf(stderr, "palindrome: %s\n", dist_error_text());
	else
		all_well = pieces_run(pieces, n_pieces, palindrome, queue, last);

	/*
	 * After a failure the queue still holds calls: freeing it cancels them first.
	 */
	dist_queue_free(queue);
	free(pieces);
	return all_well;
}

static bool
palindrome_run(struct dist_cluster *cluster, const struct arguments *arguments)
{
	/* Counting a piece twice does no harm: it goes on when its node is lost. */
	struct dist_call_options options = { .idempotent = true };
	uint64_t n_pieces =
		pieces_count(arguments->last, (uint64_t)arguments->n_pieces);
	bool all_well = false;
	CLIENT *palindrome;

	palindrome = dist_client_create_with(cluster, PALINDROME_PROG, PALINDROME_V1,
	                                     &options);
	if (!palindrome ||
	    (!n_pieces && pieces_plan(cluster, arguments->last, &n_pieces)))
		fprintf(stderr, "palindrome: %s\n", dist_error_text());
	else
		all_well = pieces_run_on(palindrome, n_pieces, arguments->last);

	if (palindrome)
		clnt_destroy(palindrome);
	return all_well;
}

static const char palindrome_help[] =
	"Usage: palindrome [--masters LIST] [--pieces N] NUMBER\n"
	"Count the binary palindromes from 0 to NUMBER on the nodes of a cluster.\n"
	"\n"
	"  --masters LIST  HOST[:PORT][,HOST[:PORT]...]; localhost\n"
	"  --pieces N      how many calls to make of it; four for each worker\n"
	"  --help          print this\n"
	"  --version       print the version\n";

static _Noreturn void
palindrome_usage(const char *complaint, const char *what)
{
	fprintf(stderr, "palindrome: %s%s\nTry 'palindrome --help'\n", complaint, what);
	exit(2);
}

static void
arguments_parse(struct arguments *arguments, int argc, char **argv)
{
	static const struct option options[] = {
		{ "masters", required_argument, NULL, 'm' },
		{ "pieces", required_argument, NULL, 'p' },
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
		case 'p':
			if (!number_parse(optarg, 1, PIECES_MAX, &arguments->n_pieces))
				palindrome_usage("--pieces takes 1 to 100000, not ",
				                 optarg);
			break;
		case 'h':
			fputs(palindrome_help, stdout);
			exit(0);
		case 'V':
			puts("palindrome " EXAMPLES_VERSION);
			exit(0);
		default:
			fputs("Try 'palindrome --help'\n", stderr);
			exit(2);
		}
	}
	if (optind != argc - 1)
		palindrome_usage("one number is wanted: where to count to", "");
	if (!number_parse(argv[optind], 0, INT64_MAX, &arguments->last))
		palindrome_usage("not a whole number from 0 up: ", argv[optind]);
}

int
main(int argc, char **argv)
{
	struct arguments arguments = { .masters = "localhost" };
	struct dist_cluster *cluster;
	bool all_well;

	arguments_parse(&arguments, argc, argv);
	if (dist_cluster_open(&cluster, arguments.masters, NULL)) {
		fprintf(stderr, "palindrome: %s\n", dist_error_text());
		return 1;
	}
	all_well = palindrome_run(cluster, &arguments);
	dist_cluster_close(cluster);
	return all_well ? 0 : 1;
}
