#include "palindrome/pieces.h"

/* So many at least, so that uneven nodes finish together. */
#define PIECES_PER_WORKER 4
/* And so long at most: some milliseconds, so that little is lost with a node. */
#define PIECE_MAX (UINT64_C(1) << 22)

/* 0 counts; at most 2^63, which a signed number could not hold. */
static uint64_t
numbers_count(int64_t last)
{
	return (uint64_t)last + 1;
}

uint64_t
pieces_count(int64_t last, uint64_t n_wanted)
{
	return n_wanted < numbers_count(last) ? n_wanted : numbers_count(last);
}

palindrome_range
pieces_get(int64_t last, uint64_t n_pieces, uint64_t i)
{
	uint64_t size = numbers_count(last) / n_pieces;
	uint64_t n_longer = numbers_count(last) % n_pieces;
	uint64_t first = i * size + (i < n_longer ? i : n_longer);

	return (palindrome_range){
		.first = (int64_t)first,
		.last = (int64_t)(first + size - (i < n_longer ? 0 : 1)),
	};
}

/* For dist_cluster_each_node(): adds up how many calls all nodes run at once. */
static enum dist_err
workers_add(const struct dist_node_info *node, void *arg)
{
	uint64_t *n_workers = arg;

	if (!node->draining)
		*n_workers += node->capacity;
	return DIST_OK;
}

enum dist_err
pieces_plan(struct dist_cluster *cluster, int64_t last, uint64_t *ret_n_pieces)
{
	uint64_t n_workers = 0, n_wanted;
	enum dist_err err;

	err = dist_cluster_each_node(cluster, workers_add, &n_workers);
	if (err)
		return err;
	n_wanted = n_workers ? n_workers * PIECES_PER_WORKER : 1;
	if (n_wanted < numbers_count(last) / PIECE_MAX)
		n_wanted = numbers_count(last) / PIECE_MAX;
	*ret_n_pieces =
		pieces_count(last, n_wanted < PIECES_MAX ? n_wanted : PIECES_MAX);
	return DIST_OK;
}
