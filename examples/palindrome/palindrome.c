/*
 * palindrome: counts the binary palindromes from 0 to N on all nodes of a cluster.
 *
 *	palindrome --masters HOST 1000000000
 *
 * The range is cut into many pieces, and dist_map() spreads them: a node gets the next
 * one when it has a worker for it, so a fast node takes more of them than a slow one,
 * without any planning; and nodes may come and go. On a terminal a bar shows how far it
 * is, and in a file or a pipe there is a line for each piece.
 */
#include "palindrome.h"

#include "numbers.h"
#include "palindrome/pieces.h"

#include <dist/dist.h>

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

struct arguments {
	const char *masters;
	int64_t last;
	int64_t n_pieces; /* 0: as many as suit the nodes */
};

struct count {
	int64_t last;
	uint64_t n_pieces;
	bool show_pieces;
	quad_t found;
};

static palindrome_range
count_piece(const struct count *count, const struct dist_map_item *item)
{
	return pieces_get(count->last, count->n_pieces, item->index);
}

/* For dist_map(): starts the call of one piece. */
static struct dist_waiter *
count_start(CLIENT *palindrome, const struct dist_map_item *item, void *arg)
{
	return dist_go(palindrome, palindrome_count_1, count_piece(arg, item),
	               item->result);
}

/* For dist_map(): one piece has ended. Those that failed it tells in the end. */
static enum dist_err
count_done(const struct dist_map_item *item, void *arg)
{
	const palindrome_tally *tally = item->result;
	struct count *count = arg;
	palindrome_range piece = count_piece(count, item);

	if (item->err)
		return DIST_OK;
	if (tally->status != PALINDROME_COUNTED) {
		dist_map_bar_hide();
		fprintf(stderr, "palindrome: the node refused the range\n");
		return DIST_EPROTO;
	}
	count->found += tally->palindrome_tally_u.count;
	if (count->show_pieces)
		printf("%lld..%lld: %lld by %s\n", (long long)piece.first,
		       (long long)piece.last,
		       (long long)tally->palindrome_tally_u.count, item->node->name);
	return DIST_OK;
}

static bool
count_run(struct count *count, CLIENT *palindrome)
{
	struct dist_map_options options = {
		.n_items = count->n_pieces,
		.start = count_start,
		.done = count_done,
		.arg = count,
		.result_bytes = sizeof(palindrome_tally),
		.max_failures = 1,
		.progress = dist_map_bar,
		.progress_arg = "palindrome",
	};

	if (dist_map(palindrome, &options)) {
		fprintf(stderr, "palindrome: %s\n", dist_error_text());
		return false;
	}
	printf("%lld binary palindromes from 0 to %lld\n", (long long)count->found,
	       (long long)count->last);
	return true;
}

static bool
palindrome_run(struct dist_cluster *cluster, const struct arguments *arguments)
{
	/* Counting a piece twice does no harm: it goes on when its node is lost. */
	struct dist_call_options options = { .idempotent = true, .max_tries = 10 };
	struct count count = {
		.last = arguments->last,
		.n_pieces = pieces_count(arguments->last, (uint64_t)arguments->n_pieces),
		.show_pieces = !isatty(STDOUT_FILENO),
	};
	bool all_well = false;
	CLIENT *palindrome;

	palindrome = dist_client_create_with(cluster, PALINDROME_PROG, PALINDROME_V1,
	                                     &options);
	if (!palindrome ||
	    (!count.n_pieces && pieces_plan(cluster, arguments->last, &count.n_pieces)))
		fprintf(stderr, "palindrome: %s\n", dist_error_text());
	else
		all_well = count_run(&count, palindrome);

	if (palindrome)
		clnt_destroy(palindrome);
	return all_well;
}

static const char palindrome_help[] =
	"Usage: palindrome [--masters LIST] [--pieces N] NUMBER\n"
	"Count the binary palindromes from 0 to NUMBER on the nodes of a cluster.\n"
	"\n"
	"  --masters LIST  HOST[:PORT][,HOST[:PORT]...]; localhost\n"
	"  --pieces N      how many calls to make of it; as many as suit the nodes\n"
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
