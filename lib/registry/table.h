/*
 * Who is alive, until when: the table behind a master.
 *
 * It knows no sockets, threads or clocks: its caller locks it, and time is an argument,
 * nanoseconds on any clock that only goes up. Random bits are given to it, too.
 *
 *   instance   one run of a node process, 128 random bits of its own making
 *   session    one registration of it here; a new one ends the one before
 *   lease      a session's term: a heartbeat renews it, three missed end it
 *   epoch      counts changes that watchers must hear of, from 1
 *
 * The table logs what happens to nodes: node-registered, node-draining, node-gone.
 */
#ifndef DIST_REGISTRY_TABLE_H
#define DIST_REGISTRY_TABLE_H

#include "registry/entry.h"
#include "registry/view.h"

#include <dist/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dist_table;

/* Zero always means the default. */
struct dist_table_options {
	int64_t min_lease_ms;     /* 300 */
	int64_t max_lease_ms;     /* 60000 */
	int64_t default_lease_ms; /* for nodes that ask for none; 3000 */
	unsigned max_nodes;       /* live and draining; 20000 */
	unsigned max_of_origin;   /* of these, from one origin that is not 0; 64 */
	unsigned max_gone;        /* kept to be told to watchers, and shown; 4096 */
	int64_t gone_kept_ms;     /* at most so long; an hour */
	int64_t probe_ms;         /* between two probes of a node; 10000 */
};

/*
 * @master  this run of the master, random: also what keeps peers from choosing
 * collisions. Given: dist_table_free() it. DIST_ENOMEM.
 */
enum dist_err dist_table_new(struct dist_table **ret_table, const dist_id master,
                             int64_t now_ns, const struct dist_table_options *options)
	DIST_MUST_CHECK;
void dist_table_free(struct dist_table *table);
DIST_DEFINE_FREEP(dist_table_free, struct dist_table *)

/* --- What nodes ask ----------------------------------------------------------- */

/* A registration, granted. */
struct dist_grant {
	uint64_t session; /* never 0, never given twice */
	unsigned lease_ms;
};

/*
 * Take a node in. The same instance replaces its session, and watchers hear of it only
 * if it describes itself otherwise than before; an order to drain stays. Another
 * instance at the same address replaces that one, which is gone.
 *
 * @entry   a reference is taken.
 * @token   the lease's secret, random.
 * @origin  the caller's number for where it came from, see dist_table_next_of(); 0:
 * none.
 *
 * DIST_EREFUSED: the table is full, or has as many of @origin as it may, the text says
 * so; DIST_ENOMEM.
 */
enum dist_err dist_table_register(struct dist_table *table, struct dist_entry *entry,
                                  const dist_id token, uint64_t origin, int64_t now_ns,
                                  struct dist_grant *ret_grant) DIST_MUST_CHECK;

/*
 * A sign of life, from @origin, which becomes the lease's. DIST_REGISTRY_OK;
 * DIST_REGISTRY_DRAIN: alive, and ordered to drain; DIST_REGISTRY_UNKNOWN: no such
 * session, or the token is not its own.
 */
dist_registry_status dist_table_heartbeat(struct dist_table *table,
                                          const dist_heartbeat *beat, uint64_t origin,
                                          int64_t now_ns);

/* The node leaves. DIST_REGISTRY_OK, DIST_REGISTRY_UNKNOWN. */
dist_registry_status dist_table_deregister(struct dist_table *table,
                                           const dist_heartbeat *beat, int64_t now_ns);

/* --- What the master finds out ------------------------------------------------ */

/* End the leases that are over, forget old gone nodes. When to come again: no earlier
 * than that is there anything to do, unless the table is changed; INT64_MAX: never. */
int64_t dist_table_expire(struct dist_table *table, int64_t now_ns);

/* A session's node was found dead; @why is static. False: there is no such session any
 * more. */
bool dist_table_drop(struct dist_table *table, uint64_t session, const char *why,
                     int64_t now_ns);

/* Order all nodes of this name or "HOST:PORT" to drain. How many there were. */
unsigned dist_table_drain(struct dist_table *table, const char *name);

/* What a probe must know. */
struct dist_suspect {
	uint64_t session;
	struct dist_entry *entry; /* a reference of the caller's own */
	int64_t heartbeat_ns;     /* when it was last heard of */
};

/* By session, or by instance. Given: dist_entry_unref() its entry. False: not here. */
bool dist_table_find(struct dist_table *table, uint64_t session,
                     struct dist_suspect *ret_suspect) DIST_MUST_CHECK;
bool dist_table_find_instance(struct dist_table *table, const dist_id instance,
                              struct dist_suspect *ret_suspect) DIST_MUST_CHECK;

/* The sessions that were registered from @origin, one after another: @after is 0, then
 * what was returned last; 0: no more. */
uint64_t dist_table_next_of(struct dist_table *table, uint64_t origin, uint64_t after);

/* The node whose probe is due, the one that waited longest first; it is due again after
 * probe_ms. False: none is, *@ret_due_ns says when the next one will be. */
bool dist_table_take_probe(struct dist_table *table, int64_t now_ns,
                           struct dist_suspect *ret_suspect, int64_t *ret_due_ns)
	DIST_MUST_CHECK;

/* --- What watchers see -------------------------------------------------------- */

uint64_t dist_table_epoch(const struct dist_table *table);
unsigned dist_table_n_live(const struct dist_table *table);
/* The longest term granted so far; before the first, the default one. */
unsigned dist_table_longest_lease_ms(const struct dist_table *table);

/*
 * What changed after @epoch of master @master, or all nodes: when the master is another
 * one, @epoch is 0 or not ours, or too much was forgotten since.
 *
 * Given: dist_snapshot_free() it. DIST_ENOMEM.
 */
enum dist_err dist_table_view(struct dist_table *table, const dist_id master,
                              uint64_t epoch, int64_t now_ns,
                              struct dist_snapshot **ret_snapshot) DIST_MUST_CHECK;

/* All nodes, and the gone ones that are remembered. The same. */
enum dist_err dist_table_list(struct dist_table *table, bool with_gone, int64_t now_ns,
                              struct dist_snapshot **ret_snapshot) DIST_MUST_CHECK;

#endif
