/*
 * The calls that are in flight on one connection, by xid.
 *
 * xids count up, so a table of a power of two is indexed by the xid's low bits; an xid
 * whose slot is taken is passed over, which a slow call among fast ones makes happen once
 * a turn. A call that its caller gave up leaves its slot reserved until the late reply
 * comes, so that no other call can be given that reply. Guarded by the connection's lock.
 */
#ifndef DIST_CLIENT_CALLTAB_H
#define DIST_CLIENT_CALLTAB_H

#include <dist/error.h>
#include <stdbool.h>
#include <stdint.h>

struct dist_call;

struct dist_calltab_slot {
	uint32_t xid;
	uint8_t state;
	struct dist_call *call;
};

struct dist_calltab {
	struct dist_calltab_slot *slots;
	uint32_t mask;
	uint32_t next_xid;
	uint32_t n_used;    /* slots with a call or reserved */
	uint32_t n_pending; /* slots with a call */
};

/* What a reply's xid turned out to be. */
enum dist_calltab_found {
	DIST_CALLTAB_UNKNOWN,   /* never given out, or answered before */
	DIST_CALLTAB_UNWANTED,  /* it was given out without a call; the slot is free again */
	DIST_CALLTAB_ABANDONED, /* its call was given up; the slot is free again */
	DIST_CALLTAB_CALL,
};

void dist_calltab_init(struct dist_calltab *table, uint32_t first_xid);
void dist_calltab_fini(struct dist_calltab *table);

/* A new xid for @call; NULL: for a call whose reply nobody waits for. DIST_ENOMEM. */
enum dist_err dist_calltab_add(struct dist_calltab *table, struct dist_call *call,
                               uint32_t *ret_xid) DIST_MUST_CHECK;

/* A reply came: take the call out. */
enum dist_calltab_found dist_calltab_take(struct dist_calltab *table, uint32_t xid,
                                          struct dist_call **ret_call);

/* Give a call up: its slot stays reserved. False: @call is not there under this xid. */
bool dist_calltab_abandon(struct dist_calltab *table, uint32_t xid,
                          const struct dist_call *call);

/* Take back an xid whose call was never sent. */
void dist_calltab_undo(struct dist_calltab *table, uint32_t xid);

/* The next call in the table from *@position on, taken out; NULL: no more. */
struct dist_call *dist_calltab_pop(struct dist_calltab *table, uint32_t *position);

#endif
