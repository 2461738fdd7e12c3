/*
 * What the tests of dist_map() have in common: nodes whose procedure does what its item
 * asks for, by how many of its sendings came to any node before; and the callbacks of a
 * map, which see whether it is told of each item as it should be.
 */
#ifndef UNIT_AGENT_MAP_WORK_H
#define UNIT_AGENT_MAP_WORK_H

#include "support/check.h"

#include <dist/dist.h>
#include <stdatomic.h>

#include "arith.h"

#define N_NODES     3
#define N_WORKERS   2
#define N_ITEMS_MAX 2000

/* What the first number asks for; the second is the item. */
enum what {
	ANSWER,
	SAY_NO,
	HOLD,       /* until the test lets all go, or it is cancelled */
	HOLD_FIRST, /* the same for an item's first sending alone */
};

/* What came to the procedure, and what it waits for. */
extern atomic_uint map_n_arrived[N_ITEMS_MAX]; /* of each item's sendings */
extern atomic_uint map_n_running, map_n_held, map_n_cancelled, map_most_running;
extern atomic_bool map_let_go;

struct map_fixture {
	struct dist_master *master;
	char masters[64];
	struct dist_node *nodes[N_NODES];
	struct dist_cluster *cluster;
	CLIENT *arith;      /* idempotent */
	CLIENT *arith_once; /* not */
	int64_t drain_ms;   /* how long one that is stopped goes on with what it has */
};

/* What a map's callbacks share. */
struct map_work {
	enum what what;   /* of all items but: */
	uint64_t special; /* this one, from here on */
	enum what what_special;
	uint64_t n_special; /* how many */

	unsigned n_started, n_done, n_failed, n_cancelled;
	unsigned done_of[N_ITEMS_MAX];
	uint64_t next; /* in order */
	bool out_of_order, wrong;

	struct dist_mapping *mapping; /* cancelled in done() of @cancel_at */
	uint64_t cancel_at;
	enum dist_err give; /* by done() of @cancel_at */
};

int map_setup(void **state);
/* All nodes but the last, which end what they have when they are stopped. */
int map_setup_leavers(void **state);
int map_teardown(void **state);

void map_start_node(struct map_fixture *f, unsigned i);
void map_stop_node(struct map_fixture *f, unsigned i);
/* It does not get to answer what it has. */
void map_kill_node(struct map_fixture *f, unsigned i);

struct dist_waiter *map_start(CLIENT *clnt, const struct dist_map_item *item,
                              void *arg);
enum dist_err map_done(const struct dist_map_item *item, void *arg);
struct dist_map_options map_options_for(struct map_work *work, uint64_t n_items);

/* Each item was told once. */
void map_check_all_told(const struct map_work *work, uint64_t n_items);

#endif
