/* The services of one server: a table by program and version. */
#ifndef DIST_SERVER_SERVICE_H
#define DIST_SERVER_SERVICE_H

#include "base/list.h"
#include "server/pace.h"
#include "server/stats.h"

#include <dist/node.h>

/* A service, as a server serves it. */
struct dist_served {
	/* Read-only. */
	const struct dist_service *service;
	uint32_t prog, vers;
	bool is_node; /* the node program: always answered, also while draining */
	bool serial;
	const char *interface;   /* the text of its .x; NULL: it carries none */
	size_t interface_length; /* DIST_INTERFACE_MAX at most */
	unsigned n_paces; /* of the procedures it names, in order of number */
	struct dist_pace *paces;
	struct dist_pace other; /* of all that it does not name */
	struct dist_served_counts *counts; /* of each of @paces, then of @other */

	/* For a serial one, guarded by the workers' lock. */
	bool busy;               /* a call of it is queued or runs */
	struct dist_list parked; /* the others, in order of arrival */
};

struct dist_served_table {
	struct dist_served **list;
	unsigned n;
};

/* DIST_EINVAL: there already, or from a header that this library is older than;
 * DIST_ENOMEM. */
enum dist_err dist_served_table_add(struct dist_served_table *table,
                                    const struct dist_service *service, bool is_node)
	DIST_MUST_CHECK;
void dist_served_table_fini(struct dist_served_table *table);

/* NULL: not served; see dist_served_table_versions(). */
struct dist_served *dist_served_table_find(const struct dist_served_table *table,
                                           uint32_t prog, uint32_t vers);
/* The lowest and highest version of @prog; false: no version is served. */
bool dist_served_table_versions(const struct dist_served_table *table, uint32_t prog,
                                uint32_t *ret_low, uint32_t *ret_high);

/* The pace of procedure @proc; &served->other when it is not named. */
struct dist_pace *dist_served_pace(struct dist_served *served, uint32_t proc);

/* What is counted of the procedure with this pace. */
static inline struct dist_served_counts *
dist_served_counts(struct dist_served *served, const struct dist_pace *pace)
{
	return &served->counts[pace == &served->other ? served->n_paces
	                                              : pace - served->paces];
}

#endif
