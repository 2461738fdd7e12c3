#include "client/group.h"

#include <stdlib.h>
#include <string.h>

#include "client/members.h"

/* Murmur's mixer: each bit of @x moves half of the result's. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* A fixed server has no instance: its address stays the same. */
static uint64_t
member_key(const struct dist_member *member)
{
	uint64_t key = 0;

	if (member->fixed) {
		for (const char *c = member->peer->info.address; *c; c++)
			key = mix(key ^ (uint8_t)*c);
	} else {
		memcpy(&key, member->peer->info.instance, sizeof(key));
	}
	return key;
}

bool
dist_member_serves(const struct dist_member *member, uint32_t prog, uint32_t vers)
{
	if (member->fixed)
		return true;
	for (unsigned i = 0; i < member->n_services; i++) {
		if (member->services[i].prog == prog &&
		    member->services[i].vers == vers)
			return true;
	}
	return false;
}

/* False: no memory. */
static bool
group_add(struct dist_group *group, const struct dist_member *member)
{
	struct dist_seat *grown;
	size_t capacity;

	if (member->draining || !dist_member_serves(member, group->prog, group->vers))
		return true;
	if (group->n == group->capacity) {
		capacity = group->capacity ? 2 * group->capacity : 16;
		grown = realloc(group->seats, capacity * sizeof(*grown));
		if (!grown)
			return false;
		group->seats = grown;
		group->capacity = capacity;
	}
	group->seats[group->n++] = (struct dist_seat){
		.peer = member->peer,
		.key = member_key(member),
		.capacity = member->peer->info.capacity,
	};
	return true;
}

struct dist_group *
dist_groups_find(struct dist_groups *groups, uint32_t prog, uint32_t vers)
{
	for (size_t i = 0; i < groups->n; i++) {
		struct dist_group *group = &groups->list[i];

		if (group->prog == prog && group->vers == vers)
			return group;
	}
	return NULL;
}

struct dist_group *
dist_groups_make(struct dist_groups *groups, uint32_t prog, uint32_t vers,
                 struct dist_member **members, size_t n)
{
	struct dist_group group = { .prog = prog, .vers = vers }, *grown;

	grown = realloc(groups->list, (groups->n + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	groups->list = grown;
	for (size_t i = 0; i < n; i++) {
		if (!group_add(&group, members[i])) {
			free(group.seats);
			return NULL;
		}
	}
	grown[groups->n] = group;
	return &grown[groups->n++];
}

void
dist_groups_add_member(struct dist_groups *groups, struct dist_member *member)
{
	for (size_t i = 0; i < groups->n; i++) {
		if (!group_add(&groups->list[i], member)) {
			dist_groups_forget(groups);
			return;
		}
	}
}

void
dist_groups_remove_member(struct dist_groups *groups, const struct dist_member *member)
{
	for (size_t i = 0; i < groups->n; i++) {
		struct dist_group *group = &groups->list[i];

		for (size_t at = 0; at < group->n; at++) {
			if (group->seats[at].peer == member->peer) {
				group->seats[at] = group->seats[--group->n];
				break;
			}
		}
	}
}

void
dist_groups_forget(struct dist_groups *groups)
{
	for (size_t i = 0; i < groups->n; i++)
		free(groups->list[i].seats);
	free(groups->list);
	*groups = (struct dist_groups){ 0 };
}
