/*
 * Inside of dist_map() (dist/map.h). One thread runs a map: it starts items as long as
 * the window (window.h) has room, takes what has ended from a queue, tells the
 * user, and looks at the nodes and at stragglers now and then.
 *
 *   bulk.c      from birth to death; the loop
 *   items.c     memory of items, and telling the user of them, in order if asked
 *   end.c       what becomes of an item whose call ended: over, or once more
 *   twice.c     stragglers near the end
 *   progress.c  how far it is, and what each node did
 *   bar.c       the same on a terminal
 *
 *   FREE --> NEXT --> FLYING --> ENDED --> FREE
 *              ^         |
 *              +---------+
 *
 *   FREE   -> NEXT    [dist_bulk_item_new]   from the user's iterator
 *   NEXT   -> FLYING  [bulk_start]           its call is in the queue
 *   FLYING -> NEXT    [dist_bulk_call_ended] it did not run, or was lost: it is held
 *   any    -> ENDED   [dist_bulk_item_ended] result or failure is there
 *   ENDED  -> FREE                           the user was told: at once, or in its turn
 */
#ifndef DIST_BULK_BULK_H
#define DIST_BULK_BULK_H

#include <dist/map.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mutex.h"
#include "bulk/window.h"

struct dist_call;
struct dist_clnt;
struct dist_peer;

/* What went wrong with an item: its failure, as it comes about, on the heap. */
struct dist_bulk_trouble {
	enum dist_err err;
	enum clnt_stat status;
	char *text;   /* NULL: the general one */
	char **nodes; /* names of those it was tried on */
	unsigned n_nodes;
	unsigned n_lost; /* nodes it was lost on */
};

/* An item, with the memory for its result behind it. */
struct dist_bulk_item {
	struct dist_map_item item; /* what the user sees */
	struct dist_list link;     /* in flying, held or free */
	bool ended;
	int64_t started_ns;
	bool twice;                 /* it was sent to a second node */
	int64_t looked_ns;          /* when it was found to take too long */
	struct dist_waiter *waiter; /* of its call: in the queue while it flies; NULL */
	struct dist_peer *node; /* that answered, where its turn may be later; or NULL */
	bool troubled;              /* @trouble is in use */
	struct dist_bulk_trouble trouble;
	struct dist_map_failure failure; /* the same for the user, once it failed */
};

/* What a node did. Its strings are the peer's. */
struct dist_bulk_node {
	struct dist_map_link link; /* by peer */
	struct dist_peer *peer;    /* holds a reference */
	uint64_t n_done;
};

struct dist_mapping {
	/* Set by dist_mapping_new(), then read-only. */
	struct dist_map_options options;
	struct dist_clnt *clnt; /* as the user's; holds the route */
	struct dist_queue *queue;
	unsigned max_tries;
	bool may_run_twice;

	atomic_bool cancelled;
	struct dist_mutex lock; /* of @wake */
	struct dist_cond wake;  /* it was cancelled while nothing flies */

	/* All below is of the thread that runs it. */
	bool started;
	enum dist_err stop; /* it ends early, with this */
	char stop_text[DIST_ERROR_TEXT_MAX];
	bool hopeless;  /* it ends as too many items failed */
	int64_t now_ns; /* looked at once a round */
	int64_t started_ns;

	/* Items. */
	uint64_t n_begun;        /* taken from the user */
	bool exhausted;          /* there are no more */
	struct dist_list flying; /* by when they were started */
	struct dist_list held;   /* to be started, before new ones */
	struct dist_list free;
	unsigned n_flying;
	unsigned n_twice_flying; /* of these, those that are with two nodes */
	uint64_t n_twice;
	int64_t twice_due_ns;         /* when to look for stragglers; 0: at once */
	struct dist_bulk_item **ring; /* in order: from the oldest that was not told */
	uint64_t ring_size;           /* a power of 2 */
	uint64_t n_told;              /* in order: the next to be told */

	struct dist_bulk_window window;
	int64_t room_due_ns;    /* when to look at the nodes again */
	int64_t pause_until_ns; /* after a refusal nothing is started until then */
	int64_t pause_ns;
	int64_t stuck_since_ns; /* nothing flies, nor can be started; 0: it can */
	enum dist_err refused;  /* why the last that was refused was */
	char refused_text[DIST_ERROR_TEXT_MAX];

	/* Of the batch of items that ended together. */
	uint64_t batch_n;
	int64_t batch_sum_ns, batch_shortest_ns;

	/* What came of it. */
	uint64_t n_done, n_failed;
	struct dist_map_failure *failures; /* the first of them, with their strings */
	size_t n_failures, failures_capacity;

	/* Progress. */
	struct dist_map nodes; /* struct dist_bulk_node.link */
	struct dist_bulk_node *last_node;
	struct dist_map_node *list; /* for the user: room for all nodes */
	size_t list_capacity;
	int64_t progress_due_ns;
	int64_t rate_ns; /* when the rate was taken */
	uint64_t rate_done;
	double rate;
};

/* --- bulk.c ----------------------------------------------------------------------- */

/* End it early with @err; the first reason counts. The text is @text (copied). */
void dist_bulk_stop(struct dist_mapping *mapping, enum dist_err err, const char *text);

/* --- items.c ----------------------------------------------------------------- */

/* The next item of the user's; NULL: there is none, or it would be too far ahead, or
 * there is no memory, which ends the map. */
struct dist_bulk_item *dist_bulk_item_new(struct dist_mapping *mapping);

/* Whether there may be one. */
bool dist_bulk_has_next(const struct dist_mapping *mapping);

/* It is over: its result or its failure is there. The user is told in its turn. */
void dist_bulk_item_ended(struct dist_mapping *mapping, struct dist_bulk_item *item);

/* Its result's memory, as a call wants it. */
void dist_bulk_item_clear_result(struct dist_mapping *mapping,
                                 struct dist_bulk_item *item);

void dist_bulk_items_free(struct dist_mapping *mapping);

/* --- end.c ------------------------------------------------------------------- */

/* A waiter came out of the queue. Taken. */
void dist_bulk_call_ended(struct dist_mapping *mapping, struct dist_waiter *waiter);

/* dist_go() gave none, for the thread's last error. */
void dist_bulk_not_started(struct dist_mapping *mapping, struct dist_bulk_item *item);

/* It ends with the map, without having run. */
void dist_bulk_item_cancelled(struct dist_mapping *mapping,
                              struct dist_bulk_item *item);

/* The user was told of an item with troubles: they are kept as a failure, or freed. */
void dist_bulk_trouble_keep(struct dist_mapping *mapping, struct dist_bulk_item *item);

void dist_bulk_failures_free(struct dist_mapping *mapping);

/* --- twice.c ----------------------------------------------------------------- */

/* Near the end: what takes too long goes to second nodes. Returns when to look next. */
int64_t dist_bulk_run_twice(struct dist_mapping *mapping);

/* --- progress.c -------------------------------------------------------------- */

enum dist_err dist_bulk_progress_init(struct dist_mapping *mapping) DIST_MUST_CHECK;
void dist_bulk_progress_fini(struct dist_mapping *mapping);

/* An item was answered by @peer. */
void dist_bulk_count_node(struct dist_mapping *mapping, struct dist_peer *peer);

/* Tell the user if it is time. */
void dist_bulk_progress(struct dist_mapping *mapping, bool over);

#endif
