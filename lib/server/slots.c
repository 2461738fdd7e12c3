#include "server/slots.h"

#include "server/wake.h"

/* --- Queued calls --------------------------------------------------------------- */

static void
slots_enqueue_locked(struct dist_workers *workers, struct dist_server_call *call)
	DIST_REQUIRES(&workers->lock)
{
	dist_list_append(&workers->queue, &call->link);
	workers->n_ready++;
}

/* The queue has @n calls more of @conn, or fewer, where both are negative. No locked
 * instruction is needed: all changes are made under the lock. */
static void
slots_count_locked(struct dist_workers *workers, struct dist_server_conn *conn, int n,
                   ptrdiff_t n_bytes) DIST_REQUIRES(&workers->lock)
{
	unsigned had = atomic_load_explicit(&conn->n_queued, memory_order_relaxed);
	unsigned has = had + (unsigned)n;
	size_t bytes = atomic_load_explicit(&conn->queued_bytes, memory_order_relaxed);
	unsigned n_queuing =
		atomic_load_explicit(&workers->n_queuing, memory_order_relaxed);

	atomic_store_explicit(&conn->n_queued, has, memory_order_relaxed);
	atomic_store_explicit(&conn->queued_bytes, bytes + (size_t)n_bytes,
	                      memory_order_relaxed);
	if ((had == 0) != (has == 0))
		atomic_store_explicit(&workers->n_queuing,
		                      has ? n_queuing + 1 : n_queuing - 1,
		                      memory_order_relaxed);
}

void
dist_slots_publish(struct dist_workers *workers, struct dist_list *calls,
                   unsigned n_calls)
{
	struct dist_server_conn *conn = NULL;
	ptrdiff_t n_bytes = 0;
	struct dist_list *link;
	struct dist_wake wake;

	dist_lock(&workers->lock);
	while ((link = dist_list_pop(calls))) {
		struct dist_server_call *call =
			DIST_CONTAINER_OF(link, struct dist_server_call, link);
		struct dist_served *served = call->served;

		conn = call->conn;
		n_bytes += (ptrdiff_t)call->record_bytes;
		if (served->serial && served->busy) {
			dist_list_append(&served->parked, &call->link);
			continue;
		}
		served->busy = served->serial;
		slots_enqueue_locked(workers, call);
	}
	atomic_fetch_add_explicit(&workers->n_queued, n_calls, memory_order_relaxed);
	slots_count_locked(workers, conn, (int)n_calls, n_bytes);
	dist_call_memory_collect_locked(&workers->memory);
	wake = dist_wake_choose_for_calls_locked(workers);
	dist_unlock(&workers->lock);
	dist_wake_do(workers, wake);
}

struct dist_server_call *
dist_slots_take_call_locked(struct dist_workers *workers)
{
	struct dist_server_call *call;
	struct dist_list *link;

	if (workers->n_running >= workers->n_slots)
		return NULL;
	link = dist_list_pop(&workers->queue);
	if (!link)
		return NULL;
	workers->n_ready--;
	workers->n_running++;
	call = DIST_CONTAINER_OF(link, struct dist_server_call, link);
	atomic_fetch_sub_explicit(&workers->n_queued, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&workers->queued_bytes, call->record_bytes,
	                          memory_order_relaxed);
	slots_count_locked(workers, call->conn, -1, -(ptrdiff_t)call->record_bytes);
	return call;
}

void
dist_slots_release_serial_locked(struct dist_workers *workers,
                                 struct dist_served *served)
{
	struct dist_list *link;

	if (!served->serial)
		return;
	link = dist_list_pop(&served->parked);
	if (link)
		slots_enqueue_locked(
			workers,
			DIST_CONTAINER_OF(link, struct dist_server_call, link));
	else
		served->busy = false;
}

/* --- Slots ---------------------------------------------------------------------- */

enum dist_slot
dist_slots_take(struct dist_workers *workers)
{
	bool taken;

	if (workers->has_inline_slot && !atomic_load(&workers->inline_slot_taken)) {
		atomic_store(&workers->inline_slot_taken, true);
		return DIST_SLOT_INLINE;
	}
	dist_lock(&workers->lock);
	/* What is queued came first, and would starve. */
	taken = workers->n_running + workers->n_ready < workers->n_slots;
	workers->n_running += taken;
	dist_unlock(&workers->lock);
	return taken ? DIST_SLOT_SHARED : DIST_SLOT_NONE;
}

void
dist_slots_give_locked(struct dist_workers *workers, enum dist_slot slot)
{
	if (slot == DIST_SLOT_INLINE)
		atomic_store(&workers->inline_slot_taken, false);
	else if (slot == DIST_SLOT_SHARED)
		workers->n_running--;
}

void
dist_slots_give(struct dist_workers *workers, enum dist_slot slot)
{
	struct dist_wake wake;

	if (slot == DIST_SLOT_INLINE) {
		atomic_store(&workers->inline_slot_taken, false);
		return;
	}
	dist_lock(&workers->lock);
	dist_slots_give_locked(workers, slot);
	wake = dist_wake_choose_for_calls_locked(workers);
	dist_unlock(&workers->lock);
	dist_wake_do(workers, wake);
}

bool
dist_slots_take_serial(struct dist_workers *workers, struct dist_served *served)
{
	bool taken;

	dist_lock(&workers->lock);
	taken = !served->busy;
	served->busy = true;
	dist_unlock(&workers->lock);
	return taken;
}
