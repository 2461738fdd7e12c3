/* The insides of what a cluster counts: for who counts (stats.c), and who tells of it
 * (stats_snapshot.c). */
#ifndef DIST_CLIENT_STATS_COUNTS_H
#define DIST_CLIENT_STATS_COUNTS_H

#include "client/stats.h"

struct dist_procedure_counts {
	/* Set when it is made, then read-only. */
	struct dist_procedure_counts *next; /* in its slot */
	uint32_t prog, vers, proc;
	struct dist_histogram *latency; /* NULL: beyond HISTOGRAMS_MAX */

	dist_count outcomes[DIST_N_OUTCOMES];
	dist_count call_bytes, reply_bytes;
	dist_count retries, undecodable;
	dist_count hedges, hedges_won;
};

/* Add what @from has. */
void dist_procedure_counts_add(struct dist_procedure_counts *to,
                               const struct dist_procedure_counts *from);

/* The same of all procedures; those that there is no memory for are left out. */
void dist_peer_counts_add(struct dist_peer_counts *to, struct dist_peer_counts *from);

#endif
