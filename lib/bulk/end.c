/*
 * What becomes of an item whose call ended. Most have a result. Of the others
 *
 *   did not run: they are held, and started again when there is room: nodes were busy, or
 *       there was none for a moment;
 *
 *   were lost: the same if their calls are idempotent, until they were lost on max_tries
 *       nodes. The call itself went to others already; what is held here found none, or
 *       the cluster's retries were used up;
 *
 *   failed: the user is told, and they count for the limit.
 *
 * A map has a bound of calls in flight, so that to start an item again is no flood.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "bulk/bulk.h"
#include "client/call.h"
#include "client/clnt.h"
#include "client/hedge.h"
#include "client/peer_internal.h"

/* After a refusal: the first pause, and the longest. */
#define PAUSE_FIRST_NS (1 * DIST_NS_PER_MS)
#define PAUSE_MAX_NS   (100 * DIST_NS_PER_MS)
/* Failures that are kept where nothing ends the map. */
#define FAILURES_KEPT 1000
/* Names that are kept of one item's nodes. */
#define NODES_MAX 16

/* --- Troubles --------------------------------------------------------------------- */

static void
trouble_add_node(struct dist_bulk_trouble *trouble, const char *name)
{
	char **grown;

	if (trouble->n_nodes == NODES_MAX)
		return;
	grown = realloc(trouble->nodes, (trouble->n_nodes + 1) * sizeof(*grown));
	if (!grown)
		return; /* one name less */
	trouble->nodes = grown;
	grown[trouble->n_nodes] = strdup(name);
	trouble->n_nodes += grown[trouble->n_nodes] != NULL;
}

/*
 * Those it was tried on, the last one at the end. They are changed under the lock by
 * the thread that places it, which may be at it still when somebody else ended the
 * call.
 */
static void
trouble_add_tried(struct dist_bulk_trouble *trouble, struct dist_call *call)
{
	struct dist_peer *peers[NODES_MAX];
	unsigned n = 0;

	dist_lock(&call->lock);
	for (unsigned i = 0; i < call->n_tried && n < NODES_MAX - 1; i++)
		peers[n++] = dist_peer_ref(call->tried[i]);
	if (call->peer)
		peers[n++] = dist_peer_ref(call->peer);
	dist_unlock(&call->lock);
	for (unsigned i = 0; i < n; i++) {
		trouble_add_node(trouble, peers[i]->info.name);
		dist_peer_unref(peers[i]);
	}
}

static void
trouble_free(char *text, char *const *nodes, size_t n_nodes)
{
	for (size_t i = 0; i < n_nodes; i++)
		free(nodes[i]);
	free((void *)nodes);
	free(text);
}

static bool
failures_have_room(struct dist_mapping *mapping)
{
	size_t most = mapping->options.max_failures == DIST_MAP_ANY
	                      ? FAILURES_KEPT
	                      : mapping->options.max_failures;
	size_t capacity = DIST_MAX(2 * mapping->failures_capacity, 8);
	struct dist_map_failure *grown;

	if (mapping->n_failures == most)
		return false;
	if (mapping->n_failures < mapping->failures_capacity)
		return true;
	grown = realloc(mapping->failures, capacity * sizeof(*grown));
	if (!grown)
		return false;
	mapping->failures = grown;
	mapping->failures_capacity = capacity;
	return true;
}

static bool
failure_counts(const struct dist_bulk_trouble *trouble)
{
	return trouble->err && trouble->err != DIST_ECANCELED;
}

void
dist_bulk_trouble_keep(struct dist_mapping *mapping, struct dist_bulk_item *item)
{
	struct dist_bulk_trouble *trouble = &item->trouble;

	if (failure_counts(trouble) && failures_have_room(mapping))
		mapping->failures[mapping->n_failures++] = item->failure;
	else
		trouble_free(trouble->text, trouble->nodes, trouble->n_nodes);
	*trouble = (struct dist_bulk_trouble){ 0 };
	item->troubled = false;
}

void
dist_bulk_failures_free(struct dist_mapping *mapping)
{
	for (size_t i = 0; i < mapping->n_failures; i++) {
		struct dist_map_failure *failure = &mapping->failures[i];

		trouble_free(failure->text == dist_error_string(failure->err)
		                     ? NULL
		                     : (char *)failure->text,
		             (char *const *)failure->nodes, failure->n_nodes);
	}
	free(mapping->failures);
}

/* --- Once more -------------------------------------------------------------------- */

static bool
err_is_not_run(enum dist_err err)
{
	return err == DIST_EBUSY || err == DIST_ENONODE || err == DIST_ECONNECT;
}

/* Where nobody takes an item nothing is started for a moment, each time longer. */
static void
bulk_refused(struct dist_mapping *mapping, enum dist_err err, const char *text)
{
	mapping->refused = err;
	snprintf(mapping->refused_text, sizeof(mapping->refused_text), "%s", text);
	mapping->pause_ns =
		DIST_MIN(DIST_MAX(2 * mapping->pause_ns, PAUSE_FIRST_NS), PAUSE_MAX_NS);
	mapping->pause_until_ns = mapping->now_ns + mapping->pause_ns;
	mapping->room_due_ns = 0; /* there may be fewer nodes than it thinks */
	dist_bulk_window_refused(&mapping->window);
}

/* Something ran: it is not stuck. */
static void
bulk_got_on(struct dist_mapping *mapping)
{
	mapping->pause_ns = 0;
	mapping->stuck_since_ns = 0;
}

static void
item_hold(struct dist_mapping *mapping, struct dist_bulk_item *item)
{
	dist_bulk_item_clear_result(mapping, item);
	item->twice = false;
	item->looked_ns = 0;
	dist_list_append(&mapping->held, &item->link);
}

/* Whether it was lost where it may go on; the nodes so far are noted. */
static bool
item_was_lost(struct dist_mapping *mapping, struct dist_bulk_item *item,
              struct dist_call *call)
{
	if (call->err != DIST_ECONNRESET || !call->idempotent)
		return false;
	item->troubled = true;
	item->trouble.n_lost += DIST_MAX(call->n_lost, 1);
	if (item->trouble.n_lost >= mapping->max_tries)
		return false;
	trouble_add_tried(&item->trouble, call);
	mapping->room_due_ns = 0;
	return true;
}

/* Its call has failed; true: it is held. */
static bool
item_goes_on(struct dist_mapping *mapping, struct dist_bulk_item *item,
             struct dist_waiter *waiter)
{
	struct dist_call *call = dist_call_of(waiter);

	if (mapping->stop)
		return false;
	if (err_is_not_run(call->err)) {
		bulk_refused(mapping, call->err, dist_waiter_error(waiter));
	} else {
		bulk_got_on(mapping);
		if (!item_was_lost(mapping, item, call))
			return false;
	}
	item_hold(mapping, item);
	return true;
}

/* --- Over ------------------------------------------------------------------------- */

static void
item_failed(struct dist_mapping *mapping, struct dist_bulk_item *item,
            enum dist_err err, enum clnt_stat status, const char *text)
{
	struct dist_bulk_trouble *trouble = &item->trouble;

	item->troubled = true;
	trouble->err = err;
	trouble->status = status;
	trouble->text = strdup(text);
	item->failure = (struct dist_map_failure){
		.index = item->item.index,
		.err = err,
		.status = status,
		.text = trouble->text ? trouble->text : dist_error_string(err),
		.nodes = (const char *const *)trouble->nodes,
		.n_nodes = trouble->n_nodes,
	};
	item->item.err = err;
	item->item.failure = &item->failure;
	/* Before it may be told: that resets it. */
	if (failure_counts(trouble)) {
		mapping->n_done++;
		mapping->n_failed++;
		if (mapping->options.max_failures != DIST_MAP_ANY &&
		    mapping->n_failed >= mapping->options.max_failures) {
			mapping->hopeless = mapping->hopeless || !mapping->stop;
			dist_bulk_stop(mapping, err, text);
		}
	}
	dist_bulk_item_ended(mapping, item);
}

void
dist_bulk_item_cancelled(struct dist_mapping *mapping, struct dist_bulk_item *item)
{
	item_failed(mapping, item, DIST_ECANCELED,
	            dist_error_to_clnt_stat(DIST_ECANCELED),
	            "the map ended before this item did");
}

static void
item_succeeded(struct dist_mapping *mapping, struct dist_bulk_item *item,
               struct dist_call *call)
{
	struct dist_peer *peer = dist_call_last_peer(call);
	int64_t took_ns = mapping->now_ns - item->started_ns;

	bulk_got_on(mapping);
	mapping->batch_n++;
	mapping->batch_sum_ns += took_ns;
	mapping->batch_shortest_ns = DIST_MIN(mapping->batch_shortest_ns, took_ns);
	mapping->n_done++;
	if (peer) {
		dist_bulk_count_node(mapping, peer);
		item->item.node = &peer->info;
		/* Told at once, the waiter has it long enough. */
		if (mapping->ring)
			item->node = dist_peer_ref(peer);
	}
	dist_bulk_item_ended(mapping, item);
}

void
dist_bulk_call_ended(struct dist_mapping *mapping, struct dist_waiter *waiter)
{
	struct dist_bulk_item *item = dist_waiter_tag(waiter);
	struct dist_call *call = dist_call_of(waiter);

	dist_list_remove(&item->link);
	item->waiter = NULL;
	mapping->n_flying--;
	mapping->n_twice_flying -= item->twice;
	if (call->err == DIST_OK) {
		item_succeeded(mapping, item, call);
	} else if (call->err == DIST_ECLOSED || call->err == DIST_ECANCELED) {
		if (call->err == DIST_ECLOSED)
			dist_bulk_stop(mapping, DIST_ECLOSED,
			               dist_waiter_error(waiter));
		dist_bulk_item_cancelled(mapping, item);
	} else if (!item_goes_on(mapping, item, waiter)) {
		trouble_add_tried(&item->trouble, call);
		item_failed(mapping, item, call->err, dist_waiter_status(waiter),
		            dist_waiter_error(waiter));
	}
	dist_waiter_free(waiter);
}

void
dist_bulk_not_started(struct dist_mapping *mapping, struct dist_bulk_item *item)
{
	char text[DIST_ERROR_TEXT_MAX];
	enum dist_err err = dist_error_last();

	snprintf(text, sizeof(text), "%s", dist_error_text());
	switch (err) {
	case DIST_EBUSY:
	case DIST_ENONODE:
		bulk_refused(mapping, err, text);
		item_hold(mapping, item);
		return;
	case DIST_ECLOSED:
	case DIST_EFORKED:
	case DIST_ENOMEM:
	case DIST_EINVAL:
		dist_bulk_stop(mapping, err, text);
		dist_bulk_item_cancelled(mapping, item);
		return;
	default:
		item_failed(mapping, item, err ? err : DIST_EINVAL,
		            dist_error_to_clnt_stat(err), text);
	}
}
