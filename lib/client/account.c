#include "client/account.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "client/cluster.h"
#include "client/runtime_internal.h"
#include "client/stats.h"
#include "wire/stats.h"

/* A program that ends waits for its masters so long, if they do not answer. */
#define LAST_MS 500
/* After one that did not come through. Should the connection have ended because of it, the
 * cluster's view must not suffer more than now and then. */
#define LATER_MS 60000
/* The follower waits for an answer: it looks at nothing else meanwhile. */
#define TELL_MS 2000

#define HOST_TEXT_MAX 65

/* No number of calls: the first account is told at once, even if it has none, since the
 * answer says whether there is to be another. */
#define NOTHING_TOLD UINT64_MAX

static struct dist_client_counts *
counts_of(struct dist_cluster *cluster)
{
	return dist_runtime_counts(cluster->route.runtime);
}

/* --- An account ---------------------------------------------------------------------- */

/* "PROGRAM[PID]@HOST" */
static char *
process_name(void)
{
	char host[HOST_TEXT_MAX], *name;

	if (gethostname(host, sizeof(host)))
		snprintf(host, sizeof(host), "?");
	host[sizeof(host) - 1] = '\0';
	if (asprintf(&name, "%.100s[%ld]@%s", program_invocation_short_name, (long)getpid(),
	             host) < 0)
		return NULL;
	return name;
}

static void
account_fini(dist_account *account)
{
	xdr_free((xdrproc_t)xdr_dist_account, account);
}

/* Given: account_fini() it. */
static enum dist_err
account_make(dist_account *ret_account, struct dist_cluster *cluster, bool last)
{
	struct dist_stats *stats;
	enum dist_err err;

	*ret_account = (dist_account){ .last = last };
	err = dist_client_counts_sum(&stats, counts_of(cluster), cluster->instance);
	if (err)
		return err;
	if (!dist_stats_to_wire(&ret_account->counted, stats->nodes[0]))
		err = dist_error_set_plain(DIST_ENOMEM);
	dist_stats_free(stats);
	if (!err)
		ret_account->name = process_name();
	if (!err && !ret_account->name)
		err = dist_error_set_plain(DIST_ENOMEM);
	if (err)
		account_fini(ret_account);
	return err;
}

/* --- Turns --------------------------------------------------------------------------- */

void
dist_account_anew(struct dist_cluster *cluster, struct dist_account_turn *turn,
                  const dist_id master)
{
	dist_lock(&cluster->lock);
	turn->n_told = NOTHING_TOLD;
	if (turn->due_ns == DIST_NEVER || memcmp(turn->master, master, sizeof(dist_id)) != 0)
		turn->due_ns = 0;
	memcpy(turn->master, master, sizeof(dist_id));
	dist_unlock(&cluster->lock);
}

int64_t
dist_account_due_ns(struct dist_cluster *cluster, const struct dist_account_turn *turn)
{
	uint64_t n_told;
	int64_t due_ns;

	dist_lock(&cluster->lock);
	n_told = turn->n_told;
	due_ns = turn->due_ns;
	dist_unlock(&cluster->lock);
	/* Who has told one lately goes on calling, most likely. */
	if (due_ns == DIST_NEVER || due_ns > dist_clock_ns())
		return due_ns;
	return dist_client_counts_n(counts_of(cluster)) == n_told ? DIST_NEVER : due_ns;
}

static void
turn_told(struct dist_cluster *cluster, struct dist_account_turn *turn, uint64_t n,
          uint32_t next_ms)
{
	dist_lock(&cluster->lock);
	turn->n_told = n;
	turn->due_ns = next_ms ? dist_deadline_in_ms(next_ms) : DIST_NEVER;
	dist_unlock(&cluster->lock);
}

static void
turn_later(struct dist_cluster *cluster, struct dist_account_turn *turn)
{
	dist_lock(&cluster->lock);
	turn->due_ns = dist_deadline_in_ms(LATER_MS);
	dist_unlock(&cluster->lock);
}

static bool
is_due(struct dist_cluster *cluster, const struct dist_account_turn *turn)
{
	return dist_account_due_ns(cluster, turn) <= dist_clock_ns();
}

/* --- Telling ------------------------------------------------------------------------- */

/* Whether @master took it; *ret_next_ms: when it wants the next one. */
static bool
call_account(struct dist_peer *master, const dist_account *account, u_int *ret_next_ms)
{
	struct dist_call_options options = { .timeout_ms = TELL_MS };
	CLIENT *clnt = dist_peer_client(master, DIST_REGISTRY, DIST_REGISTRY_V1, &options);
	enum clnt_stat stat;

	if (!clnt)
		return false;
	*ret_next_ms = 0;
	stat = dist_account_1(*account, ret_next_ms, clnt);
	if (stat != RPC_SUCCESS)
		dist_log_debug("account-failed", "master=%s why=\"%s\"",
		               master->info.address, dist_error_text());
	clnt_destroy(clnt);
	/* An earlier release has no such procedure, and so wants none. */
	return stat == RPC_SUCCESS || stat == RPC_PROCUNAVAIL;
}

void
dist_account_tell(struct dist_cluster *cluster, struct dist_account_turn *turn,
                  struct dist_peer *master)
{
	uint64_t n = dist_client_counts_n(counts_of(cluster));
	dist_account account;
	u_int next_ms = 0;

	if (!is_due(cluster, turn))
		return;
	if (account_make(&account, cluster, false)) {
		turn_later(cluster, turn);
		return;
	}
	if (call_account(master, &account, &next_ms))
		turn_told(cluster, turn, n, next_ms);
	else
		turn_later(cluster, turn);
	account_fini(&account);
}

void
dist_account_tell_here(struct dist_cluster *cluster, struct dist_account_turn *turn,
                       uint32_t (*tell)(void *arg, const dist_account *account), void *arg)
{
	uint64_t n = dist_client_counts_n(counts_of(cluster));
	dist_account account;

	if (!is_due(cluster, turn))
		return;
	if (account_make(&account, cluster, false)) {
		turn_later(cluster, turn);
		return;
	}
	turn_told(cluster, turn, n, tell(arg, &account));
	account_fini(&account);
}

/* --- The last one -------------------------------------------------------------------- */

/* On its way to a master. */
struct last {
	CLIENT *clnt;
	struct dist_waiter *waiter;
	u_int next_ms;
};

static void
last_start(struct last *last, struct dist_follower *follower, const dist_account *account)
{
	struct dist_call_options options = { .timeout_ms = LAST_MS };
	struct dist_peer *master = dist_follower_master(follower);

	if (!master) {
		dist_follower_account(follower, account);
		return;
	}
	last->clnt = dist_peer_client(master, DIST_REGISTRY, DIST_REGISTRY_V1, &options);
	if (last->clnt)
		last->waiter = dist_go(last->clnt, dist_account_1, *account,
		                       &last->next_ms);
	dist_peer_unref(master);
}

static void
last_finish(struct last *last)
{
	if (last->waiter)
		(void)!dist_waiter_wait(last->waiter, DIST_FOREVER);
	dist_waiter_free(last->waiter);
	if (last->clnt)
		clnt_destroy(last->clnt);
}

/* Whether its master has an account of this cluster, or is to have one. */
static bool
wants_last(struct dist_cluster *cluster, const struct dist_account_turn *turn)
{
	bool wants;

	dist_lock(&cluster->lock);
	wants = turn->due_ns != DIST_NEVER;
	dist_unlock(&cluster->lock);
	return wants;
}

void
dist_account_tell_last(struct dist_cluster *cluster)
{
	struct last lasts[DIST_FOLLOWERS_MAX] = { { NULL } };
	dist_account account;

	if (cluster->n_followers == 0 || dist_client_counts_n(counts_of(cluster)) == 0 ||
	    account_make(&account, cluster, true))
		return;
	for (unsigned i = 0; i < cluster->n_followers; i++) {
		if (wants_last(cluster, dist_follower_turn(cluster->followers[i])))
			last_start(&lasts[i], cluster->followers[i], &account);
	}
	for (unsigned i = 0; i < cluster->n_followers; i++)
		last_finish(&lasts[i]);
	account_fini(&account);
}
