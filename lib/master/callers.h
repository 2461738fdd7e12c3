/*
 * Callers: the clusters that tell what they count (ACCOUNT of idl/registry.x). Each
 * account stands for all before it, so what it has more than the last one is added to
 * the totals, which go on when callers have left.
 *
 * A caller whose connection ended is remembered for a while: it may come back over
 * another one, and what it told before must not be added twice. Locked by its user.
 */
#ifndef DIST_MASTER_CALLERS_H
#define DIST_MASTER_CALLERS_H

#include "idl/registry.h"
#include "master/gathered.h"
#include "master/totals.h"

#include <dist/overview.h>
#include <stdbool.h>

struct dist_callers_book;

/* One of them, as it is shown. */
struct dist_caller_row {
	dist_id instance;
	struct dist_gathered *latest; /* a reference */
	int64_t age_ms, idle_ms;
	struct dist_overview_recent recent;
};

/* @seed  random. @max_bytes  of memory for accounts. @known  what nodes told; borrowed.
 * Given: dist_callers_free() it. DIST_ENOMEM. */
enum dist_err dist_callers_new(struct dist_callers_book **ret_book, uint64_t seed,
                               size_t max_bytes,
                               const struct dist_totals *known) DIST_MUST_CHECK;
void dist_callers_free(struct dist_callers_book *book);

/*
 * @instance tells, over the connection @conn_id; 0: from this process. @account is taken.
 * @last: it closes. False: there is no room for it, and it is left out.
 */
bool dist_callers_take(struct dist_callers_book *book, const dist_id instance,
                       struct dist_gathered *account, bool last, uint64_t conn_id,
                       int64_t now_ns);

/* The connection is gone, and its caller, if it has one, is no more. */
void dist_callers_conn_ended(struct dist_callers_book *book, uint64_t conn_id,
                             int64_t now_ns);

/* How many are there now. */
size_t dist_callers_n(const struct dist_callers_book *book);

/* The first @max of them, in the order in which they came; how many that are. */
size_t dist_callers_list(const struct dist_callers_book *book,
                         struct dist_caller_row *rows, size_t max, int64_t now_ns);

const struct dist_totals *dist_callers_totals(const struct dist_callers_book *book);

#endif
