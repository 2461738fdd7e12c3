/*
 * A master's insides: the table, what waits for it, and the one thread that keeps
 * house.
 *
 * Procedures run on the server's threads and only touch the table, under the lock. All
 * that takes longer is left to the house thread (house.c): probes, the end of leases,
 * and the answers to watchers.
 */
#ifndef DIST_MASTER_INTERNAL_H
#define DIST_MASTER_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "base/mutex.h"
#include "client/announce.h"
#include "client/runtime.h"
#include "master/callers.h"
#include "master/gather.h"
#include "master/probe.h"
#include "master/totals.h"
#include "registry/deadlines.h"
#include "registry/table.h"
#include "server/limit.h"
#include "server/server.h"

#include <dist/master.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A WATCH that is held until there is something to tell. */
struct dist_watcher {
	struct dist_deferred *deferred;
	dist_id master;
	uint64_t epoch;
	struct dist_sockaddr seen_at; /* the address by which it reaches this master */
	struct dist_list link;
	struct dist_deadline until;
};

struct dist_master {
	/* Set by dist_master_start(), then read-only. */
	pid_t process; /* that started it: in the child of a fork there are no threads
	                */
	struct dist_master_options options;
	dist_id id;
	struct dist_server *server;
	struct dist_runtime *runtime;
	struct dist_announce *announce;
	/* NULL, all three: nobody asked for statistics. */
	struct dist_totals *totals;
	struct dist_gather *gather;
	struct dist_callers_book *callers;
	pthread_t house;
	bool house_runs;

	struct dist_mutex lock; /* guards all below */
	struct dist_cond work;    /* the house thread has something to do */
	struct dist_cond told; /* @told_epoch has moved: for watchers in this process */
	bool stopping;
	struct dist_table *table;

	struct dist_list queued;   /* probes to be started, registrations first */
	struct dist_list running;  /* by dist_probe.running */
	struct dist_list finished; /* done, to be judged */
	struct dist_map probed;    /* sessions with a probe under way */
	unsigned n_running;
	int64_t next_turn_ns; /* no node is probed just because it is its turn before */
	unsigned n_admitting; /* registrations that wait for their probe, or have it */
	struct dist_limit refusal_limit, watch_limit; /* of log lines */

	struct dist_list watchers;
	struct dist_deadlines holds;
	unsigned n_watchers;
	int64_t grace_ns;    /* no lease ends before: this process stood still */
	int64_t telling_ns;  /* how long it took to tell the last news */
	uint64_t told_epoch; /* watchers were told all up to here */
	int64_t tell_ns; /* when they are told what came since; INT64_MAX: nothing did
	                  */
};

/* --- house.c ------------------------------------------------------------------ */

enum dist_err dist_house_start(struct dist_master *master) DIST_MUST_CHECK;
/* Joins the thread; probes under way end, watchers are answered SYSTEM_ERR. */
void dist_house_stop(struct dist_master *master);

/* The table may have changed: watchers hear of it, deadlines are looked at anew. */
void dist_house_wake_locked(struct dist_master *master) DIST_REQUIRES(&master->lock);

/* Have the node of a session probed, unless it is being probed. @suspect's entry is
 * taken. */
void dist_house_probe_locked(struct dist_master *master, enum dist_probe_kind kind,
                             struct dist_suspect *suspect) DIST_REQUIRES(&master->lock);

/* --- watch.c ------------------------------------------------------------------ */

/* Hold @deferred, which is taken, until there is news or watch->hold_ms are over. */
void dist_watch_hold(struct dist_master *master, struct dist_deferred *deferred,
                     const dist_watch *watch, const struct dist_sockaddr *seen_at);

/* Answer those whose time has come; when to come again. Drops the lock while it sends.
 */
int64_t dist_watch_answer_locked(struct dist_master *master, int64_t now_ns)
	DIST_REQUIRES(&master->lock);

/* Fail them all. */
void dist_watch_end_locked(struct dist_master *master) DIST_REQUIRES(&master->lock);

/* --- viewpoint.c -------------------------------------------------------------- */

/*
 * Show nodes of this host that were seen on loopback at @seen_at, the address by which
 * the asker reaches this master. DIST_ENOMEM.
 */
enum dist_err dist_viewpoint_apply(struct dist_snapshot *snapshot,
                                   const struct dist_sockaddr *seen_at) DIST_MUST_CHECK;

/* --- admit.c ------------------------------------------------------------------ */

/* A registration that came from @peer; @deferred is taken. */
void dist_admit(struct dist_master *master, const dist_registration *as,
                const struct dist_sockaddr *peer, uint64_t origin,
                struct dist_deferred *deferred);

/* Its probe is judged: take it in or refuse it. Takes probe->deferred. Without the
 * lock. */
void dist_admit_judged(struct dist_master *master, struct dist_probe *probe,
                       enum dist_verdict verdict);

/* --- service.c ---------------------------------------------------------------- */

/* A cluster could not reach @instance: it is probed. */
void dist_master_report(struct dist_master *master, const dist_id instance);

#endif
