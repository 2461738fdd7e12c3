/*
 * watchers: clusters that follow a master, many in one process, and how long after an
 * event each of them knew.
 *
 *	watchers --masters LIST --board FILE --clusters N
 *
 * They are real clusters, opened by dist_cluster_open(); when a view has a node or lost
 * it is told by the library's own log lines, node-seen and node-left, which a follower
 * writes as it applies a view. It does what lines on stdin say, and answers each with
 * one line of JSON:
 *
 *	open         open all clusters at once: until each has its first view
 *	watch        from now on nodes that come and go are timed
 *	seen         how many such events were, by all clusters together
 *	report       how late they were seen, in ms; the views; bytes received so far;
 * from then on events are counted anew
 *
 * It ends with its stdin.
 */
#include "base/clock.h"
#include "board.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <dist/dist.h>
#include <getopt.h>
#include <linux/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES_MAX     (1u << 22)
#define OPEN_TIMEOUT_MS 120000

struct samples {
	atomic_uint n;
	int64_t ns[SAMPLES_MAX];
};

struct watcher {
	pthread_t thread;
	struct dist_cluster *cluster; /* NULL: it could not be opened */
	unsigned n_nodes;
};

static const char *masters;
static struct board board;
static struct watcher *watchers;
static unsigned n_watchers;
static struct samples joins, leaves;

/* --- What followers tell ---------------------------------------------------------- */

static void
sample_add(struct samples *samples, int64_t ns)
{
	unsigned at = atomic_fetch_add(&samples->n, 1);

	if (at < SAMPLES_MAX)
		samples->ns[at] = ns;
}

/* A watcher may know of a node before the node has read the answer: that is no delay.
 */
static void
on_log(enum dist_log_level level, const char *id, const char *text, void *arg)
{
	int64_t now_ns = dist_clock_ns(), since_ns;
	bool seen = !strcmp(id, "node-seen");
	struct board_line *line;
	unsigned index;

	(void)level;
	(void)arg;
	if ((!seen && strcmp(id, "node-left") != 0) ||
	    sscanf(text, BOARD_NAME_SCAN, &index) != 1 || index >= board.n)
		return;
	line = &board.lines[index];
	since_ns = atomic_load(seen ? &line->answered_ns : &line->closed_ns);
	sample_add(seen ? &joins : &leaves, since_ns ? now_ns - since_ns : 0);
}

/* --- Commands --------------------------------------------------------------------- */

static void *
open_one(void *arg)
{
	const struct dist_cluster_options options = { .open_timeout_ms =
		                                              OPEN_TIMEOUT_MS };
	struct watcher *watcher = arg;

	if (dist_cluster_open(&watcher->cluster, masters, &options))
		fprintf(stderr, "watchers: %s\n", dist_error_text());
	return NULL;
}

static void
open_all(void)
{
	int64_t began_ns = dist_clock_ns();
	unsigned n = 0;

	for (unsigned i = 0; i < n_watchers; i++) {
		if (pthread_create(&watchers[i].thread, NULL, open_one, &watchers[i]))
			abort();
	}
	for (unsigned i = 0; i < n_watchers; i++) {
		pthread_join(watchers[i].thread, NULL);
		n += watchers[i].cluster != NULL;
	}
	printf("{\"opened\": %u, \"ms\": %.1f}\n", n,
	       (double)(dist_clock_ns() - began_ns) / 1e6);
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
print_samples(const char *name, struct samples *samples)
{
	unsigned n = atomic_load(&samples->n);
	unsigned kept = n < SAMPLES_MAX ? n : SAMPLES_MAX;
	const int64_t *ns = samples->ns;

	qsort(samples->ns, kept, sizeof(samples->ns[0]), compare);
	printf("\"%s\": {\"n\": %u", name, n);
	if (kept)
		printf(", \"p50\": %.2f, \"p90\": %.2f, \"p99\": %.2f, \"max\": %.2f",
		       (double)ns[kept / 2] / 1e6, (double)ns[kept * 9ull / 10] / 1e6,
		       (double)ns[kept * 99ull / 100] / 1e6,
		       (double)ns[kept - 1] / 1e6);
	printf("}, ");
	atomic_store(&samples->n, 0);
}

static enum dist_err
count_node(const struct dist_node_info *info, void *arg)
{
	unsigned *n = arg;

	*n += !info->draining;
	return DIST_OK;
}

static void
print_views(void)
{
	unsigned fewest = UINT32_MAX, most = 0;

	for (unsigned i = 0; i < n_watchers; i++) {
		unsigned n = 0;

		if (watchers[i].cluster &&
		    dist_cluster_each_node(watchers[i].cluster, count_node, &n))
			n = 0;
		fewest = n < fewest ? n : fewest;
		most = n > most ? n : most;
	}
	printf("\"fewest\": %u, \"most\": %u, ", fewest, most);
}

/* Of all TCP connections of this process: they are its clusters' with the master. */
static unsigned long long
bytes_received(void)
{
	unsigned long long total = 0;
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		struct tcp_info info;
		socklen_t length = sizeof(info);

		if (!getsockopt(atoi(entry->d_name), IPPROTO_TCP, TCP_INFO, &info,
		                &length))
			total += info.tcpi_bytes_received;
	}
	if (folder)
		closedir(folder);
	return total;
}

static void
report(void)
{
	printf("{");
	print_samples("joins", &joins);
	print_samples("leaves", &leaves);
	print_views();
	printf("\"bytes\": %llu}\n", bytes_received());
}

static void
obey(const char *line)
{
	if (!strcmp(line, "open\n")) {
		open_all();
	} else if (!strcmp(line, "watch\n")) {
		dist_log_set_sink(on_log, NULL, DIST_LOG_INFO);
		printf("{}\n");
	} else if (!strcmp(line, "seen\n")) {
		printf("{\"seen\": %u}\n",
		       atomic_load(&joins.n) + atomic_load(&leaves.n));
	} else if (!strcmp(line, "report\n")) {
		report();
	} else {
		fprintf(stderr, "watchers: what is %s", line);
	}
	fflush(stdout);
}

static bool
parse(int argc, char **argv)
{
	static const struct option known[] = {
		{ "masters", required_argument, NULL, 'm' },
		{ "board", required_argument, NULL, 'b' },
		{ "clusters", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (option == 'm')
			masters = optarg;
		else if (option == 'c')
			n_watchers = (unsigned)strtoul(optarg, NULL, 10);
		else if (option != 'b' || !board_open(&board, optarg))
			return false;
	}
	return masters && board.lines && n_watchers;
}

int
main(int argc, char **argv)
{
	char line[256];

	if (!parse(argc, argv)) {
		fprintf(stderr, "usage: watchers --masters LIST --board FILE "
		                "--clusters N\n");
		return 2;
	}
	watchers = calloc(n_watchers, sizeof(*watchers));
	if (!watchers)
		return 1;
	while (fgets(line, sizeof(line), stdin))
		obey(line);
	dist_log_set_sink(NULL, NULL, DIST_LOG_ERROR);
	for (unsigned i = 0; i < n_watchers; i++)
		dist_cluster_close(watchers[i].cluster);
	free(watchers);
	return 0;
}
