#include "client/members.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

void
dist_members_init(struct dist_members *members)
{
	*members = (struct dist_members){ 0 };
}

static void
groups_forget(struct dist_members *members)
{
	for (size_t i = 0; i < members->n_groups; i++)
		free(members->groups[i].members);
	free(members->groups);
	members->groups = NULL;
	members->n_groups = 0;
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
	groups_forget(members);
	for (size_t i = 0; i < members->n; i++)
		member_free(members->list[i]);
	free(members->list);
	*members = (struct dist_members){ 0 };
}

/* --- The list ------------------------------------------------------------------------ */

static int
member_compare(const struct dist_member *a, const struct dist_member *b)
{
	int order = strcmp(a->peer->info.name, b->peer->info.name);

	if (order == 0)
		order = memcmp(a->peer->info.instance, b->peer->info.instance,
		               sizeof(a->peer->info.instance));
	return order ? order : strcmp(a->peer->info.address, b->peer->info.address);
}

static enum dist_err
members_insert(struct dist_members *members, struct dist_member *member)
{
	struct dist_member **grown;
	size_t at = members->n;

	if (members->n == members->capacity) {
		size_t capacity = members->capacity ? 2 * members->capacity : 16;

		grown = realloc(members->list, capacity * sizeof(struct dist_member *));
		if (!grown)
			return dist_error_set_plain(DIST_ENOMEM);
		members->list = grown;
		members->capacity = capacity;
	}
	while (at > 0 && member_compare(members->list[at - 1], member) > 0)
		at--;
	memmove(&members->list[at + 1], &members->list[at],
	        (members->n - at) * sizeof(struct dist_member *));
	members->list[at] = member;
	members->n++;
	return DIST_OK;
}

static struct dist_member *
members_find(struct dist_members *members, const void *instance)
{
	for (size_t i = 0; i < members->n; i++) {
		struct dist_member *member = members->list[i];

		if (!member->fixed && memcmp(member->peer->info.instance, instance,
		                             sizeof(member->peer->info.instance)) == 0)
			return member;
	}
	return NULL;
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
	if (err)
		member_free(member);
	groups_forget(members);
	return err;
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
			atomic_store(&member->peer->leaving, true);
			return;
		}
		leavers->capacity = capacity;
	}
	leavers->list[leavers->n] = dist_peer_ref(member->peer);
	leavers->lease_ms[leavers->n++] = member->lease_ms;
}

/* Those that no master lists, or may list again, leave. */
static void
members_sweep(struct dist_members *members, struct dist_leavers *leavers)
{
	size_t kept = 0;

	for (size_t i = 0; i < members->n; i++) {
		struct dist_member *member = members->list[i];

		if (member->fixed || member->listed || member->grace) {
			members->list[kept++] = member;
			continue;
		}
		leavers_add(leavers, member);
		member_free(member);
	}
	members->n = kept;
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

static enum dist_err
members_apply_entry(struct dist_members *members, unsigned index,
                    const dist_node_entry *entry, dist_make_peer_fn *make, void *make_arg)
{
	uint64_t bit = UINT64_C(1) << index;
	struct dist_member *member = members_find(members, entry->instance);
	enum dist_err err;

	if (entry->state == DIST_NODE_GONE) {
		if (member) {
			/* One master saw its end, and the end of a process is final. */
			member->listed &= ~bit;
			member->grace &= ~bit;
		}
		return DIST_OK;
	}
	if (!member) {
		err = members_add(members, entry, make, make_arg, &member);
		if (err)
			return err;
	}
	member->listed |= bit;
	member->grace &= ~bit;
	member->draining = entry->state == DIST_NODE_DRAINING;
	member->lease_ms = entry->lease_ms;
	if (member->draining)
		atomic_store(&member->peer->leaving, true);
	return member_set_services(member, entry);
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
			member->grace |= bit;
			member->grace_until_ns = grace_until_ns;
		}
		if (!restarted)
			member->grace &= ~bit;
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
		                          make_arg);
		if (err && !first)
			first = err;
	}
	members_sweep(members, leavers);
	groups_forget(members);
	return first;
}

int64_t
dist_members_expire(struct dist_members *members, int64_t now_ns,
                    struct dist_leavers *leavers)
{
	int64_t next_ns = DIST_NEVER;
	bool any = false;

	for (size_t i = 0; i < members->n; i++) {
		struct dist_member *member = members->list[i];

		if (!member->grace)
			continue;
		if (member->grace_until_ns <= now_ns) {
			member->grace = 0;
			any = true;
		} else {
			next_ns = DIST_MIN(next_ns, member->grace_until_ns);
		}
	}
	if (any) {
		members_sweep(members, leavers);
		groups_forget(members);
	}
	return next_ns;
}

/* --- Groups -------------------------------------------------------------------------- */

static bool
member_serves(const struct dist_member *member, uint32_t prog, uint32_t vers)
{
	if (member->fixed)
		return true;
	for (unsigned i = 0; i < member->n_services; i++) {
		if (member->services[i].prog == prog && member->services[i].vers == vers)
			return true;
	}
	return false;
}

static struct dist_group *
groups_add(struct dist_members *members, uint32_t prog, uint32_t vers)
{
	struct dist_group *group, *grown;

	grown = realloc(members->groups, (members->n_groups + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	members->groups = grown;
	group = &grown[members->n_groups];
	*group = (struct dist_group){ .prog = prog, .vers = vers };
	group->members = calloc(members->n ? members->n : 1, sizeof(struct dist_member *));
	if (!group->members)
		return NULL;
	members->n_groups++;
	for (size_t i = 0; i < members->n; i++) {
		if (member_serves(members->list[i], prog, vers))
			group->members[group->n++] = members->list[i];
	}
	return group;
}

struct dist_group *
dist_members_group(struct dist_members *members, uint32_t prog, uint32_t vers)
{
	for (size_t i = 0; i < members->n_groups; i++) {
		struct dist_group *group = &members->groups[i];

		if (group->prog == prog && group->vers == vers)
			return group;
	}
	return groups_add(members, prog, vers);
}
