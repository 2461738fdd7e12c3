#include "client/members.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

void
dist_members_init(struct dist_members *members)
{
	*members = (struct dist_members){ 0 };
}

static void
member_free(struct dist_member *member)
{
	dist_peer_unref(member->peer);
	free(member->services);
	free(member);
}

void
dist_members_fini(struct dist_members *members)
{
	dist_groups_forget(&members->groups);
	for (size_t i = 0; i < members->n; i++)
		member_free(members->list[i]);
	free(members->list);
	dist_map_fini(&members->by_instance);
	*members = (struct dist_members){ 0 };
}

/* --- The list ------------------------------------------------------------------------ */

/* Room for one more, in the list and in the map. */
static enum dist_err
members_reserve(struct dist_members *members)
{
	size_t capacity = members->capacity ? 2 * members->capacity : 16;
	struct dist_member **grown;
	uint64_t seed;

	/* Nodes choose their instances, so the seed is none that they could know. */
	if (!members->by_instance.buckets &&
	    (getrandom(&seed, sizeof(seed), 0) != sizeof(seed) ||
	     dist_map_init(&members->by_instance, seed)))
		return dist_error_set_plain(DIST_ENOMEM);
	if (members->n < members->capacity)
		return DIST_OK;
	grown = realloc(members->list, capacity * sizeof(struct dist_member *));
	if (!grown)
		return dist_error_set_plain(DIST_ENOMEM);
	members->list = grown;
	members->capacity = capacity;
	return DIST_OK;
}

static uint64_t
instance_hash(const struct dist_members *members, const void *instance)
{
	return dist_map_hash(&members->by_instance, instance, sizeof(dist_id));
}

static enum dist_err
members_insert(struct dist_members *members, struct dist_member *member)
{
	enum dist_err err = members_reserve(members);

	if (err)
		return err;
	member->place = members->n;
	members->list[members->n++] = member;
	if (!member->fixed)
		dist_map_add(&members->by_instance, &member->by_instance,
		             instance_hash(members, member->peer->info.instance));
	return DIST_OK;
}

/* Out of the list, the map and the groups; it is the caller's. */
static void
members_take(struct dist_members *members, struct dist_member *member)
{
	struct dist_member *last = members->list[--members->n];

	last->place = member->place;
	members->list[member->place] = last;
	dist_map_remove(&members->by_instance, &member->by_instance);
	dist_groups_remove_member(&members->groups, member);
}

static struct dist_member *
members_find(struct dist_members *members, const void *instance)
{
	struct dist_member *member;

	if (!members->by_instance.buckets)
		return NULL;
	DIST_MAP_EACH (member, &members->by_instance, instance_hash(members, instance),
	               by_instance) {
		if (!memcmp(member->peer->info.instance, instance, sizeof(dist_id)))
			return member;
	}
	return NULL;
}

static void
member_set_grace(struct dist_members *members, struct dist_member *member, uint64_t grace)
{
	members->n_grace -= member->grace != 0;
	member->grace = grace;
	members->n_grace += member->grace != 0;
}

enum dist_err
dist_members_add_fixed(struct dist_members *members, struct dist_peer *peer)
{
	struct dist_member *member = calloc(1, sizeof(*member));
	enum dist_err err;

	if (!member) {
		dist_peer_unref(peer);
		return dist_error_set_plain(DIST_ENOMEM);
	}
	member->peer = peer;
	member->fixed = true;
	err = members_insert(members, member);
	if (err) {
		member_free(member);
		return err;
	}
	dist_groups_add_member(&members->groups, member);
	return DIST_OK;
}

/* --- Views --------------------------------------------------------------------------- */

/* With a reference of its own. Without memory its connections end when they are idle. */
static void
leavers_add(struct dist_leavers *leavers, struct dist_member *member)
{
	size_t capacity = leavers->capacity ? 2 * leavers->capacity : 8;
	struct dist_peer **list;
	int64_t *lease_ms;

	if (leavers->n == leavers->capacity) {
		list = realloc(leavers->list, capacity * sizeof(*list));
		if (list)
			leavers->list = list;
		lease_ms = realloc(leavers->lease_ms, capacity * sizeof(*lease_ms));
		if (lease_ms)
			leavers->lease_ms = lease_ms;
		if (!list || !lease_ms) {
			atomic_store(&member->peer->unlisted, true);
			atomic_store(&member->peer->leaving, true);
			return;
		}
		leavers->capacity = capacity;
	}
	leavers->list[leavers->n] = dist_peer_ref(member->peer);
	leavers->lease_ms[leavers->n++] = member->lease_ms;
}

/* Whether no master lists it, or may list it again. */
static bool
member_is_over(const struct dist_member *member)
{
	return !member->fixed && !member->listed && !member->grace;
}

static void
members_let_go(struct dist_members *members, struct dist_member *member,
               struct dist_leavers *leavers)
{
	members_take(members, member);
	leavers_add(leavers, member);
	member_free(member);
}

static void
members_sweep(struct dist_members *members, struct dist_leavers *leavers)
{
	/* From the end: the last one takes the place of one that leaves. */
	for (size_t i = members->n; i-- > 0;) {
		if (member_is_over(members->list[i]))
			members_let_go(members, members->list[i], leavers);
	}
}

/* --- What a member serves ------------------------------------------------------------ */

static bool
member_has_services(const struct dist_member *member, const dist_node_entry *entry)
{
	const dist_service_entry *services = entry->services.services_val;

	if (!member->services || member->n_services != entry->services.services_len)
		return false;
	for (unsigned i = 0; i < member->n_services; i++) {
		if (member->services[i].prog != services[i].prog ||
		    member->services[i].vers != services[i].vers)
			return false;
	}
	return true;
}

static enum dist_err
member_set_services(struct dist_member *member, const dist_node_entry *entry)
{
	size_t n = entry->services.services_len;
	dist_service_entry *services = calloc(n ? n : 1, sizeof(*services));

	if (!services)
		return dist_error_set_plain(DIST_ENOMEM);
	for (size_t i = 0; i < n; i++) {
		services[i].prog = entry->services.services_val[i].prog;
		services[i].vers = entry->services.services_val[i].vers;
	}
	free(member->services);
	member->services = services;
	member->n_services = (unsigned)n;
	return DIST_OK;
}

/* Its groups are touched only when they are others now: each costs a look at all. */
static enum dist_err
member_describe(struct dist_members *members, struct dist_member *member,
                const dist_node_entry *entry)
{
	bool draining = entry->state == DIST_NODE_DRAINING;
	bool same_services = member_has_services(member, entry);
	enum dist_err err = DIST_OK;

	if (draining)
		atomic_store(&member->peer->leaving, true);
	atomic_store(&member->peer->unlisted, draining);
	if (same_services && draining == member->draining)
		return DIST_OK;
	dist_groups_remove_member(&members->groups, member);
	member->draining = draining;
	if (!same_services)
		err = member_set_services(member, entry);
	dist_groups_add_member(&members->groups, member);
	return err;
}

/* --- Applying ------------------------------------------------------------------------ */

static enum dist_err
members_add(struct dist_members *members, const dist_node_entry *entry,
            dist_make_peer_fn *make, void *make_arg, struct dist_member **ret_member)
{
	struct dist_member *member = calloc(1, sizeof(*member));
	enum dist_err err;

	if (!member)
		return dist_error_set_plain(DIST_ENOMEM);
	member->peer = make(entry, make_arg);
	if (!member->peer) {
		free(member);
		return dist_error_last();
	}
	err = members_insert(members, member);
	if (err) {
		member_free(member);
		return err;
	}
	*ret_member = member;
	return DIST_OK;
}

/* One master saw its end, and the end of a process is final. */
static void
members_apply_gone(struct dist_members *members, unsigned index,
                   struct dist_member *member, struct dist_leavers *leavers)
{
	uint64_t bit = UINT64_C(1) << index;

	member->listed &= ~bit;
	member_set_grace(members, member, member->grace & ~bit);
	if (member_is_over(member))
		members_let_go(members, member, leavers);
}

static enum dist_err
members_apply_entry(struct dist_members *members, unsigned index,
                    const dist_node_entry *entry, dist_make_peer_fn *make, void *make_arg,
                    struct dist_leavers *leavers)
{
	uint64_t bit = UINT64_C(1) << index;
	struct dist_member *member = members_find(members, entry->instance);
	enum dist_err err = DIST_OK;

	if (entry->state == DIST_NODE_GONE) {
		if (member)
			members_apply_gone(members, index, member, leavers);
		return DIST_OK;
	}
	if (!member)
		err = members_add(members, entry, make, make_arg, &member);
	if (err == DIST_EADDRESS)
		return DIST_OK;
	if (err)
		return err;
	member->listed |= bit;
	member_set_grace(members, member, member->grace & ~bit);
	member->lease_ms = entry->lease_ms;
	return member_describe(members, member, entry);
}

/* What a full view does not list is gone; after a restart only once a lease is over. */
static void
members_unlist_all(struct dist_members *members, unsigned index, bool restarted,
                   int64_t grace_until_ns)
{
	uint64_t bit = UINT64_C(1) << index;

	for (size_t i = 0; i < members->n; i++) {
		struct dist_member *member = members->list[i];

		if (restarted && member->listed & bit) {
			member_set_grace(members, member, member->grace | bit);
			member->grace_until_ns = grace_until_ns;
		}
		if (!restarted)
			member_set_grace(members, member, member->grace & ~bit);
		member->listed &= ~bit;
	}
}

enum dist_err
dist_members_apply(struct dist_members *members, unsigned index, const dist_view *view,
                   bool restarted, int64_t now_ns, dist_make_peer_fn *make,
                   void *make_arg, struct dist_leavers *leavers)
{
	enum dist_err err, first = DIST_OK;

	if (view->full)
		members_unlist_all(members, index, restarted,
		                   now_ns + (int64_t)view->lease_ms * DIST_NS_PER_MS);
	for (u_int i = 0; i < view->nodes.dist_node_entries_len; i++) {
		err = members_apply_entry(members, index,
		                          &view->nodes.dist_node_entries_val[i], make,
		                          make_arg, leavers);
		if (err && !first)
			first = err;
	}
	/* What a change alone ends has left by now. */
	if (view->full)
		members_sweep(members, leavers);
	return first;
}

int64_t
dist_members_expire(struct dist_members *members, int64_t now_ns,
                    struct dist_leavers *leavers)
{
	int64_t next_ns = DIST_NEVER;
	bool any = false;

	for (size_t i = 0; members->n_grace && i < members->n; i++) {
		struct dist_member *member = members->list[i];

		if (!member->grace)
			continue;
		if (member->grace_until_ns <= now_ns) {
			member_set_grace(members, member, 0);
			any = true;
		} else {
			next_ns = DIST_MIN(next_ns, member->grace_until_ns);
		}
	}
	if (any)
		members_sweep(members, leavers);
	return next_ns;
}

struct dist_group *
dist_members_group(struct dist_members *members, uint32_t prog, uint32_t vers)
{
	struct dist_group *group = dist_groups_find(&members->groups, prog, vers);

	return group ? group
	             : dist_groups_make(&members->groups, prog, vers, members->list,
	                                members->n);
}
