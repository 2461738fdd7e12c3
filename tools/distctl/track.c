/*
 * Instances are found by a hash of their random bits. Gone ones are kept for a while, in
 * the order in which they went, so that one that comes back is known.
 */
#include "distctl/track.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS  4096
#define GONE_MAX 4096 /* kept; a master keeps as many */

/* What a master says of a node. */
enum said {
	SAID_NOTHING,
	SAID_LIVE,
	SAID_DRAINING,
	SAID_LISTED, /* before it started anew; it has some time to say so again */
	SAID_GONE,
};

struct node {
	dist_node_entry entry; /* its own, with all it points to */
	dist_node_state state; /* as was told last */
	bool told;             /* at all */
	bool anew;             /* its description is another than was told */
	int64_t gone_ms;
	unsigned round; /* of the view that had it last */
	LIST_ENTRY(node) by_instance;
	TAILQ_ENTRY(node) by_gone; /* while GONE */
	unsigned char said[];      /* by master */
};

struct master {
	dist_id id;        /* this run of it */
	bool is_known;     /* it has given a view */
	bool is_heard;     /* and answers still */
	int64_t settle_ms; /* those SAID_LISTED have until then; INT64_MAX: none */
};

struct services {
	dist_service_entry *list; /* in order, each once; the names are copies */
	size_t n;
};

struct track {
	track_event_fn *on_event;
	void *arg;
	struct master *masters;
	size_t n_masters;
	LIST_HEAD(, node) buckets[BUCKETS];
	TAILQ_HEAD(gone, node) gone;
	size_t n_gone, n_live, n_draining;
	struct services services;
	bool changed; /* who is live, or what it serves, since the services were told */
	bool quiet;
	unsigned round;
};

#define EACH_NODE(node, next, bucket) \
	for (node = LIST_FIRST(bucket); \
	     node && (next = LIST_NEXT(node, by_instance), 1); node = next)

/* --- Telling ---------------------------------------------------------------------- */

static void
tell(struct track *track, const struct track_event *event)
{
	if (track->on_event && !track->quiet)
		track->on_event(event, track->arg);
}

static void
tell_node(struct track *track, enum track_kind kind, const struct node *node,
          int64_t away_ms, const char *why)
{
	const struct track_event event = {
		.kind = kind, .node = &node->entry, .away_ms = away_ms, .why = why
	};

	tell(track, &event);
}

/* How long ago the last one of this name went; -1: none is remembered. */
static int64_t
away_ms(const struct track *track, const struct node *node, int64_t now_ms)
{
	const struct node *gone;

	TAILQ_FOREACH_REVERSE (gone, &track->gone, gone, by_gone) {
		if (gone->entry.name && strcmp(gone->entry.name, node->entry.name) == 0)
			return now_ms - gone->gone_ms;
	}
	return -1;
}

/* The last one is the master's own, see registry.x. */
static const char *
why_gone(const dist_node_entry *entry)
{
	for (size_t i = entry->attrs.dist_attrs_len; i-- > 0;) {
		if (strcmp(entry->attrs.dist_attrs_val[i].name, "gone") == 0)
			return entry->attrs.dist_attrs_val[i].value;
	}
	return NULL;
}

/* --- Nodes ------------------------------------------------------------------------ */

static void
node_free(struct node *node)
{
	xdr_free((xdrproc_t)xdr_dist_node_entry, &node->entry);
	free(node);
}

static size_t
bucket_of(const dist_id instance)
{
	uint32_t bits;

	memcpy(&bits, instance, sizeof(bits));
	return bits % BUCKETS;
}

static struct node *
find_node(struct track *track, const dist_id instance)
{
	struct node *node;

	LIST_FOREACH (node, &track->buckets[bucket_of(instance)], by_instance) {
		if (memcmp(node->entry.instance, instance, DIST_ID_SIZE) == 0)
			return node;
	}
	return NULL;
}

/* Its description is @entry's from now on. */
static void
take_entry(struct node *node, dist_node_entry *entry)
{
	xdr_free((xdrproc_t)xdr_dist_node_entry, &node->entry);
	node->entry = *entry;
	memset(entry, 0, sizeof(*entry));
}

/* NULL: no memory. */
static struct node *
add_node(struct track *track, dist_node_entry *entry)
{
	struct node *node = calloc(1, sizeof(*node) + track->n_masters);

	if (!node)
		return NULL;
	take_entry(node, entry);
	LIST_INSERT_HEAD(&track->buckets[bucket_of(node->entry.instance)], node,
	                 by_instance);
	return node;
}

static void
count_node(struct track *track, const struct node *node, size_t by)
{
	if (!node->told)
		return;
	if (node->state == DIST_NODE_LIVE)
		track->n_live += by;
	else if (node->state == DIST_NODE_DRAINING)
		track->n_draining += by;
}

static void
forget_oldest(struct track *track)
{
	struct node *node = TAILQ_FIRST(&track->gone);

	TAILQ_REMOVE(&track->gone, node, by_gone);
	track->n_gone--;
	LIST_REMOVE(node, by_instance);
	node_free(node);
}

static void
set_state(struct track *track, struct node *node, dist_node_state state, int64_t now_ms)
{
	if (node->told && node->state == DIST_NODE_GONE) {
		TAILQ_REMOVE(&track->gone, node, by_gone);
		track->n_gone--;
	}
	count_node(track, node, (size_t)-1);
	node->told = true;
	node->state = state;
	count_node(track, node, 1);
	if (state == DIST_NODE_GONE) {
		node->gone_ms = now_ms;
		TAILQ_INSERT_TAIL(&track->gone, node, by_gone);
		track->n_gone++;
	}
	track->changed = true;
}

/* --- Whether one lives ------------------------------------------------------------ */

/*
 * What all masters together say. An order to drain stays, also where one has told that
 * the node is gone and another has not heard of the order yet.
 */
static dist_node_state
state_of(const struct track *track, const struct node *node)
{
	bool live = false, draining = false, gone = false, was_live = false;

	for (size_t i = 0; i < track->n_masters; i++) {
		bool lists = node->said[i] == SAID_LIVE ||
		             node->said[i] == SAID_DRAINING ||
		             node->said[i] == SAID_LISTED;

		if (!track->masters[i].is_heard) {
			was_live |= lists;
			continue;
		}
		live |= lists;
		draining |= node->said[i] == SAID_DRAINING;
		gone |= node->said[i] == SAID_GONE;
	}
	if (!live && (gone || !was_live))
		return DIST_NODE_GONE;
	if (draining || (node->told && node->state == DIST_NODE_DRAINING))
		return DIST_NODE_DRAINING;
	return DIST_NODE_LIVE;
}

/* Tell what became of it. @why: of one that is gone now. */
static void
tell_change(struct track *track, struct node *node, const char *why, int64_t now_ms)
{
	dist_node_state state = state_of(track, node);
	bool was_there = node->told && node->state != DIST_NODE_GONE;
	/* One that came and went between two views came nevertheless. */
	bool comes = !was_there && (!node->told || state != DIST_NODE_GONE);

	if (comes || (was_there && node->anew && state != DIST_NODE_GONE)) {
		tell_node(track, TRACK_NODE_REGISTERED, node,
		          was_there ? -1 : away_ms(track, node, now_ms), NULL);
		set_state(track, node, DIST_NODE_LIVE, now_ms);
	}
	node->anew = false;
	if (state == node->state)
		return;
	set_state(track, node, state, now_ms);
	if (state == DIST_NODE_DRAINING)
		tell_node(track, TRACK_NODE_DRAINING, node, -1, NULL);
	else if (state == DIST_NODE_GONE)
		tell_node(track, TRACK_NODE_GONE, node, -1, why);
}

/* --- Services --------------------------------------------------------------------- */

static int
compare_services(const void *left, const void *right)
{
	const dist_service_entry *a = left, *b = right;

	if (a->prog != b->prog)
		return a->prog < b->prog ? -1 : 1;
	return (a->vers > b->vers) - (a->vers < b->vers);
}

static void
services_fini(struct services *services)
{
	for (size_t i = 0; i < services->n; i++)
		xdr_free((xdrproc_t)xdr_dist_service_entry, &services->list[i]);
	free(services->list);
}

static bool
copy_service(dist_service_entry *service)
{
	service->prog_name = strdup(service->prog_name);
	service->vers_name = strdup(service->vers_name);
	return service->prog_name && service->vers_name;
}

static size_t
count_services(struct track *track)
{
	size_t n = 0;

	for (size_t i = 0; i < BUCKETS; i++) {
		struct node *node;

		LIST_FOREACH (node, &track->buckets[i], by_instance)
			n += node->entry.services.services_len;
	}
	return n;
}

/* Those of live nodes, in any order, and the names are the nodes'. */
static void
list_services(struct services *services, struct track *track)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct node *node;

		LIST_FOREACH (node, &track->buckets[i], by_instance) {
			if (node->state != DIST_NODE_LIVE)
				continue;
			for (u_int j = 0; j < node->entry.services.services_len; j++)
				services->list[services->n++] =
					node->entry.services.services_val[j];
		}
	}
}

/* What live nodes serve. False: no memory. */
static bool
get_services(struct services *services, struct track *track)
{
	size_t n = 0;

	memset(services, 0, sizeof(*services));
	services->list = calloc(count_services(track) + 1, sizeof(*services->list));
	if (!services->list)
		return false;
	list_services(services, track);
	qsort(services->list, services->n, sizeof(*services->list), compare_services);
	for (size_t i = 0; i < services->n; i++) {
		if (n > 0 && compare_services(&services->list[i],
		                              &services->list[n - 1]) == 0)
			continue;
		services->list[n] = services->list[i];
		if (!copy_service(&services->list[n++])) {
			services->n = n;
			services_fini(services);
			return false;
		}
	}
	services->n = n;
	return true;
}

/* A list of none need not have a place, which bsearch() wants. */
static bool
services_have(const struct services *services, const dist_service_entry *one)
{
	return services->n > 0 && bsearch(one, services->list, services->n,
	                                  sizeof(*services->list), compare_services);
}

/* Those of @these that are not among @others. */
static void
tell_services(struct track *track, enum track_kind kind, const struct services *these,
              const struct services *others)
{
	for (size_t i = 0; i < these->n; i++) {
		const struct track_event event = { .kind = kind,
			                           .service = &these->list[i],
			                           .away_ms = -1 };

		if (!services_have(others, &these->list[i]))
			tell(track, &event);
	}
}

static bool
tell_all_services(struct track *track)
{
	struct services now;

	if (!track->changed)
		return true;
	if (!get_services(&now, track))
		return false;
	tell_services(track, TRACK_SERVICE_GONE, &track->services, &now);
	tell_services(track, TRACK_SERVICE_REGISTERED, &now, &track->services);
	services_fini(&track->services);
	track->services = now;
	track->changed = false;
	return true;
}

/* --- Views ------------------------------------------------------------------------ */

static bool
same_services(const dist_node_entry *a, const dist_node_entry *b)
{
	if (a->services.services_len != b->services.services_len)
		return false;
	for (u_int i = 0; i < a->services.services_len; i++) {
		if (compare_services(&a->services.services_val[i],
		                     &b->services.services_val[i]) != 0)
			return false;
	}
	return true;
}

/* Whether an operator would see the same node in both. */
static bool
looks_the_same(const dist_node_entry *a, const dist_node_entry *b)
{
	return strcmp(a->name, b->name) == 0 && a->capacity == b->capacity &&
	       same_services(a, b);
}

static enum said
said_of(dist_node_state state)
{
	switch (state) {
	case DIST_NODE_LIVE:
		return SAID_LIVE;
	case DIST_NODE_DRAINING:
		return SAID_DRAINING;
	default:
		return SAID_GONE;
	}
}

/* One node of a view. False: no memory. */
static bool
take_node(struct track *track, size_t master, dist_node_entry *entry, int64_t now_ms)
{
	struct node *node = find_node(track, entry->instance);
	enum said said = said_of(entry->state);
	char *why = said == SAID_GONE && why_gone(entry) ? strdup(why_gone(entry)) : NULL;

	if (!node)
		node = add_node(track, entry);
	else if (said != SAID_GONE && !looks_the_same(&node->entry, entry)) {
		node->anew = true;
		take_entry(node, entry);
	}
	if (node) {
		node->said[master] = (unsigned char)said;
		node->round = track->round;
		tell_change(track, node, why, now_ms);
	}
	free(why);
	return node != NULL;
}

/* What @master listed, and is not in its view of all nodes. */
static void
miss_node(struct track *track, size_t master, struct node *node, bool started_anew,
          int64_t now_ms)
{
	if (node->round == track->round || node->said[master] == SAID_NOTHING ||
	    node->said[master] == SAID_GONE)
		return;
	node->said[master] = started_anew ? SAID_LISTED : SAID_GONE;
	tell_change(track, node, "missing", now_ms);
}

static void
miss_nodes(struct track *track, size_t master, bool started_anew, int64_t now_ms)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct node *node, *next;

		EACH_NODE(node, next, &track->buckets[i])
			miss_node(track, master, node, started_anew, now_ms);
	}
}

static void
forget_old(struct track *track)
{
	while (track->n_gone > GONE_MAX)
		forget_oldest(track);
}

bool
track_view(struct track *track, size_t master, dist_view *view, bool quiet, int64_t now_ms)
{
	struct master *teller = &track->masters[master];
	bool started_anew =
		teller->is_known && memcmp(teller->id, view->master, DIST_ID_SIZE) != 0;
	bool all = true;

	track->quiet = quiet;
	track->round++;
	teller->is_known = teller->is_heard = true;
	memcpy(teller->id, view->master, DIST_ID_SIZE);
	if (started_anew)
		teller->settle_ms = now_ms + view->lease_ms;
	for (u_int i = 0; i < view->nodes.dist_node_entries_len; i++)
		all &= take_node(track, master, &view->nodes.dist_node_entries_val[i],
		                 now_ms);
	if (view->full)
		miss_nodes(track, master, started_anew, now_ms);
	all &= tell_all_services(track);
	forget_old(track);
	track->quiet = false;
	return all;
}

/* Look at all nodes again. */
static void
review(struct track *track, int64_t now_ms)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct node *node, *next;

		EACH_NODE(node, next, &track->buckets[i])
			tell_change(track, node, NULL, now_ms);
	}
	(void)tell_all_services(track);
	forget_old(track);
}

void
track_lost(struct track *track, size_t master, int64_t now_ms)
{
	track->masters[master].is_heard = false;
	review(track, now_ms);
}

/* It has had the time: who is not listed again does not live. */
static void
settle(struct track *track, size_t master, int64_t now_ms)
{
	track->masters[master].settle_ms = INT64_MAX;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct node *node, *next;

		EACH_NODE(node, next, &track->buckets[i])
		{
			if (node->said[master] != SAID_LISTED)
				continue;
			node->said[master] = SAID_GONE;
			tell_change(track, node, "missing", now_ms);
		}
	}
	(void)tell_all_services(track);
	forget_old(track);
}

int64_t
track_tick(struct track *track, int64_t now_ms)
{
	int64_t next_ms = INT64_MAX;

	for (size_t i = 0; i < track->n_masters; i++) {
		struct master *master = &track->masters[i];

		if (master->settle_ms <= now_ms)
			settle(track, i, now_ms);
		if (master->settle_ms < next_ms)
			next_ms = master->settle_ms;
	}
	return next_ms;
}

size_t
track_n_nodes(const struct track *track)
{
	return track->n_live + track->n_draining;
}

/* --- Birth and death -------------------------------------------------------------- */

struct track *
track_new(size_t n_masters, track_event_fn *on_event, void *arg)
{
	struct track *track = calloc(1, sizeof(*track));

	if (!track)
		return NULL;
	track->on_event = on_event;
	track->arg = arg;
	track->n_masters = n_masters;
	track->masters = calloc(n_masters + 1, sizeof(*track->masters));
	TAILQ_INIT(&track->gone);
	for (size_t i = 0; i < BUCKETS; i++)
		LIST_INIT(&track->buckets[i]);
	for (size_t i = 0; track->masters && i < n_masters; i++)
		track->masters[i].settle_ms = INT64_MAX;
	if (track->masters)
		return track;
	free(track);
	return NULL;
}

void
track_free(struct track *track)
{
	if (!track)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct node *node, *next;

		EACH_NODE(node, next, &track->buckets[i])
			node_free(node);
	}
	services_fini(&track->services);
	free(track->masters);
	free(track);
}
