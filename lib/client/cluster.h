/*
 * Inside of a cluster: the view of who is alive (members.c), whom to pick (pick.c), one
 * follower thread for each master (follow.c), and a keeper thread for what is due now
 * and then (keeper.c).
 */
#ifndef DIST_CLIENT_CLUSTER_H
#define DIST_CLIENT_CLUSTER_H

#include <dist/cluster.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/mutex.h"
#include "client/account.h"
#include "client/budget.h"
#include "client/members.h"
#include "client/peer_internal.h"
#include "client/route.h"
#include "client/view_source.h"

/* Masters that one cluster can follow: a bit each in struct dist_member. */
#define DIST_FOLLOWERS_MAX 32

struct dist_follower;

struct dist_cluster {
	struct dist_route route; /* CLIENTs and calls hold it */

	/* Set while opening, then read-only. */
	struct dist_cluster_options options;
	char *masters; /* as given, for error texts; "" */
	uint8_t instance[16]; /* in accounts: tells it from all other clusters */
	struct dist_follower *followers[DIST_FOLLOWERS_MAX];
	unsigned n_followers;
	pthread_t keeper;
	atomic_bool stopping; /* also stops look-ups */
	atomic_bool troubled; /* calls failed lately: the keeper judges the nodes */

	struct dist_mutex lock; /* guards the rest */
	uint64_t n_started;     /* calls that were picked for once */
	struct dist_budget retries;
	int64_t retries_logged_ns;
	struct dist_outliers outliers;
	struct dist_cond changed; /* on CLOCK_MONOTONIC: the view is another one */
	struct dist_cond due;     /* likewise: there is something for the keeper */
	struct dist_members members;
	unsigned n_views;         /* followers that have had a view */
	bool closed;
	struct dist_list parked;  /* struct dist_call.place_link: they wait for a node */
	struct dist_list reports; /* struct dist_report_due: instances to be probed */
	struct dist_list departed; /* struct dist_departed: see keeper.c */
};

/*
 * As dist_cluster_open_sized(), on a master that is not reached over the network. @source
 * is taken, whatever is returned.
 */
enum dist_err dist_cluster_open_source(struct dist_cluster **ret_cluster,
                                       struct dist_view_source source,
                                       const struct dist_cluster_options *options,
                                       size_t options_size) DIST_MUST_CHECK;

/* pick.c: struct dist_route_ops.room. */
enum dist_err dist_cluster_room(struct dist_route *route, uint32_t prog, uint32_t vers,
                                struct dist_room *ret_room);

/* pick.c: struct dist_route_ops.pick, with the cluster's lock. */
enum dist_err dist_cluster_pick(struct dist_route *route, struct dist_call *call,
                                struct dist_peer **ret_peer) DIST_MUST_CHECK;

/* The view has changed: whoever waits for that looks, and parked calls are placed. */
void dist_cluster_view_changed(struct dist_cluster *cluster);

/* --- follow.c ------------------------------------------------------------------------ */

struct dist_hostport;

/* Follow the master at @master, or @source; borrowed for the follower's life. Given. */
enum dist_err dist_follower_start(struct dist_follower **ret_follower,
                                  struct dist_cluster *cluster, unsigned index,
                                  const struct dist_hostport *master,
                                  const struct dist_view_source *source)
	DIST_MUST_CHECK;
/* End its waiting; then join and free it. */
void dist_follower_interrupt(struct dist_follower *follower);
void dist_follower_free(struct dist_follower *follower);
/* Why it has no view yet, in words; under the cluster's lock. */
const char *dist_follower_trouble_locked(const struct dist_follower *follower);
/* A report to a master of this process; false: its master is reached over the network. */
bool dist_follower_report(struct dist_follower *follower, const dist_id instance);
/* An account to a master of this process; nothing where it is reached over the network. */
void dist_follower_account(struct dist_follower *follower, const dist_account *account);
/* When it tells its master what this cluster counts. */
struct dist_account_turn *dist_follower_turn(struct dist_follower *follower);
/* The master it follows now, with a reference; NULL: none. */
struct dist_peer *dist_follower_master(struct dist_follower *follower);

/* judge.c: set nodes aside that fail much more than the others, and take them back. */
void dist_cluster_judge(struct dist_cluster *cluster);

/* --- keeper.c ------------------------------------------------------------------------ */

void *dist_keeper_main(void *arg);
/* Have the masters probe this instance soon. */
void dist_keeper_report(struct dist_cluster *cluster, const uint8_t instance[16]);
/* A peer left the view; takes its reference. Calls on it go on while it answers. */
void dist_keeper_depart(struct dist_cluster *cluster, struct dist_peer *peer,
                        int64_t lease_ms);
/* All threads are joined: let go of what is left. */
void dist_keeper_fini(struct dist_cluster *cluster);

#endif
