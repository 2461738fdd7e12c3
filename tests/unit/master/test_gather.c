/* A master that asks its nodes what they count, and shows it in an overview. */
#include "unit/master/registry.h"

#include "base/clock.h"
#include "io/socket.h"

#include <dist/overview.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define OFTEN_MS 20

struct fixture {
	struct registry registry;
	struct dist_overview *overview; /* the last one that was looked at */
};

static int
begin_with(void **state, const struct dist_master_options *options)
{
	static struct fixture f;

	f.overview = NULL;
	registry_open(&f.registry, options);
	*state = &f;
	return 0;
}

static int
setup(void **state)
{
	const struct dist_master_options options = { .stats_ms = OFTEN_MS };

	return begin_with(state, &options);
}

static int
setup_without_room(void **state)
{
	const struct dist_master_options options = { .stats_ms = OFTEN_MS,
		                                     .max_stats_bytes = 1 };

	return begin_with(state, &options);
}

static int
setup_without_asking(void **state)
{
	return begin_with(state, NULL);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	registry_close(&f->registry);
	dist_overview_free(f->overview); /* also when the master is gone */
	return 0;
}

/* Another look. */
static void
look(struct fixture *f)
{
	dist_overview_free(f->overview);
	f->overview = NULL;
	assert_ok(dist_master_overview(&f->overview, f->registry.master));
}

/* The node of this number, as it is seen now; NULL: it is not. */
static const struct dist_overview_node *
find_node(struct fixture *f, unsigned number)
{
	for (size_t i = 0; i < f->overview->n_nodes; i++) {
		if (!memcmp(f->overview->nodes[i].instance, &number, sizeof(number)))
			return &f->overview->nodes[i];
	}
	return NULL;
}

/* Look until the node is as wanted; fails after PATIENCE_MS. */
static const struct dist_overview_node *
await_node(struct fixture *f, unsigned number,
           bool (*is_wanted)(const struct dist_overview_node *node))
{
	int64_t until_ns = dist_deadline_in_ms(PATIENCE_MS);
	const struct dist_overview_node *node;

	do {
		assert_false(dist_deadline_passed(until_ns));
		sched_yield();
		look(f);
		node = find_node(f, number);
	} while (!node || !is_wanted(node));
	return node;
}

static const struct dist_procedure_stats *
find_procedure(const struct dist_node_stats *node, const char *name)
{
	for (size_t i = 0; node && i < node->n_procedures; i++) {
		if (node->procedures[i]->procedure_name &&
		    !strcmp(node->procedures[i]->procedure_name, name))
			return node->procedures[i];
	}
	return NULL;
}

static uint64_t
n_asked(const struct dist_node_stats *node)
{
	const struct dist_procedure_stats *stats =
		find_procedure(node, "DIST_NODE_STATS");

	return stats ? dist_counters_value(&stats->counters, "calls") : 0;
}

static bool
has_answered(const struct dist_overview_node *node)
{
	return node->stats != NULL;
}

static bool
has_answered_often(const struct dist_overview_node *node)
{
	return n_asked(node->stats) >= 3;
}

static bool
has_failed(const struct dist_overview_node *node)
{
	return node->stats_error != NULL;
}

static bool
has_kept_silent(const struct dist_overview_node *node)
{
	return has_failed(node) &&
	       strstr(node->stats_error, dist_error_string(DIST_EDEADLINE));
}

static bool
is_gone(const struct dist_overview_node *node)
{
	return node->state == DIST_OVERVIEW_GONE;
}

/* --- What is seen ----------------------------------------------------------------- */

static void
test_a_node_is_shown_with_what_it_serves_and_counts(void **state)
{
	const struct dist_overview_node *node;
	struct fixture *f = *state;
	struct handmade made;

	handmade_open(&made, &f->registry, 1);
	assert_int_equal(handmade_register(&made), DIST_REGISTRY_OK);
	node = await_node(f, 1, has_answered);
	assert_int_equal(node->state, DIST_OVERVIEW_LIVE);
	assert_string_equal(node->address, node->name);
	assert_int_equal(node->n_services, 1);
	assert_string_equal(node->services[0].program_name, "HOLLOW_PROG");
	assert_int_equal(node->capacity, 1);
	assert_null(node->stats_error);
	assert_true(node->stats_age_ms >= 0);
	/* Which process answered is checked by its instance. */
	assert_memory_equal(node->stats->instance, node->instance, 16);
	assert_int_equal(dist_counters_value(&node->stats->counters, "capacity"), 1);
	assert_non_null(find_procedure(node->stats, "DIST_NODE_PING"));
	handmade_close(&made);
}

static void
test_a_node_is_asked_again_and_again(void **state)
{
	const struct dist_overview_node *node;
	struct fixture *f = *state;
	struct handmade made;

	handmade_open(&made, &f->registry, 1);
	assert_int_equal(handmade_register(&made), DIST_REGISTRY_OK);
	node = await_node(f, 1, has_answered_often);
	assert_true(node->recent.interval_ns > 0);
	/* The framework's own calls are none of its work. */
	assert_int_equal(node->recent.calls, 0);
	handmade_close(&made);
}

static void
test_an_overview_outlives_what_it_shows(void **state)
{
	struct fixture *f = *state;
	struct dist_overview *kept;
	struct handmade made;

	handmade_open(&made, &f->registry, 1);
	assert_int_equal(handmade_register(&made), DIST_REGISTRY_OK);
	(void)await_node(f, 1, has_answered_often);
	kept = DIST_TAKE(f->overview);
	handmade_kill(&made);
	(void)await_node(f, 1, is_gone);
	assert_int_equal(kept->nodes[0].state, DIST_OVERVIEW_LIVE);
	assert_true(n_asked(kept->nodes[0].stats) > 0);
	dist_overview_free(kept);
	handmade_close(&made);
}

static void
test_totals_keep_what_a_node_did_that_is_gone(void **state)
{
	struct fixture *f = *state;
	struct dist_stats *before, *after;
	struct handmade made;

	handmade_open(&made, &f->registry, 1);
	assert_int_equal(handmade_register(&made), DIST_REGISTRY_OK);
	(void)await_node(f, 1, has_answered_often);
	assert_ok(dist_master_totals(&before, f->registry.master));
	handmade_kill(&made);
	assert_null(await_node(f, 1, is_gone)->stats);
	assert_ok(dist_master_totals(&after, f->registry.master));
	assert_true(n_asked(before->nodes[0]) >= 3);
	assert_true(n_asked(after->nodes[0]) >= n_asked(before->nodes[0]));
	dist_stats_free(before);
	dist_stats_free(after);
	handmade_close(&made);
}

static void
test_the_master_asks_itself_as_well(void **state)
{
	int64_t until_ns = dist_deadline_in_ms(PATIENCE_MS);
	struct fixture *f = *state;

	do {
		assert_false(dist_deadline_passed(until_ns));
		sched_yield();
		look(f);
	} while (n_asked(f->overview->self) < 2);
	assert_true(f->overview->self_age_ms >= 0);
	assert_int_equal(f->overview->n_nodes, 0);
}

/* --- What goes wrong -------------------------------------------------------------- */

/* Whatever listens at the node's port from now on. */
static struct dist_listeners
replace_with_silence(struct handmade *made)
{
	struct dist_listeners silence;
	char address[64];

	snprintf(address, sizeof(address), "127.0.0.1:%u",
	         dist_server_listeners(made->server)->port);
	dist_server_stop(DIST_TAKE(made->server));
	assert_ok(dist_listeners_open(&silence, address, 0));
	return silence;
}

static void
test_a_silent_node_costs_the_others_nothing(void **state)
{
	const struct dist_overview_node *node;
	struct fixture *f = *state;
	struct dist_listeners silence;
	struct handmade mute, other;
	uint64_t asked;

	handmade_open(&mute, &f->registry, 1);
	handmade_open(&other, &f->registry, 2);
	assert_int_equal(handmade_register(&mute), DIST_REGISTRY_OK);
	assert_int_equal(handmade_register(&other), DIST_REGISTRY_OK);
	(void)await_node(f, 1, has_answered);

	silence = replace_with_silence(&mute);
	asked = n_asked(await_node(f, 2, has_answered)->stats);
	/* Between the two who came was refused, which is another failure. */
	node = await_node(f, 1, has_kept_silent);
	assert_int_equal(node->state, DIST_OVERVIEW_LIVE);
	assert_non_null(node->stats); /* the last answer is still shown */
	assert_int_equal(node->recent.interval_ns, 0);
	/* It took seconds to be sure; the other was asked again and again. */
	node = find_node(f, 2);
	assert_null(node->stats_error);
	assert_true(n_asked(node->stats) > asked + 2);
	dist_listeners_close(&silence);
	handmade_close(&mute);
	handmade_close(&other);
}

static void
test_another_process_at_the_address_is_not_believed(void **state)
{
	struct dist_server_options options = { .workers = 1, .instance = { 9 } };
	const struct dist_overview_node *node;
	struct fixture *f = *state;
	struct handmade made;
	char address[64];

	handmade_open(&made, &f->registry, 1);
	assert_int_equal(handmade_register(&made), DIST_REGISTRY_OK);
	(void)await_node(f, 1, has_answered);
	snprintf(address, sizeof(address), "127.0.0.1:%u",
	         dist_server_listeners(made.server)->port);
	options.listen = address;
	dist_server_stop(DIST_TAKE(made.server));
	assert_ok(dist_server_open(&made.server, &options));
	assert_ok(dist_server_start(made.server));
	node = await_node(f, 1, has_failed);
	assert_int_not_equal(node->stats->instance[0], 9);
	handmade_close(&made);
}

static void
test_what_there_is_no_room_for_is_left_out(void **state)
{
	const struct dist_overview_node *node;
	struct fixture *f = *state;
	struct handmade made;

	handmade_open(&made, &f->registry, 1);
	assert_int_equal(handmade_register(&made), DIST_REGISTRY_OK);
	node = await_node(f, 1, has_failed);
	assert_null(node->stats);
	assert_non_null(strstr(node->stats_error, "max_stats_bytes"));
	assert_int_equal(node->state, DIST_OVERVIEW_LIVE);
	handmade_close(&made);
}

static void
test_nobody_is_asked_unless_told(void **state)
{
	struct fixture *f = *state;
	struct dist_stats *totals;
	struct handmade made;

	handmade_open(&made, &f->registry, 1);
	assert_int_equal(handmade_register(&made), DIST_REGISTRY_OK);
	look(f);
	assert_int_equal(f->overview->n_nodes, 1);
	assert_null(f->overview->nodes[0].stats);
	assert_int_equal(f->overview->nodes[0].stats_age_ms, -1);
	assert_null(f->overview->self);
	assert_int_equal(dist_master_totals(&totals, f->registry.master), DIST_EINVAL);
	assert_non_null(strstr(dist_error_text(), "stats_ms"));
	handmade_close(&made);
}

static void
test_a_master_ends_while_it_waits_for_an_answer(void **state)
{
	struct fixture *f = *state;
	struct dist_listeners silence;
	struct handmade made;
	uint64_t asked;
	int64_t until_ns = dist_deadline_in_ms(PATIENCE_MS);

	handmade_open(&made, &f->registry, 1);
	assert_int_equal(handmade_register(&made), DIST_REGISTRY_OK);
	(void)await_node(f, 1, has_answered);
	silence = replace_with_silence(&made);
	asked = n_asked(f->overview->self);
	/* By the time it has asked itself so often it has asked the silent one. */
	do {
		assert_false(dist_deadline_passed(until_ns));
		sched_yield();
		look(f);
	} while (n_asked(f->overview->self) < asked + 5);
	handmade_close(&made);
	dist_listeners_close(&silence);
}

#define WITH(test, begin) cmocka_unit_test_setup_teardown(test, begin, teardown)

static const struct CMUnitTest tests[] = {
	WITH(test_a_node_is_shown_with_what_it_serves_and_counts, setup),
	WITH(test_a_node_is_asked_again_and_again, setup),
	WITH(test_an_overview_outlives_what_it_shows, setup),
	WITH(test_totals_keep_what_a_node_did_that_is_gone, setup),
	WITH(test_the_master_asks_itself_as_well, setup),
	WITH(test_a_silent_node_costs_the_others_nothing, setup),
	WITH(test_another_process_at_the_address_is_not_believed, setup),
	WITH(test_what_there_is_no_room_for_is_left_out, setup_without_room),
	WITH(test_nobody_is_asked_unless_told, setup_without_asking),
	WITH(test_a_master_ends_while_it_waits_for_an_answer, setup),
};

CHECK_MAIN(tests)
