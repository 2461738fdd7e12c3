/*
 * distctl top: what the nodes do now, by node and by procedure.
 *
 * In a terminal it is drawn anew with each round, until 'q'. Else each round is printed:
 * two tables, or a line of JSON, and no more than --count of them.
 */
#include "distctl/config.h"

#include "distctl/callers.h"
#include "distctl/gather.h"
#include "distctl/json.h"
#include "distctl/masters.h"
#include "distctl/report.h"
#include "distctl/sampler.h"
#include "distctl/screen.h"
#include "distctl/table.h"
#include "program/clock.h"
#include "program/options.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

/* For an answer, unless --timeout-ms says otherwise: who looks on waits for it. */
#define TIMEOUT_MS 1000

struct top {
	const struct config *config;
	struct gather *gather;
	enum rates_order order;
	uint64_t n_shown;
};

static bool
is_over(const struct top *top)
{
	return top->config->count > 0 && top->n_shown >= (uint64_t)top->config->count;
}

static void
sort(const struct top *top, struct gathered *gathered)
{
	rates_sort(&gathered->rates.nodes, top->order);
	rates_sort(&gathered->rates.procedures, top->order);
}

/* --- Lines ------------------------------------------------------------------------- */

static int
print_tables(const struct gathered *gathered)
{
	char summary[REPORT_SUMMARY_MAX];
	struct table nodes, procedures, callers;
	int status;

	report_summary(gathered, summary);
	report_nodes(&nodes, &gathered->rates);
	report_procedures(&procedures, &gathered->rates);
	callers_table(&callers, &gathered->callers);
	printf("%s\n", summary);
	status = table_print(&nodes);
	if (!status)
		status = table_print(&procedures);
	if (!status && gathered->callers.list.list_len)
		status = table_print(&callers);
	putchar('\n');
	table_fini(&nodes);
	table_fini(&procedures);
	table_fini(&callers);
	return status;
}

static int
print_round(struct top *top, struct gathered *gathered)
{
	int status;

	sort(top, gathered);
	status = top->config->json ? json_print_line(report_json(gathered))
	                           : print_tables(gathered);
	if (gathered->trouble[0])
		program_fail("%s", gathered->trouble);
	top->n_shown++;
	if (!status && fflush(stdout))
		return program_fail("cannot write to standard output: %s",
		                    strerror(errno));
	return status;
}

/* Until it is time for the next round. False: a signal came. */
static bool
pause_until(int64_t until_ms, const sigset_t *signals)
{
	int64_t left_ms = until_ms - program_now_ms();
	struct timespec left = { 0 };

	if (left_ms > 0)
		left = (struct timespec){ left_ms / 1000, left_ms % 1000 * 1000000 };
	return sigtimedwait(signals, NULL, &left) < 0;
}

/* The first round is only what the second one is compared with. */
static int
print_rounds(struct top *top, const sigset_t *signals)
{
	bool first = true;
	int status = PROGRAM_DONE;

	while (!status && !is_over(top)) {
		int64_t next_ms = program_now_ms() + top->config->interval_ms;
		struct gathered *gathered = gather_next(top->gather);

		if (!gathered)
			return program_fail("out of memory");
		if (!first)
			status = print_round(top, gathered);
		gathered_free(gathered);
		first = false;
		if (is_over(top) || !pause_until(next_ms, signals))
			break;
	}
	return status;
}

/* --- In a terminal ----------------------------------------------------------------- */

/* All keys that were pressed. False: the end. */
static bool
take_keys(struct top *top, struct gathered *gathered)
{
	enum screen_key key;

	while ((key = screen_key(&top->order)) != SCREEN_KEY_NONE) {
		if (key == SCREEN_KEY_QUIT)
			return false;
		if (gathered)
			sort(top, gathered);
		screen_draw(gathered, top->order);
	}
	return true;
}

/* A new round is drawn in the place of @gathered; the one that is shown now. */
static struct gathered *
show_next(struct top *top, struct sampler *sampler, struct gathered *gathered)
{
	struct gathered *next = sampler_take(sampler);

	if (!next)
		return gathered;
	gathered_free(gathered);
	sort(top, next);
	screen_draw(next, top->order);
	top->n_shown++;
	return next;
}

/* Until a key or a signal ends it, or --count is reached. */
static void
draw_rounds(struct top *top, struct sampler *sampler, int signal_fd)
{
	struct gathered *gathered = NULL;
	struct pollfd polled[] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = sampler_fd(sampler), .events = POLLIN },
		/* What is no terminal has no keys, and may always be readable. */
		{ .fd = isatty(STDIN_FILENO) ? STDIN_FILENO : -1, .events = POLLIN },
	};

	screen_draw(NULL, top->order);
	while (!is_over(top)) {
		/* A signal ends it early when the terminal has another size. */
		if (poll(polled, 3, -1) < 0 && errno != EINTR)
			break;
		if (polled[0].revents || polled[2].revents & (POLLHUP | POLLERR) ||
		    !take_keys(top, gathered))
			break;
		gathered = show_next(top, sampler, gathered);
	}
	gathered_free(gathered);
}

static int
draw(struct top *top, const sigset_t *signals)
{
	int signal_fd = signalfd(-1, signals, SFD_CLOEXEC);
	struct sampler *sampler;
	int status;

	if (signal_fd < 0)
		return program_fail("signalfd: %s", strerror(errno));
	sampler = sampler_start(top->gather, top->config->interval_ms);
	status = sampler ? screen_begin(top->config->masters)
	                 : program_fail("no thread: out of memory, or at a limit");
	if (!status) {
		draw_rounds(top, sampler, signal_fd);
		screen_end();
	}
	sampler_stop(sampler);
	close(signal_fd);
	return status;
}

/* --- Both -------------------------------------------------------------------------- */

/* SIGINT and SIGTERM end it between two rounds, with the terminal as it was. */
static int
show(struct top *top)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	if (!top->config->json && screen_is_there())
		return draw(top, &signals);
	return print_rounds(top, &signals);
}

int
top_run(const struct config *given)
{
	struct config config = *given;
	struct top top = { .config = &config, .order = given->sort };
	struct masters masters;
	int status;

	if (!config.timeout_given)
		config.timeout_ms = TIMEOUT_MS;
	status = masters_open(&masters, &config);
	if (status)
		return status;
	top.gather = gather_new(&masters, config.timeout_ms);
	status = top.gather ? show(&top) : program_fail("out of memory");
	gather_free(top.gather);
	masters_close(&masters);
	return status;
}
