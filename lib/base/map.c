#include "base/map.h"

#include <stdlib.h>

#define MAP_BUCKETS_MIN ((size_t)64)

enum dist_err
dist_map_init(struct dist_map *map, uint64_t seed)
{
	struct dist_map_link **buckets =
		calloc(MAP_BUCKETS_MIN, sizeof(struct dist_map_link *));

	if (!buckets)
		return DIST_ENOMEM;
	*map = (struct dist_map){ .buckets = buckets,
		                  .n_buckets = MAP_BUCKETS_MIN,
		                  .seed = seed };
	return DIST_OK;
}

void
dist_map_fini(struct dist_map *map)
{
	free(map->buckets);
	map->buckets = NULL;
	map->n_buckets = 0;
}

/* FNV-1a from a seed, finished by murmur's mixer, so that low bits depend on all. */
uint64_t
dist_map_hash(const struct dist_map *map, const void *key, size_t length)
{
	const unsigned char *bytes = key;
	uint64_t hash = map->seed ^ UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 33;
	hash *= UINT64_C(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	return hash;
}

static struct dist_map_link **
map_bucket(const struct dist_map *map, uint64_t hash)
{
	return &map->buckets[hash & (map->n_buckets - 1)];
}

static void
map_grow(struct dist_map *map)
{
	struct dist_map grown = *map;

	grown.n_buckets = map->n_buckets * 2;
	grown.buckets = calloc(grown.n_buckets, sizeof(struct dist_map_link *));
	if (!grown.buckets)
		return;
	for (size_t i = 0; i < map->n_buckets; i++) {
		struct dist_map_link *link = map->buckets[i], *next;

		for (; link; link = next) {
			struct dist_map_link **bucket = map_bucket(&grown, link->hash);

			next = link->next;
			link->next = *bucket;
			*bucket = link;
		}
	}
	free(map->buckets);
	*map = grown;
}

void
dist_map_add(struct dist_map *map, struct dist_map_link *link, uint64_t hash)
{
	struct dist_map_link **bucket;

	if (map->n >= map->n_buckets)
		map_grow(map);
	bucket = map_bucket(map, hash);
	*link = (struct dist_map_link){ .next = *bucket, .hash = hash, .linked = true };
	*bucket = link;
	map->n++;
}

void
dist_map_remove(struct dist_map *map, struct dist_map_link *link)
{
	struct dist_map_link **at;

	if (!link->linked)
		return;
	for (at = map_bucket(map, link->hash); *at != link; at = &(*at)->next)
		;
	*at = link->next;
	*link = (struct dist_map_link){ .linked = false };
	map->n--;
}

static struct dist_map_link *
map_first_of(struct dist_map_link *link, uint64_t hash)
{
	while (link && link->hash != hash)
		link = link->next;
	return link;
}

struct dist_map_link *
dist_map_find(const struct dist_map *map, uint64_t hash)
{
	return map_first_of(*map_bucket(map, hash), hash);
}

struct dist_map_link *
dist_map_find_next(const struct dist_map_link *link)
{
	return map_first_of(link->next, link->hash);
}
