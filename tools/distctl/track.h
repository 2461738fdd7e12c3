/*
 * The nodes as several masters tell of them, and what happens to them. A node lives as
 * long as a master says so; what one that is not heard of said last counts as long as no
 * other knows better. Time is an argument, milliseconds on any clock that only goes up.
 *
 * A master that started anew knows nothing yet: the nodes that it listed before have the
 * longest term that it grants to register there again.
 */
#ifndef DISTCTL_TRACK_H
#define DISTCTL_TRACK_H

#include "registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum track_kind {
	TRACK_NODE_REGISTERED,    /* it came, came back, or describes itself anew */
	TRACK_NODE_DRAINING,      /* it was ordered out */
	TRACK_NODE_GONE,          /* it left, or is dead */
	TRACK_SERVICE_REGISTERED, /* a first live node serves it */
	TRACK_SERVICE_GONE,       /* no live node serves it any more */
};

struct track_event {
	enum track_kind kind;
	const dist_node_entry *node;       /* NULL: of a service */
	const dist_service_entry *service; /* NULL: of a node */
	int64_t away_ms; /* registered: since one of this name was gone; -1: none was */
	const char *why; /* gone: as registry.x has it, or "missing"; NULL: not known */
};

/* All that it points to is borrowed for the call. */
typedef void track_event_fn(const struct track_event *event, void *arg);

struct track;

/* Given: track_free() it. NULL: no memory. @on_event may be NULL. */
struct track *track_new(size_t n_masters, track_event_fn *on_event, void *arg);
void track_free(struct track *track);

/*
 * A view of @master: all it has, or what changed since its last one. What it points to may
 * be taken; xdr_free() it as ever. @quiet: nothing has happened, it is how things are.
 * False: no memory, and something is missing.
 */
bool track_view(struct track *track, size_t master, dist_view *view, bool quiet,
                int64_t now_ms);

/* @master is not heard of any more. */
void track_lost(struct track *track, size_t master, int64_t now_ms);

/* Tell what time alone brings; when to come again, INT64_MAX: there is no need. */
int64_t track_tick(struct track *track, int64_t now_ms);

/* How many are live or draining. */
size_t track_n_nodes(const struct track *track);

#endif
