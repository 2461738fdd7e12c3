#include "agent/many_calls.h"

#include <sched.h>
#include <string.h>

#include "base/clock.h"

/* A procedure that takes so long is run by the pool, a short one by whoever reads. */
#define SLOW_US 60
/* Less than what a connection takes for quiet. */
#define STILL_NS (1000 * DIST_NS_PER_MS)

/* --- One call ----------------------------------------------------------------- */

void
work_go_on(struct work *work)
{
	int64_t now_ns = dist_clock_ns();

	if (now_ns - atomic_exchange(&work->went_on_ns, now_ns) > STILL_NS)
		atomic_store(&work->stood_still, true);
}

static void
check(struct work *work, bool good)
{
	work_go_on(work);
	if (!good)
		atomic_fetch_add(&work->n_failed, 1);
}

static void
start(struct slot *slot, unsigned number)
{
	struct work *work = slot->work;

	slot->number = (int)number;
	slot->result = -1;
	if (work->slow)
		slot->waiter =
			dist_go(work->probe, probe_spin_1, SLOW_US, &slot->result);
	else
		slot->waiter = dist_go(work->probe, probe_add_1, slot->number, 1,
		                       &slot->result);
}

static void
end(struct slot *slot)
{
	struct work *work = slot->work;

	check(work, dist_waiter_status(slot->waiter) == RPC_SUCCESS);
	check(work, slot->result == (work->slow ? 0 : slot->number + 1));
	dist_waiter_free(slot->waiter);
	slot->waiter = NULL;
}

void
slot_wait(struct slot *slot)
{
	check(slot->work, dist_waiter_wait(slot->waiter, DIST_FOREVER) == DIST_OK);
	end(slot);
}

void
work_reset(struct work *work)
{
	for (unsigned i = 0; i < work->window; i++) {
		work->slots[i] = (struct slot){ .work = work };
		work->free[i] = &work->slots[i];
	}
	work->n_free = work->window;
}

/* Waited for. */
static struct slot *
slot_take(struct work *work)
{
	struct slot *slot;

	pthread_mutex_lock(&work->lock);
	while (work->n_free == 0)
		pthread_cond_wait(&work->more, &work->lock);
	slot = work->free[--work->n_free];
	pthread_mutex_unlock(&work->lock);
	return slot;
}

static void
slot_give(struct slot *slot)
{
	struct work *work = slot->work;

	pthread_mutex_lock(&work->lock);
	work->free[work->n_free++] = slot;
	pthread_cond_signal(&work->more);
	pthread_mutex_unlock(&work->lock);
}

/* Until no call is in flight. */
static void
slots_await(struct work *work)
{
	pthread_mutex_lock(&work->lock);
	while (work->n_free < work->window)
		pthread_cond_wait(&work->more, &work->lock);
	pthread_mutex_unlock(&work->lock);
}

/* --- Ways to make many -------------------------------------------------------- */

void
call_one_by_one(struct work *work, unsigned n_calls)
{
	enum clnt_stat stat;

	for (unsigned i = 0; i < n_calls; i++) {
		int result = -1, expected = work->slow ? 0 : (int)i + 1;

		if (work->slow)
			stat = probe_spin_1(SLOW_US, &result, work->probe);
		else
			stat = probe_add_1((int)i, 1, &result, work->probe);
		check(work, stat == RPC_SUCCESS && result == expected);
	}
}

void
call_with_wide_arguments(struct work *work, unsigned n_calls)
{
	probe_wide wide = { .numbers = { 1, 2, 3 }, .factors = { 0.5 } }, result;

	for (unsigned i = 0; i < n_calls; i++) {
		wide.number = (int)i;
		memset(&result, 0, sizeof(result));
		check(work, probe_wide_1(wide, &result, work->probe) == RPC_SUCCESS &&
		                    result.number == (int)i + 1 &&
		                    result.numbers[2] == 3);
	}
}

void
wait_in_order(struct work *work, unsigned n_calls)
{
	for (unsigned i = 0; i < n_calls + work->window; i++) {
		struct slot *slot = &work->slots[i % work->window];

		if (slot->waiter)
			slot_wait(slot);
		if (i < n_calls)
			start(slot, i);
	}
}

void
wait_for_all(struct work *work, unsigned n_calls)
{
	struct dist_waiter *waiters[WINDOW_MAX];

	for (unsigned i = 0; i < n_calls; i += work->window) {
		for (unsigned k = 0; k < work->window; k++) {
			start(&work->slots[k], i + k);
			waiters[k] = work->slots[k].waiter;
		}
		check(work,
		      dist_wait_all(waiters, work->window, DIST_FOREVER) == DIST_OK);
		for (unsigned k = 0; k < work->window; k++)
			end(&work->slots[k]);
	}
}

void
wait_for_any(struct work *work, unsigned n_calls)
{
	struct dist_waiter *waiters[WINDOW_MAX];
	size_t at = 0;

	for (unsigned k = 0; k < work->window; k++) {
		start(&work->slots[k], k);
		waiters[k] = work->slots[k].waiter;
	}
	for (unsigned i = work->window; i < n_calls + work->window; i++) {
		check(work, dist_wait_any(waiters, work->window, DIST_FOREVER, &at) ==
		                    DIST_OK);
		end(&work->slots[at]);
		if (i < n_calls)
			start(&work->slots[at], i);
		waiters[at] = work->slots[at].waiter;
	}
}

void
fill_the_queue(struct work *work, unsigned n_calls)
{
	for (unsigned i = 0; i < n_calls; i++) {
		struct slot *slot = slot_take(work);

		start(slot, i);
		check(work, dist_queue_add(work->queue, slot->waiter, slot) == DIST_OK);
	}
}

void
empty_the_queue(struct work *work, unsigned n_calls)
{
	struct dist_waiter *waiter;
	struct slot *slot;

	while (n_calls > 0) {
		waiter = dist_queue_take(work->queue, DIST_FOREVER);
		if (!waiter) {
			sched_yield(); /* nothing was added yet */
			continue;
		}
		slot = dist_waiter_tag(waiter);
		end(slot);
		slot_give(slot);
		n_calls--;
	}
}

void
use_a_queue(struct work *work, unsigned n_calls)
{
	unsigned n_first = n_calls < work->window ? n_calls : work->window;

	fill_the_queue(work, n_first);
	for (unsigned i = n_first; i < n_calls; i++) {
		empty_the_queue(work, 1);
		fill_the_queue(work, 1);
	}
	empty_the_queue(work, n_first);
}

static void
on_end(struct dist_waiter *waiter, void *arg)
{
	struct slot *slot = arg;

	check(slot->work, waiter == slot->waiter);
	end(slot);
	slot_give(slot);
}

void
be_called_back(struct work *work, unsigned n_calls)
{
	for (unsigned i = 0; i < n_calls; i++) {
		struct slot *slot = slot_take(work);

		start(slot, i);
		check(work, dist_waiter_then(slot->waiter, on_end, slot) == DIST_OK);
	}
	slots_await(work);
}

void
call_deferred(struct work *work, unsigned n_calls)
{
	for (unsigned i = 0; i < n_calls + work->window; i++) {
		struct slot *slot = &work->slots[i % work->window];

		if (slot->waiter)
			slot_wait(slot);
		slot->number = 6;
		if (i < n_calls)
			slot->waiter = dist_go(work->probe, probe_defer_1, slot->number,
			                       &slot->result);
	}
}

void
answer_deferred(struct work *work, unsigned n_calls)
{
	struct dist_deferred *deferred;
	int result = 7;

	while (n_calls-- > 0) {
		deferred = fixture_deferred();
		check(work, dist_deferred_reply(deferred, (xdrproc_t)xdr_int,
		                                &result) == DIST_OK);
	}
}

/* --- Helpers ------------------------------------------------------------------ */

static void *
helper_main(void *arg)
{
	struct work *work = arg;

	for (;;) {
		pthread_barrier_wait(&work->begin);
		if (!work->n_to_help)
			return NULL;
		work->help(work, work->n_to_help / work->n_helpers);
		pthread_barrier_wait(&work->end);
	}
}

void
work_help(struct work *work, work_fn *help, unsigned n)
{
	work->help = help;
	work->n_helpers = n;
	pthread_barrier_init(&work->begin, NULL, n + 1);
	pthread_barrier_init(&work->end, NULL, n + 1);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(
			pthread_create(&work->helpers[i], NULL, helper_main, work), 0);
}

void
work_help_no_more(struct work *work)
{
	work->n_to_help = 0;
	pthread_barrier_wait(&work->begin);
	for (unsigned i = 0; i < work->n_helpers; i++)
		pthread_join(work->helpers[i], NULL);
	pthread_barrier_destroy(&work->begin);
	pthread_barrier_destroy(&work->end);
}

void
work_run(struct work *work, work_fn *make, unsigned n_calls)
{
	if (work->n_helpers) {
		work->n_to_help = n_calls;
		pthread_barrier_wait(&work->begin);
	}
	if (make)
		make(work, n_calls);
	if (work->n_helpers)
		pthread_barrier_wait(&work->end);
}
