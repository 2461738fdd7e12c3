/*
 * The items of a map. Each is taken from the user when it can be started, and its
 * memory is used again once the user was told of its end.
 *
 * In order, those that ended early wait in a ring for the oldest one. The ring is as
 * long as an item may be ahead, so that a map whose first item takes for ever does not
 * fill the memory with the results of all others.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "bulk/bulk.h"
#include "client/peer_internal.h"

/* Behind an item there is the memory for its result, good for any type. */
#define ITEM_SIZE \
	((sizeof(struct dist_bulk_item) + _Alignof(max_align_t) - 1) / \
	 _Alignof(max_align_t) * _Alignof(max_align_t))

static struct dist_bulk_item *
item_alloc(struct dist_mapping *mapping)
{
	struct dist_list *link = dist_list_pop(&mapping->free);
	size_t result_bytes = mapping->options.result_bytes;
	struct dist_bulk_item *item;

	if (link)
		return DIST_CONTAINER_OF(link, struct dist_bulk_item, link);
	if (result_bytes > SIZE_MAX - ITEM_SIZE)
		return NULL;
	item = calloc(1, ITEM_SIZE + result_bytes);
	if (!item)
		return NULL;
	dist_list_init(&item->link);
	item->item.result = result_bytes ? (char *)item + ITEM_SIZE : NULL;
	return item;
}

bool
dist_bulk_has_next(const struct dist_mapping *mapping)
{
	if (mapping->exhausted)
		return false;
	return !mapping->ring ||
	       mapping->n_begun - mapping->n_told < mapping->ring_size;
}

struct dist_bulk_item *
dist_bulk_item_new(struct dist_mapping *mapping)
{
	const struct dist_map_options *options = &mapping->options;
	struct dist_bulk_item *item;

	if (!dist_bulk_has_next(mapping))
		return NULL;
	item = item_alloc(mapping);
	if (!item) {
		dist_bulk_stop(mapping, DIST_ENOMEM, "no memory for an item");
		return NULL;
	}
	item->item.index = mapping->n_begun;
	if (options->next ? !options->next(&item->item, options->arg)
	                  : mapping->n_begun == options->n_items) {
		mapping->exhausted = true;
		dist_list_append(&mapping->free, &item->link);
		return NULL;
	}
	if (mapping->ring)
		mapping->ring[item->item.index & (mapping->ring_size - 1)] = item;
	mapping->n_begun++;
	return item;
}

void
dist_bulk_item_clear_result(struct dist_mapping *mapping, struct dist_bulk_item *item)
{
	const struct dist_map_options *options = &mapping->options;

	if (!options->result_bytes)
		return;
	if (options->xdr_result)
		xdr_free(options->xdr_result, item->item.result);
	memset(item->item.result, 0, options->result_bytes);
}

/* Tell the user; then it is free. */
static void
item_tell(struct dist_mapping *mapping, struct dist_bulk_item *item)
{
	const struct dist_map_options *options = &mapping->options;
	enum dist_err err = DIST_OK;

	if (options->done)
		err = options->done(&item->item, options->arg);
	if (err)
		dist_bulk_stop(mapping, err, "done() ended the map");
	if (item->troubled)
		dist_bulk_trouble_keep(mapping, item);
	if (item->node)
		dist_peer_unref(item->node);
	dist_bulk_item_clear_result(mapping, item);
	item->item.data = NULL;
	item->item.err = DIST_OK;
	item->item.node = NULL;
	item->item.failure = NULL;
	item->node = NULL;
	item->ended = false;
	item->twice = false;
	item->looked_ns = 0;
	dist_list_prepend(&mapping->free, &item->link);
}

/* The oldest, as long as it is over. */
static void
ring_tell(struct dist_mapping *mapping)
{
	struct dist_bulk_item **place;

	while (mapping->n_told < mapping->n_begun) {
		place = &mapping->ring[mapping->n_told & (mapping->ring_size - 1)];
		if (!(*place)->ended)
			return;
		mapping->n_told++;
		item_tell(mapping, *place);
	}
}

void
dist_bulk_item_ended(struct dist_mapping *mapping, struct dist_bulk_item *item)
{
	item->ended = true;
	if (mapping->ring)
		ring_tell(mapping);
	else
		item_tell(mapping, item);
}

void
dist_bulk_items_free(struct dist_mapping *mapping)
{
	struct dist_list *link;

	while ((link = dist_list_pop(&mapping->free)))
		free(DIST_CONTAINER_OF(link, struct dist_bulk_item, link));
	free(mapping->ring);
}
