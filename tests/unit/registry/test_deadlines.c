#include "registry/deadlines.h"

#include "support/check.h"

#include <stdlib.h>

enum { N = 500 };

static void
test_they_come_out_in_order_however_they_are_moved(void **state)
{
	struct dist_deadline items[N] = { { .place = 0 } };
	struct dist_deadlines deadlines;
	int64_t last = 0;
	unsigned n = 0;

	(void)state;
	srand(1);
	dist_deadlines_init(&deadlines);
	for (int i = 0; i < N; i++) {
		assert_ok(dist_deadlines_reserve(&deadlines));
		dist_deadlines_set(&deadlines, &items[i], rand() % 1000);
	}
	for (int i = 0; i < 5 * N; i++)
		dist_deadlines_set(&deadlines, &items[rand() % N], rand() % 1000);
	for (int i = 0; i < N; i += 5) {
		dist_deadlines_remove(&deadlines, &items[i]);
		dist_deadlines_remove(&deadlines, &items[i]);
	}
	for (struct dist_deadline *first; (first = dist_deadlines_first(&deadlines));
	     n++) {
		assert_true(first->at_ns >= last);
		last = first->at_ns;
		dist_deadlines_remove(&deadlines, first);
	}
	assert_int_equal(n, N - N / 5);
	dist_deadlines_fini(&deadlines);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_they_come_out_in_order_however_they_are_moved),
};

CHECK_MAIN(tests)
