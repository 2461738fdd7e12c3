/*
 * The house thread: sleeps until a deadline or until it is woken, then goes round once.
 *
 * A probe is queued, running or finished; all but registrations are in @probed by their
 * session, so that a node is probed once at a time however many clusters report it.
 * What a verdict means for a registered node:
 *
 *   alive    nothing
 *   dead     gone, at once: nobody listens there, or somebody else does
 *   silent   asked a second time, unless its registration's connection is gone as well;
 *            then gone, unless a heartbeat has come since
 *   unknown  nothing: the fault is ours
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "master/master_internal.h"

#include <stdlib.h>

#define PROBE_MS    2000 /* a node's time to answer */
#define CLOSED_MS   1000 /* when its registration's connection has ended */
#define RUNNING_MAX 256  /* probes at once: each has a descriptor */
#define TURNS_MAX   64   /* of these, for nodes nobody complains of */
/*
 * And no more than fifty such a second, however many nodes there are: they find only
 * nodes that beat and cannot be called, which clusters that try report at once. Each
 * costs as much as a dozen heartbeats.
 */
#define TURN_NS (20 * DIST_NS_PER_MS)
#define STALL_NS    (500 * DIST_NS_PER_MS) /* later than that is no mere delay */
/* Changes are gathered for so long; and for so many times the time that it took to tell
 * the last ones, so that telling is never all that a master does. */
#define GATHER_NS     (3 * DIST_NS_PER_MS)
#define GATHER_MAX_NS (50 * DIST_NS_PER_MS)
#define GATHER_TIMES  4

/* --- Probes ------------------------------------------------------------------- */

static uint64_t
probe_hash(const struct dist_master *master, uint64_t session)
{
	return dist_map_hash(&master->probed, &session, sizeof(session));
}

static struct dist_probe *
find_probe(const struct dist_master *master, uint64_t session)
{
	struct dist_probe *probe;

	DIST_MAP_EACH (probe, &master->probed, probe_hash(master, session),
	               by_session) {
		if (probe->session == session)
			return probe;
	}
	return NULL;
}

static void
probe_free(struct dist_probe *probe)
{
	dist_entry_unref(probe->entry);
	free(probe);
}

void
dist_house_probe_locked(struct dist_master *master, enum dist_probe_kind kind,
                        struct dist_suspect *suspect)
{
	struct dist_probe *probe = NULL, *former = find_probe(master, suspect->session);

	/* The answer may have come before the connection's end: it proves nothing. */
	if (former)
		former->closed_since |= kind == DIST_PROBE_CLOSED;
	if (!former && !master->stopping)
		probe = calloc(1, sizeof(*probe));
	if (!probe) {
		dist_entry_unref(suspect->entry);
		return;
	}
	probe->kind = kind;
	probe->session = suspect->session;
	probe->entry = suspect->entry;
	dist_list_init(&probe->running);
	dist_map_add(&master->probed, &probe->by_session,
	             probe_hash(master, probe->session));
	dist_list_append(&master->queued, &probe->link);
	dist_cond_signal(&master->work);
}

/* On the callback thread, or the house thread where it could not be asked. */
static void
house_on_probe_done(struct dist_probe *probe, void *arg)
{
	struct dist_master *master = arg;

	dist_lock(&master->lock);
	dist_list_append(&master->finished, &probe->link);
	dist_cond_signal(&master->work);
	dist_unlock(&master->lock);
}

/* Start what is queued; the lock is dropped for each. */
static void
house_start_probes_locked(struct dist_master *master) DIST_REQUIRES(&master->lock)
{
	struct dist_list *link;

	while (master->n_running < RUNNING_MAX &&
	       (link = dist_list_pop(&master->queued))) {
		struct dist_probe *probe =
			DIST_CONTAINER_OF(link, struct dist_probe, link);
		int64_t timeout_ms =
			probe->kind == DIST_PROBE_CLOSED ? CLOSED_MS : PROBE_MS;

		master->n_running++;
		dist_list_append(&master->running, &probe->running);
		probe->started_ns = dist_clock_ns();
		dist_unlock(&master->lock);
		dist_probe_start(probe, master->runtime, timeout_ms,
		                 house_on_probe_done, master);
		dist_lock(&master->lock);
	}
}

/* A node whose turn it is; when the next one's is. */
static int64_t
house_take_turns_locked(struct dist_master *master, int64_t now_ns)
	DIST_REQUIRES(&master->lock)
{
	struct dist_suspect suspect;
	int64_t due_ns;

	if (now_ns < master->next_turn_ns)
		return master->next_turn_ns;
	if (master->n_running >= TURNS_MAX)
		return INT64_MAX; /* a probe that ends wakes us */
	if (!dist_table_take_probe(master->table, now_ns, &suspect, &due_ns))
		return due_ns;
	master->next_turn_ns = now_ns + TURN_NS;
	dist_house_probe_locked(master, DIST_PROBE_TURN, &suspect);
	house_start_probes_locked(master);
	return master->next_turn_ns;
}

/* Ask it once more. */
static void
probe_again_locked(struct dist_master *master, struct dist_probe *probe)
	DIST_REQUIRES(&master->lock)
{
	probe->second = true;
	probe->closed_since = false;
	probe->err = DIST_OK;
	dist_map_add(&master->probed, &probe->by_session,
	             probe_hash(master, probe->session));
	dist_list_prepend(&master->queued, &probe->link);
}

static void
judge_silent_locked(struct dist_master *master, struct dist_probe *probe,
                    int64_t now_ns) DIST_REQUIRES(&master->lock)
{
	struct dist_suspect suspect;
	bool beats;

	if (!dist_table_find(master->table, probe->session, &suspect)) {
		probe_free(probe);
		return;
	}
	beats = suspect.heartbeat_ns > probe->started_ns;
	dist_entry_unref(suspect.entry);
	if (!probe->second && (beats || probe->kind != DIST_PROBE_CLOSED)) {
		probe_again_locked(master, probe);
		return;
	}
	if (beats)
		dist_log_warning("node-silent", "name=\"%s\" address=%s why=\"%s\"",
		                 probe->entry->as.name, probe->entry->address,
		                 probe->why);
	else
		(void)dist_table_drop(master->table, probe->session, "silent", now_ns);
	probe_free(probe);
}

static void
judge_registered_locked(struct dist_master *master, struct dist_probe *probe,
                        enum dist_verdict verdict) DIST_REQUIRES(&master->lock)
{
	int64_t now_ns = dist_clock_ns();
	struct dist_suspect suspect;

	dist_log_debug("node-probed", "name=\"%s\" address=%s verdict=%u why=\"%s\"",
	               probe->entry->as.name, probe->entry->address, verdict,
	               probe->why);
	if (verdict == DIST_VERDICT_SILENT) {
		judge_silent_locked(master, probe, now_ns);
		return;
	}
	if (verdict == DIST_VERDICT_DEAD)
		(void)dist_table_drop(master->table, probe->session, "unreachable",
		                      now_ns);
	else if (probe->closed_since &&
	         dist_table_find(master->table, probe->session, &suspect))
		dist_house_probe_locked(master, DIST_PROBE_CLOSED, &suspect);
	probe_free(probe);
}

/* Judge those that are done; the lock is dropped for each. */
static void
house_judge_locked(struct dist_master *master) DIST_REQUIRES(&master->lock)
{
	struct dist_list *link;

	while ((link = dist_list_pop(&master->finished))) {
		struct dist_probe *probe =
			DIST_CONTAINER_OF(link, struct dist_probe, link);
		enum dist_verdict verdict;

		dist_list_remove(&probe->running);
		master->n_running--;
		master->n_admitting -= probe->kind == DIST_PROBE_ADMIT;
		dist_map_remove(&master->probed, &probe->by_session);
		dist_unlock(&master->lock);
		verdict = dist_probe_finish(probe);
		if (probe->kind == DIST_PROBE_ADMIT) {
			dist_admit_judged(master, probe, verdict);
			probe_free(probe);
			probe = NULL;
		}
		dist_lock(&master->lock);
		if (probe)
			judge_registered_locked(master, probe, verdict);
	}
}

/* --- The round ---------------------------------------------------------------- */

static int64_t
house_gather_ns_locked(const struct dist_master *master) DIST_REQUIRES(&master->lock)
{
	int64_t gather_ns = DIST_MAX(GATHER_NS, GATHER_TIMES * master->telling_ns);

	return DIST_MIN(gather_ns, GATHER_MAX_NS);
}

/* Whether there is news to be told, and when: changes are gathered for a moment. */
static void
house_note_changes_locked(struct dist_master *master) DIST_REQUIRES(&master->lock)
{
	if (master->tell_ns == INT64_MAX &&
	    dist_table_epoch(master->table) != master->told_epoch)
		master->tell_ns = dist_clock_ns() + house_gather_ns_locked(master);
}

void
dist_house_wake_locked(struct dist_master *master)
{
	dist_cond_signal(&master->work);
}

static void
house_sleep_locked(struct dist_master *master, int64_t until_ns)
	DIST_REQUIRES(&master->lock)
{
	if (!dist_list_empty(&master->finished) || master->stopping ||
	    (!dist_list_empty(&master->queued) && master->n_running < RUNNING_MAX))
		return;
	(void)dist_cond_wait_until(&master->work, &master->lock, until_ns);
}

/*
 * A process that was stopped (SIGSTOP, a paused machine) finds all leases over at once,
 * while the heartbeats that would have renewed them wait in its sockets. Nothing ends
 * until each node had its time to be heard.
 */
static void
house_note_stall_locked(struct dist_master *master, int64_t due_ns)
	DIST_REQUIRES(&master->lock)
{
	int64_t now_ns = dist_clock_ns();

	if (now_ns - due_ns < STALL_NS)
		return;
	master->grace_ns =
		now_ns + dist_table_longest_lease_ms(master->table) * DIST_NS_PER_MS;
	dist_log_warning("master-stalled", "stalled_ms=%lld",
	                 (long long)((now_ns - due_ns) / DIST_NS_PER_MS));
}

/* End the leases that are over; when the next one is. */
static int64_t
house_expire_locked(struct dist_master *master, int64_t now_ns)
	DIST_REQUIRES(&master->lock)
{
	if (now_ns < master->grace_ns)
		return master->grace_ns;
	return dist_table_expire(master->table, now_ns);
}

/* When to come again. */
static int64_t
house_round_locked(struct dist_master *master) DIST_REQUIRES(&master->lock)
{
	int64_t now_ns, next_ns, turn_ns, watch_ns;

	house_judge_locked(master);
	house_start_probes_locked(master);
	now_ns = dist_clock_ns();
	next_ns = house_expire_locked(master, now_ns);
	turn_ns = house_take_turns_locked(master, now_ns);
	house_note_changes_locked(master);
	watch_ns = dist_watch_answer_locked(master, now_ns);
	house_note_changes_locked(master);
	return DIST_MIN(DIST_MIN(next_ns, turn_ns),
	                DIST_MIN(watch_ns, master->tell_ns));
}

static void *
house_run(void *arg)
{
	struct dist_master *master = arg;

	dist_lock(&master->lock);
	while (!master->stopping) {
		int64_t start_ns = dist_clock_ns();
		int64_t due_ns = house_round_locked(master);

		house_sleep_locked(master, due_ns);
		house_note_stall_locked(master, DIST_MAX(start_ns, due_ns));
	}
	dist_unlock(&master->lock);
	return NULL;
}

/* --- Start and stop ----------------------------------------------------------- */

enum dist_err
dist_house_start(struct dist_master *master)
{
	enum dist_err err =
		dist_thread_start(&master->house, "dist-master", house_run, master);

	master->house_runs = !err;
	return err;
}

/* Nobody is to hear of them any more. */
static void
house_drop_probe(struct dist_probe *probe)
{
	(void)dist_probe_finish(probe);
	dist_deferred_fail(probe->deferred);
	probe_free(probe);
}

static void
house_end_probes(struct dist_master *master)
{
	struct dist_probe *probe, *next;
	struct dist_list *link;

	dist_lock(&master->lock);
	while ((link = dist_list_pop(&master->queued))) {
		probe = DIST_CONTAINER_OF(link, struct dist_probe, link);
		dist_map_remove(&master->probed, &probe->by_session);
		dist_unlock(&master->lock);
		house_drop_probe(probe);
		dist_lock(&master->lock);
	}
	/* Only we take probes off @running now, so the lock may be dropped in between.
	 */
	DIST_LIST_EACH (probe, next, &master->running, running) {
		dist_unlock(&master->lock);
		dist_probe_cancel(probe);
		dist_lock(&master->lock);
	}
	while (master->n_running) {
		while (dist_list_empty(&master->finished))
			dist_cond_wait(&master->work, &master->lock);
		probe = DIST_CONTAINER_OF(dist_list_pop(&master->finished),
		                          struct dist_probe, link);
		dist_list_remove(&probe->running);
		dist_map_remove(&master->probed, &probe->by_session);
		master->n_running--;
		dist_unlock(&master->lock);
		house_drop_probe(probe);
		dist_lock(&master->lock);
	}
	dist_unlock(&master->lock);
}

void
dist_house_stop(struct dist_master *master)
{
	dist_lock(&master->lock);
	master->stopping = true;
	dist_cond_signal(&master->work);
	dist_cond_broadcast(&master->told);
	dist_unlock(&master->lock);
	if (master->house_runs)
		pthread_join(master->house, NULL);
	house_end_probes(master);
	dist_lock(&master->lock);
	dist_watch_end_locked(master);
	dist_unlock(&master->lock);
}
