/*
 * A node as it described itself at registration: copied once, never changed after, and
 * shared by the table and by the views that are being sent.
 *
 * The structures of idl/registry.x are used as plain values; nothing is encoded here.
 */
#ifndef DIST_REGISTRY_ENTRY_H
#define DIST_REGISTRY_ENTRY_H

#include "base/cleanup.h"
#include "idl/registry.h"

#include <dist/error.h>
#include <dist/macros.h>
#include <stdatomic.h>
#include <stdbool.h>

struct dist_entry {
	atomic_uint refs;
	const char *address; /* "HOST:PORT" of the first endpoint, for people */
	/*
	 * It listens on all addresses of the master's own host, and was seen on
	 * loopback: others reach it wherever they reach the master. Set by whoever made
	 * the entry.
	 */
	bool all_ipv4, all_ipv6;
	dist_registration as; /* with all that it points to, in this same block */
};

/*
 * Copy @as, whose first endpoint reads @address; "" as a name becomes @address.
 *
 * Given: dist_entry_unref() it. DIST_EREFUSED: it is malformed (no instance, endpoint
 * or service, a name that cannot be shown, a service twice, no capacity), the text says
 * what; DIST_ENOMEM.
 */
enum dist_err dist_entry_new(struct dist_entry **ret_entry, const dist_registration *as,
                             const char *address) DIST_MUST_CHECK;
struct dist_entry *dist_entry_ref(struct dist_entry *entry);
void dist_entry_unref(struct dist_entry *entry);
DIST_DEFINE_FREEP(dist_entry_unref, struct dist_entry *)

/* What a registration may bring; idl/registry.x never takes more than the defaults. */
struct dist_entry_limits {
	unsigned max_services;   /* 1024 */
	unsigned max_attributes; /* 64 */
	unsigned max_name_bytes; /* of a node, program, version or attribute; 255 */
};

/* DIST_EREFUSED: @as is over one of these, the text says which option of the master it
 * is. */
enum dist_err dist_entry_check_limits(const dist_registration *as,
                                      const struct dist_entry_limits *limits)
	DIST_MUST_CHECK;

/* Whether a watcher would see the same node in both. */
bool dist_entry_equal(const struct dist_entry *a, const struct dist_entry *b);

#endif
