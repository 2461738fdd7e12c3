/* How far a map is, what each node did, and telling the user of it now and then. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "bulk/bulk.h"
#include "client/peer_internal.h"

/* The rate is of the last seconds: what was so long ago counts for a third. */
#define RATE_MEMORY_S 3.0
/* Nodes that are counted: those beyond are in the sum alone. */
#define NODES_MAX 20000

/* --- Nodes ------------------------------------------------------------------------ */

enum dist_err
dist_bulk_progress_init(struct dist_mapping *mapping)
{
	/* Peers are our own: nobody chooses their addresses. */
	return dist_map_init(&mapping->nodes, 0);
}

static struct dist_bulk_node *
node_of_link(struct dist_map_link *link)
{
	return DIST_CONTAINER_OF(link, struct dist_bulk_node, link);
}

void
dist_bulk_progress_fini(struct dist_mapping *mapping)
{
	struct dist_map_link *link, *next;

	for (size_t i = 0; i < mapping->nodes.n_buckets; i++) {
		for (link = mapping->nodes.buckets[i]; link; link = next) {
			next = link->next;
			dist_peer_unref(node_of_link(link)->peer);
			free(node_of_link(link));
		}
	}
	if (mapping->nodes.n_buckets)
		dist_map_fini(&mapping->nodes);
	free(mapping->list);
}

/* One of the same name that is gone: this is its next run. */
static struct dist_bulk_node *
nodes_find_run_before(struct dist_mapping *mapping, const struct dist_peer *peer)
{
	for (size_t i = 0; i < mapping->nodes.n_buckets; i++) {
		for (struct dist_map_link *link = mapping->nodes.buckets[i]; link;
		     link = link->next) {
			struct dist_bulk_node *node = node_of_link(link);

			if (dist_peer_gone(node->peer) &&
			    strcmp(node->peer->info.name, peer->info.name) == 0)
				return node;
		}
	}
	return NULL;
}

/* NULL: no memory, or too many. */
static struct dist_bulk_node *
nodes_add(struct dist_mapping *mapping, struct dist_peer *peer, uint64_t hash)
{
	struct dist_bulk_node *node = nodes_find_run_before(mapping, peer);

	if (node) {
		dist_map_remove(&mapping->nodes, &node->link);
		dist_peer_unref(node->peer);
	} else {
		if (mapping->nodes.n == NODES_MAX)
			return NULL;
		node = calloc(1, sizeof(*node));
		if (!node)
			return NULL;
	}
	node->peer = dist_peer_ref(peer);
	dist_map_add(&mapping->nodes, &node->link, hash);
	return node;
}

void
dist_bulk_count_node(struct dist_mapping *mapping, struct dist_peer *peer)
{
	struct dist_bulk_node *node = mapping->last_node, *found = NULL;
	uint64_t hash;

	/* Replies come in batches of one node's. */
	if (node && node->peer == peer) {
		node->n_done++;
		return;
	}
	hash = dist_map_hash(&mapping->nodes, &peer, sizeof(struct dist_peer *));
	DIST_MAP_EACH(node, &mapping->nodes, hash, link) {
		if (node->peer == peer) {
			found = node;
			break;
		}
	}
	if (!found)
		found = nodes_add(mapping, peer, hash);
	if (found)
		found->n_done++;
	mapping->last_node = found;
}

/* --- Telling ---------------------------------------------------------------------- */

static int
node_compare(const void *a, const void *b)
{
	const struct dist_map_node *left = a, *right = b;
	int order = strcmp(left->name, right->name);

	return order ? order : strcmp(left->address, right->address);
}

/* How many there are in @list; without memory none are. */
static size_t
bulk_list_nodes(struct dist_mapping *mapping)
{
	size_t n = mapping->nodes.n, at = 0;
	struct dist_map_node *list;

	if (n > mapping->list_capacity) {
		list = realloc(mapping->list, 2 * n * sizeof(*list));
		if (!list)
			return 0;
		mapping->list = list;
		mapping->list_capacity = 2 * n;
	}
	for (size_t i = 0; i < mapping->nodes.n_buckets; i++) {
		for (struct dist_map_link *link = mapping->nodes.buckets[i]; link;
		     link = link->next) {
			const struct dist_bulk_node *node = node_of_link(link);

			mapping->list[at++] = (struct dist_map_node){
				.name = node->peer->info.name,
				.address = node->peer->info.address,
				.capacity = node->peer->info.capacity,
				.in_flight = atomic_load(&node->peer->in_flight),
				.n_done = node->n_done,
				.gone = dist_peer_gone(node->peer),
			};
		}
	}
	if (n)
		qsort(mapping->list, n, sizeof(*mapping->list), node_compare);
	return n;
}

/* Smoothed, and at first simply what there was since the start. */
static void
bulk_update_rate(struct dist_mapping *mapping)
{
	int64_t since_ns = mapping->rate_ns ? mapping->rate_ns : mapping->started_ns;
	double seconds = (double)(mapping->now_ns - since_ns) / 1e9;
	double of_late, weight;

	if (seconds <= 0)
		return;
	of_late = (double)(mapping->n_done - mapping->rate_done) / seconds;
	weight = seconds / (seconds + RATE_MEMORY_S);
	if (mapping->now_ns - mapping->started_ns < RATE_MEMORY_S * 1e9)
		mapping->rate = (double)mapping->n_done * 1e9 /
		                (double)(mapping->now_ns - mapping->started_ns);
	else
		mapping->rate += (of_late - mapping->rate) * weight;
	mapping->rate_ns = mapping->now_ns;
	mapping->rate_done = mapping->n_done;
}

static int64_t
bulk_left_ms(const struct dist_mapping *mapping)
{
	uint64_t n_items = mapping->options.n_items;
	double left_ms;

	if (n_items == 0 || mapping->rate <= 0)
		return n_items && mapping->n_done >= n_items ? 0 : -1;
	if (mapping->n_done >= n_items)
		return 0;
	left_ms = (double)(n_items - mapping->n_done) * 1000 / mapping->rate;
	return left_ms < 1e15 ? (int64_t)left_ms : -1;
}

void
dist_bulk_progress(struct dist_mapping *mapping, bool over)
{
	const struct dist_map_options *options = &mapping->options;
	struct dist_map_progress progress;

	if (!options->progress || (!over && mapping->now_ns < mapping->progress_due_ns))
		return;
	mapping->progress_due_ns =
		mapping->now_ns + options->progress_every_ms * DIST_NS_PER_MS;
	bulk_update_rate(mapping);
	progress = (struct dist_map_progress){
		.n_done = mapping->n_done,
		.n_failed = mapping->n_failed,
		.n_items = options->n_items,
		.n_twice = mapping->n_twice,
		.in_flight = mapping->n_flying,
		.n_workers =
			(unsigned)DIST_MIN(mapping->window.room.n_workers, UINT32_MAX),
		.rate = mapping->rate,
		.elapsed_ms = (mapping->now_ns - mapping->started_ns) / DIST_NS_PER_MS,
		.left_ms = bulk_left_ms(mapping),
		.n_nodes = bulk_list_nodes(mapping),
		.over = over,
	};
	progress.nodes = mapping->list;
	options->progress(&progress, options->progress_arg);
}
