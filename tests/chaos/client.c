/*
 * client: calls the chaos service in every way that a program can, and writes down what
 * it is told.
 *
 *	client --masters LIST --journal FILE --token N [--pace-us N]
 *
 * It lives in eras: a cluster is opened, callers of all kinds use it for some seconds,
 * and then it is closed: most often under them, with calls in flight; else when they
 * have finished. "stop" on stdin, or its end, is the end of the last era. The journal
 * holds what caller.h lists, and:
 *
 *	O FROM_NS TO_NS ERROR TEXT   a cluster was opened, or could not be
 *	C FROM_NS TO_NS              it was closed under its callers
 *	R FROM_NS TO_NS              it was closed when all of them had finished
 *	P FROM_NS TO_NS              a thread of this process had no CPU
 *	D BEGUN ENDED                done, and so many calls
 */
#include "caller.h"
#include "journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLIENT_N_CALLERS   9
#define CLIENT_TICK_NS     5000000
#define CLIENT_LATE_NS     4000000
#define CLIENT_MAX_THREADS 64

/* Three that call synchronously, and one of each other kind. */
static const enum caller_kind kinds[CLIENT_N_CALLERS] = {
	CALLER_SYNC, CALLER_SYNC,  CALLER_SYNC, CALLER_WAIT, CALLER_CANCEL,
	CALLER_ANY,  CALLER_QUEUE, CALLER_THEN, CALLER_THEN,
};

struct client {
	const char *masters;
	const char *journal;
	uint64_t first_token;
	unsigned pace_us;
	uint64_t random;
};

/* --- What the machine keeps from us ----------------------------------------------- */

/*
 * How long each thread of ours has waited for a CPU, ever; the kernel adds it up when
 * the thread gets one (proc(5), schedstat). The files stay open, for when there are no
 * descriptors to be had.
 */
struct waits {
	DIR *tasks;
	struct {
		char tid[24];
		int fd; /* -1: this place is free */
		int64_t waited_ns;
	} threads[CLIENT_MAX_THREADS];
};

static void
waits_begin(struct waits *waits)
{
	waits->tasks = opendir("/proc/self/task");
	for (unsigned i = 0; i < CLIENT_MAX_THREADS; i++)
		waits->threads[i].fd = -1;
}

/* A thread that is seen for the first time has a place from now on, if there is one. */
static void
waits_meet(struct waits *waits, const char *tid)
{
	unsigned place = CLIENT_MAX_THREADS;
	char path[64];

	for (unsigned i = 0; i < CLIENT_MAX_THREADS; i++) {
		if (waits->threads[i].fd < 0)
			place = i;
		else if (strcmp(waits->threads[i].tid, tid) == 0)
			return;
	}
	if (place == CLIENT_MAX_THREADS)
		return;
	snprintf(path, sizeof(path), "/proc/self/task/%.20s/schedstat", tid);
	snprintf(waits->threads[place].tid, sizeof(waits->threads[place].tid), "%.20s", tid);
	waits->threads[place].fd = open(path, O_RDONLY | O_CLOEXEC);
	waits->threads[place].waited_ns = 0;
}

/* What one thread waited since the round before; its place is free when it is gone. */
static int64_t
waits_grow(struct waits *waits, unsigned i)
{
	long long ran_ns, waited_ns;
	int64_t before_ns = waits->threads[i].waited_ns;
	char text[96];
	ssize_t length = pread(waits->threads[i].fd, text, sizeof(text) - 1, 0);

	if (length <= 0) {
		close(waits->threads[i].fd);
		waits->threads[i].fd = -1;
		return 0;
	}
	text[length] = '\0';
	if (sscanf(text, "%lld %lld", &ran_ns, &waited_ns) != 2)
		return 0;
	waits->threads[i].waited_ns = waited_ns;
	return waited_ns - before_ns;
}

/* The longest of what each thread waited since the round before. */
static int64_t
waits_longest_ns(struct waits *waits)
{
	int64_t longest_ns = 0;
	struct dirent *task;

	if (waits->tasks)
		rewinddir(waits->tasks);
	while (waits->tasks && (task = readdir(waits->tasks))) {
		if (task->d_name[0] != '.')
			waits_meet(waits, task->d_name);
	}
	for (unsigned i = 0; i < CLIENT_MAX_THREADS; i++) {
		int64_t grown_ns = waits->threads[i].fd < 0 ? 0 : waits_grow(waits, i);

		if (grown_ns > longest_ns)
			longest_ns = grown_ns;
	}
	return longest_ns;
}

/*
 * Sleeps and looks, again and again. That a round took too long shows when the whole
 * process stood still; that another of its threads waited for a CPU the kernel tells.
 */
static void *
sleeper_main(void *arg)
{
	static struct waits waits;
	int64_t last_ns = journal_now_ns();

	(void)arg;
	waits_begin(&waits);
	for (;;) {
		struct timespec tick = { .tv_nsec = CLIENT_TICK_NS };
		int64_t now_ns, waited_ns;

		nanosleep(&tick, NULL);
		waited_ns = waits_longest_ns(&waits);
		now_ns = journal_now_ns();
		if (waited_ns < now_ns - last_ns - CLIENT_TICK_NS)
			waited_ns = now_ns - last_ns - CLIENT_TICK_NS;
		if (waited_ns > CLIENT_LATE_NS)
			journal_write("P %lld %lld", (long long)(now_ns - waited_ns),
			              (long long)now_ns);
		last_ns = now_ns;
	}
	return NULL;
}

/* --- The conversation on stdin ---------------------------------------------------- */

/* False: told to stop, or nobody is there any more. */
static bool
nothing_said_for(int64_t ms)
{
	int64_t until_ns = journal_now_ns() + ms * 1000000;
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	for (;;) {
		int64_t left_ns = until_ns - journal_now_ns();

		if (left_ns <= 0)
			return true;
		if (poll(&input, 1, (int)(left_ns / 1000000) + 1) > 0)
			return false;
	}
}

/* --- Eras ------------------------------------------------------------------------- */

static uint64_t
client_random(struct client *client)
{
	client->random =
		client->random * UINT64_C(6364136223846793005) + 1442695040888963407;
	return client->random >> 33;
}

static bool
client_open(struct client *client, struct era *era)
{
	struct dist_cluster_options options = {
		.open_timeout_ms = 2000,
		.spin_us = client_random(client) % 4 ? 0 : 20,
		.max_in_flight = client_random(client) % 4 ? 0 : 24,
		.wait_for_room = client_random(client) % 2,
	};
	int64_t from_ns = journal_now_ns();
	enum dist_err err = dist_cluster_open(&era->cluster, client->masters, &options);

	era->waits_for_room = options.max_in_flight && options.wait_for_room;
	journal_write("O %lld %lld %s %s", (long long)from_ns,
	              (long long)journal_now_ns(), dist_error_name(err),
	              err ? dist_error_text() : "");
	return !err;
}

static void
era_close(struct era *era, char letter)
{
	int64_t from_ns = journal_now_ns();

	dist_cluster_close(era->cluster);
	journal_write("%c %lld %lld", letter, (long long)from_ns,
	              (long long)journal_now_ns());
	era->closed = true;
}

static void
callers_join(struct caller *callers, unsigned n_callers)
{
	for (unsigned i = 0; i < n_callers; i++)
		pthread_join(callers[i].thread, NULL);
}

/* False: told to stop. */
static bool
client_live(struct client *client, struct era *era)
{
	struct caller callers[CLIENT_N_CALLERS] = { 0 };
	bool gentle = client_random(client) % 3 == 0, goes_on;
	unsigned n_callers = 0;

	while (n_callers < CLIENT_N_CALLERS) {
		struct caller *caller = &callers[n_callers];

		caller->era = era;
		caller->kind = kinds[n_callers];
		/* A thread that waits to start a call does not look at those it has. */
		if (era->waits_for_room &&
		    (caller->kind == CALLER_ANY || caller->kind == CALLER_QUEUE))
			caller->kind = CALLER_WAIT;
		caller->random =
			client_random(client) << 20 | client_random(client) | 1;
		if (pthread_create(&caller->thread, NULL, caller_main, caller))
			break;
		n_callers++;
	}
	goes_on = nothing_said_for(1000 + (int64_t)(client_random(client) % 6000));
	if (gentle || !goes_on) {
		era->resting = true;
		callers_join(callers, n_callers);
		era_close(era, 'R');
	} else {
		era_close(era, 'C');
		callers_join(callers, n_callers);
	}
	return goes_on;
}

static void
client_run(struct client *client)
{
	bool goes_on = true;

	while (goes_on) {
		struct era era = { .pace_us = client->pace_us };

		if (client_open(client, &era))
			goes_on = client_live(client, &era);
		else
			goes_on = nothing_said_for(100);
	}
}

/* --- Arguments -------------------------------------------------------------------- */

static const struct option long_options[] = {
	{ "masters", required_argument, NULL, 'm' },
	{ "journal", required_argument, NULL, 'j' },
	{ "token", required_argument, NULL, 't' },
	{ "pace-us", required_argument, NULL, 'p' },
	{ NULL, 0, NULL, 0 },
};

static bool
arguments_parse(struct client *client, int argc, char **argv)
{
	int letter;

	while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (letter == 'm')
			client->masters = optarg;
		else if (letter == 'j')
			client->journal = optarg;
		else if (letter == 't')
			client->first_token = strtoull(optarg, NULL, 10);
		else if (letter == 'p')
			client->pace_us = (unsigned)strtoul(optarg, NULL, 10);
		else
			return false;
	}
	return client->masters && client->journal && optind == argc;
}

int
main(int argc, char **argv)
{
	struct client client = { .pace_us = 10000 };
	uint64_t n_begun, n_ended;
	pthread_t sleeper;

	if (!arguments_parse(&client, argc, argv)) {
		fprintf(stderr, "usage: client --masters LIST --journal FILE --token N "
		                "[--pace-us N]\n");
		return 2;
	}
	journal_open(client.journal);
	caller_tokens_from(client.first_token);
	client.random = client.first_token;
	dist_log_set_sink(dist_log_to_stderr, NULL, DIST_LOG_INFO);
	if (pthread_create(&sleeper, NULL, sleeper_main, NULL)) {
		fprintf(stderr, "client: no thread to be had: %s\n", strerror(errno));
		return 1;
	}
	client_run(&client);
	caller_count(&n_begun, &n_ended);
	journal_write("D %llu %llu", (unsigned long long)n_begun,
	              (unsigned long long)n_ended);
	return 0;
}
