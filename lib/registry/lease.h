/*
 * A lease is in the table from its registration until it is forgotten:
 *
 *   (new) --> LIVE --> DRAINING --> GONE --> (forgotten)
 *               |                    ^ |
 *               +--------------------+ +--> LIVE again: the same instance registers
 *
 *   LIVE, DRAINING  it has a session and a deadline, and is found by instance, session,
 *                   address and origin.
 *   GONE            found by instance alone; kept so that watchers hear of it.
 *
 * All leases stand in one list in the order in which they changed, each with the epoch
 * of its last change, so what changed after an epoch is the list's end. When a gone
 * lease is forgotten, epochs before its own cannot be told what changed any more: they
 * are given the full view (table.forgotten).
 */
#ifndef DIST_REGISTRY_LEASE_H
#define DIST_REGISTRY_LEASE_H

#include "base/list.h"
#include "base/map.h"
#include "registry/deadlines.h"
#include "registry/table.h"

#define NS_PER_MS INT64_C(1000000)

struct dist_lease {
	struct dist_entry *entry;
	dist_node_state state;
	uint64_t session;
	dist_id token;
	uint64_t origin;
	unsigned lease_ms;
	unsigned in_flight, queued;
	int64_t registered_ns, heartbeat_ns, gone_ns;
	const char *gone_why; /* static; while GONE */

	uint64_t epoch;             /* of its last change */
	struct dist_list by_change; /* table.changes */
	struct dist_list by_gone;   /* table.gone, while GONE */
	struct dist_list by_probe;  /* table.probes, while not GONE */
	int64_t probe_ns;           /* when its next probe is due */
	struct dist_deadline deadline; /* no later than the lease's end: see expire */
	struct dist_map_link by_instance, by_session, by_address, by_origin;
};

struct dist_table {
	struct dist_table_options options;
	dist_id master;
	int64_t started_ns;
	uint64_t epoch;
	uint64_t forgotten; /* deltas from before this epoch would miss gone nodes */
	uint64_t last_session;
	unsigned longest_lease_ms;
	unsigned n_live, n_draining, n_gone;

	struct dist_list changes, gone, probes;
	struct dist_deadlines deadlines;
	struct dist_map instances, sessions, addresses, origins;
};

/* --- Finding one; NULL: there is none ----------------------------------------- */

struct dist_lease *dist_lease_find(struct dist_table *table, uint64_t session);
/* Gone ones too. */
struct dist_lease *dist_lease_find_instance(struct dist_table *table,
                                            const dist_id instance);
struct dist_lease *dist_lease_find_address(struct dist_table *table,
                                           const char *address);
/* By its session, for who shows its token. */
struct dist_lease *dist_lease_find_holder(struct dist_table *table,
                                          const dist_heartbeat *beat);

/* --- Its steps ---------------------------------------------------------------- */

/* A lease of an instance that is not here; dist_lease_begin() it. DIST_EREFUSED: the
 * table is full; DIST_ENOMEM. */
enum dist_err dist_lease_new(struct dist_lease **ret_lease, struct dist_table *table,
                             struct dist_entry *entry) DIST_MUST_CHECK;
/* Take @entry, of the same instance, in its entry's place; likewise. */
enum dist_err dist_lease_renew(struct dist_lease *lease, struct dist_table *table,
                               struct dist_entry *entry) DIST_MUST_CHECK;
/* The term that the table grants to who asks for @asked_ms; 0: for none. */
unsigned dist_lease_term_ms(const struct dist_table *table, unsigned asked_ms);
/* It begins a session. */
void dist_lease_begin(struct dist_table *table, struct dist_lease *lease,
                      const dist_id token, uint64_t origin, int64_t now_ns);
void dist_lease_set_state(struct dist_table *table, struct dist_lease *lease,
                          dist_node_state next);
void dist_lease_set_origin(struct dist_table *table, struct dist_lease *lease,
                           uint64_t origin);
/* It is gone; @why is static. Any number may follow: the caller sees to
 * dist_lease_forget_old(). */
void dist_lease_end(struct dist_table *table, struct dist_lease *lease, const char *why,
                    int64_t now_ns);
/* Forget gone ones that are too old, or too many. */
void dist_lease_forget_old(struct dist_table *table, int64_t now_ns);
void dist_lease_free(struct dist_lease *lease);

#endif
