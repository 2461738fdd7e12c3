/*
 * Nodes that fail much more than the others do, by lost connections and by deadlines that
 * pass, are set aside: they are picked only where no other node will do. After a while one
 * call goes there to see; when that is answered the node is as good as any, and else it
 * stays aside for twice as long.
 *
 *   IN --> ASIDE --> TRYING --> IN
 *            ^          |
 *            +----------+
 *
 *   IN     -> ASIDE   [outlier_judge]          it fails much more than the others
 *   ASIDE  -> TRYING  [dist_outlier_picked]    its time is over, and a call was picked for it
 *   TRYING -> IN      [outlier_see]            a call was answered there
 *   TRYING -> ASIDE   [outlier_see]            one failed; or none ended for a long time:
 *                                              then another call may see, at once
 *
 * What failing much more means is judged now and then, while calls fail, from counts that
 * are kept anyway; time is an argument. The owner of the nodes guards all of it.
 */
#ifndef DIST_CLIENT_OUTLIER_H
#define DIST_CLIENT_OUTLIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How often to judge, and how far back failures are counted. */
#define DIST_OUTLIER_TICK_NS   INT64_C(250000000)
#define DIST_OUTLIER_WINDOW_NS INT64_C(10000000000)
/* Aside for so long at first, and at most. */
#define DIST_OUTLIER_FIRST_NS INT64_C(1000000000)
#define DIST_OUTLIER_MAX_NS   INT64_C(60000000000)
/* Fewer failures are chance, and so is a smaller share of all its calls, in percent. */
#define DIST_OUTLIER_FAILED_MIN  5u
#define DIST_OUTLIER_PERCENT_MIN 20u
/* Its share of failed calls is so many times that of the better half of all nodes. */
#define DIST_OUTLIER_TIMES 4u

enum dist_outlier_state {
	DIST_OUTLIER_IN,
	DIST_OUTLIER_ASIDE,
	DIST_OUTLIER_TRYING,
};

/* How many calls ended at a node since it was first called. */
struct dist_outlier_counts {
	uint64_t answered, failed;
};

/* Of one node; zero at first. */
struct dist_outlier {
	enum dist_outlier_state state;
	struct dist_outlier_counts from; /* what is counted from: it grew since */
	int64_t until_ns;   /* ASIDE: then it is tried. TRYING: then another call may try it.
	                     * IN: then it has been well for long enough to forget n_times */
	unsigned n_times;   /* it was set aside in a row */
};

/* One node as it is judged. */
struct dist_outlier_look {
	struct dist_outlier *outlier;
	struct dist_outlier_counts now;
	struct dist_outlier_counts grown; /* the judge's */
	void *node;                       /* the owner's */
};

/* What became of a node; told under the owner's guard. */
struct dist_outlier_change {
	enum dist_outlier_state state;
	uint64_t n_failed, n_calls; /* IN -> ASIDE: its own, and of those that were counted */
	int64_t aside_ns;           /* for how long; ASIDE alone */
};
typedef void dist_outlier_change_fn(void *node, const struct dist_outlier_change *change,
                                    void *arg);
/* Whether one more of the nodes may be set aside, this one. */
typedef bool dist_outlier_may_fn(void *node, void *arg);

/* Judges all of a cluster's nodes. */
struct dist_outliers {
	int64_t window_ends_ns; /* 0: nothing has failed lately, nothing is counted */
	bool failed_lately;     /* in this window */
};

/* Nothing is to be done until another call fails. */
static inline bool
dist_outliers_are_quiet(const struct dist_outliers *outliers)
{
	return outliers->window_ends_ns == 0;
}

/*
 * A round, every DIST_OUTLIER_TICK_NS, from the first failure on until all is quiet. It
 * puts @looks in another order.
 */
void dist_outliers_judge(struct dist_outliers *outliers,
                         struct dist_outlier_look *looks, size_t n, int64_t now_ns,
                         dist_outlier_may_fn *may, dist_outlier_change_fn *changed,
                         void *arg);

/* Whether another node is better. */
static inline bool
dist_outlier_rests(const struct dist_outlier *outlier, int64_t now_ns)
{
	return outlier->state == DIST_OUTLIER_TRYING ||
	       (outlier->state == DIST_OUTLIER_ASIDE && now_ns < outlier->until_ns);
}

/* A call goes there. True: it is the one that tries it. */
bool dist_outlier_picked(struct dist_outlier *outlier, struct dist_outlier_counts now,
                         int64_t now_ns);

#endif
