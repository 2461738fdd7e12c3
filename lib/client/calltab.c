#include "client/calltab.h"

#include <stdlib.h>

#include "base/error.h"

#define SLOTS_MIN 64u

enum slot_state {
	SLOT_FREE,
	SLOT_CALL,
	SLOT_ABANDONED,
	SLOT_UNWANTED, /* it never had a call */
};

void
dist_calltab_init(struct dist_calltab *table, uint32_t first_xid)
{
	*table = (struct dist_calltab){ .next_xid = first_xid };
}

void
dist_calltab_fini(struct dist_calltab *table)
{
	free(table->slots);
	*table = (struct dist_calltab){ 0 };
}

static struct dist_calltab_slot *
calltab_slot(struct dist_calltab *table, uint32_t xid)
{
	return &table->slots[xid & table->mask];
}

/* Twice the slots. Two xids that differ in the low bits differ in more bits too. */
static enum dist_err
calltab_grow(struct dist_calltab *table)
{
	uint32_t n_slots = table->slots ? table->mask + 1 : 0;
	struct dist_calltab grown = *table;

	grown.mask = (n_slots ? 2 * n_slots : SLOTS_MIN) - 1;
	grown.slots = calloc((size_t)grown.mask + 1, sizeof(*grown.slots));
	if (!grown.slots)
		return dist_error_set_plain(DIST_ENOMEM);
	for (uint32_t i = 0; i < n_slots; i++) {
		if (table->slots[i].state != SLOT_FREE)
			*calltab_slot(&grown, table->slots[i].xid) = table->slots[i];
	}
	free(table->slots);
	*table = grown;
	return DIST_OK;
}

enum dist_err
dist_calltab_add(struct dist_calltab *table, struct dist_call *call, uint32_t *ret_xid)
{
	struct dist_calltab_slot *slot;
	enum dist_err err;

	/* Half of the slots stay free, so that a free one is near. */
	if (!table->slots || table->n_used > table->mask / 2) {
		err = calltab_grow(table);
		if (err)
			return err;
	}
	do
		slot = calltab_slot(table, table->next_xid++);
	while (slot->state != SLOT_FREE);

	slot->xid = table->next_xid - 1;
	slot->state = call ? SLOT_CALL : SLOT_UNWANTED;
	slot->call = call;
	table->n_used++;
	table->n_pending += call ? 1 : 0;
	*ret_xid = slot->xid;
	return DIST_OK;
}

static void
slot_free(struct dist_calltab *table, struct dist_calltab_slot *slot)
{
	slot->state = SLOT_FREE;
	slot->call = NULL;
	table->n_used--;
}

enum dist_calltab_found
dist_calltab_take(struct dist_calltab *table, uint32_t xid, struct dist_call **ret_call)
{
	struct dist_calltab_slot *slot;

	if (!table->slots)
		return DIST_CALLTAB_UNKNOWN;
	slot = calltab_slot(table, xid);
	if (slot->state == SLOT_FREE || slot->xid != xid)
		return DIST_CALLTAB_UNKNOWN;
	if (slot->state != SLOT_CALL) {
		bool unwanted = slot->state == SLOT_UNWANTED;

		slot_free(table, slot);
		return unwanted ? DIST_CALLTAB_UNWANTED : DIST_CALLTAB_ABANDONED;
	}
	*ret_call = slot->call;
	slot_free(table, slot);
	table->n_pending--;
	return DIST_CALLTAB_CALL;
}

bool
dist_calltab_abandon(struct dist_calltab *table, uint32_t xid, const struct dist_call *call)
{
	struct dist_calltab_slot *slot;

	if (!table->slots)
		return false;
	slot = calltab_slot(table, xid);
	if (slot->state != SLOT_CALL || slot->xid != xid || slot->call != call)
		return false;
	slot->state = SLOT_ABANDONED;
	slot->call = NULL;
	table->n_pending--;
	return true;
}

void
dist_calltab_undo(struct dist_calltab *table, uint32_t xid)
{
	struct dist_calltab_slot *slot = calltab_slot(table, xid);

	if (slot->state == SLOT_CALL)
		table->n_pending--;
	slot_free(table, slot);
}

struct dist_call *
dist_calltab_pop(struct dist_calltab *table, uint32_t *position)
{
	for (; table->slots && *position <= table->mask; (*position)++) {
		struct dist_calltab_slot *slot = &table->slots[*position];
		struct dist_call *call = slot->call;

		if (slot->state == SLOT_CALL) {
			slot_free(table, slot);
			table->n_pending--;
			return call;
		}
	}
	return NULL;
}
