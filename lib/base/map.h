/*
 * A hash map with its links inside its members, as base/list.h has them. It grows by
 * doubling; what keys are, and when two are equal, is the caller's.
 */
#ifndef DIST_BASE_MAP_H
#define DIST_BASE_MAP_H

#include "base/cleanup.h"

#include <dist/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dist_map_link {
	struct dist_map_link *next;
	uint64_t hash;
	bool linked;
};

struct dist_map {
	struct dist_map_link **buckets;
	size_t n_buckets; /* a power of two */
	size_t n;
	uint64_t seed;
};

/* @seed random where peers choose the keys. DIST_ENOMEM. */
enum dist_err dist_map_init(struct dist_map *map, uint64_t seed) DIST_MUST_CHECK;
/* The members are left alone. */
void dist_map_fini(struct dist_map *map);

uint64_t dist_map_hash(const struct dist_map *map, const void *key, size_t length);

/* @link is not in a map. Never fails: without memory to grow, the chains get longer. */
void dist_map_add(struct dist_map *map, struct dist_map_link *link, uint64_t hash);
/* Again does no harm. */
void dist_map_remove(struct dist_map *map, struct dist_map_link *link);

/* The first link with this hash, or the one after @link; NULL: there is no other. */
struct dist_map_link *dist_map_find(const struct dist_map *map, uint64_t hash);
struct dist_map_link *dist_map_find_next(const struct dist_map_link *link);

/* Each member whose hash is @hash_value; the caller compares the keys. */
#define DIST_MAP_EACH(entry, map, hash_value, member) \
	for (struct dist_map_link *dist_link_ = dist_map_find((map), (hash_value)); \
	     dist_link_ && \
	     ((entry) = DIST_CONTAINER_OF(dist_link_, __typeof__(*(entry)), member), \
	     true); \
	     dist_link_ = dist_map_find_next(dist_link_))

#endif
