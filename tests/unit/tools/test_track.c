/* distctl watch: what masters' views come to. Times are ours. */
#include "support/check.h"

#include "distctl/track.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 1024

/* Two masters, and the events so far as text: "+a" a node, "~a" drains, "-a:why" gone,
 * "+7/1" and "-7/1" a service. */
struct fixture {
	struct track *track;
	char text[TEXT_MAX];
};

static void
on_event(const struct track_event *event, void *arg)
{
	struct fixture *fixture = arg;
	size_t used = strlen(fixture->text);
	char *end = fixture->text + used;
	size_t room = sizeof(fixture->text) - used;
	const char *space = used ? " " : "";

	switch (event->kind) {
	case TRACK_NODE_REGISTERED:
		if (event->away_ms >= 0)
			snprintf(end, room, "%s+%s(%lld)", space, event->node->name,
			         (long long)event->away_ms);
		else
			snprintf(end, room, "%s+%s", space, event->node->name);
		break;
	case TRACK_NODE_DRAINING:
		snprintf(end, room, "%s~%s", space, event->node->name);
		break;
	case TRACK_NODE_GONE:
		snprintf(end, room, "%s-%s:%s", space, event->node->name,
		         event->why ? event->why : "?");
		break;
	default:
		snprintf(end, room, "%s%c%u/%u", space,
		         event->kind == TRACK_SERVICE_GONE ? '-' : '+',
		         event->service->prog, event->service->vers);
	}
}

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->track = track_new(2, on_event, fixture);
	assert_non_null(fixture->track);
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;

	track_free(fixture->track);
	free(fixture);
	return 0;
}

/* The events since the last time. */
static void
assert_events(struct fixture *fixture, const char *wanted)
{
	assert_string_equal(fixture->text, wanted);
	fixture->text[0] = '\0';
}

/* "a7": node a, which serves program 7; "a7~" drains, "a7-why" is gone. */
static void
fill_node(dist_node_entry *node, const char *word)
{
	const char *state = word + 2;

	memset(node, 0, sizeof(*node));
	node->instance[0] = word[0];
	node->name = strndup(word, 1);
	node->capacity = 1;
	node->services.services_val = calloc(1, sizeof(dist_service_entry));
	node->services.services_len = 1;
	node->services.services_val[0] = (dist_service_entry){
		(u_int)(word[1] - '0'), 1, strdup("P"), strdup("V")
	};
	node->state = !*state         ? DIST_NODE_LIVE
	              : *state == '~' ? DIST_NODE_DRAINING
	                              : DIST_NODE_GONE;
	if (node->state != DIST_NODE_GONE)
		return;
	node->attrs.dist_attrs_val = calloc(1, sizeof(dist_attr));
	node->attrs.dist_attrs_len = 1;
	node->attrs.dist_attrs_val[0] =
		(dist_attr){ strdup("gone"), strdup(state + 1) };
}

/* Master @who, in its run @run, tells at @now_ms: all nodes ("= a7 b7"), or changes. */
static void
tell_as(struct fixture *fixture, size_t who, char run, const char *words, bool quiet,
        int64_t now_ms)
{
	dist_view view = { .lease_ms = 3000 };
	char copy[256], *rest = copy, *word;

	memset(view.master, run, sizeof(view.master));
	snprintf(copy, sizeof(copy), "%s", words);
	view.nodes.dist_node_entries_val = calloc(16, sizeof(dist_node_entry));
	while ((word = strsep(&rest, " "))) {
		if (strcmp(word, "=") == 0)
			view.full = TRUE;
		else if (*word)
			fill_node(&view.nodes.dist_node_entries_val
			                   [view.nodes.dist_node_entries_len++],
			          word);
	}
	assert_true(track_view(fixture->track, who, &view, quiet, now_ms));
	xdr_free((xdrproc_t)xdr_dist_view, &view);
}

static void
tell(struct fixture *fixture, size_t who, const char *words, int64_t now_ms)
{
	tell_as(fixture, who, who ? 'B' : 'A', words, false, now_ms);
}

static void
test_what_is_there_at_the_start_is_no_event(void **state)
{
	struct fixture *fixture = *state;

	tell_as(fixture, 0, 'A', "= a7 b8", true, 0);
	assert_events(fixture, "");
	assert_int_equal(track_n_nodes(fixture->track), 2);
	tell(fixture, 0, "c7", 10);
	assert_events(fixture, "+c");
}

static void
test_a_node_comes_drains_leaves_and_comes_back(void **state)
{
	struct fixture *fixture = *state;

	tell_as(fixture, 0, 'A', "=", true, 0);
	tell(fixture, 0, "a7", 10);
	assert_events(fixture, "+a +7/1");
	tell(fixture, 0, "a7~", 20);
	assert_events(fixture, "~a -7/1");
	assert_int_equal(track_n_nodes(fixture->track), 1);
	tell(fixture, 0, "a7-left", 30);
	assert_events(fixture, "-a:left");
	assert_int_equal(track_n_nodes(fixture->track), 0);
	tell(fixture, 0, "a7", 530);
	assert_events(fixture, "+a(500) +7/1");
}

static void
test_a_lost_node_says_why(void **state)
{
	struct fixture *fixture = *state;

	tell_as(fixture, 0, 'A', "= a7 b7", true, 0);
	tell(fixture, 0, "a7-lease-expired", 10);
	assert_events(fixture, "-a:lease-expired");
	tell(fixture, 0, "b7-silent", 20);
	assert_events(fixture, "-b:silent -7/1");
}

/* Changes are gathered: it may have come and gone since the last view. */
static void
test_one_that_came_and_went_is_told_of(void **state)
{
	struct fixture *fixture = *state;

	tell_as(fixture, 0, 'A', "=", true, 0);
	tell(fixture, 0, "a7-left", 10);
	assert_events(fixture, "+a -a:left");
}

static void
test_a_node_that_serves_something_else_registers_anew(void **state)
{
	struct fixture *fixture = *state;

	tell_as(fixture, 0, 'A', "= a7", true, 0);
	tell(fixture, 0, "a8", 10);
	assert_events(fixture, "+a -7/1 +8/1");
	tell(fixture, 0, "a8", 20);
	assert_events(fixture, "");
}

/* Each thing is told once, though both masters tell of it. */
static void
test_two_masters_are_one_cluster(void **state)
{
	struct fixture *fixture = *state;

	tell_as(fixture, 0, 'A', "= a7", true, 0);
	tell_as(fixture, 1, 'B', "= a7", true, 0);
	tell(fixture, 0, "b7", 10);
	tell(fixture, 1, "b7", 20);
	assert_events(fixture, "+b");
	tell(fixture, 1, "b7~", 30);
	tell(fixture, 0, "b7~", 40);
	assert_events(fixture, "~b");
	tell(fixture, 0, "b7-left", 50);
	assert_events(fixture, "");
	tell(fixture, 1, "b7-left", 60);
	assert_events(fixture, "-b:left");
}

/* An order to drain reaches one master first, and that one may forget the node first. */
static void
test_a_draining_node_never_looks_live_again(void **state)
{
	struct fixture *fixture = *state;

	tell_as(fixture, 0, 'A', "= a7", true, 0);
	tell_as(fixture, 1, 'B', "= a7", true, 0);
	tell(fixture, 0, "a7~", 10);
	assert_events(fixture, "~a -7/1");
	tell(fixture, 0, "a7-left", 20);
	assert_events(fixture, "");
	tell(fixture, 1, "a7-left", 30);
	assert_events(fixture, "-a:left");
}

static void
test_what_a_lost_master_told_counts_until_another_knows_better(void **state)
{
	struct fixture *fixture = *state;

	tell_as(fixture, 0, 'A', "= a7 b7", true, 0);
	tell_as(fixture, 1, 'B', "= a7", true, 0);
	track_lost(fixture->track, 0, 10);
	assert_events(fixture, "");
	tell(fixture, 1, "a7-silent", 20);
	assert_events(fixture, "-a:silent");
	tell(fixture, 1, "c7", 30);
	assert_events(fixture, "+c");
	assert_int_equal(track_n_nodes(fixture->track), 2);
}

/* It was away when they came: it knows them from then on, and they are no news. */
static void
test_a_master_that_comes_back_tells_what_it_knew(void **state)
{
	struct fixture *fixture = *state;

	tell_as(fixture, 0, 'A', "= a7", true, 0);
	track_lost(fixture->track, 0, 10);
	tell(fixture, 0, "b7", 20);
	assert_events(fixture, "+b");
}

static void
test_nodes_have_a_lease_to_find_a_master_that_started_anew(void **state)
{
	struct fixture *fixture = *state;

	tell_as(fixture, 0, 'A', "= a7 b8", true, 0);
	track_lost(fixture->track, 0, 10);
	tell_as(fixture, 0, 'C', "=", false, 100);
	assert_events(fixture, "");
	assert_int_equal(track_tick(fixture->track, 101), 3100);
	tell_as(fixture, 0, 'C', "a7", false, 500);
	assert_int_equal(track_tick(fixture->track, 3099), 3100);
	assert_events(fixture, "");
	assert_int_equal(track_tick(fixture->track, 3100), INT64_MAX);
	assert_events(fixture, "-b:missing -8/1");
}

/* A master may have forgotten too much to say what changed: then all is told. */
static void
test_what_is_not_in_a_full_view_is_gone(void **state)
{
	struct fixture *fixture = *state;

	tell_as(fixture, 0, 'A', "= a7 b7", true, 0);
	tell(fixture, 0, "= b7 c7", 10);
	assert_events(fixture, "+c -a:missing");
}

static void
test_old_gone_nodes_are_forgotten(void **state)
{
	struct fixture *fixture = *state;
	char word[] = "a7-left";

	tell_as(fixture, 0, 'A', "=", true, 0);
	tell(fixture, 0, word, 0);
	for (int i = 0; i < 5000; i++) {
		dist_view view = { .full = FALSE };
		dist_node_entry node;

		fill_node(&node, "x7-left");
		memcpy(node.instance + 1, &i, sizeof(i));
		memset(view.master, 'A', sizeof(view.master));
		view.nodes.dist_node_entries_val = &node;
		view.nodes.dist_node_entries_len = 1;
		assert_true(track_view(fixture->track, 0, &view, true, 10));
		xdr_free((xdrproc_t)xdr_dist_node_entry, &node);
	}
	fixture->text[0] = '\0';
	tell(fixture, 0, "a7", 20);
	assert_events(fixture, "+a +7/1");
}

#define TRACK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	TRACK_TEST(test_what_is_there_at_the_start_is_no_event),
	TRACK_TEST(test_a_node_comes_drains_leaves_and_comes_back),
	TRACK_TEST(test_a_lost_node_says_why),
	TRACK_TEST(test_one_that_came_and_went_is_told_of),
	TRACK_TEST(test_a_node_that_serves_something_else_registers_anew),
	TRACK_TEST(test_two_masters_are_one_cluster),
	TRACK_TEST(test_a_draining_node_never_looks_live_again),
	TRACK_TEST(test_what_a_lost_master_told_counts_until_another_knows_better),
	TRACK_TEST(test_a_master_that_comes_back_tells_what_it_knew),
	TRACK_TEST(test_nodes_have_a_lease_to_find_a_master_that_started_anew),
	TRACK_TEST(test_what_is_not_in_a_full_view_is_gone),
	TRACK_TEST(test_old_gone_nodes_are_forgotten),
};

CHECK_MAIN(tests)
