#include "base/map.h"

#include "support/check.h"

#include <stdlib.h>

struct item {
	unsigned key;
	struct dist_map_link link;
};

static uint64_t
hash_of(const struct dist_map *map, unsigned key)
{
	return dist_map_hash(map, &key, sizeof(key));
}

static struct item *
find(const struct dist_map *map, unsigned key)
{
	struct item *item;

	DIST_MAP_EACH (item, map, hash_of(map, key), link) {
		if (item->key == key)
			return item;
	}
	return NULL;
}

static void
test_what_was_added_is_found_and_nothing_else(void **state)
{
	struct item *items = calloc(1000, sizeof(*items));
	struct dist_map map;

	(void)state;
	assert_non_null(items);
	assert_ok(dist_map_init(&map, 7));
	for (unsigned i = 0; i < 1000; i++) {
		items[i].key = i;
		dist_map_add(&map, &items[i].link, hash_of(&map, i));
	}
	assert_int_equal(map.n, 1000);
	for (unsigned i = 0; i < 1000; i++)
		assert_ptr_equal(find(&map, i), &items[i]);
	assert_null(find(&map, 1000));

	for (unsigned i = 0; i < 1000; i += 2)
		dist_map_remove(&map, &items[i].link);
	for (unsigned i = 0; i < 1000; i++)
		assert_ptr_equal(find(&map, i), i % 2 ? &items[i] : NULL);
	assert_int_equal(map.n, 500);
	dist_map_fini(&map);
	free(items);
}

static void
test_members_of_one_hash_are_all_found(void **state)
{
	struct item items[3] = { { .key = 1 }, { .key = 2 }, { .key = 3 } }, *item;
	struct dist_map map;
	unsigned sum = 0;

	(void)state;
	assert_ok(dist_map_init(&map, 0));
	for (int i = 0; i < 3; i++)
		dist_map_add(&map, &items[i].link, 42);
	DIST_MAP_EACH (item, &map, 42, link)
		sum += item->key;
	assert_int_equal(sum, 6);
	dist_map_fini(&map);
}

static void
test_removing_twice_does_no_harm(void **state)
{
	struct item item = { .key = 1 };
	struct dist_map map;

	(void)state;
	assert_ok(dist_map_init(&map, 0));
	dist_map_add(&map, &item.link, 1);
	dist_map_remove(&map, &item.link);
	dist_map_remove(&map, &item.link);
	assert_int_equal(map.n, 0);
	assert_null(dist_map_find(&map, 1));
	dist_map_fini(&map);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_what_was_added_is_found_and_nothing_else),
	cmocka_unit_test(test_members_of_one_hash_are_all_found),
	cmocka_unit_test(test_removing_twice_does_no_harm),
};

CHECK_MAIN(tests)
