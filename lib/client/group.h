/*
 * A group: the nodes that serve one program and version and take calls, laid out for
 * picking. What a pick looks at stands side by side here, so that one among ten
 * thousand nodes costs little more than one among ten. The cluster's lock guards it.
 */
#ifndef DIST_CLIENT_GROUP_H
#define DIST_CLIENT_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dist_member;
struct dist_peer;

/* A node as a pick sees it. */
struct dist_seat {
	struct dist_peer *peer; /* its member holds the reference */
	uint64_t key;           /* the same for every run of the caller: for affinity */
	unsigned capacity;
};

struct dist_group {
	uint32_t prog, vers;
	struct dist_seat *seats; /* in no order */
	size_t n, capacity;
	size_t turn; /* where the last pick was: ties go round */
};

/* Made when they are first asked for, then kept up to date member by member. */
struct dist_groups {
	struct dist_group *list;
	size_t n;
};

bool dist_member_serves(const struct dist_member *member, uint32_t prog, uint32_t vers);

/* NULL: there is none yet. */
struct dist_group *dist_groups_find(struct dist_groups *groups, uint32_t prog,
                                    uint32_t vers);
/* Of @members, @n of them. NULL: no memory. */
struct dist_group *dist_groups_make(struct dist_groups *groups, uint32_t prog,
                                    uint32_t vers, struct dist_member **members,
                                    size_t n);

/* A member came, or went, or is about to change; it is in none again when that is done.
 * Without memory all groups are forgotten, and made anew when they are asked for. */
void dist_groups_add_member(struct dist_groups *groups, struct dist_member *member);
void dist_groups_remove_member(struct dist_groups *groups,
                               const struct dist_member *member);
void dist_groups_forget(struct dist_groups *groups);

#endif
