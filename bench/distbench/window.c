/*
 * A window: a number of calls of one thread in flight, each started by dist_go().
 *
 * Round it goes: start what is due and has a place, wait until something has ended,
 * take what has. The clock is read once for up to GROUP calls that had ended together,
 * since reading it costs as much as a tenth of a call.
 */
#include "distbench/load.h"

#include "distbench/pace.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define GROUP           8
#define FAILED_PAUSE_NS 1000000

struct slot {
	int64_t due_ns;
	struct dist_waiter *waiter; /* with --in-order; else the queue has it */
	union work_result result;
};

struct window {
	struct caller *caller;
	struct pace pace;
	struct dist_queue *queue;
	struct slot *slots;
	struct slot **idle; /* a stack */
	size_t n_idle;
	size_t n_slots;
	/* With --in-order: those in flight, oldest first, round. */
	struct slot **flying;
	size_t oldest;
};

static size_t
window_in_flight(const struct window *window)
{
	return window->n_slots - window->n_idle;
}

static bool
window_in_order(const struct window *window)
{
	return window->caller->load->config->in_order;
}

/* --- Starting --------------------------------------------------------------------- */

/* Whoever takes what has ended must find it. */
static bool
window_keep(struct window *window, struct slot *slot, struct dist_waiter *waiter)
{
	size_t place;

	if (!waiter)
		return false;
	if (!window_in_order(window)) {
		if (dist_queue_add(window->queue, waiter, slot) == DIST_OK)
			return true;
		dist_waiter_free(waiter);
		return false;
	}
	slot->waiter = waiter;
	place = window->oldest + window_in_flight(window);
	window->flying[place % window->n_slots] = slot;
	return true;
}

static bool
window_start(struct window *window, int64_t due_ns)
{
	const struct load *load = window->caller->load;
	struct slot *slot = window->idle[window->n_idle - 1];

	slot->due_ns = due_ns;
	if (!window_keep(window, slot,
	                 work_go(load->work, window->caller->client, &slot->result))) {
		tally_fail(&window->caller->tally, dist_error_text());
		return false;
	}
	window->n_idle--;
	return true;
}

/*
 * Start what is due. @ret_due_ns: when there is something to start again; INT64_MAX:
 * when something has ended.
 */
static void
window_fill(struct window *window, int64_t now_ns, int64_t *ret_due_ns)
{
	int64_t due_ns = INT64_MAX;

	while (window->n_idle > 0) {
		due_ns = pace_due_ns(&window->pace, now_ns);
		if (pace_over(&window->pace, now_ns)) {
			due_ns = INT64_MAX;
			break;
		}
		if (due_ns > now_ns)
			break;
		pace_next(&window->pace);
		if (!window_start(window, due_ns)) {
			due_ns = now_ns + FAILED_PAUSE_NS;
			break;
		}
		due_ns = INT64_MAX;
	}
	*ret_due_ns = due_ns;
}

/* --- Ending ----------------------------------------------------------------------- */

static void
window_end(struct window *window, struct slot *slot, struct dist_waiter *waiter,
           int64_t now_ns)
{
	const struct work *work = window->caller->load->work;
	struct tally *tally = &window->caller->tally;
	const char *fault;

	if (dist_waiter_wait(waiter, 0))
		fault = dist_waiter_error(waiter);
	else
		fault = work_fault(work, &slot->result);
	if (fault)
		tally_fail(tally, fault);
	else
		tally_add(tally, slot->due_ns, now_ns, work->arguments_size,
		          work_result_bytes(work, &slot->result));
	dist_waiter_free(waiter);
	window->idle[window->n_idle++] = slot;
}

/* The oldest call's, once it has ended; NULL: it has not, and @wait was not asked for.
 */
static struct dist_waiter *
window_take_oldest(struct window *window, bool wait, struct slot **ret_slot)
{
	struct slot *slot = window->flying[window->oldest];

	if (window_in_flight(window) == 0 || (!wait && !dist_waiter_done(slot->waiter)))
		return NULL;
	/* How it ended is asked for later. */
	if (wait && dist_waiter_wait(slot->waiter, DIST_FOREVER) == DIST_ETIMEDOUT)
		return NULL;
	window->oldest = (window->oldest + 1) % window->n_slots;
	*ret_slot = slot;
	return slot->waiter;
}

static struct dist_waiter *
window_take(struct window *window, bool wait, struct slot **ret_slot)
{
	struct dist_waiter *waiter;

	if (window_in_order(window))
		return window_take_oldest(window, wait, ret_slot);
	waiter = dist_queue_take(window->queue, wait ? DIST_FOREVER : 0);
	*ret_slot = dist_waiter_tag(waiter);
	return waiter;
}

static void
sleep_until(int64_t due_ns)
{
	struct timespec due = { .tv_sec = due_ns / 1000000000,
		                .tv_nsec = due_ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
}

/* What ends before @due_ns; NULL: nothing has. */
static struct dist_waiter *
window_take_until(struct window *window, int64_t due_ns, struct slot **ret_slot)
{
	struct dist_waiter *waiter;

	if (window_in_order(window) || window_in_flight(window) == 0) {
		sleep_until(due_ns);
		return window_take(window, false, ret_slot);
	}
	waiter = dist_queue_take_until(window->queue, due_ns);
	*ret_slot = dist_waiter_tag(waiter);
	return waiter;
}

/* Take what has ended, after a sleep until the first if need be. Returns the time. */
static int64_t
window_harvest(struct window *window, int64_t due_ns)
{
	bool wait = due_ns == INT64_MAX && window_in_flight(window) > 0;
	struct dist_waiter *waiter;
	struct slot *slot;
	int64_t now_ns;

	waiter = due_ns != INT64_MAX ? window_take_until(window, due_ns, &slot)
	                             : window_take(window, wait, &slot);
	now_ns = clock_now_ns();
	for (int i = 1; waiter; i++) {
		window_end(window, slot, waiter, now_ns);
		waiter = i < GROUP ? window_take(window, false, &slot) : NULL;
	}
	return now_ns;
}

/* --- From birth to death ---------------------------------------------------------- */

static bool
window_init(struct window *window, struct caller *caller)
{
	size_t n = (size_t)caller->load->config->n_in_flight;

	*window = (struct window){ .caller = caller, .n_slots = n, .n_idle = n };
	pace_init(&window->pace, caller);
	window->slots = calloc(n, sizeof(*window->slots));
	window->idle = calloc(n, sizeof(struct slot *));
	window->flying = calloc(n, sizeof(struct slot *));
	if (!window->slots || !window->idle || !window->flying)
		return false;
	for (size_t i = 0; i < n; i++)
		window->idle[i] = &window->slots[i];
	return dist_queue_new(&window->queue) == DIST_OK;
}

static void
window_fini(struct window *window)
{
	dist_queue_free(window->queue);
	free(window->flying);
	free(window->idle);
	free(window->slots);
}

void
caller_run_window(struct caller *caller)
{
	struct window window;
	int64_t now_ns = clock_now_ns(), due_ns;

	if (!window_init(&window, caller)) {
		tally_fail(&caller->tally, "out of memory or descriptors");
		window_fini(&window);
		return;
	}
	while (!pace_over(&window.pace, now_ns) || window_in_flight(&window) > 0) {
		window_fill(&window, now_ns, &due_ns);
		now_ns = window_harvest(&window, due_ns);
	}
	pace_finish(&window.pace, &caller->tally);
	window_fini(&window);
}
