/*
 * A node's answer is kept until its next one. Several are asked at once (crowd.h).
 */
#include "distctl/gather.h"

#include "distctl/crowd.h"
#include "distctl/callers.h"
#include "distctl/text.h"
#include "distctl/view.h"
#include "program/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_ASKERS 8
#define WHY_MAX  256

/* What a node told, last and before. */
struct subject {
	dist_id instance;
	char *name;
	const char *state;
	char address[TEXT_ADDRESS_MAX]; /* "": its master knows none */
	struct dist_stats *now, *before;
	int64_t now_ns, before_ns;
	char why[WHY_MAX]; /* it did not answer; "": it did */
};

struct subjects {
	struct subject *list; /* in order of instance */
	size_t n;
};

struct gather {
	const struct masters *masters;
	int64_t timeout_ms;
	struct subjects subjects;
};

/* --- Who is there ------------------------------------------------------------------ */

static void
subject_fini(struct subject *subject)
{
	free(subject->name);
	dist_stats_free(subject->now);
	dist_stats_free(subject->before);
}

static void
subjects_fini(struct subjects *subjects)
{
	for (size_t i = 0; i < subjects->n; i++)
		subject_fini(&subjects->list[i]);
	free(subjects->list);
}

static int
compare_instances(const void *left, const void *right)
{
	return memcmp(((const struct subject *)left)->instance,
	              ((const struct subject *)right)->instance, DIST_ID_SIZE);
}

/* What @former, an earlier one of the same instance, was told is @subject's now. */
static void
take_over(struct subject *subject, struct subject *former)
{
	subject->now = former->now;
	subject->now_ns = former->now_ns;
	subject->before = former->before;
	subject->before_ns = former->before_ns;
	former->now = former->before = NULL;
}

static bool
fill_subject(struct subject *subject, const dist_node_entry *node)
{
	memcpy(subject->instance, node->instance, DIST_ID_SIZE);
	subject->name = strdup(node->name);
	subject->state = text_state(node->state);
	if (node->endpoints.endpoints_len > 0)
		text_address(&node->endpoints.endpoints_val[0], subject->address);
	return subject->name != NULL;
}

/* The nodes of @view from now on. False: no memory, they are as before. */
static bool
renew_subjects(struct gather *gather, const struct view *view)
{
	struct subjects new = { calloc(view->n_nodes + 1, sizeof(*new.list)), 0 };
	struct subjects *old = &gather->subjects;
	bool filled = new.list != NULL;

	for (size_t i = 0; filled && i < view->n_nodes; i++)
		filled = fill_subject(&new.list[new.n++], view->nodes[i]);
	if (!filled) {
		subjects_fini(&new);
		return false;
	}
	qsort(new.list, new.n, sizeof(*new.list), compare_instances);
	for (size_t i = 0; i < new.n; i++) {
		struct subject *former = NULL;

		if (old->n > 0)
			former = bsearch(&new.list[i], old->list, old->n,
			                 sizeof(*old->list), compare_instances);
		if (former)
			take_over(&new.list[i], former);
	}
	subjects_fini(old);
	*old = new;
	return true;
}

static void
add_trouble(struct gathered *gathered, const char *who, const char *why)
{
	if (!gathered->trouble[0])
		snprintf(gathered->trouble, sizeof(gathered->trouble), "%s: %s", who, why);
}

/* Who is there, as far as a master answers; else it is as before. And who calls. */
static void
list_nodes(struct gather *gather, struct gathered *gathered)
{
	char why[CALLERS_WHY_MAX];
	struct view view;

	if (view_ask(&view, gather->masters, false) && !renew_subjects(gather, &view))
		add_trouble(gathered, "the nodes", "out of memory");
	for (size_t i = 0; i < view.n_answers; i++) {
		if (view.whys[i])
			add_trouble(gathered, "master", view.whys[i]);
	}
	/* Most masters gather no statistics: that is no trouble. */
	(void)callers_ask(gather->masters, view.answered, &gathered->callers, why);
	view_fini(&view);
}

/* --- Asking ------------------------------------------------------------------------ */

static void
ask(struct gather *gather, struct subject *subject)
{
	struct dist_stats *stats;

	if (!subject->address[0]) {
		snprintf(subject->why, sizeof(subject->why),
		         "its master knows no address of it");
		return;
	}
	if (dist_stats_fetch(&stats, subject->address, gather->timeout_ms)) {
		snprintf(subject->why, sizeof(subject->why), "%s", dist_error_text());
		return;
	}
	if (memcmp(stats->nodes[0]->instance, subject->instance, DIST_ID_SIZE) != 0) {
		snprintf(subject->why, sizeof(subject->why),
		         "another process answers at %s", subject->address);
		dist_stats_free(stats);
		return;
	}
	dist_stats_free(subject->before);
	subject->before = subject->now;
	subject->before_ns = subject->now_ns;
	subject->now = stats;
	subject->now_ns = program_now_ns();
}

static void
ask_one(size_t i, void *arg)
{
	struct gather *gather = arg;

	ask(gather, &gather->subjects.list[i]);
}

static void
ask_all(struct gather *gather)
{
	for (size_t i = 0; i < gather->subjects.n; i++)
		gather->subjects.list[i].why[0] = '\0';
	crowd_ask(gather->subjects.n, N_ASKERS, ask_one, gather);
}

/* --- Rounds ------------------------------------------------------------------------ */

static void
add_subject(struct gathered *gathered, const struct subject *subject)
{
	bool answered = !subject->why[0];

	if (!answered)
		add_trouble(gathered, subject->name, subject->why);
	rates_add(&gathered->rates, subject->name, subject->state,
	          answered && subject->before ? subject->before->nodes[0] : NULL,
	          answered ? subject->now->nodes[0] : NULL,
	          subject->now_ns - subject->before_ns);
}

struct gathered *
gather_next(struct gather *gather)
{
	struct gathered *gathered = calloc(1, sizeof(*gathered));

	if (!gathered)
		return NULL;
	rates_init(&gathered->rates);
	list_nodes(gather, gathered);
	ask_all(gather);
	for (size_t i = 0; i < gather->subjects.n; i++)
		add_subject(gathered, &gather->subjects.list[i]);
	rates_finish(&gathered->rates);
	gathered->time_ms = program_wall_ms();
	return gathered;
}

void
gathered_free(struct gathered *gathered)
{
	if (!gathered)
		return;
	rates_fini(&gathered->rates);
	xdr_free((xdrproc_t)xdr_dist_callers, &gathered->callers);
	free(gathered);
}

struct gather *
gather_new(const struct masters *masters, int64_t timeout_ms)
{
	struct gather *gather = calloc(1, sizeof(*gather));

	if (!gather)
		return NULL;
	gather->masters = masters;
	gather->timeout_ms = timeout_ms;
	return gather;
}

void
gather_free(struct gather *gather)
{
	if (!gather)
		return;
	subjects_fini(&gather->subjects);
	free(gather);
}
