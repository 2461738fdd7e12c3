/* What the masters know, put together: each node once, however many masters list it. */
#ifndef DISTCTL_VIEW_H
#define DISTCTL_VIEW_H

#include "distctl/masters.h"
#include "registry.h"

#include <stdbool.h>
#include <stddef.h>

struct view {
	dist_view *answers; /* one for each master, in the order of the masters */
	bool *answered;     /* whether that master gave one */
	char **whys;        /* why it did not, in a sentence; NULL: it did, or no memory */
	size_t n_answers;
	const dist_node_entry **nodes; /* in order of name; they are in the answers */
	size_t n_nodes;
};

/*
 * Ask all masters at once; @all: for gone nodes too. An exit status: failed, with
 * sentences on stderr, if no master answers. In any case view_fini() it.
 */
int view_get(struct view *view, const struct masters *masters, bool all);

/* The same without a word: false if no master answers, or there is no memory. */
bool view_ask(struct view *view, const struct masters *masters, bool all);

void view_fini(struct view *view);

/*
 * What most commands are: ask the masters of @config, and @use what they know. The exit
 * status of what failed, or of @use.
 */
typedef int view_use_fn(const struct config *config, const struct masters *masters,
                        const struct view *view);
int view_use(const struct config *config, bool all, view_use_fn *use);

/*
 * The node with this name or "HOST:PORT". NULL, with a sentence on stderr: there is
 * none, or several have the name.
 */
const dist_node_entry *view_find(const struct view *view, const char *name);

#endif
