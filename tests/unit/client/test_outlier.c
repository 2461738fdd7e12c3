/* Nodes that fail much more than the others: tables of outcomes, and a clock that is set. */
#include "support/check.h"

#include "base/clock.h"
#include "client/outlier.h"

#include <string.h>

#define SECOND (1000 * DIST_NS_PER_MS)
#define NODES_MAX 12

static struct node {
	struct dist_outlier outlier;
	struct dist_outlier_counts counts;
	bool aside;       /* as it was told */
	int64_t aside_ns; /* for how long, the last time */
	unsigned n_told;
} nodes[NODES_MAX];
static size_t n_nodes;
static struct dist_outliers outliers;
static int64_t now_ns;

static int
begin(void **state)
{
	(void)state;
	memset(nodes, 0, sizeof(nodes));
	outliers = (struct dist_outliers){ 0 };
	now_ns = 1000 * SECOND;
	return 0;
}

static bool
always(void *node, void *arg)
{
	(void)node, (void)arg;
	return true;
}

static void
told(void *arg, const struct dist_outlier_change *change, void *unused)
{
	struct node *node = arg;

	(void)unused;
	node->aside = change->state != DIST_OUTLIER_IN;
	node->aside_ns = change->aside_ns;
	node->n_told++;
}

/* One round. */
static void
judge(void)
{
	struct dist_outlier_look looks[NODES_MAX];

	now_ns += DIST_OUTLIER_TICK_NS;
	for (size_t i = 0; i < n_nodes; i++)
		looks[i] = (struct dist_outlier_look){ .outlier = &nodes[i].outlier,
			                               .now = nodes[i].counts,
			                               .node = &nodes[i] };
	dist_outliers_judge(&outliers, looks, n_nodes, now_ns, always, told, NULL);
}

static void
ended(struct node *node, unsigned answered, unsigned failed)
{
	node->counts.answered += answered;
	node->counts.failed += failed;
}

static void
test_who_fails_much_more_than_the_others_is_set_aside(void **state)
{
	static const struct {
		const char *what;
		struct dist_outlier_counts counts[6]; /* up to one of nothing */
		const char *aside;                    /* 'x': it is to be */
	} rows[] = {
		{ "one of two", { { 100, 0 }, { 0, 100 } }, "-x" },
		{ "one of four", { { 100, 0 }, { 50, 50 }, { 90, 0 }, { 80, 0 } }, "-x--" },
		{ "two of four", { { 0, 100 }, { 100, 0 }, { 50, 50 }, { 99, 1 } }, "x-x-" },
		{ "never over half", { { 0, 9 }, { 0, 99 }, { 0, 50 }, { 100, 0 } }, "x---" },
		{ "all alike", { { 50, 50 }, { 50, 50 }, { 40, 60 }, { 60, 40 } }, "----" },
		{ "all down", { { 0, 100 }, { 0, 100 }, { 0, 100 } }, "---" },
		{ "one alone", { { 0, 100 } }, "-" },
		{ "too few", { { 100, 0 }, { 0, 4 } }, "--" },
		{ "just enough", { { 100, 0 }, { 0, 5 } }, "-x" },
		{ "too small a share", { { 1000, 0 }, { 810, 190 } }, "--" },
		{ "share enough", { { 1000, 0 }, { 800, 200 } }, "-x" },
		{ "three times the others", { { 900, 100 }, { 700, 300 } }, "--" },
		{ "four times the others", { { 900, 100 }, { 600, 400 } }, "-x" },
		{ "all work at one", { { 1, 0 }, { 0, 500 } }, "-x" },
	};

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		begin(state);
		n_nodes = strlen(rows[row].aside);
		for (size_t i = 0; i < n_nodes; i++)
			ended(&nodes[i], 1000000, 7); /* long ago */
		judge();
		for (size_t i = 0; i < n_nodes; i++)
			ended(&nodes[i], (unsigned)rows[row].counts[i].answered,
			      (unsigned)rows[row].counts[i].failed);
		judge();
		/* Of those that are alike it may be any. */
		if (strcmp(rows[row].what, "never over half") == 0) {
			unsigned n_aside = 0;

			for (size_t i = 0; i < n_nodes; i++)
				n_aside += nodes[i].aside;
			assert_true(n_aside <= 2);
			continue;
		}
		for (size_t i = 0; i < n_nodes; i++) {
			if (nodes[i].aside != (rows[row].aside[i] == 'x'))
				fail_msg("%s: node %zu", rows[row].what, i);
		}
	}
}

/* The second of two fails, until it is aside. */
static void
set_aside(void)
{
	n_nodes = 2;
	judge();
	ended(&nodes[0], 100, 0);
	ended(&nodes[1], 0, 100);
	judge();
	assert_true(nodes[1].aside);
}

static bool
pick(struct node *node)
{
	return dist_outlier_picked(&node->outlier, node->counts, now_ns);
}

static void
test_one_call_tries_it_again_and_brings_it_back(void **state)
{
	(void)state;
	set_aside();
	assert_int_equal(nodes[1].aside_ns, SECOND);
	assert_true(dist_outlier_rests(&nodes[1].outlier, now_ns));
	/* One that no other node takes is not the one that tries. */
	assert_false(pick(&nodes[1]));
	now_ns += SECOND;
	assert_false(dist_outlier_rests(&nodes[1].outlier, now_ns));
	assert_true(pick(&nodes[1]));
	assert_true(dist_outlier_rests(&nodes[1].outlier, now_ns));
	assert_false(pick(&nodes[1]));
	judge();
	assert_true(nodes[1].aside);
	ended(&nodes[1], 1, 0);
	judge();
	assert_false(nodes[1].aside);
	assert_false(dist_outlier_rests(&nodes[1].outlier, now_ns));
	/* What failed before is forgotten. */
	judge();
	assert_false(nodes[1].aside);
	assert_int_equal(nodes[1].n_told, 2);
}

static void
test_it_stays_aside_for_twice_as_long_each_time(void **state)
{
	static const unsigned seconds[] = { 2, 4, 8, 16, 32, 60, 60, 60 };

	(void)state;
	set_aside();
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		now_ns += nodes[1].aside_ns;
		assert_true(pick(&nodes[1]));
		ended(&nodes[1], 0, 1);
		judge();
		assert_true(nodes[1].aside);
		assert_int_equal(nodes[1].aside_ns, seconds[i] * SECOND);
	}
}

/* ... also when it was back for a moment; after a good while it begins anew. */
static void
test_how_often_is_forgotten_after_a_good_while(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		now_ns += nodes[1].aside_ns;
		set_aside();
		assert_int_equal(nodes[1].aside_ns, (round == 1 ? 2 : 1) * SECOND);
		now_ns += nodes[1].aside_ns;
		assert_true(pick(&nodes[1]));
		ended(&nodes[1], 1, 0);
		judge();
		assert_false(nodes[1].aside);
		nodes[1].aside_ns = 0;
		if (round == 1)
			now_ns += DIST_OUTLIER_WINDOW_NS;
	}
}

/* A call may last for days: then others try as well, one after the other. */
static void
test_a_long_call_that_tries_it_is_no_failure(void **state)
{
	(void)state;
	set_aside();
	now_ns += SECOND;
	assert_true(pick(&nodes[1]));
	now_ns += DIST_OUTLIER_WINDOW_NS;
	judge();
	assert_int_equal(nodes[1].n_told, 1);
	assert_false(dist_outlier_rests(&nodes[1].outlier, now_ns));
	assert_true(pick(&nodes[1]));
	assert_false(pick(&nodes[1]));
	ended(&nodes[1], 1, 0);
	judge();
	assert_false(nodes[1].aside);
}

static void
test_it_is_quiet_a_while_after_the_last_failure(void **state)
{
	int64_t began_ns;

	(void)state;
	n_nodes = 2;
	assert_true(dist_outliers_are_quiet(&outliers));
	ended(&nodes[1], 100, 1);
	judge();
	assert_false(dist_outliers_are_quiet(&outliers));
	began_ns = now_ns;
	while (!dist_outliers_are_quiet(&outliers)) {
		judge();
		assert_true(now_ns < began_ns + 3 * DIST_OUTLIER_WINDOW_NS);
	}
	assert_true(now_ns >= began_ns + DIST_OUTLIER_WINDOW_NS);
	/* With one aside it is not. */
	set_aside();
	for (unsigned i = 0; i < 200; i++)
		judge();
	assert_false(dist_outliers_are_quiet(&outliers));
}

/* A few failures now and then, over a day, are none that add up. */
static void
test_failures_of_long_ago_do_not_count(void **state)
{
	(void)state;
	n_nodes = 2;
	for (unsigned i = 0; i < 1000; i++) {
		ended(&nodes[0], 1, 0);
		ended(&nodes[1], 0, i % 12 == 0);
		judge();
		judge();
		judge();
		judge();
	}
	assert_int_equal(nodes[1].n_told, 0);
}

#define TEST(fn) cmocka_unit_test_setup(fn, begin)

static const struct CMUnitTest tests[] = {
	TEST(test_who_fails_much_more_than_the_others_is_set_aside),
	TEST(test_one_call_tries_it_again_and_brings_it_back),
	TEST(test_it_stays_aside_for_twice_as_long_each_time),
	TEST(test_how_often_is_forgotten_after_a_good_while),
	TEST(test_a_long_call_that_tries_it_is_no_failure),
	TEST(test_it_is_quiet_a_while_after_the_last_failure),
	TEST(test_failures_of_long_ago_do_not_count),
};

CHECK_MAIN(tests)
