#include "bulk/bulk.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/blocking.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/options.h"
#include "base/thread.h"
#include "client/call.h"
#include "client/clnt.h"
#include "client/observe.h"
#include "client/peer_internal.h"
#include "client/route.h"
#include "client/runtime_internal.h"

#define MAX_AHEAD         65536
#define MAX_FAILURES      100
#define WAIT_FOR_NODES_MS 10000
#define PROGRESS_EVERY_MS 100
/* So often it looks who is alive. */
#define ROOM_EVERY_NS (100 * DIST_NS_PER_MS)
/* So many that ended are seen to before others are started. */
#define BATCH_MAX 64

/* --- Birth and death -------------------------------------------------------------- */

static void
options_fill(struct dist_map_options *options)
{
	if (!options->max_ahead)
		options->max_ahead = MAX_AHEAD;
	if (!options->max_failures)
		options->max_failures = MAX_FAILURES;
	if (!options->wait_for_nodes_ms)
		options->wait_for_nodes_ms = WAIT_FOR_NODES_MS;
	if (options->progress_every_ms <= 0)
		options->progress_every_ms = PROGRESS_EVERY_MS;
}

static enum dist_err
mapping_check(const struct dist_map_options *options, const struct dist_clnt *clnt)
{
	if (!options->start)
		return dist_error_set(DIST_EINVAL,
		                      "a map needs a start() for its items");
	if (!clnt || !clnt->route->ops->room)
		return dist_error_set(DIST_EINVAL, "a map takes a CLIENT of "
		                                   "dist_client_create(), and this is "
		                                   "none, or NULL");
	if (dist_runtime_forked(clnt->route->runtime))
		return dist_error_set_plain(DIST_EFORKED);
	return DIST_OK;
}

/* The map's own CLIENT, whose calls it may send to second nodes. */
static enum dist_err
mapping_set_clnt(struct dist_mapping *mapping, struct dist_clnt *of)
{
	struct dist_clnt *clnt = dist_clnt_copy(of);

	if (!clnt)
		return DIST_ENOMEM;
	mapping->max_tries =
		clnt->options.max_tries ? clnt->options.max_tries : DIST_MAX_TRIES;
	mapping->may_run_twice =
		clnt->options.idempotent && !mapping->options.never_twice;
	clnt->may_be_hedged = mapping->may_run_twice;
	clnt->options.wait_for_nodes_ms = 0; /* the map does that, for all its items */
	mapping->clnt = clnt;
	return DIST_OK;
}

static enum dist_err
mapping_make_ring(struct dist_mapping *mapping)
{
	uint64_t size = 1;

	if (!mapping->options.in_order)
		return DIST_OK;
	while (size < mapping->options.max_ahead)
		size *= 2;
	mapping->ring = calloc(size, sizeof(struct dist_bulk_item *));
	if (!mapping->ring)
		return dist_error_set_plain(DIST_ENOMEM);
	mapping->ring_size = size;
	return DIST_OK;
}

enum dist_err
dist_mapping_new_sized(struct dist_mapping **ret_mapping, CLIENT *clnt,
                       const struct dist_map_options *options, size_t options_size)
{
	struct dist_clnt *of = dist_clnt_of(clnt);
	struct dist_mapping *mapping = calloc(1, sizeof(*mapping));
	enum dist_err err;

	if (!mapping)
		return dist_error_set_plain(DIST_ENOMEM);
	dist_mutex_init(&mapping->lock, DIST_RANK_LEAF);
	dist_cond_init(&mapping->wake);
	dist_list_init(&mapping->flying);
	dist_list_init(&mapping->held);
	dist_list_init(&mapping->free);
	err = dist_options_copy(&mapping->options, sizeof(mapping->options), options,
	                        options_size);
	options_fill(&mapping->options);
	if (!err)
		err = mapping_check(&mapping->options, of);
	if (!err)
		err = mapping_set_clnt(mapping, of);
	if (!err)
		err = mapping_make_ring(mapping);
	if (!err)
		err = dist_bulk_progress_init(mapping);
	if (!err)
		err = dist_queue_new(&mapping->queue);
	if (err) {
		dist_mapping_free(mapping);
		return err;
	}
	dist_bulk_window_init(&mapping->window, mapping->options.max_in_flight);
	*ret_mapping = mapping;
	return DIST_OK;
}

void
dist_mapping_free(struct dist_mapping *mapping)
{
	if (!mapping)
		return;
	dist_queue_free(mapping->queue);
	dist_bulk_items_free(mapping);
	dist_bulk_failures_free(mapping);
	dist_bulk_progress_fini(mapping);
	if (mapping->clnt)
		clnt_destroy(&mapping->clnt->sync);
	free(mapping);
}

void
dist_mapping_cancel(struct dist_mapping *mapping)
{
	if (!mapping)
		return;
	atomic_store(&mapping->cancelled, true);
	dist_queue_interrupt(mapping->queue);
	dist_lock(&mapping->lock);
	dist_cond_signal(&mapping->wake);
	dist_unlock(&mapping->lock);
}

const struct dist_map_failure *
dist_mapping_failures(const struct dist_mapping *mapping, size_t *ret_n)
{
	*ret_n = mapping->n_failures;
	return mapping->failures;
}

/* --- Ending early ----------------------------------------------------------------- */

void
dist_bulk_stop(struct dist_mapping *mapping, enum dist_err err, const char *text)
{
	if (mapping->stop)
		return;
	mapping->stop = err;
	snprintf(mapping->stop_text, sizeof(mapping->stop_text), "%s", text);
}

/* What flies comes out of the queue as cancelled, unless it has an answer. */
static void
bulk_cancel_all(struct dist_mapping *mapping)
{
	struct dist_bulk_item *item, *next;
	struct dist_list *link;

	mapping->exhausted = true;
	DIST_LIST_EACH(item, next, &mapping->flying, link)
		dist_waiter_cancel(item->waiter);
	while ((link = dist_list_pop(&mapping->held)))
		dist_bulk_item_cancelled(
			mapping, DIST_CONTAINER_OF(link, struct dist_bulk_item, link));
}

/* --- Starting --------------------------------------------------------------------- */

static void
bulk_start(struct dist_mapping *mapping, struct dist_bulk_item *item)
{
	const struct dist_map_options *options = &mapping->options;
	struct dist_waiter *waiter;

	/* The map's own CLIENT, and nobody else starts a call on it. */
	mapping->clnt->options.max_tries =
		mapping->max_tries - (item->troubled ? item->trouble.n_lost : 0);
	item->started_ns = mapping->now_ns;
	waiter = options->start(&mapping->clnt->sync, &item->item, options->arg);
	if (!waiter) {
		dist_bulk_not_started(mapping, item);
		return;
	}
	if (dist_queue_add(mapping->queue, waiter, item)) {
		dist_waiter_free(waiter);
		dist_bulk_not_started(mapping, item);
		return;
	}
	item->waiter = waiter;
	dist_list_append(&mapping->flying, &item->link);
	mapping->n_flying++;
}

static struct dist_bulk_item *
bulk_next(struct dist_mapping *mapping)
{
	struct dist_list *link = dist_list_pop(&mapping->held);

	if (link)
		return DIST_CONTAINER_OF(link, struct dist_bulk_item, link);
	return dist_bulk_item_new(mapping);
}

static void
bulk_start_all(struct dist_mapping *mapping)
{
	uint64_t limit = dist_bulk_window_limit(&mapping->window);
	struct dist_bulk_item *item;

	while (!mapping->stop && mapping->n_flying < limit &&
	       mapping->now_ns >= mapping->pause_until_ns &&
	       (item = bulk_next(mapping)))
		bulk_start(mapping, item);
	/* With no room at all: is there any more to be done? */
	if (!mapping->stop && mapping->n_flying == 0 &&
	    dist_list_empty(&mapping->held) && (item = dist_bulk_item_new(mapping)))
		dist_list_append(&mapping->held, &item->link);
}

/* --- Looking about ---------------------------------------------------------------- */

/* Its node takes no others. */
static bool
item_is_away(const struct dist_bulk_item *item)
{
	struct dist_call *call = dist_call_of(item->waiter);
	bool away;

	dist_lock(&call->lock);
	away = call->peer && dist_peer_gone(call->peer);
	dist_unlock(&call->lock);
	return away;
}

/* Of those that were there when it looked last: others are soon over, or seen then. */
static uint64_t
bulk_count_away(const struct dist_mapping *mapping)
{
	struct dist_bulk_item *item, *next;
	uint64_t n = 0;

	DIST_LIST_EACH(item, next, &mapping->flying, link) {
		if (mapping->now_ns - item->started_ns < ROOM_EVERY_NS)
			break; /* so are all behind it */
		n += item_is_away(item);
	}
	return n;
}

static void
bulk_look_at_nodes(struct dist_mapping *mapping)
{
	struct dist_route *route = mapping->clnt->route;
	struct dist_room room;

	if (mapping->now_ns < mapping->room_due_ns || mapping->stop)
		return;
	mapping->room_due_ns = mapping->now_ns + ROOM_EVERY_NS;
	if (route->ops->room(route, mapping->clnt->prog, mapping->clnt->vers, &room))
		dist_bulk_stop(mapping, dist_error_last(), dist_error_text());
	else
		dist_bulk_window_set_room(&mapping->window, room);
	dist_bulk_window_set_away(&mapping->window, bulk_count_away(mapping));
}

/* Nothing flies, and nothing could be started: for how long? */
static void
bulk_look_whether_stuck(struct dist_mapping *mapping)
{
	int64_t wait_ms = mapping->options.wait_for_nodes_ms;
	char text[DIST_ERROR_TEXT_MAX];

	if (mapping->n_flying || mapping->stop || dist_list_empty(&mapping->held))
		return;
	if (!mapping->stuck_since_ns)
		mapping->stuck_since_ns = mapping->now_ns;
	if (wait_ms < 0 ||
	    (mapping->now_ns - mapping->stuck_since_ns) / DIST_NS_PER_MS < wait_ms)
		return;
	if (dist_bulk_window_limit(&mapping->window) && mapping->refused) {
		dist_bulk_stop(mapping, mapping->refused, mapping->refused_text);
		return;
	}
	snprintf(text, sizeof(text),
	         "no live node serves program %#x version %u, for %" PRId64
	         " ms now; start "
	         "one with distnode, or see distctl services",
	         mapping->clnt->prog, mapping->clnt->vers, wait_ms);
	dist_bulk_stop(mapping, DIST_ENONODE, text);
}

/* --- The loop --------------------------------------------------------------------- */

static bool
bulk_is_over(const struct dist_mapping *mapping)
{
	return mapping->n_flying == 0 && dist_list_empty(&mapping->held) &&
	       (mapping->stop || mapping->exhausted);
}

/* Nothing flies: sleep until @due_ns, or until it is cancelled. */
static void
bulk_sleep(struct dist_mapping *mapping, int64_t due_ns)
{
	dist_thread_will_block();
	dist_lock(&mapping->lock);
	if (!atomic_load(&mapping->cancelled))
		(void)dist_cond_wait_until(&mapping->wake, &mapping->lock, due_ns);
	dist_unlock(&mapping->lock);
}

/* See to what has ended, or wait until something has, at most until @due_ns. */
static void
bulk_take(struct dist_mapping *mapping, int64_t due_ns)
{
	struct dist_waiter *waiter;

	if (mapping->n_flying == 0) {
		bulk_sleep(mapping, due_ns);
		return;
	}
	waiter = dist_queue_take_until(mapping->queue, due_ns);
	if (!waiter)
		return;
	mapping->now_ns = dist_clock_ns();
	mapping->batch_n = 0;
	mapping->batch_sum_ns = 0;
	mapping->batch_shortest_ns = INT64_MAX;
	for (unsigned n = 0; waiter; n++) {
		dist_bulk_call_ended(mapping, waiter);
		waiter = n < BATCH_MAX ? dist_queue_take(mapping->queue, 0) : NULL;
	}
	if (mapping->batch_n)
		dist_bulk_window_ended(&mapping->window, mapping->batch_n,
		                       mapping->batch_sum_ns,
		                       mapping->batch_shortest_ns, mapping->now_ns);
}

static int64_t
bulk_due_ns(const struct dist_mapping *mapping, int64_t twice_due_ns)
{
	int64_t due_ns = DIST_MIN(mapping->room_due_ns, twice_due_ns);

	if (mapping->options.progress)
		due_ns = DIST_MIN(due_ns, mapping->progress_due_ns);
	if (mapping->now_ns < mapping->pause_until_ns)
		due_ns = DIST_MIN(due_ns, mapping->pause_until_ns);
	return due_ns;
}

static void
bulk_loop(struct dist_mapping *mapping)
{
	bool cancelled_all = false;
	int64_t twice_due_ns;

	for (;;) {
		mapping->now_ns = dist_clock_ns();
		if (atomic_load(&mapping->cancelled))
			dist_bulk_stop(mapping, DIST_ECANCELED,
			               "the map was cancelled");
		bulk_look_at_nodes(mapping);
		bulk_start_all(mapping);
		bulk_look_whether_stuck(mapping);
		if (mapping->stop && !cancelled_all) {
			cancelled_all = true;
			bulk_cancel_all(mapping);
		}
		if (bulk_is_over(mapping))
			return;
		twice_due_ns = dist_bulk_run_twice(mapping);
		dist_bulk_progress(mapping, false);
		bulk_take(mapping, bulk_due_ns(mapping, twice_due_ns));
	}
}

/* --- Running ---------------------------------------------------------------------- */

/* What became of it, and a sentence for the thread. */
static enum dist_err
bulk_outcome(const struct dist_mapping *mapping)
{
	const struct dist_map_failure *first = mapping->failures;

	if (mapping->stop && !mapping->hopeless)
		return dist_error_set(mapping->stop, "after %" PRIu64 " items: %s",
		                      mapping->n_done, mapping->stop_text);
	if (!mapping->n_failed)
		return DIST_OK;
	if (!mapping->n_failures)
		return dist_error_set_plain(DIST_ENOMEM);
	return dist_error_set(first->err,
	                      "%" PRIu64 " of %" PRIu64
	                      " items failed%s; the first is item "
	                      "%" PRIu64 ": %s",
	                      mapping->n_failed, mapping->n_done,
	                      mapping->hopeless ? ", and the others were not run" : "",
	                      first->index, first->text);
}

enum dist_err
dist_mapping_run(struct dist_mapping *mapping)
{
	int cancel_state;

	if (mapping->started)
		return dist_error_set(DIST_EINVAL, "a mapping is run once");
	if (dist_runtime_forked(mapping->clnt->route->runtime))
		return dist_error_set_plain(DIST_EFORKED);
	mapping->started = true;
	cancel_state = dist_cancel_off();
	mapping->started_ns = mapping->now_ns = dist_clock_ns();
	bulk_loop(mapping);
	dist_bulk_progress(mapping, true);
	dist_cancel_restore(cancel_state);
	return bulk_outcome(mapping);
}

enum dist_err
dist_map_sized(CLIENT *clnt, const struct dist_map_options *options,
               size_t options_size)
{
	struct dist_mapping *mapping;
	enum dist_err err;

	err = dist_mapping_new_sized(&mapping, clnt, options, options_size);
	if (err)
		return err;
	err = dist_mapping_run(mapping);
	dist_mapping_free(mapping);
	return err;
}
