/*
 * A row is a node: waiting in line, being asked, or finished with its answer to be
 * looked at. Only the gatherer's thread moves rows and knows their insides; what
 * overviews read is changed under the lock. A row whose node left while it is being
 * asked is freed when that is over.
 */
#include "master/gather.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "io/socket.h"
#include "master/ask.h"
#include "master/master_internal.h"
#include "master/recent.h"
#include "master/totals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASKING_MAX 64                     /* at once: each has a descriptor */
#define TURN_NS    (2 * DIST_NS_PER_MS)   /* between two: 500 a second at the most */
#define LOOK_NS    (100 * DIST_NS_PER_MS) /* between two lists of all nodes */
#define ANSWER_MS  2000                   /* a node's time to answer */
/* One that does not answer waits twice as long each time, up to so many periods. */
#define PATIENCE_MAX 16

struct row {
	/* The gatherer's thread's. */
	struct dist_gather *gather;
	dist_id instance;
	char name[256];
	struct dist_sockaddr address;
	struct dist_list link; /* in @all */
	struct dist_list
		turn;    /* in @waiting, in none while it is asked, in @finished */
	uint64_t listed; /* the number of the list that had it last */
	bool self, left, busy; /* the master itself; gone; being asked */
	int64_t due_ns;
	unsigned patience; /* periods until it is asked again */
	struct dist_ask ask;

	/* Guarded by the gatherer's lock. */
	struct dist_map_link by_instance;
	struct dist_gathered *latest;
	int64_t answered_ns; /* 0: never */
	struct dist_overview_recent recent;
	char why[256];
};

struct dist_gather {
	/* Set by dist_gather_new(), then read-only. */
	struct dist_master *master;
	struct dist_runtime *runtime;
	pthread_t thread;
	bool runs;
	int64_t period_ns;
	size_t max_bytes;
	struct dist_totals *totals; /* the master's */

	/* The thread's. */
	struct dist_list all, waiting;
	unsigned n_asking;
	uint64_t listed;
	int64_t next_turn_ns, next_look_ns;

	struct dist_mutex lock; /* guards all below */
	struct dist_cond work;
	bool stopping, changed;
	struct dist_list finished;
	struct dist_map rows;
	size_t bytes; /* of what is kept */
};

/* --- Rows ------------------------------------------------------------------------- */

static const struct dist_node_stats *
node_of(const struct dist_gathered *gathered)
{
	return gathered ? gathered->stats->nodes[0] : NULL;
}

static uint64_t
row_hash(const struct dist_gather *gather, const dist_id instance)
{
	return dist_map_hash(&gather->rows, instance, sizeof(dist_id));
}

static struct row *
find_row_locked(struct dist_gather *gather, const dist_id instance)
	DIST_REQUIRES(&gather->lock)
{
	struct row *row;

	DIST_MAP_EACH (row, &gather->rows, row_hash(gather, instance), by_instance) {
		if (!memcmp(row->instance, instance, sizeof(dist_id)))
			return row;
	}
	return NULL;
}

/* In line by when it is due: nearly always that is the end. */
static void
row_wait(struct dist_gather *gather, struct row *row, int64_t due_ns)
{
	struct dist_list *after = gather->waiting.prev;

	row->due_ns = due_ns;
	while (after != &gather->waiting &&
	       DIST_CONTAINER_OF(after, struct row, turn)->due_ns > due_ns)
		after = after->prev;
	dist_list_prepend(after, &row->turn);
}

static struct row *
row_add_locked(struct dist_gather *gather, const dist_id instance)
	DIST_REQUIRES(&gather->lock)
{
	struct row *row = calloc(1, sizeof(*row));

	if (!row)
		return NULL;
	row->gather = gather;
	row->patience = 1;
	memcpy(row->instance, instance, sizeof(dist_id));
	dist_map_add(&gather->rows, &row->by_instance, row_hash(gather, instance));
	dist_list_append(&gather->all, &row->link);
	row_wait(gather, row, dist_clock_ns());
	return row;
}

/* Nobody finds it any more; what it had of now is no more. */
static void
row_leave(struct dist_gather *gather, struct row *row)
{
	dist_lock(&gather->lock);
	dist_map_remove(&gather->rows, &row->by_instance);
	if (!row->self)
		dist_totals_add(gather->totals, DIST_TELLER_NODE, NULL,
		                node_of(row->latest));
	if (row->latest)
		gather->bytes -= row->latest->bytes;
	dist_unlock(&gather->lock);
	row->left = true;
}

static void
row_free(struct row *row)
{
	dist_list_remove(&row->turn);
	dist_list_remove(&row->link);
	dist_gathered_unref(row->latest);
	free(row);
}

/* --- Which nodes there are -------------------------------------------------------- */

/* The master itself, at the port where its nodes reach it. */
static void
gather_add_self(struct dist_gather *gather)
{
	const struct dist_listeners *listeners =
		dist_server_listeners(gather->master->server);
	struct dist_sockaddr address = listeners->address;
	struct row *row;

	if (dist_sockaddr_is_any(&address))
		(void)dist_sockaddr_from_numeric("127.0.0.1", (int)listeners->port,
		                                 &address);
	dist_lock(&gather->lock);
	row = row_add_locked(gather, gather->master->id);
	dist_unlock(&gather->lock);
	if (!row)
		return;
	row->self = true;
	row->address = address;
	snprintf(row->name, sizeof(row->name), "master");
}

static void
gather_take_entry(struct dist_gather *gather, const dist_node_entry *entry)
{
	const dist_endpoint *endpoint = entry->endpoints.endpoints_val;
	struct dist_sockaddr address;
	struct row *row;

	if (entry->state == DIST_NODE_GONE || entry->endpoints.endpoints_len == 0 ||
	    dist_uaddr_parse(endpoint->netid, endpoint->uaddr, &address))
		return;
	dist_lock(&gather->lock);
	row = find_row_locked(gather, entry->instance);
	if (!row)
		row = row_add_locked(gather, entry->instance);
	dist_unlock(&gather->lock);
	if (!row || row->self)
		return;
	row->listed = gather->listed;
	row->address = address;
	snprintf(row->name, sizeof(row->name), "%s", entry->name);
}

static void
gather_sweep(struct dist_gather *gather)
{
	struct row *row, *next;

	DIST_LIST_EACH (row, next, &gather->all, link) {
		if (row->self || row->left || row->listed == gather->listed)
			continue;
		row_leave(gather, row);
		if (!row->busy)
			row_free(row);
	}
}

static void
gather_list(struct dist_gather *gather)
{
	struct dist_master *master = gather->master;
	struct dist_snapshot *nodes;
	enum dist_err err;

	dist_lock(&master->lock);
	err = dist_table_list(master->table, false, dist_clock_ns(), &nodes);
	dist_unlock(&master->lock);
	if (err)
		return; /* no memory: the next change brings it */
	gather->listed++;
	for (u_int i = 0; i < nodes->view.nodes.dist_node_entries_len; i++)
		gather_take_entry(gather, &nodes->view.nodes.dist_node_entries_val[i]);
	dist_snapshot_free(nodes);
	gather_sweep(gather);
}

/* --- Asking ----------------------------------------------------------------------- */

/* On the callback thread, or ours where it could not be asked. */
static void
gather_on_done(void *arg)
{
	struct row *row = arg;
	struct dist_gather *gather = row->gather;

	dist_lock(&gather->lock);
	dist_list_append(&gather->finished, &row->turn);
	dist_cond_signal(&gather->work);
	dist_unlock(&gather->lock);
}

/*
 * The next one in line, if it is due; when to come again. A row is in no list while it
 * is asked, until gather_on_done() finds it.
 */
static int64_t
gather_take_turn(struct dist_gather *gather, int64_t now_ns)
{
	struct row *row;

	if (gather->n_asking >= ASKING_MAX || dist_list_empty(&gather->waiting))
		return INT64_MAX; /* one that is done, or new, wakes us */
	row = DIST_CONTAINER_OF(gather->waiting.next, struct row, turn);
	if (DIST_MAX(row->due_ns, gather->next_turn_ns) > now_ns)
		return DIST_MAX(row->due_ns, gather->next_turn_ns);
	dist_list_remove(&row->turn);
	gather->n_asking++;
	gather->next_turn_ns = now_ns + TURN_NS;
	row->busy = true;
	dist_ask_start(&row->ask, gather->runtime, row->name, &row->address, ANSWER_MS,
	               gather_on_done, row);
	return gather->next_turn_ns;
}

/* Its answer is the latest now, and the one before is forgotten. */
static void
row_keep(struct dist_gather *gather, struct row *row, struct dist_gathered *fresh)
{
	struct dist_gathered *before = row->latest;
	int64_t now_ns = dist_clock_ns();
	struct dist_overview_recent recent = { 0 };
	size_t bytes_before = before ? before->bytes : 0;

	if (before)
		recent = dist_recent_between(node_of(before), node_of(fresh),
		                             now_ns - row->answered_ns);
	dist_lock(&gather->lock);
	if (gather->bytes - bytes_before + fresh->bytes > gather->max_bytes) {
		snprintf(row->why, sizeof(row->why),
		         "its statistics are left out: the master keeps no more than "
		         "max_stats_bytes, %zu, of all nodes",
		         gather->max_bytes);
		before = fresh;
	} else {
		if (!row->self)
			dist_totals_add(gather->totals, DIST_TELLER_NODE,
			                node_of(fresh), node_of(before));
		gather->bytes += fresh->bytes - bytes_before;
		row->latest = fresh;
		row->answered_ns = now_ns;
		row->recent = recent;
		row->why[0] = '\0';
	}
	dist_unlock(&gather->lock);
	dist_gathered_unref(before);
}

static void
row_set_why(struct dist_gather *gather, struct row *row, const char *why)
{
	dist_lock(&gather->lock);
	snprintf(row->why, sizeof(row->why), "%s", why);
	row->recent = (struct dist_overview_recent){ 0 };
	dist_unlock(&gather->lock);
}

/* False: it did not answer, or somebody else did. */
static bool
row_take_answer(struct dist_gather *gather, struct row *row)
{
	char address[DIST_ADDRESS_TEXT_MAX];
	struct dist_gathered *fresh;
	bool is_it;

	if (dist_ask_finish(&row->ask)) {
		row_set_why(gather, row, row->ask.why);
		return false;
	}
	is_it = !memcmp(row->ask.answer.instance, row->instance, sizeof(dist_id));
	fresh = is_it && !row->left ? dist_gathered_new(row->name,
	                                                dist_sockaddr_format(
								&row->address, address),
	                                                &row->ask.answer)
	                            : NULL;
	xdr_free((xdrproc_t)xdr_dist_stats_result, &row->ask.answer);
	if (fresh)
		row_keep(gather, row, fresh);
	else
		row_set_why(gather, row,
		            is_it ? "out of memory" : "another process answers there");
	return fresh != NULL;
}

static void
gather_finish(struct dist_gather *gather, struct row *row)
{
	bool answered = row_take_answer(gather, row);
	int64_t now_ns = dist_clock_ns();

	gather->n_asking--;
	row->busy = false;
	if (row->left) {
		row_free(row);
		return;
	}
	row->patience = answered ? 1 : DIST_MIN(2 * row->patience, PATIENCE_MAX);
	/* As long after it was due as before, unless we are behind. */
	row_wait(gather, row,
	         DIST_MAX(row->due_ns + gather->period_ns * row->patience,
	                  now_ns + gather->period_ns / 2));
}

static struct row *
take_finished(struct dist_gather *gather)
{
	struct dist_list *link;

	dist_lock(&gather->lock);
	link = dist_list_pop(&gather->finished);
	dist_unlock(&gather->lock);
	return link ? DIST_CONTAINER_OF(link, struct row, turn) : NULL;
}

/* --- The thread ------------------------------------------------------------------- */

static void
gather_round(struct dist_gather *gather, int64_t *ret_until_ns)
{
	struct row *row;
	int64_t now_ns;
	bool look;

	while ((row = take_finished(gather)))
		gather_finish(gather, row);
	now_ns = dist_clock_ns();
	dist_lock(&gather->lock);
	look = gather->changed && now_ns >= gather->next_look_ns;
	if (look)
		gather->changed = false;
	dist_unlock(&gather->lock);
	if (look) {
		gather_list(gather);
		gather->next_look_ns = now_ns + LOOK_NS;
	}
	*ret_until_ns = gather_take_turn(gather, now_ns);
}

static void *
gather_run(void *arg)
{
	struct dist_gather *gather = arg;
	int64_t until_ns;

	gather_add_self(gather);
	dist_lock(&gather->lock);
	while (!gather->stopping) {
		dist_unlock(&gather->lock);
		gather_round(gather, &until_ns);
		dist_lock(&gather->lock);
		if (gather->changed)
			until_ns = DIST_MIN(until_ns, gather->next_look_ns);
		if (!gather->stopping && dist_list_empty(&gather->finished))
			(void)dist_cond_wait_until(&gather->work, &gather->lock,
			                           until_ns);
	}
	dist_unlock(&gather->lock);
	return NULL;
}

/* --- What others see -------------------------------------------------------------- */

void
dist_gather_wake(struct dist_gather *gather)
{
	if (!gather)
		return;
	dist_lock(&gather->lock);
	gather->changed = true;
	dist_cond_signal(&gather->work);
	dist_unlock(&gather->lock);
}

void
dist_gather_find(struct dist_gather *gather, const dist_id instance,
                 struct dist_gather_row *ret_row)
{
	struct row *row;

	*ret_row = (struct dist_gather_row){ .age_ms = -1 };
	if (!gather)
		return;
	dist_lock(&gather->lock);
	row = find_row_locked(gather, instance);
	if (row) {
		ret_row->latest = dist_gathered_ref(row->latest);
		if (row->answered_ns)
			ret_row->age_ms =
				(dist_clock_ns() - row->answered_ns) / DIST_NS_PER_MS;
		ret_row->recent = row->recent;
		memcpy(ret_row->why, row->why, sizeof(row->why));
	}
	dist_unlock(&gather->lock);
}

/* --- Start and stop --------------------------------------------------------------- */

enum dist_err
dist_gather_new(struct dist_gather **ret_gather, struct dist_master *master)
{
	struct dist_gather *gather = calloc(1, sizeof(*gather));
	uint64_t seed;
	enum dist_err err;

	if (!gather)
		return dist_error_set_plain(DIST_ENOMEM);
	gather->master = master;
	gather->period_ns = master->options.stats_ms * DIST_NS_PER_MS;
	gather->max_bytes = master->options.max_stats_bytes;
	gather->totals = master->totals;
	gather->changed = true;
	dist_mutex_init(&gather->lock, DIST_RANK_STATS);
	dist_cond_init(&gather->work);
	dist_list_init(&gather->all);
	dist_list_init(&gather->waiting);
	dist_list_init(&gather->finished);
	memcpy(&seed, master->id, sizeof(seed));
	err = dist_map_init(&gather->rows, seed);
	if (!err)
		err = dist_runtime_start(&gather->runtime, "stats");
	if (err) {
		dist_gather_free(gather);
		return dist_error_set_plain(err);
	}
	*ret_gather = gather;
	return DIST_OK;
}

enum dist_err
dist_gather_start(struct dist_gather *gather)
{
	enum dist_err err =
		dist_thread_start(&gather->thread, "dist-stats", gather_run, gather);

	gather->runs = !err;
	return err;
}

/* All that is being asked comes to @finished. */
static void
gather_end_asking(struct dist_gather *gather)
{
	struct row *row, *next;

	DIST_LIST_EACH (row, next, &gather->all, link) {
		if (row->busy)
			dist_ask_cancel(&row->ask);
	}
	while (gather->n_asking) {
		dist_lock(&gather->lock);
		while (dist_list_empty(&gather->finished))
			dist_cond_wait(&gather->work, &gather->lock);
		dist_unlock(&gather->lock);
		while ((row = take_finished(gather)))
			gather_finish(gather, row);
	}
}

void
dist_gather_stop(struct dist_gather *gather)
{
	if (!gather || !gather->runs)
		return;
	dist_lock(&gather->lock);
	gather->stopping = true;
	dist_cond_signal(&gather->work);
	dist_unlock(&gather->lock);
	pthread_join(gather->thread, NULL);
	gather->runs = false;
	gather_end_asking(gather);
}

void
dist_gather_free(struct dist_gather *gather)
{
	struct dist_list *link;

	if (!gather)
		return;
	while ((link = dist_list_pop(&gather->all))) {
		struct row *row = DIST_CONTAINER_OF(link, struct row, link);

		row_leave(gather, row);
		row_free(row);
	}
	if (gather->runtime)
		dist_runtime_stop(gather->runtime);
	dist_map_fini(&gather->rows);
	dist_mutex_fini(&gather->lock);
	free(gather);
}
