/*
 * Cutting 0..N into pieces of equal size, for as many calls.
 *
 * Both ends of each piece belong to it, as in idl/palindrome.x: the next begins one
 * above. The first pieces are one number longer when it does not come out even.
 */
#ifndef EXAMPLES_PALINDROME_PIECES_H
#define EXAMPLES_PALINDROME_PIECES_H

#include "palindrome.h"

#include <dist/cluster.h>

#include <stdint.h>

#define PIECES_MAX 100000

/* How many pieces 0..@last gives, when @n_wanted (not 0) are wanted: none is empty. */
uint64_t pieces_count(int64_t last, uint64_t n_wanted);

/* Piece number @i of @n_pieces. */
palindrome_range pieces_get(int64_t last, uint64_t n_pieces, uint64_t i);

/*
 * How many pieces suit the cluster: some for each worker of its live nodes, so that one
 * slow node, busy with its last piece, does not keep all others waiting, and more of a
 * large range, so that a piece takes some milliseconds and no more. At least 1.
 */
enum dist_err pieces_plan(struct dist_cluster *cluster, int64_t last,
                          uint64_t *ret_n_pieces) DIST_MUST_CHECK;

#endif
