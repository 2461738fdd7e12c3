/*
 * What may run at once. A procedure runs in a *slot*. There are as many as workers were
 * asked for, and where that is more than one, one besides for what runs inline: short
 * procedures must not wait until a slow one leaves its slot. A single worker never runs
 * two procedures at once, so there both kinds share its slot.
 *
 * Calls for which there is no slot yet are queued. Those of a serial service, which runs
 * one at a time, are parked beside it while it is busy, where they are in nobody's way.
 */
#ifndef DIST_SERVER_SLOTS_H
#define DIST_SERVER_SLOTS_H

#include "server/workers.h"

/* What an inline run, or the loop for all of them, may have. */
enum dist_slot {
	DIST_SLOT_NONE,
	DIST_SLOT_SHARED, /* one of those that queued calls run in */
	DIST_SLOT_INLINE, /* the one for inline runs alone */
};

/* --- For the holder of the loop role -------------------------------------------- */

/* Queue all of @calls, which are of one connection, and one at least; they are taken. */
void dist_slots_publish(struct dist_workers *workers, struct dist_list *calls,
                        unsigned n_calls);

/* A slot for inline runs; none: none is free, or queued calls want them. */
enum dist_slot dist_slots_take(struct dist_workers *workers);
void dist_slots_give(struct dist_workers *workers, enum dist_slot slot);

/* A serial service is run by this thread now; false: it is busy, so queue the call. */
bool dist_slots_take_serial(struct dist_workers *workers, struct dist_served *served);

/* --- For any thread ------------------------------------------------------------- */

/* The next queued call that may run, which has a shared slot now; NULL: none. */
struct dist_server_call *dist_slots_take_call_locked(struct dist_workers *workers)
	DIST_REQUIRES(&workers->lock);

/* What waits for the slot is yet to be woken for. */
void dist_slots_give_locked(struct dist_workers *workers, enum dist_slot slot)
	DIST_REQUIRES(&workers->lock);

/* A call of @served is over: where one was parked it is queued, and yet to be woken for. */
void dist_slots_release_serial_locked(struct dist_workers *workers,
                                      struct dist_served *served)
	DIST_REQUIRES(&workers->lock);

#endif
