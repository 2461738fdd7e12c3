/*
 * Watchers: calls that are answered when the epoch moves, or when they were held long
 * enough. Changes are gathered for some milliseconds before they are told (house.c), so
 * that a hundred nodes that come at once are one answer, not a hundred; and what is told
 * is encoded once for all who have seen the same.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/shared.h"
#include "idl/registry.h"
#include "master/master_internal.h"
#include "server/deferred.h"
#include "wire/xdr.h"

#include <stdlib.h>
#include <string.h>

#define HOLD_MAX_MS  60000
/* Of a view; the server's own bound on a record comes first. */
#define VIEW_MAX ((size_t)1024 * 1024 * 1024)

/* A view that several watchers of one epoch share, as the bytes that are sent. */
struct shared_view {
	struct dist_shared *bytes;
	dist_id master;
	uint64_t epoch;
	struct dist_sockaddr seen_at;
};

static void
watcher_free(struct dist_watcher *watcher)
{
	dist_deferred_fail(watcher->deferred);
	free(watcher);
}

/*
 * Whether it has not seen all that others were told. A stranger has seen nothing; one
 * that has just joined may have seen more.
 */
static bool
watcher_is_behind(const struct dist_master *master, const struct dist_watcher *watcher)
{
	return watcher->epoch < master->told_epoch ||
	       watcher->epoch > dist_table_epoch(master->table) ||
	       memcmp(watcher->master, master->id, sizeof(dist_id));
}

static struct dist_watcher *
watcher_new(struct dist_deferred *deferred, const dist_watch *watch,
            const struct dist_sockaddr *seen_at)
{
	struct dist_watcher *watcher = calloc(1, sizeof(*watcher));

	if (!watcher) {
		dist_deferred_fail(deferred);
		return NULL;
	}
	watcher->deferred = deferred;
	watcher->epoch = watch->epoch;
	watcher->seen_at = *seen_at;
	memcpy(watcher->master, watch->master, sizeof(dist_id));
	dist_list_init(&watcher->link);
	return watcher;
}

/*
 * A watcher that is behind is told at once, by the house thread like all others, so
 * that views are made and sent in one place.
 */
void
dist_watch_hold(struct dist_master *master, struct dist_deferred *deferred,
                const dist_watch *watch, const struct dist_sockaddr *seen_at)
{
	struct dist_watcher *watcher = watcher_new(deferred, watch, seen_at);
	int64_t until_ns = dist_deadline_in_ms(DIST_MIN(watch->hold_ms, HOLD_MAX_MS));
	bool behind, held = false, full = false, log = false;
	unsigned n_dropped = 0;

	if (!watcher)
		return;
	dist_lock(&master->lock);
	behind = watcher_is_behind(master, watcher);
	full = master->n_watchers >= master->options.max_watchers;
	log = full && dist_limit_allows_rarely(&master->watch_limit, dist_clock_ns(),
	                                       &n_dropped);
	if (!master->stopping && !full &&
	    !dist_deadlines_reserve(&master->holds)) {
		dist_list_append(&master->watchers, &watcher->link);
		dist_deadlines_set(&master->holds, &watcher->until,
		                   behind ? 0 : until_ns);
		master->n_watchers++;
		held = true;
		dist_house_wake_locked(master);
	}
	dist_unlock(&master->lock);
	if (log)
		dist_log_warning("watch-refused",
		                 "why=\"as many watch as max_watchers allows\" "
		                 "watchers=%u not_shown=%u",
		                 master->options.max_watchers, n_dropped);
	if (!held)
		watcher_free(watcher);
}

static void
watcher_take_locked(struct dist_master *master, struct dist_watcher *watcher,
                    struct dist_list *due) DIST_REQUIRES(&master->lock)
{
	dist_deadlines_remove(&master->holds, &watcher->until);
	dist_list_remove(&watcher->link);
	dist_list_append(due, &watcher->link);
	master->n_watchers--;
}

/* Who has not heard the news, when there is some; and who was held long enough. */
static void
take_due_locked(struct dist_master *master, int64_t now_ns, struct dist_list *due)
	DIST_REQUIRES(&master->lock)
{
	struct dist_watcher *watcher, *next;
	struct dist_deadline *first;

	if (master->tell_ns <= now_ns) {
		master->told_epoch = dist_table_epoch(master->table);
		master->tell_ns = INT64_MAX;
		dist_cond_broadcast(&master->told);
		dist_gather_wake(master->gather);
		dist_log_debug("watchers-told", "epoch=%llu watchers=%u",
		               (unsigned long long)master->told_epoch,
		               master->n_watchers);
		DIST_LIST_EACH (watcher, next, &master->watchers, link) {
			if (watcher_is_behind(master, watcher))
				watcher_take_locked(master, watcher, due);
		}
	}
	while ((first = dist_deadlines_first(&master->holds)) &&
	       first->at_ns <= now_ns) {
		watcher = DIST_CONTAINER_OF(first, struct dist_watcher, until);
		watcher_take_locked(master, watcher, due);
	}
}

static bool
shared_view_serves(const struct shared_view *shared, const struct dist_watcher *watcher)
{
	return shared->bytes && shared->epoch == watcher->epoch &&
	       !memcmp(shared->master, watcher->master, sizeof(dist_id)) &&
	       dist_sockaddr_equal(&shared->seen_at, &watcher->seen_at);
}

/* NULL: no memory, or too long for a record. */
static struct dist_shared *
encode_view(const dist_view *view)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	struct dist_shared *bytes;

	dist_encoder_init(&encoder, NULL, 0, VIEW_MAX);
	if (dist_encoder_put(&encoder, (xdrproc_t)xdr_dist_view, view))
		return NULL;
	bytes = dist_shared_new(encoder.data, dist_encoder_length(&encoder));
	encoder.on_heap = !bytes; /* else it is no longer the encoder's */
	return bytes;
}

static struct dist_shared *
make_view(struct dist_master *master, const struct dist_watcher *watcher)
{
	DIST_CLEANUP(dist_snapshot_freep) struct dist_snapshot *snapshot = NULL;
	enum dist_err err;

	dist_lock(&master->lock);
	err = dist_table_view(master->table, watcher->master, watcher->epoch,
	                      dist_clock_ns(), &snapshot);
	dist_unlock(&master->lock);
	if (err || dist_viewpoint_apply(snapshot, &watcher->seen_at))
		return NULL;
	return encode_view(&snapshot->view);
}

/* The view for @watcher: the one made for the last watcher, if that serves. */
static bool
shared_view_for(struct shared_view *shared, struct dist_master *master,
                const struct dist_watcher *watcher)
{
	if (shared_view_serves(shared, watcher))
		return true;
	dist_shared_unref(shared->bytes);
	shared->bytes = make_view(master, watcher);
	shared->epoch = watcher->epoch;
	shared->seen_at = watcher->seen_at;
	memcpy(shared->master, watcher->master, sizeof(dist_id));
	return shared->bytes;
}

static void
answer_all(struct dist_master *master, struct dist_list *due)
{
	struct shared_view shared = { .bytes = NULL };
	struct dist_list *link;

	while ((link = dist_list_pop(due))) {
		struct dist_watcher *watcher =
			DIST_CONTAINER_OF(link, struct dist_watcher, link);
		struct dist_deferred *deferred = DIST_TAKE(watcher->deferred);

		/* A watcher that is gone hears nothing, and nobody is to hear of that.
		 */
		if (dist_deferred_cancelled(deferred) ||
		    !shared_view_for(&shared, master, watcher))
			dist_deferred_fail(deferred);
		else if (dist_deferred_reply_shared(deferred, shared.bytes))
			dist_log_debug("watcher-gone", "why=\"%s\"", dist_error_text());
		free(watcher);
	}
	dist_shared_unref(shared.bytes);
}

int64_t
dist_watch_answer_locked(struct dist_master *master, int64_t now_ns)
{
	struct dist_deadline *first;
	struct dist_list due;

	dist_list_init(&due);
	take_due_locked(master, now_ns, &due);
	if (!dist_list_empty(&due)) {
		dist_unlock(&master->lock);
		answer_all(master, &due);
		dist_lock(&master->lock);
		master->telling_ns = dist_clock_ns() - now_ns;
	}
	first = dist_deadlines_first(&master->holds);
	return first ? first->at_ns : INT64_MAX;
}

void
dist_watch_end_locked(struct dist_master *master)
{
	struct dist_watcher *watcher, *next;
	struct dist_list due;

	dist_list_init(&due);
	DIST_LIST_EACH (watcher, next, &master->watchers, link)
		watcher_take_locked(master, watcher, &due);
	dist_unlock(&master->lock);
	DIST_LIST_EACH (watcher, next, &due, link)
		watcher_free(watcher);
	dist_lock(&master->lock);
}
