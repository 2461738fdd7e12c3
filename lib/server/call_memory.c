#include "server/call_memory.h"

#include "base/cleanup.h"
#include "server/call.h"

#include <stdlib.h>

/* Made at first, and what may stay for nothing. */
#define CALLS_FIRST 24
/* Of the most that were in use before, this part is forgotten with each trim. */
#define FADE 16

#define CALL(its_link) DIST_CONTAINER_OF(its_link, struct dist_server_call, link)

void
dist_call_memory_init(struct dist_call_memory *memory, struct dist_mutex *lock)
{
	*memory = (struct dist_call_memory){ .lock = lock };
	dist_list_init(&memory->free);
	dist_list_init(&memory->back);
	atomic_init(&memory->n_back, 0);
}

void
dist_call_memory_fini(struct dist_call_memory *memory)
{
	struct dist_list *link;

	dist_list_move_all(&memory->back, &memory->free);
	while ((link = dist_list_pop(&memory->free)))
		free(CALL(link));
}

static unsigned
memory_n_back(const struct dist_call_memory *memory)
{
	return atomic_load_explicit(&memory->n_back, memory_order_relaxed);
}

void
dist_call_memory_give_locked(struct dist_call_memory *memory,
                             struct dist_server_call *call)
{
	dist_list_prepend(&memory->back, &call->link);
	atomic_store_explicit(&memory->n_back, memory_n_back(memory) + 1,
	                      memory_order_relaxed);
}

/* What was given back last is still in a cache: it comes first. */
void
dist_call_memory_collect_locked(struct dist_call_memory *memory)
{
	dist_list_move_all(&memory->free, &memory->back);
	dist_list_move_all(&memory->back, &memory->free);
	memory->n_free += memory_n_back(memory);
	atomic_store_explicit(&memory->n_back, 0, memory_order_relaxed);
}

static void
memory_collect(struct dist_call_memory *memory)
{
	dist_lock(memory->lock);
	dist_call_memory_collect_locked(memory);
	dist_unlock(memory->lock);
}

/*
 * As much again as there is. What was measured by a load that is steady must not be
 * just enough for it: a caller has its reply, and makes the next call, a moment before
 * the memory of the one before is given back.
 */
static void
memory_grow(struct dist_call_memory *memory)
{
	unsigned n = DIST_MAX(memory->n_made, CALLS_FIRST);
	struct dist_server_call *call;

	while (n-- > 0) {
		call = malloc(sizeof(*call) + DIST_SERVER_CALL_RECORD);
		if (!call)
			return;
		dist_list_append(&memory->free, &call->link);
		memory->n_free++;
		memory->n_made++;
	}
}

struct dist_server_call *
dist_call_memory_take(struct dist_call_memory *memory)
{
	struct dist_list *link;
	unsigned n_used;

	if (memory->n_free == 0)
		memory_collect(memory);
	if (memory->n_free == 0)
		memory_grow(memory);
	link = dist_list_pop(&memory->free);
	if (!link)
		return NULL;
	memory->n_free--;
	n_used = memory->n_made - memory->n_free - memory_n_back(memory);
	memory->most = DIST_MAX(memory->most, n_used);
	return CALL(link);
}

void
dist_call_memory_trim(struct dist_call_memory *memory)
{
	unsigned faded = memory->most_lately - (memory->most_lately + FADE - 1) / FADE;
	unsigned most = DIST_MAX(memory->most, faded);
	struct dist_list *link;

	memory->most_lately = most;
	memory->most = 0;
	if (memory->n_made <= CALLS_FIRST + 2 * most)
		return;
	memory_collect(memory);
	while (memory->n_made > CALLS_FIRST + 2 * most &&
	       (link = dist_list_pop(&memory->free))) {
		memory->n_free--;
		memory->n_made--;
		free(CALL(link));
	}
}
