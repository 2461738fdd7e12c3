#include "client/outlier.h"

#include <stdlib.h>

#include "base/cleanup.h"

static uint64_t
counts_all(const struct dist_outlier_counts *counts)
{
	return counts->answered + counts->failed;
}

/* Without calls to others there is nothing to be worse than. */
static bool
counts_are_much_worse(const struct dist_outlier_counts *own,
                      const struct dist_outlier_counts *others)
{
	if (own->failed < DIST_OUTLIER_FAILED_MIN || !others->answered)
		return false;
	return own->failed * 100 >= counts_all(own) * DIST_OUTLIER_PERCENT_MIN &&
	       own->failed * counts_all(others) >=
	               DIST_OUTLIER_TIMES * others->failed * counts_all(own);
}

static void
outlier_set_aside(const struct dist_outlier_look *look, int64_t now_ns,
                  struct dist_outlier_change *change)
{
	struct dist_outlier *outlier = look->outlier;
	unsigned doublings = DIST_MIN(outlier->n_times, 6);

	change->state = outlier->state = DIST_OUTLIER_ASIDE;
	change->aside_ns = DIST_MIN(DIST_OUTLIER_FIRST_NS << doublings, DIST_OUTLIER_MAX_NS);
	outlier->until_ns = now_ns + change->aside_ns;
	outlier->n_times++;
}

/* One that is aside or tried; true: it has changed. */
static bool
outlier_see(const struct dist_outlier_look *look, int64_t now_ns,
            struct dist_outlier_change *change)
{
	struct dist_outlier *outlier = look->outlier;

	if (outlier->state != DIST_OUTLIER_TRYING)
		return false;
	if (look->grown.failed) {
		outlier_set_aside(look, now_ns, change);
		return true;
	}
	if (!look->grown.answered) {
		/* It may be a call of days. */
		if (now_ns >= outlier->until_ns)
			outlier->state = DIST_OUTLIER_ASIDE;
		return false;
	}
	change->state = outlier->state = DIST_OUTLIER_IN;
	outlier->from = look->now;
	outlier->until_ns = now_ns + DIST_OUTLIER_WINDOW_NS;
	return true;
}

/* One that serves like others; @better: the better half of these. */
static bool
outlier_judge(const struct dist_outlier_look *look,
              const struct dist_outlier_counts *better, int64_t now_ns,
              struct dist_outlier_change *change)
{
	if (look->outlier->n_times && now_ns >= look->outlier->until_ns)
		look->outlier->n_times = 0;
	if (!counts_are_much_worse(&look->grown, better))
		return false;
	change->n_failed = look->grown.failed;
	change->n_calls = counts_all(&look->grown);
	return true;
}

/* From now on it is counted anew, but for those that are being tried. */
static void
outliers_begin_window(struct dist_outliers *outliers, const struct dist_outlier_look *looks,
                      size_t n, int64_t now_ns)
{
	outliers->window_ends_ns = now_ns + DIST_OUTLIER_WINDOW_NS;
	outliers->failed_lately = false;
	for (size_t i = 0; i < n; i++) {
		if (looks[i].outlier->state == DIST_OUTLIER_IN)
			looks[i].outlier->from = looks[i].now;
	}
}

/* Those that are in use first, and among them those of which less fails. */
static int
look_compare(const void *a, const void *b)
{
	const struct dist_outlier_look *left = a, *right = b;
	bool left_out = left->outlier->state != DIST_OUTLIER_IN || !counts_all(&left->grown);
	bool right_out = right->outlier->state != DIST_OUTLIER_IN ||
	                 !counts_all(&right->grown);
	uint64_t of_left, of_right;

	if (left_out || right_out)
		return left_out - right_out;
	of_left = left->grown.failed * counts_all(&right->grown);
	of_right = right->grown.failed * counts_all(&left->grown);
	return (of_left > of_right) - (of_left < of_right);
}

/* What was counted since; the better half of those in use together; how many are not. */
static struct dist_outlier_counts
outliers_look(struct dist_outliers *outliers, struct dist_outlier_look *looks, size_t n,
              size_t *ret_aside)
{
	struct dist_outlier_counts better = { 0 };
	size_t n_used = 0;

	*ret_aside = 0;
	for (size_t i = 0; i < n; i++) {
		struct dist_outlier_look *look = &looks[i];

		look->grown.answered = look->now.answered - look->outlier->from.answered;
		look->grown.failed = look->now.failed - look->outlier->from.failed;
		*ret_aside += look->outlier->state != DIST_OUTLIER_IN;
		n_used += look->outlier->state == DIST_OUTLIER_IN &&
		          counts_all(&look->grown) > 0;
		outliers->failed_lately = outliers->failed_lately || look->grown.failed;
	}
	qsort(looks, n, sizeof(*looks), look_compare);
	for (size_t i = 0; i < (n_used + 1) / 2; i++) {
		better.answered += looks[i].grown.answered;
		better.failed += looks[i].grown.failed;
	}
	outliers->failed_lately = outliers->failed_lately || *ret_aside;
	return better;
}

void
dist_outliers_judge(struct dist_outliers *outliers, struct dist_outlier_look *looks,
                    size_t n, int64_t now_ns, dist_outlier_may_fn *may,
                    dist_outlier_change_fn *changed, void *arg)
{
	struct dist_outlier_counts better;
	size_t n_aside;

	/* One that joins is counted from then on. */
	if (dist_outliers_are_quiet(outliers)) {
		outliers_begin_window(outliers, looks, n, now_ns);
		outliers->failed_lately = true;
		return;
	}
	better = outliers_look(outliers, looks, n, &n_aside);
	/* From the worst on. */
	for (size_t i = n; i-- > 0;) {
		struct dist_outlier_change change = { 0 };

		if (looks[i].outlier->state != DIST_OUTLIER_IN) {
			if (outlier_see(&looks[i], now_ns, &change))
				changed(looks[i].node, &change, arg);
		} else if (outlier_judge(&looks[i], &better, now_ns, &change) &&
		           2 * (n_aside + 1) <= n && may(looks[i].node, arg)) {
			n_aside++;
			outlier_set_aside(&looks[i], now_ns, &change);
			changed(looks[i].node, &change, arg);
		}
	}
	if (now_ns < outliers->window_ends_ns)
		return;
	if (outliers->failed_lately)
		outliers_begin_window(outliers, looks, n, now_ns);
	else
		outliers->window_ends_ns = 0;
}

bool
dist_outlier_picked(struct dist_outlier *outlier, struct dist_outlier_counts now,
                    int64_t now_ns)
{
	if (outlier->state != DIST_OUTLIER_ASIDE || now_ns < outlier->until_ns)
		return false;
	outlier->state = DIST_OUTLIER_TRYING;
	outlier->from = now;
	outlier->until_ns = now_ns + DIST_OUTLIER_WINDOW_NS;
	return true;
}
