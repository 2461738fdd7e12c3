/*
 * A circular doubly linked list with its links inside its members. A head and an unlinked
 * link both point at themselves, so removing twice does no harm.
 */
#ifndef DIST_BASE_LIST_H
#define DIST_BASE_LIST_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

struct dist_list {
	struct dist_list *next, *prev;
};

static inline void
dist_list_init(struct dist_list *list)
{
	list->next = list->prev = list;
}

static inline bool
dist_list_empty(const struct dist_list *list)
{
	return list->next == list;
}

/* At the end of @list. */
static inline void
dist_list_append(struct dist_list *list, struct dist_list *link)
{
	link->prev = list->prev;
	link->next = list;
	list->prev->next = link;
	list->prev = link;
}

/* At the front of @list. */
static inline void
dist_list_prepend(struct dist_list *list, struct dist_list *link)
{
	dist_list_append(list->next, link);
}

static inline void
dist_list_remove(struct dist_list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	dist_list_init(link);
}

/* Moves all of @from to the end of @to. */
static inline void
dist_list_move_all(struct dist_list *from, struct dist_list *to)
{
	if (dist_list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	dist_list_init(from);
}

/* The first link, taken off; NULL when empty. */
static inline struct dist_list *
dist_list_pop(struct dist_list *list)
{
	struct dist_list *link = list->next;

	if (link == list)
		return NULL;
	dist_list_remove(link);
	return link;
}

/* Each member in turn; @next makes it safe to remove @entry. */
#define DIST_LIST_EACH(entry, next_entry, list, member) \
	for (entry = DIST_CONTAINER_OF((list)->next, __typeof__(*entry), member), \
	    next_entry = DIST_CONTAINER_OF(entry->member.next, __typeof__(*entry), member); \
	     &entry->member != (list); \
	     entry = next_entry, \
	    next_entry = DIST_CONTAINER_OF(entry->member.next, __typeof__(*entry), member))

#endif
