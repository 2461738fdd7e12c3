/*
 * Where a follower gets its views from, other than a master over the network: a master
 * of this same process.
 */
#ifndef DIST_CLIENT_VIEW_SOURCE_H
#define DIST_CLIENT_VIEW_SOURCE_H

#include <dist/error.h>
#include <stdint.h>

#include "idl/registry.h"

struct dist_view_source {
	/*
	 * What DIST_WATCH answers (idl/registry.x): the view since @epoch of @master, at
	 * once if there is anything new, else after @hold_ms at most. *ret_view is given:
	 * xdr_free() it. DIST_ECLOSED: interrupted, or the master was stopped.
	 */
	enum dist_err (*next)(void *arg, const dist_id master, uint64_t epoch,
	                      int64_t hold_ms, dist_view *ret_view);
	/* Have next() return at once, now and from now on. Any thread. */
	void (*interrupt)(void *arg);
	/* What DIST_REPORT does: a look at an instance that could not be reached. */
	void (*report)(void *arg, const dist_id instance);
	/* What DIST_ACCOUNT does: what this cluster counts; when it wants to hear more. */
	uint32_t (*account)(void *arg, const dist_account *account);
	/* Nobody calls the others any more; the last one called. */
	void (*release)(void *arg);
	void *arg;
};

#endif
