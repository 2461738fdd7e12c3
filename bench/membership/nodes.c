/*
 * nodes: thousands of simulated nodes in one thread (crowd.h).
 *
 *	nodes --master ADDR:PORT --board FILE --first N --max N [--heartbeat-ms N]
 *	      [--port N]
 *
 * It does what lines on stdin say, and answers each with one line of JSON when that is
 * done:
 *
 *	join N WINDOW    N nodes join, at most WINDOW at once
 *	churn R S        for S seconds, R nodes a second end without a word and as many
 *	                 new ones join, evenly spread
 *	report           counts since the last report
 *
 * It ends with its stdin.
 */
#include "base/clock.h"
#include "crowd.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#define EVENTS_MAX 256

/* What it was told to do, if anything. */
struct task {
	enum { TASK_NONE, TASK_JOIN, TASK_CHURN } kind;
	unsigned n, window;
	unsigned n_left, n_joined; /* so far */
	double rate;
	int64_t began_ns, until_ns;
};

struct simulator {
	struct crowd crowd;
	struct crowd_source input;
	struct task task;
	bool over;
};

/* --- Tasks ------------------------------------------------------------------------ */

static void
task_end(struct simulator *simulator, const char *name)
{
	const struct task *task = &simulator->task;

	printf("{\"%s\": %u, \"left\": %u, \"members\": %u, \"ms\": %.1f}\n", name,
	       task->n_joined, task->n_left, simulator->crowd.n_members,
	       (double)(dist_clock_ns() - task->began_ns) / 1e6);
	fflush(stdout);
	simulator->task.kind = TASK_NONE;
}

static void
task_join(struct simulator *simulator)
{
	struct crowd *crowd = &simulator->crowd;
	struct task *task = &simulator->task;

	while (task->n_joined < task->n && crowd->n_joining < task->window) {
		if (!crowd_join(crowd))
			task->n = task->n_joined;
		else
			task->n_joined++;
	}
	if (task->n_joined == task->n && !crowd->n_joining)
		task_end(simulator, "joined");
}

static void
task_churn(struct simulator *simulator, int64_t now_ns)
{
	struct crowd *crowd = &simulator->crowd;
	struct task *task = &simulator->task;
	int64_t passed_ns = DIST_MIN(now_ns, task->until_ns) - task->began_ns;
	unsigned due = (unsigned)(task->rate * (double)passed_ns / 1e9);

	for (; task->n_left < due && crowd_leave(crowd); task->n_left++)
		;
	for (; task->n_joined < due && crowd_join(crowd); task->n_joined++)
		;
	if (now_ns >= task->until_ns && !crowd->n_joining)
		task_end(simulator, "churned");
}

static void
report(struct simulator *simulator)
{
	struct crowd_counts *counts = &simulator->crowd.counts;

	printf("{\"members\": %u, \"joined\": %lu, \"left\": %lu, \"refused\": %lu, "
	       "\"broken\": %lu, \"unknown\": %lu, \"beats\": %lu, \"answers\": %lu, "
	       "\"late\": %lu, \"probes\": %lu}\n",
	       simulator->crowd.n_members, counts->joined, counts->left,
	       counts->refused, counts->broken, counts->unknown, counts->beats,
	       counts->answers, counts->late, counts->probes);
	fflush(stdout);
	*counts = (struct crowd_counts){ 0 };
}

static void
obey(struct simulator *simulator, const char *line)
{
	struct task *task = &simulator->task;
	struct task next = { .began_ns = dist_clock_ns() };
	double seconds;

	if (sscanf(line, "join %u %u", &next.n, &next.window) == 2) {
		next.kind = TASK_JOIN;
		*task = next;
	} else if (sscanf(line, "churn %lf %lf", &next.rate, &seconds) == 2) {
		next.kind = TASK_CHURN;
		next.until_ns = next.began_ns + (int64_t)(seconds * 1e9);
		*task = next;
	} else if (!strncmp(line, "report", 6)) {
		report(simulator);
	} else {
		fprintf(stderr, "nodes: what is \"%s\"?\n", line);
	}
}

/* --- The loop --------------------------------------------------------------------- */

/* Whole lines come in one read: whoever writes them waits for each answer. */
static void
on_input(struct simulator *simulator)
{
	char line[256];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	if (n <= 0) {
		simulator->over = n == 0 || errno != EINTR;
		return;
	}
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	obey(simulator, line);
}

static void
handle_events(struct simulator *simulator)
{
	struct crowd *crowd = &simulator->crowd;
	struct epoll_event events[EVENTS_MAX];
	int n;

	do {
		n = epoll_wait(crowd->epoll_fd, events, EVENTS_MAX, 0);
		for (int i = 0; i < n; i++) {
			struct crowd_source *source = events[i].data.ptr;

			if (source->kind == CROWD_OTHER)
				on_input(simulator);
			else
				crowd_on_event(crowd, source, events[i].events);
		}
		crowd_reap(crowd);
	} while (n == EVENTS_MAX);
}

/*
 * It looks once a millisecond and does not sleep in epoll: the nodes would be on other
 * machines, and what it costs to wake them must not be charged to a master that
 * answers.
 */
static void
run(struct simulator *simulator)
{
	struct crowd *crowd = &simulator->crowd;
	int64_t next_ns = dist_clock_ns();

	while (!simulator->over) {
		struct timespec until;
		int64_t now_ns;

		handle_events(simulator);
		now_ns = dist_clock_ns();
		crowd_tick(crowd, now_ns);
		if (simulator->task.kind == TASK_JOIN)
			task_join(simulator);
		else if (simulator->task.kind == TASK_CHURN)
			task_churn(simulator, now_ns);
		next_ns = DIST_MAX(next_ns + DIST_NS_PER_MS, now_ns);
		until = (struct timespec){ next_ns / 1000000000, next_ns % 1000000000 };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
}

/* --- The command line ------------------------------------------------------------- */

static bool
set_master(struct crowd_options *options, const char *text)
{
	struct dist_hostport master;

	return !dist_hostport_parse(text, strlen(text), &master) && master.port > 0 &&
	       dist_sockaddr_from_numeric(master.host, master.port, &options->master);
}

static bool
set_option(struct crowd_options *options, int option, const char *value)
{
	unsigned number = (unsigned)strtoul(value ? value : "0", NULL, 10);

	switch (option) {
	case 'm':
		return set_master(options, value);
	case 'b':
		return board_open(&options->board, value);
	case 'f':
		options->first = number;
		return true;
	case 'n':
		options->n_max = number;
		return true;
	case 'h':
		options->heartbeat_ms = number;
		return number > 0;
	case 'p':
		options->port = number;
		return number > 0 && number < 65536;
	default:
		return false;
	}
}

static bool
parse(struct crowd_options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "master", required_argument, NULL, 'm' },
		{ "board", required_argument, NULL, 'b' },
		{ "first", required_argument, NULL, 'f' },
		{ "max", required_argument, NULL, 'n' },
		{ "heartbeat-ms", required_argument, NULL, 'h' },
		{ "port", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*options = (struct crowd_options){ .heartbeat_ms = 1000, .port = 7070 };
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (!set_option(options, option, optarg))
			return false;
	}
	return options->board.lines && options->master.length &&
	       options->first + options->n_max <= options->board.n;
}

static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		(void)!setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int
main(int argc, char **argv)
{
	struct simulator simulator = { .over = false };
	struct crowd_options options;
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &simulator.input };

	if (!parse(&options, argc, argv)) {
		fprintf(stderr,
		        "usage: nodes --master ADDR:PORT --board FILE --first N "
		        "--max N [--heartbeat-ms N] [--port N]\n");
		return 2;
	}
	raise_descriptor_limit();
	if (!crowd_init(&simulator.crowd, &options))
		return 1;
	simulator.input = (struct crowd_source){ CROWD_OTHER, STDIN_FILENO, NULL };
	if (epoll_ctl(simulator.crowd.epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event)) {
		perror("stdin");
		return 1;
	}
	run(&simulator);
	return 0;
}
