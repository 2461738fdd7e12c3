/*
 * What connections hold of calls that have not come in whole, and of replies that their
 * peers have not taken. For one of them it is bounded, but not for ten thousand that each
 * hold as much as they may. Where all together hold more than max_buffered_bytes, those
 * end that have gone longest without getting on with it, until an eighth of that is free.
 *
 * Only what is over DIST_HOARD_MIN of either kind is counted, so that connections which
 * come and go with small calls never touch the sum.
 */
#ifndef DIST_SERVER_HOARD_H
#define DIST_SERVER_HOARD_H

#include <stdatomic.h>
#include <stddef.h>

struct dist_server;
struct dist_server_conn;

#define DIST_HOARD_MIN ((size_t)64 * 1024)

/* It holds @now bytes where *@counted were counted. */
static inline void
dist_hoard_count(atomic_size_t *sum, size_t *counted, size_t now)
{
	if (now <= DIST_HOARD_MIN)
		now = 0;
	if (now == *counted)
		return;
	/* Less is added as what wraps to it. */
	atomic_fetch_add_explicit(sum, now - *counted, memory_order_relaxed);
	*counted = now;
}

/* By the holder of the loop role, between two rounds, when all is more than may be. */
void dist_hoard_end_oldest(struct dist_server *server);

#endif
