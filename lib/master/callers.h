/*
 * Callers: the clusters that tell what they count (ACCOUNT of idl/registry.x). Each
 * account stands for all before it, so what it has more than the last one is added to
 * the totals, which go on when callers have left.
 *
 * A caller whose connection ended is remembered for a while: it may come back over
 * another one, and what it told before must not be added twice. Any thread.
 */
#ifndef DIST_MASTER_CALLERS_H
#define DIST_MASTER_CALLERS_H

#include "idl/registry.h"
#include "master/gathered.h"

#include <dist/overview.h>

struct dist_callers_book;
struct dist_master;

/* One of them, as it is shown. */
struct dist_caller_row {
	dist_id instance;
	struct dist_gathered *latest; /* a reference */
	int64_t age_ms, idle_ms;
	struct dist_overview_recent recent;
};

/* Given: dist_callers_free() it. DIST_ENOMEM. */
enum dist_err dist_callers_new(struct dist_callers_book **ret_book,
                               const struct dist_master *master) DIST_MUST_CHECK;
/* NULL is nothing, here and below. */
void dist_callers_free(struct dist_callers_book *book);

/*
 * A cluster tells what it counts, from @address, over the connection @conn_id; 0: from
 * this process. In how many milliseconds it shall do so again; 0: not at all.
 */
unsigned dist_callers_account(struct dist_callers_book *book,
                              const dist_account *account, const char *address,
                              uint64_t conn_id);

/* The connection is gone, and its caller, if it has one, is no more. */
void dist_callers_conn_ended(struct dist_callers_book *book, uint64_t conn_id);

/* The first @max of them, in the order in which they came, with references that are
 * yours; how many these are, and in *ret_in_all how many there are. */
size_t dist_callers_list(struct dist_callers_book *book, struct dist_caller_row *rows,
                         size_t max, size_t *ret_in_all);

#endif
