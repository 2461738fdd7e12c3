#include "master/totals.h"
#include "base/error.h"
#include "base/histogram.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mutex.h"
#include "base/outcome.h"
#include "base/snapshot.h"
#include "client/stats_fetch.h"

#include <stdlib.h>
#include <string.h>

#define COUNTERS_MAX 32
#define TIMES_MAX    4
#define NAME_MAX_    64

struct total_counter {
	char name[NAME_MAX_ + 1];
	uint64_t value;
};

struct total_times {
	char name[NAME_MAX_ + 1];
	struct dist_histogram histogram;
};

struct total {
	struct dist_map_link by_number;
	struct dist_list link;
	struct dist_procedure_stats like; /* numbers and names alone */
	struct total_counter counters[COUNTERS_MAX];
	unsigned n_counters;
	struct total_times *times[TIMES_MAX];
	unsigned n_times;
};

/* What all of one kind told. */
struct side {
	const struct side *known; /* NULL: whoever tells is believed */
	struct dist_map by_number;
	struct dist_list all;
	unsigned n;
};

struct dist_totals {
	struct dist_mutex lock; /* guards all below */
	struct side sides[DIST_N_TELLERS];
};

/* --- One procedure ---------------------------------------------------------------- */

static uint64_t
total_hash(const struct side *side, const struct dist_procedure_stats *like)
{
	const uint32_t key[] = { like->program, like->version, like->procedure };

	return dist_map_hash(&side->by_number, key, sizeof(key));
}

static bool
same_number(const struct dist_procedure_stats *a, const struct dist_procedure_stats *b)
{
	return a->program == b->program && a->version == b->version &&
	       a->procedure == b->procedure;
}

static void
total_free(struct total *total)
{
	for (unsigned i = 0; i < total->n_times; i++)
		free(total->times[i]);
	free((void *)(uintptr_t)total->like.program_name);
	free((void *)(uintptr_t)total->like.version_name);
	free((void *)(uintptr_t)total->like.procedure_name);
	free(total);
}

/* A copy of a name; one that there is no memory for is not known. */
static const char *
copy_name(const char *name)
{
	return name ? strdup(name) : NULL;
}

static struct total *
total_find(const struct side *side, const struct dist_procedure_stats *like)
{
	struct total *total;

	DIST_MAP_EACH (total, &side->by_number, total_hash(side, like), by_number) {
		if (same_number(&total->like, like))
			return total;
	}
	return NULL;
}

static struct total_counter *
total_counter(struct total *total, const char *name)
{
	struct total_counter *counter;

	for (unsigned i = 0; i < total->n_counters; i++) {
		if (strcmp(total->counters[i].name, name) == 0)
			return &total->counters[i];
	}
	if (total->n_counters == COUNTERS_MAX || strlen(name) > NAME_MAX_)
		return NULL;
	counter = &total->counters[total->n_counters++];
	strcpy(counter->name, name);
	return counter;
}

static struct dist_histogram *
total_times(struct total *total, const char *name)
{
	struct total_times *times;

	for (unsigned i = 0; i < total->n_times; i++) {
		if (strcmp(total->times[i]->name, name) == 0)
			return &total->times[i]->histogram;
	}
	times = total->n_times < TIMES_MAX && strlen(name) <= NAME_MAX_
	                ? calloc(1, sizeof(*times))
	                : NULL;
	if (!times)
		return NULL;
	strcpy(times->name, name);
	total->times[total->n_times++] = times;
	return &times->histogram;
}

/* What clusters count has its place, whatever else was told before. */
static void
total_reserve(struct total *total)
{
	static const char *const names[] = {
		"calls",
#define OUTCOME_NAME(name, text) text,
		DIST_OUTCOMES(OUTCOME_NAME)
#undef OUTCOME_NAME
		"retries", "hedges", "hedges_won", "undecodable", "call_bytes", "reply_bytes",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)total_counter(total, names[i]);
	(void)total_times(total, "latency");
}

static struct total *
total_new(struct side *side, const struct dist_procedure_stats *like)
{
	struct total *total = calloc(1, sizeof(*total));

	if (!total)
		return NULL;
	total->like = (struct dist_procedure_stats){
		.program = like->program,
		.version = like->version,
		.procedure = like->procedure,
	};
	if (side->known) {
		total_reserve(total);
	} else {
		total->like.program_name = copy_name(like->program_name);
		total->like.version_name = copy_name(like->version_name);
		total->like.procedure_name = copy_name(like->procedure_name);
	}
	dist_map_add(&side->by_number, &total->by_number, total_hash(side, like));
	dist_list_append(&side->all, &total->link);
	side->n++;
	return total;
}

/* One place is for the others; one half of all is for what is known to exist. */
static bool
has_room(const struct side *side, const struct dist_procedure_stats *like)
{
	bool known = !side->known || total_find(side->known, like);

	return side->n < (known ? DIST_TOTALS_MAX - 1 : DIST_TOTALS_MAX / 2);
}

/* Where it is counted: where there are too many, with all others. NULL: no memory. */
static struct total *
total_of(struct side *side, const struct dist_procedure_stats *like)
{
	static const struct dist_procedure_stats others;
	struct total *total = total_find(side, like);

	if (total)
		return total;
	if (has_room(side, like))
		return total_new(side, like);
	total = total_find(side, &others);
	return total ? total : total_new(side, &others);
}

/* --- Adding ----------------------------------------------------------------------- */

/* What is of now may fall, and what a node took back is not believed. */
static bool
is_of_now(const char *name)
{
	return strcmp(name, "in_flight") == 0;
}

static void
add_counters(struct total *total, const struct dist_counters *now,
             const struct dist_counters *before)
{
	for (size_t i = 0; i < now->n; i++) {
		const char *name = now->list[i].name;
		struct total_counter *counter = total_counter(total, name);
		uint64_t then = before ? dist_counters_value(before, name) : 0;

		if (counter && (is_of_now(name) || now->list[i].value > then))
			counter->value += now->list[i].value - then;
	}
}

static void
add_times(struct dist_histogram *histogram, const struct dist_times *now,
          const struct dist_times *before)
{
	uint64_t sum_then = before ? before->sum_ns : 0;
	uint64_t sum_ns = now->sum_ns > sum_then ? now->sum_ns - sum_then : 0;
	size_t at = 0;

	for (size_t i = 0; i < now->n_buckets; i++) {
		const struct dist_times_bucket *bucket = &now->buckets[i];
		uint64_t then = 0;

		while (before && at < before->n_buckets &&
		       before->buckets[at].low_ns < bucket->low_ns)
			at++;
		if (before && at < before->n_buckets &&
		    before->buckets[at].low_ns == bucket->low_ns)
			then = before->buckets[at].count;
		if (bucket->count <= then)
			continue;
		/* The whole sum goes with the first that has more. */
		dist_histogram_add(histogram,
		                   dist_histogram_bucket((int64_t)DIST_MIN(
					   bucket->low_ns, (uint64_t)INT64_MAX)),
		                   bucket->count - then, sum_ns, now->max_ns);
		sum_ns = 0;
	}
}

static void
add_procedure(struct side *side, const struct dist_procedure_stats *now,
              const struct dist_procedure_stats *before)
{
	struct total *total = total_of(side, now);

	if (!total)
		return;
	add_counters(total, &now->counters, before ? &before->counters : NULL);
	for (size_t i = 0; i < now->n_times; i++) {
		const struct dist_times *times = now->times[i];
		struct dist_histogram *histogram = total_times(total, times->name);

		if (histogram)
			add_times(histogram, times,
			          before ? dist_times_find(before, times->name) : NULL);
	}
}

static void
take_off(struct side *side, const struct dist_node_stats *left)
{
	for (size_t i = 0; i < left->n_procedures; i++) {
		struct total *total = total_of(side, left->procedures[i]);
		struct total_counter *counter =
			total ? total_counter(total, "in_flight") : NULL;

		if (counter)
			counter->value -= dist_counters_value(
				&left->procedures[i]->counters, "in_flight");
	}
}

void
dist_totals_add(struct dist_totals *totals, enum dist_teller teller,
                const struct dist_node_stats *now, const struct dist_node_stats *before)
{
	struct side *side = &totals->sides[teller];

	dist_lock(&totals->lock);
	if (!now && before)
		take_off(side, before);
	for (size_t i = 0; now && i < now->n_procedures; i++)
		add_procedure(side, now->procedures[i],
		              dist_stats_find(before, now->procedures[i], i));
	dist_unlock(&totals->lock);
}

/* --- The whole -------------------------------------------------------------------- */

enum dist_err
dist_totals_new(struct dist_totals **ret_totals, uint64_t seed)
{
	struct dist_totals *totals = calloc(1, sizeof(*totals));
	enum dist_err err = DIST_OK;

	if (!totals)
		return dist_error_set_plain(DIST_ENOMEM);
	dist_mutex_init(&totals->lock, DIST_RANK_LEAF);
	totals->sides[DIST_TELLER_CALLER].known = &totals->sides[DIST_TELLER_NODE];
	for (unsigned i = 0; i < DIST_N_TELLERS; i++) {
		dist_list_init(&totals->sides[i].all);
		if (!err)
			err = dist_map_init(&totals->sides[i].by_number, seed);
	}
	if (err) {
		dist_totals_free(totals);
		return dist_error_set_plain(err);
	}
	*ret_totals = totals;
	return DIST_OK;
}

static void
side_fini(struct side *side)
{
	struct dist_list *link;

	while ((link = dist_list_pop(&side->all)))
		total_free(DIST_CONTAINER_OF(link, struct total, link));
	dist_map_fini(&side->by_number);
}

void
dist_totals_free(struct dist_totals *totals)
{
	if (!totals)
		return;
	for (unsigned i = 0; i < DIST_N_TELLERS; i++)
		side_fini(&totals->sides[i]);
	dist_mutex_fini(&totals->lock);
	free(totals);
}

/* The numbers of @total, and the names, if those are known. */
static const struct dist_procedure_stats *
named(const struct side *side, const struct total *total)
{
	const struct total *other =
		side->known ? total_find(side->known, &total->like) : NULL;

	return other ? &other->like : &total->like;
}

static void
side_show(const struct side *side, struct dist_snapshot *snapshot)
{
	struct total *total, *next;

	DIST_LIST_EACH (total, next, &side->all, link) {
		dist_snapshot_procedure(snapshot, named(side, total));
		for (unsigned i = 0; i < total->n_counters; i++)
			dist_snapshot_counter(snapshot, total->counters[i].name,
			                      total->counters[i].value);
		for (unsigned i = 0; i < total->n_times; i++)
			dist_snapshot_times(snapshot, total->times[i]->name,
			                    &total->times[i]->histogram);
	}
}

enum dist_err
dist_totals_stats(struct dist_totals *totals, enum dist_teller teller,
                  struct dist_stats **ret_stats)
{
	struct dist_snapshot snapshot;

	dist_snapshot_init(&snapshot);
	dist_snapshot_node(&snapshot, NULL, NULL, NULL);
	dist_lock(&totals->lock);
	side_show(&totals->sides[teller], &snapshot);
	dist_unlock(&totals->lock);
	return dist_snapshot_finish(&snapshot, ret_stats);
}
