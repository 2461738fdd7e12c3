/*
 * A cluster's view, as masters tell it: what each of four masters answers a WATCH with
 * is decoded and applied, in turn with restarts of masters, with time, and with calls
 * that look for a program. Masters need not agree, nor make sense. Each group must have
 * just the members that serve it, once, and nothing is left of those that went.
 */
#include "client/members.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "client/runtime.h"
#include "fuzz.h"
#include "steps.h"
#include "wire/xdr.h"

enum {
	VIEW,      /* bytes: a dist_view */
	RESTARTED, /* the same, and its master is another run than before */
	EXPIRE,    /* bytes[0] seconds pass */
	LOOK,      /* for a program and version, so that they have a group */
	N_STEPS,
};

#define N_MASTERS  4
#define GROUPS_MAX 16

static struct dist_runtime *runtime;
static struct dist_members members;
static int64_t now_ns;

/* As a follower makes it, without a connection that it would be called over. */
static struct dist_peer *
make_peer(const dist_node_entry *entry, void *arg)
{
	struct dist_peer_options options = { .name = entry->name,
		                             .capacity = entry->capacity,
		                             .features = entry->features,
		                             .counted = true };
	struct dist_sockaddr address;
	struct dist_peer *peer;

	(void)arg;
	if (entry->endpoints.endpoints_len == 0 ||
	    dist_uaddr_parse(entry->endpoints.endpoints_val[0].netid,
	                     entry->endpoints.endpoints_val[0].uaddr, &address)) {
		dist_error_set(DIST_EADDRESS, "no address");
		return NULL;
	}
	memcpy(options.instance, entry->instance, sizeof(options.instance));
	FUZZ_CHECK(!dist_peer_new(&peer, runtime, &address, &options));
	return peer;
}

static void
let_leave(struct dist_leavers *leavers)
{
	for (size_t i = 0; i < leavers->n; i++)
		dist_peer_unref(leavers->list[i]);
	free(leavers->list);
	free(leavers->lease_ms);
}

static void
apply(const struct step *step)
{
	struct dist_leavers leavers = { 0 };
	struct dist_decoder decoder;
	dist_view view = { 0 };

	dist_decoder_init(&decoder, step->bytes,
	                  dist_decoder_default_budget(step->bytes.length));
	if (dist_decoder_get(&decoder, (xdrproc_t)xdr_dist_view, &view))
		return;
	(void)!dist_members_apply(&members, step->which % N_MASTERS, &view,
	                          step->kind == RESTARTED, now_ns, make_peer, NULL,
	                          &leavers);
	let_leave(&leavers);
	xdr_free((xdrproc_t)xdr_dist_view, (char *)&view);
}

static void
expire(unsigned seconds)
{
	struct dist_leavers leavers = { 0 };
	int64_t next_ns;

	now_ns += seconds * INT64_C(1000000000);
	next_ns = dist_members_expire(&members, now_ns, &leavers);
	FUZZ_CHECK(next_ns > now_ns);
	let_leave(&leavers);
}

static void
look(struct dist_bytes bytes)
{
	uint32_t words[2] = { 0x20000099, 1 };

	for (unsigned i = 0; i < 2 && 4 * i + 4 <= bytes.length; i++)
		words[i] = dist_load_be32(bytes.data + 4 * i);
	if (members.groups.n < GROUPS_MAX)
		FUZZ_CHECK(dist_members_group(&members, words[0], words[1]));
}

/* --- What must hold ----------------------------------------------------------- */

static bool
serves(const struct dist_member *member, const struct dist_group *group)
{
	for (unsigned i = 0; i < member->n_services; i++) {
		if (member->services[i].prog == group->prog &&
		    member->services[i].vers == group->vers)
			return !member->draining;
	}
	return false;
}

static void
check_group(const struct dist_group *group)
{
	size_t n = 0, n_seats;

	for (size_t i = 0; i < members.n; i++) {
		n_seats = 0;
		for (size_t j = 0; j < group->n; j++)
			n_seats += group->seats[j].peer == members.list[i]->peer;
		FUZZ_CHECK(n_seats == serves(members.list[i], group));
		n += n_seats;
	}
	FUZZ_CHECK(n == group->n);
}

static void
check_members(void)
{
	size_t n_grace = 0;

	for (size_t i = 0; i < members.n; i++) {
		const struct dist_member *member = members.list[i];

		FUZZ_CHECK(member->place == i);
		FUZZ_CHECK(member->listed || member->grace);
		FUZZ_CHECK(!((member->listed | member->grace) >> N_MASTERS));
		n_grace += member->grace != 0;
		for (size_t j = 0; j < i; j++)
			FUZZ_CHECK(memcmp(member->peer->info.instance,
			                  members.list[j]->peer->info.instance,
			                  sizeof(dist_id)) != 0);
	}
	FUZZ_CHECK(n_grace == members.n_grace);
	FUZZ_CHECK(members.by_instance.n == members.n);
	for (size_t i = 0; i < members.groups.n; i++)
		check_group(&members.groups.list[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct steps steps = { data, data + size, N_STEPS };
	struct step step;

	if (!runtime)
		FUZZ_CHECK(dist_runtime_start(&runtime, "fuzz") == DIST_OK);
	now_ns = 1;
	dist_members_init(&members);
	while (steps_next(&steps, &step)) {
		if (step.kind == EXPIRE)
			expire(step.bytes.length ? step.bytes.data[0] : 0);
		else if (step.kind == LOOK)
			look(step.bytes);
		else
			apply(&step);
		check_members();
	}
	dist_members_fini(&members);
	return 0;
}
