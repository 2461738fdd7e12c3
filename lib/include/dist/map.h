/*
 * Bulk work: one procedure, called for each of many items, over all nodes.
 *
 *	static struct dist_waiter *
 *	sum_start(CLIENT *clnt, const struct dist_map_item *item, void *arg)
 *	{
 *		const int_array *rows = arg;
 *
 *		return dist_go(clnt, arith_sum_1, rows[item->index], item->result);
 *	}
 *
 *	static enum dist_err
 *	sum_done(const struct dist_map_item *item, void *arg)
 *	{
 *		(void)arg;
 *		if (!item->err)
 *			printf("%ld\n", (long)*(quad_t *)item->result);
 *		return DIST_OK;
 *	}
 *
 *	struct dist_map_options options = {
 *		.n_items = n_rows,
 *		.start = sum_start,
 *		.done = sum_done,
 *		.arg = rows,
 *		.result_bytes = sizeof(quad_t),
 *		.progress = dist_map_bar,
 *	};
 *	if (dist_map(arith, &options))
 *		fprintf(stderr, "%s\n", dist_error_text());
 *
 * An item is started when a node has a worker for it, or nearly: as many calls are in
 * flight as the live nodes have workers, and a little more, so that none waits for the
 * next item; where items are short that is more, up to some milliseconds of work. So a
 * fast node takes more items than a slow one, and a node that joins gets its share at
 * once. What was in flight on a lost node goes to another. There is no array of items:
 * memory is taken for those in flight alone, and for results ahead of their turn.
 *
 * All callbacks run on the thread that called, one at a time; they may start, make and
 * wait for other calls, and run maps of their own. A slow one keeps nodes idle.
 */
#ifndef DIST_MAP_H
#define DIST_MAP_H

#include <dist/cluster.h>
#include <dist/error.h>
#include <dist/macros.h>
#include <dist/waiter.h>
#include <rpc/rpc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

DIST_BEGIN_DECLS

/* An item that failed. */
struct dist_map_failure {
	uint64_t index;
	/*
	 * As dist_waiter_wait() says it, or why dist_go() gave no waiter;
	 * DIST_ECANCELED: the map ended before the item did.
	 */
	enum dist_err err;
	enum clnt_stat status;    /* as dist_waiter_status() says it */
	const char *text;         /* a sentence; never "" */
	const char *const *nodes; /* names of those it was tried on, in order */
	size_t n_nodes;
};

struct dist_map_item {
	uint64_t index; /* 0, 1, 2, ... */
	void *data;     /* what the next() callback left here; NULL */
	/*
	 * Where the stub is to put the result: result_bytes, zeroed; NULL when that is
	 * 0. Of one item at a time, and the map's: what is wanted of it is taken in
	 * done().
	 */
	void *result;
	/* In done() alone. */
	enum dist_err err;                      /* DIST_OK: the result is filled in */
	const struct dist_node_info *node;      /* that answered; NULL: none did */
	const struct dist_map_failure *failure; /* NULL: all went well */
};

/*
 * The next item, where items come from somewhere else than their number: a file, a
 * list. Leaves in @item->data what start() and done() need. False: there are no more;
 * then it is not called again.
 */
typedef bool dist_map_next_fn(struct dist_map_item *item, void *arg);

/*
 * Start the call of @item: dist_go(clnt, stub, arguments..., item->result).
 *
 * @clnt  to be used for it: it is as the CLIENT that the map was called with, and knows
 *        besides that the call is one of a map. Borrowed for the call.
 *
 * Gives its waiter, which is the map's then, or the NULL of dist_go(). It is called
 * again for the same item when that did not run anywhere, or was lost and may go
 * elsewhere.
 */
typedef struct dist_waiter *
dist_map_start_fn(CLIENT *clnt, const struct dist_map_item *item, void *arg);

/*
 * An item has ended, well or not. Called once for each item that was started, or given
 * by next(), also when the map ends early (err is DIST_ECANCELED), so that data can be
 * freed here. @item, and all that it points to, is borrowed for the call; xdr_result
 * frees what the result holds afterwards, so that who wants to keep it zeroes the
 * result.
 *
 * An error that it returns ends the map, which returns it; of a map that is ending it
 * is not looked at.
 */
typedef enum dist_err dist_map_done_fn(const struct dist_map_item *item, void *arg);

/* What one node did for a map. */
struct dist_map_node {
	const char *name; /* as in struct dist_node_info */
	const char *address;
	unsigned capacity;  /* its workers */
	unsigned in_flight; /* calls of this cluster there now */
	uint64_t n_done;    /* items that it answered */
	bool gone;          /* it drains, or left the cluster */
};

struct dist_map_progress {
	uint64_t n_done; /* items that ended, those that failed among them */
	uint64_t n_failed;
	uint64_t n_items;   /* of how many; 0: not known */
	uint64_t n_twice;   /* items that were sent to a second node near the end */
	unsigned in_flight; /* items that are with a node now */
	unsigned n_workers; /* of all live nodes */
	double rate;        /* items a second, of the last seconds; 0: not known */
	int64_t elapsed_ms;
	int64_t left_ms; /* until the end at this rate; -1: not known */
	/* In order of name: nodes that ended an item. */
	const struct dist_map_node *nodes;
	size_t n_nodes;
	bool over; /* the last one */
};

/* Borrowed for the call. */
typedef void dist_map_progress_fn(const struct dist_map_progress *progress, void *arg);

/* Zero in a field always means the default. */
struct dist_map_options {
	/*
	 * How many items there are. With next() that is for the progress alone: 0 means
	 * that it is not known. Without it, 0 is no work.
	 */
	uint64_t n_items;
	dist_map_start_fn *start; /* needed */
	dist_map_next_fn *next;   /* NULL: items are their numbers alone */
	dist_map_done_fn *done;   /* NULL: nobody wants the results */
	void *arg;                /* of these three */

	/* Memory for one result, and what frees what it holds; NULL: nothing. */
	size_t result_bytes;
	xdrproc_t xdr_result;

	/* Results are told in the order of the items, not as they come. */
	bool in_order;
	/*
	 * With in_order: how far an item may be started beyond the oldest that is not
	 * over; 65536. The results of all in between are kept in memory.
	 */
	unsigned max_ahead;
	/* Items in flight; no bound but the one that the nodes set. */
	unsigned max_in_flight;
	/*
	 * Near the end, when nodes have nothing to do, an item that takes more than
	 * twice as long as others is sent to a second node, and the first answer
	 * counts: only where the CLIENT's calls are idempotent, and not if this is set.
	 * It is under the cluster's retry_budget_percent.
	 */
	bool never_twice;
	/*
	 * So many items that fail end the map; 100. DIST_MAP_ANY: they never do, and
	 * the first 1000 are kept for dist_mapping_failures(). Items that were
	 * cancelled do not count.
	 */
	unsigned max_failures;
	/*
	 * How long a map goes on while no node at all takes an item; 10000.
	 * DIST_FOREVER: until there is one. Items wait meanwhile, and do not fail.
	 */
	int64_t wait_for_nodes_ms;

	/* Told every so often, and once at the end (over); 100 ms. */
	dist_map_progress_fn *progress;
	void *progress_arg;
	int64_t progress_every_ms;
};

#define DIST_MAP_ANY (~0u)

DIST_PUBLIC enum dist_err dist_map_sized(CLIENT *clnt,
                                         const struct dist_map_options *options,
                                         size_t options_size) DIST_MUST_CHECK;

/*
 * Run a map to its end on this thread.
 *
 * @clnt     of dist_client_create(), borrowed. Its options are those of each call: with
 *           idempotent an item that was lost with its node goes to another, until it
 *           was lost max_tries times; without, it fails, as it may have run. Its
 *           wait_for_nodes_ms is not used. A deadline counts from an item's start.
 * @options  borrowed for the call.
 *
 * DIST_OK: all items ended well. Else the text says how far it came, and the error is
 * that of the first item that failed, when all others were run or max_failures was
 * reached; or what done() returned; DIST_ECANCELED; DIST_ENONODE, DIST_EBUSY or
 * DIST_ECONNECT: for wait_for_nodes_ms no node took an item; DIST_ECLOSED: the cluster
 * was closed, from another thread; DIST_EFORKED; DIST_EINVAL: no start(), or a CLIENT
 * that is none of a cluster, or options of a newer header; DIST_ENOMEM; DIST_ESYSTEM:
 * no descriptor.
 *
 * When it returns no call of it is in flight, and no callback runs any more.
 * pthread_cancel() is held off inside.
 */
static inline enum dist_err DIST_MUST_CHECK
dist_map(CLIENT *clnt, const struct dist_map_options *options)
{
	return dist_map_sized(clnt, options, sizeof(struct dist_map_options));
}

/*
 * The same in steps, for who wants to cancel it or to read its failures afterwards.
 *
 *	dist_mapping_new(&mapping, arith, &options);
 *	err = dist_mapping_run(mapping);
 *	failures = dist_mapping_failures(mapping, &n_failures);
 *	...
 *	dist_mapping_free(mapping);
 */
struct dist_mapping;

DIST_PUBLIC enum dist_err dist_mapping_new_sized(struct dist_mapping **ret_mapping,
                                                 CLIENT *clnt,
                                                 const struct dist_map_options *options,
                                                 size_t options_size) DIST_MUST_CHECK;

/*
 * A map that is not started. Given: dist_mapping_free() it, before or after
 * clnt_destroy() and dist_cluster_close(). Errors are those of dist_map() for arguments
 * and memory.
 */
static inline enum dist_err DIST_MUST_CHECK
dist_mapping_new(struct dist_mapping **ret_mapping, CLIENT *clnt,
                 const struct dist_map_options *options)
{
	return dist_mapping_new_sized(ret_mapping, clnt, options,
	                              sizeof(struct dist_map_options));
}

/* As dist_map(). Once: DIST_EINVAL the second time. */
DIST_PUBLIC enum dist_err dist_mapping_run(struct dist_mapping *mapping)
	DIST_MUST_CHECK;

/*
 * End a map: calls in flight are cancelled, whose nodes are told, and
 * dist_mapping_run() returns DIST_ECANCELED, unless it was about to return. Any thread,
 * callbacks too, any number of times; before it runs as well. NULL is nothing.
 */
DIST_PUBLIC void dist_mapping_cancel(struct dist_mapping *mapping);

/*
 * The items that failed, in the order in which they did; borrowed until the mapping is
 * freed. After it was run, or in its callbacks, then until the callback returns. Those
 * that were cancelled are not among them.
 */
DIST_PUBLIC const struct dist_map_failure *
dist_mapping_failures(const struct dist_mapping *mapping, size_t *ret_n);

/* Taken; NULL is nothing. Not while it runs. */
DIST_PUBLIC void dist_mapping_free(struct dist_mapping *mapping);

/*
 * A progress callback that draws a bar, one line on stderr:
 *
 *	pieces  42 % [########            ] 1204/2860  310/s  0:05 left  n1 411  n2 793
 *
 * Only where stderr is a terminal that can move its cursor (not with TERM=dumb), and no
 * NO_COLOR is set. Elsewhere, in a pipe or a file, it says nothing. Its progress_arg is
 * a word to begin the line with, or NULL.
 */
DIST_PUBLIC void dist_map_bar(const struct dist_map_progress *progress, void *arg);

/* Take the bar off its line, before the program writes one itself; it comes back with
 * the next progress. Nothing where there is no bar. */
DIST_PUBLIC void dist_map_bar_hide(void);

DIST_END_DECLS

#endif
