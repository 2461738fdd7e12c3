#include "master/callers.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mutex.h"
#include "master/master_internal.h"
#include "master/recent.h"
#include "master/totals.h"

#include <stdlib.h>
#include <string.h>

/* One that closed may tell so over two connections; one that was cut off may have to
 * wait for a network. */
#define REMEMBER_CLOSED_NS (10 * 1000 * DIST_NS_PER_MS)
#define REMEMBER_LOST_NS   (600 * 1000 * DIST_NS_PER_MS)
/* Who calls tells between two WATCHes, which are held for a lease. */
#define QUIET_NS (5 * 1000 * DIST_NS_PER_MS)
/* Many callers tell less often: 200 a second in all, a few per cent of a CPU. */
#define TURN_MS 5
/* One that there is no room for tries again. */
#define LATER_MS 60000

struct caller {
	struct dist_map_link by_instance;
	struct dist_map_link by_conn; /* while it is there, and not of this process */
	struct dist_list link;        /* in @here, @closed or @lost */
	dist_id instance;
	bool is_here;
	bool has_closed;
	uint64_t conn_id;
	struct dist_gathered *latest;
	int64_t since_ns, told_ns;
	int64_t forget_ns; /* when it is not here */
	struct dist_overview_recent recent;
};

struct dist_callers_book {
	/* Set by dist_callers_new(), then read-only. */
	int64_t period_ms; /* between two accounts, where they are few */
	size_t max_bytes;
	struct dist_totals *totals; /* the master's */

	struct dist_mutex lock; /* guards all below */
	struct dist_map by_instance, by_conn;
	struct dist_list here;
	struct dist_list closed, lost; /* by when they are forgotten */
	size_t n_here;
	size_t bytes;
	struct dist_limit no_room_limit; /* of log lines */
};

static uint64_t
instance_hash(const struct dist_callers_book *book, const dist_id instance)
{
	return dist_map_hash(&book->by_instance, instance, sizeof(dist_id));
}

static uint64_t
conn_hash(const struct dist_callers_book *book, uint64_t conn_id)
{
	return dist_map_hash(&book->by_conn, &conn_id, sizeof(conn_id));
}

static struct caller *
find_instance(struct dist_callers_book *book, const dist_id instance)
{
	struct caller *caller;

	DIST_MAP_EACH (caller, &book->by_instance, instance_hash(book, instance),
	               by_instance) {
		if (!memcmp(caller->instance, instance, sizeof(dist_id)))
			return caller;
	}
	return NULL;
}

static struct caller *
find_conn(struct dist_callers_book *book, uint64_t conn_id)
{
	struct caller *caller;

	DIST_MAP_EACH (caller, &book->by_conn, conn_hash(book, conn_id), by_conn) {
		if (caller->conn_id == conn_id)
			return caller;
	}
	return NULL;
}

static const struct dist_node_stats *
stats_of(const struct dist_gathered *gathered)
{
	return gathered ? gathered->stats->nodes[0] : NULL;
}

static size_t
caller_bytes(const struct dist_gathered *account)
{
	return sizeof(struct caller) + (account ? account->bytes : 0);
}

/* --- Coming and going --------------------------------------------------------- */

static void
caller_leave(struct dist_callers_book *book, struct caller *caller,
             struct dist_list *where, int64_t forget_ns)
{
	if (caller->is_here)
		book->n_here--;
	caller->is_here = false;
	caller->forget_ns = forget_ns;
	dist_map_remove(&book->by_conn, &caller->by_conn);
	dist_list_remove(&caller->link);
	dist_list_append(where, &caller->link);
}

static void
caller_come(struct dist_callers_book *book, struct caller *caller, uint64_t conn_id)
{
	if (!caller->is_here) {
		book->n_here++;
		dist_list_remove(&caller->link);
		dist_list_append(&book->here, &caller->link);
	}
	caller->is_here = true;
	dist_map_remove(&book->by_conn, &caller->by_conn);
	caller->conn_id = conn_id;
	if (conn_id)
		dist_map_add(&book->by_conn, &caller->by_conn,
		             conn_hash(book, conn_id));
}

static void
caller_forget(struct dist_callers_book *book, struct caller *caller)
{
	if (caller->is_here)
		book->n_here--;
	book->bytes -= caller_bytes(caller->latest);
	dist_map_remove(&book->by_instance, &caller->by_instance);
	dist_map_remove(&book->by_conn, &caller->by_conn);
	dist_list_remove(&caller->link);
	dist_gathered_unref(caller->latest);
	free(caller);
}

/* The first one to be forgotten of a list, if its time has come by @now_ns. */
static bool
forget_first(struct dist_callers_book *book, struct dist_list *list, int64_t now_ns)
{
	struct caller *caller = DIST_CONTAINER_OF(list->next, struct caller, link);

	if (dist_list_empty(list) || caller->forget_ns > now_ns)
		return false;
	caller_forget(book, caller);
	return true;
}

static void
forget_due(struct dist_callers_book *book, int64_t now_ns)
{
	while (forget_first(book, &book->closed, now_ns) ||
	       forget_first(book, &book->lost, now_ns))
		;
}

/* Those that left make room before their time. */
static bool
make_room(struct dist_callers_book *book, size_t more)
{
	while (book->bytes + more > book->max_bytes) {
		if (!forget_first(book, &book->closed, INT64_MAX) &&
		    !forget_first(book, &book->lost, INT64_MAX))
			return false;
	}
	return true;
}

static struct caller *
caller_add(struct dist_callers_book *book, const dist_id instance, int64_t now_ns)
{
	struct caller *caller = make_room(book, caller_bytes(NULL))
	                                ? calloc(1, sizeof(*caller))
	                                : NULL;

	if (!caller)
		return NULL;
	memcpy(caller->instance, instance, sizeof(dist_id));
	caller->since_ns = now_ns;
	dist_list_init(&caller->link);
	dist_map_add(&book->by_instance, &caller->by_instance,
	             instance_hash(book, instance));
	book->bytes += caller_bytes(NULL);
	return caller;
}

/* --- Accounts ----------------------------------------------------------------- */

/* The account before stays where there is no room for another. */
static bool
caller_keep(struct dist_callers_book *book, struct caller *caller,
            struct dist_gathered *account, int64_t now_ns)
{
	struct dist_gathered *before = caller->latest;
	size_t had = before ? before->bytes : 0;

	if (account->bytes > had && !make_room(book, account->bytes - had)) {
		dist_gathered_unref(account);
		return false;
	}
	if (before)
		caller->recent = dist_recent_between(stats_of(before), stats_of(account),
		                                     now_ns - caller->told_ns);
	dist_totals_add(book->totals, DIST_TELLER_CALLER, stats_of(account),
	                stats_of(before));
	book->bytes = book->bytes - had + account->bytes;
	caller->latest = account;
	caller->told_ns = now_ns;
	dist_gathered_unref(before);
	return true;
}

static uint64_t
n_calls(const struct dist_gathered *account)
{
	return dist_counters_value(&stats_of(account)->counters, "calls");
}

/* By a later one: over another connection, or sent by another thread. */
static bool
is_overtaken(const struct caller *caller, const struct dist_gathered *account)
{
	return caller->latest && n_calls(account) < n_calls(caller->latest);
}

/* Whatever is yet on its way does not bring it back. */
static void
caller_close(struct dist_callers_book *book, struct caller *caller, int64_t now_ns)
{
	caller->has_closed = true;
	caller_leave(book, caller, &book->closed, now_ns + REMEMBER_CLOSED_NS);
}

/* @account, which is taken, came from @instance. @last: it closes. False: there is no
 * room for it, and it is left out. */
static bool
book_take_locked(struct dist_callers_book *book, const dist_id instance,
                 struct dist_gathered *account, bool last, uint64_t conn_id,
                 int64_t now_ns) DIST_REQUIRES(&book->lock)
{
	struct caller *caller, *other = conn_id ? find_conn(book, conn_id) : NULL;
	bool kept = true;

	forget_due(book, now_ns);
	/* There is one cluster at the end of a connection. */
	if (other && memcmp(other->instance, instance, sizeof(dist_id)) != 0)
		caller_leave(book, other, &book->lost, now_ns + REMEMBER_LOST_NS);
	caller = find_instance(book, instance);
	/* One that has called nobody asks how often to tell, and is no caller yet. */
	if (!caller && n_calls(account) == 0) {
		dist_gathered_unref(account);
		return true;
	}
	if (!caller)
		caller = caller_add(book, instance, now_ns);
	if (!caller) {
		dist_gathered_unref(account);
		return false;
	}
	if (is_overtaken(caller, account)) {
		dist_gathered_unref(account);
	} else {
		/* Before it is kept: one that is here is not forgotten to make room. */
		caller_come(book, caller, conn_id);
		kept = caller_keep(book, caller, account, now_ns);
	}
	if (!caller->latest)
		caller_forget(book, caller);
	else if (last || caller->has_closed)
		caller_close(book, caller, now_ns);
	return kept;
}

static void
log_no_room_locked(struct dist_callers_book *book, const dist_account *account,
                   const char *address) DIST_REQUIRES(&book->lock)
{
	unsigned n_dropped;

	if (dist_limit_allows_rarely(&book->no_room_limit, dist_clock_ns(), &n_dropped))
		dist_log_warning("caller-left-out",
		                 "name=\"%s\" address=%s limit=%zu not_shown=%u "
		                 "why=\"what callers count takes more than "
		                 "max_stats_bytes\"",
		                 account->name, address, book->max_bytes, n_dropped);
}

unsigned
dist_callers_account(struct dist_callers_book *book, const dist_account *account,
                     const char *address, uint64_t conn_id)
{
	struct dist_gathered *fresh;
	size_t n;
	bool kept;

	if (!book)
		return 0;
	fresh = dist_gathered_new(account->name, address, &account->counted);
	if (!fresh)
		return LATER_MS;
	dist_lock(&book->lock);
	kept = book_take_locked(book, account->counted.instance, fresh, account->last,
	                        conn_id, dist_clock_ns());
	if (!kept)
		log_no_room_locked(book, account, address);
	n = book->n_here;
	dist_unlock(&book->lock);
	return kept ? (unsigned)DIST_MAX(book->period_ms, (int64_t)n * TURN_MS)
	            : LATER_MS;
}

void
dist_callers_conn_ended(struct dist_callers_book *book, uint64_t conn_id)
{
	struct caller *caller;
	int64_t now_ns;

	if (!book)
		return;
	dist_lock(&book->lock);
	now_ns = dist_clock_ns();
	caller = find_conn(book, conn_id);
	if (caller)
		caller_leave(book, caller, &book->lost, now_ns + REMEMBER_LOST_NS);
	forget_due(book, now_ns);
	dist_unlock(&book->lock);
}

/* --- Questions ---------------------------------------------------------------- */

/* One that is quiet has called nobody since: what came before is not of late any more. */
static struct dist_overview_recent
recent_of(const struct caller *caller, int64_t now_ns)
{
	int64_t late_ns = DIST_MAX(2 * caller->recent.interval_ns, QUIET_NS);

	if (now_ns - caller->told_ns > late_ns)
		return (struct dist_overview_recent){ .interval_ns = late_ns };
	return caller->recent;
}

static void
caller_show(const struct caller *caller, struct dist_caller_row *row, int64_t now_ns)
{
	*row = (struct dist_caller_row){
		.latest = dist_gathered_ref(caller->latest),
		.age_ms = (now_ns - caller->since_ns) / DIST_NS_PER_MS,
		.idle_ms = (now_ns - caller->told_ns) / DIST_NS_PER_MS,
		.recent = recent_of(caller, now_ns),
	};
	memcpy(row->instance, caller->instance, sizeof(dist_id));
}

size_t
dist_callers_list(struct dist_callers_book *book, struct dist_caller_row *rows,
                  size_t max, size_t *ret_in_all)
{
	struct caller *caller, *next;
	int64_t now_ns;
	size_t n = 0;

	*ret_in_all = 0;
	if (!book)
		return 0;
	dist_lock(&book->lock);
	now_ns = dist_clock_ns();
	DIST_LIST_EACH (caller, next, &book->here, link) {
		if (n == max)
			break;
		caller_show(caller, &rows[n++], now_ns);
	}
	*ret_in_all = book->n_here;
	dist_unlock(&book->lock);
	return n;
}

/* --- Begin and end ------------------------------------------------------------ */

enum dist_err
dist_callers_new(struct dist_callers_book **ret_book, const struct dist_master *master)
{
	struct dist_callers_book *book = calloc(1, sizeof(*book));
	uint64_t seed;
	enum dist_err err;

	if (!book)
		return dist_error_set_plain(DIST_ENOMEM);
	book->period_ms = master->options.stats_ms;
	book->max_bytes = master->options.max_stats_bytes;
	book->totals = master->totals;
	dist_mutex_init(&book->lock, DIST_RANK_STATS);
	dist_list_init(&book->here);
	dist_list_init(&book->closed);
	dist_list_init(&book->lost);
	memcpy(&seed, master->id, sizeof(seed));
	err = dist_map_init(&book->by_instance, seed);
	if (!err)
		err = dist_map_init(&book->by_conn, seed);
	if (err) {
		dist_callers_free(book);
		return dist_error_set_plain(err);
	}
	*ret_book = book;
	return DIST_OK;
}

static void
forget_all(struct dist_callers_book *book, struct dist_list *list)
{
	while (!dist_list_empty(list))
		caller_forget(book,
		              DIST_CONTAINER_OF(list->next, struct caller, link));
}

void
dist_callers_free(struct dist_callers_book *book)
{
	if (!book)
		return;
	forget_all(book, &book->here);
	forget_all(book, &book->closed);
	forget_all(book, &book->lost);
	dist_map_fini(&book->by_conn);
	dist_map_fini(&book->by_instance);
	dist_mutex_fini(&book->lock);
	free(book);
}
