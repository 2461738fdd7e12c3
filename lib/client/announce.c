/*
 * One thread has all of it: the claims below are touched by nobody else. A claim is one
 * program, version and netid; its state is what the last look found, so that a log line
 * is written when that changes and not every five seconds.
 */
#include "client/announce.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "client/oneshot.h"
#include "client/rpcbind.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LOOK_MS       5000
#define QUESTION_MS   2000 /* for one question to rpcbind */
#define CHANGE_MS     1000 /* for setting or unsetting an entry */
#define IS_ALIVE_MS   1000 /* for a NULL call to who has the entry */
#define TAKE_BACK_MS  1000 /* for all of them, at the end */
#define MAX_ENTRIES   16   /* netids for one program and version */
#define MAX_ADDRESSES 4

enum claim_state {
	CLAIM_NEW,
	CLAIM_ABSENT,  /* there is no rpcbind */
	CLAIM_OURS,    /* the entry says our address */
	CLAIM_OTHERS,  /* another process has it and answers, or holds the lock */
	CLAIM_REFUSED, /* rpcbind does not let us */
};

struct claim {
	struct dist_rpcbind_entry entry; /* as we want it */
	enum claim_state state;
	int lock_fd; /* the program's abstract socket, once it is ours; else -1 */
};

struct dist_announce {
	/* Read-only after start. */
	const char *path;
	int64_t look_ms;
	pthread_t thread;

	atomic_bool stopping; /* set under the lock; questions under way look at it */
	struct dist_mutex lock;
	struct dist_cond wake;

	/* The thread's alone. */
	struct claim *claims;
	unsigned n_claims;
};

/* --- The lock of a program ---------------------------------------------------- */

/* Bound by one process of this network namespace at a time; -1: another has it. */
static int
lock_take(uint32_t prog, uint32_t vers, const char *netid)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length;
	int fd, n;

	n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
	             "dist-rpcbind-%x-%u-%s", prog, vers, netid);
	length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&address, length) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool
claim_hold_lock(struct claim *claim)
{
	if (claim->lock_fd < 0)
		claim->lock_fd = lock_take(claim->entry.prog, claim->entry.vers,
		                           claim->entry.netid);
	return claim->lock_fd >= 0;
}

static void
claim_drop_lock(struct claim *claim)
{
	if (claim->lock_fd >= 0)
		close(claim->lock_fd);
	claim->lock_fd = -1;
}

/* --- One look ----------------------------------------------------------------- */

static struct dist_patience
patience_of(struct dist_announce *announce, int64_t ms)
{
	return (struct dist_patience){ dist_deadline_in_ms(ms), &announce->stopping };
}

/* For changes: whether they were made must be known, also when we are to stop. */
static struct dist_patience
patience_to_the_end(void)
{
	return (struct dist_patience){ dist_deadline_in_ms(CHANGE_MS), NULL };
}

static void
claim_set_state(struct claim *claim, enum claim_state next, const char *detail)
{
	const struct dist_rpcbind_entry *entry = &claim->entry;

	if (claim->state == next)
		return;
	claim->state = next;
	switch (next) {
	case CLAIM_OURS:
		dist_log_info("rpcbind-registered",
		              "prog=%#x vers=%u netid=%s uaddr=%s", entry->prog,
		              entry->vers, entry->netid, entry->uaddr);
		break;
	case CLAIM_OTHERS:
		dist_log_notice("rpcbind-taken", "prog=%#x vers=%u netid=%s by=%s",
		                entry->prog, entry->vers, entry->netid, detail);
		break;
	case CLAIM_REFUSED:
		dist_log_warning("rpcbind-refused",
		                 "prog=%#x vers=%u netid=%s why=\"%s\"", entry->prog,
		                 entry->vers, entry->netid, detail);
		break;
	case CLAIM_NEW:
	case CLAIM_ABSENT:
		break;
	}
}

/*
 * Whether @entry may still be served: a NULL call there is refused, or answered by a
 * program that is another one, when it is not. A stock server is silent while its one
 * thread runs a procedure, so silence is no sign of death.
 */
static bool
entry_is_alive(struct dist_announce *announce, const struct dist_rpcbind_entry *entry)
{
	struct dist_sockaddr address;
	struct dist_oneshot oneshot = {
		.address = &address,
		.prog = entry->prog,
		.vers = entry->vers,
		.deadline_ns = dist_deadline_in_ms(IS_ALIVE_MS),
		.stop = &announce->stopping,
	};
	enum dist_err err;

	if (dist_uaddr_parse(entry->netid, entry->uaddr, &address))
		return false;
	if (dist_sockaddr_is_any(&address))
		(void)dist_sockaddr_from_numeric(
			address.sa.sa_family == AF_INET6 ? "::1" : "127.0.0.1",
			(int)dist_sockaddr_port(&address), &address);
	err = dist_oneshot_call(&oneshot, NULLPROC, (xdrproc_t)xdr_void, NULL,
	                        (xdrproc_t)xdr_void, NULL);
	return err != DIST_ECONNECT && err != DIST_ENONODE;
}

static void
claim_set(struct dist_announce *announce, struct claim *claim)
{
	struct dist_patience patience = patience_to_the_end();
	enum dist_err err = dist_rpcbind_set(announce->path, &claim->entry, patience);

	if (!err)
		claim_set_state(claim, CLAIM_OURS, "");
	else if (err == DIST_EREFUSED)
		claim_set_state(claim, CLAIM_REFUSED, "it said no to a new entry");
}

/* The entry is of a process that is no more: unset it, then it is free to be set. */
static void
claim_replace(struct dist_announce *announce, struct claim *claim,
              const struct dist_rpcbind_entry *stale)
{
	struct dist_patience patience = patience_to_the_end();
	enum dist_err err = dist_rpcbind_unset(announce->path, stale, patience);
	char detail[160];

	if (err == DIST_EREFUSED) {
		snprintf(
			detail, sizeof(detail),
			"a stale entry for %.40s belongs to user %.40s, who must remove it",
			stale->uaddr, stale->owner);
		claim_set_state(claim, CLAIM_REFUSED, detail);
	}
	if (err)
		return;
	dist_log_info("rpcbind-stale", "prog=%#x vers=%u netid=%s uaddr=%s",
	              stale->prog, stale->vers, stale->netid, stale->uaddr);
	claim_set(announce, claim);
}

static void
claim_look(struct dist_announce *announce, struct claim *claim,
           const struct dist_rpcbind_entry *found)
{
	if (found && !strcmp(found->uaddr, claim->entry.uaddr)) {
		/* Set by us, or by one before us that listened here: it is right. */
		(void)claim_hold_lock(claim);
		claim_set_state(claim, CLAIM_OURS, "");
	} else if (!claim_hold_lock(claim)) {
		claim_set_state(claim, CLAIM_OTHERS, "a-node-of-ours");
	} else if (!found) {
		claim_set(announce, claim);
	} else if (entry_is_alive(announce, found)) {
		claim_drop_lock(claim);
		claim_set_state(claim, CLAIM_OTHERS, found->uaddr);
	} else {
		claim_replace(announce, claim, found);
	}
}

/* What rpcbind has for the claim; false: rpcbind did not tell. */
static bool
claim_find(struct dist_announce *announce, const struct claim *claim,
           struct dist_patience patience, struct dist_rpcbind_entry *ret_entry,
           bool *ret_found)
{
	struct dist_rpcbind_entry entries[MAX_ENTRIES];
	unsigned n = 0;

	*ret_found = false;
	if (dist_rpcbind_entries(announce->path, claim->entry.prog, claim->entry.vers,
	                         patience, entries, MAX_ENTRIES, &n))
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(entries[i].netid, claim->entry.netid))
			continue;
		*ret_entry = entries[i];
		*ret_found = true;
	}
	return true;
}

static void
announce_look(struct dist_announce *announce)
{
	bool was_absent = announce->claims[0].state == CLAIM_ABSENT;

	for (unsigned i = 0; i < announce->n_claims; i++) {
		struct claim *claim = &announce->claims[i];
		struct dist_rpcbind_entry entry;
		bool found;

		if (atomic_load(&announce->stopping))
			return;
		if (claim_find(announce, claim, patience_of(announce, QUESTION_MS),
		               &entry, &found)) {
			claim_look(announce, claim, found ? &entry : NULL);
			continue;
		}
		if (!was_absent && i == 0 && !atomic_load(&announce->stopping))
			dist_log_info("rpcbind-absent", "why=\"%s\"",
			              dist_error_text());
		claim_set_state(claim, CLAIM_ABSENT, "");
	}
}

/* --- The thread --------------------------------------------------------------- */

/* Sleep until the next look; false: stop. */
static bool
announce_sleep(struct dist_announce *announce)
{
	int64_t until_ns = dist_deadline_in_ms(announce->look_ms);
	bool stopping, over = false;

	dist_lock(&announce->lock);
	while (!(stopping = atomic_load(&announce->stopping)) && !over)
		over = !dist_cond_wait_until(&announce->wake, &announce->lock, until_ns);
	dist_unlock(&announce->lock);
	return !stopping;
}

static void *
announce_run(void *arg)
{
	struct dist_announce *announce = arg;

	do
		announce_look(announce);
	while (announce_sleep(announce));
	return NULL;
}

/* --- Birth and death ---------------------------------------------------------- */

static struct dist_sockaddr
any_ipv4(unsigned port)
{
	struct dist_sockaddr address = { .length = 0 };

	(void)dist_sockaddr_from_numeric("0.0.0.0", (int)port, &address);
	return address;
}

/* The addresses as rpcbind is told them: one for each netid. */
static unsigned
announced_addresses(const struct dist_sockaddr *addresses, unsigned n,
                    struct dist_sockaddr ret[static MAX_ADDRESSES])
{
	unsigned n_ret = 0;

	for (unsigned i = 0; i < n && n_ret + 2 <= MAX_ADDRESSES; i++) {
		ret[n_ret++] = addresses[i];
		if (addresses[i].sa.sa_family == AF_INET6 &&
		    dist_sockaddr_is_any(&addresses[i]))
			ret[n_ret++] = any_ipv4(dist_sockaddr_port(&addresses[i]));
	}
	return n_ret;
}

static void
claim_init(struct claim *claim, const struct dist_announced *program,
           const struct dist_sockaddr *address)
{
	*claim = (struct claim){ .lock_fd = -1 };
	claim->entry.prog = program->prog;
	claim->entry.vers = program->vers;
	snprintf(claim->entry.netid, sizeof(claim->entry.netid), "%s",
	         dist_sockaddr_netid(address));
	dist_uaddr_format(address, claim->entry.uaddr);
}

static void
announce_free(struct dist_announce *announce)
{
	for (unsigned i = 0; i < announce->n_claims; i++)
		claim_drop_lock(&announce->claims[i]);
	dist_mutex_fini(&announce->lock);
	free(announce->claims);
	free(announce);
}

static void
announce_init_wake(struct dist_announce *announce)
{

	dist_mutex_init(&announce->lock, DIST_RANK_LEAF);
	dist_cond_init(&announce->wake);
}

enum dist_err
dist_announce_start(struct dist_announce **ret_announce,
                    const struct dist_announced *programs, unsigned n_programs,
                    const struct dist_sockaddr *addresses, unsigned n_addresses,
                    const struct dist_announce_options *options)
{
	struct dist_sockaddr announced[MAX_ADDRESSES];
	unsigned n = announced_addresses(addresses, n_addresses, announced);
	struct dist_announce *announce = calloc(1, sizeof(*announce));
	struct claim *claims = calloc((size_t)n * n_programs + 1, sizeof(*claims));
	enum dist_err err;

	if (!announce || !claims) {
		free(announce);
		free(claims);
		return dist_error_set_plain(DIST_ENOMEM);
	}
	announce_init_wake(announce);
	announce->path = options && options->socket_path ? options->socket_path
	                                                 : DIST_RPCBIND_SOCKET;
	announce->look_ms = options && options->look_ms ? options->look_ms : LOOK_MS;
	announce->claims = claims;
	for (unsigned i = 0; i < n_programs; i++) {
		for (unsigned j = 0; j < n; j++)
			claim_init(&claims[announce->n_claims++], &programs[i],
			           &announced[j]);
	}
	err = dist_thread_start(&announce->thread, "dist-rpcbind", announce_run,
	                        announce);
	if (err) {
		announce_free(announce);
		return err;
	}
	*ret_announce = announce;
	return DIST_OK;
}

/*
 * Only an entry that says our address is ours to unset. One that we set may be there
 * although no answer told so in time: the lock says that we tried.
 */
static void
claim_take_back(struct dist_announce *announce, struct claim *claim,
                struct dist_patience patience)
{
	struct dist_rpcbind_entry entry;
	bool found;

	if ((claim->state != CLAIM_OURS && claim->lock_fd < 0) ||
	    !claim_find(announce, claim, patience, &entry, &found) || !found ||
	    strcmp(entry.uaddr, claim->entry.uaddr))
		return;
	if (dist_rpcbind_unset(announce->path, &claim->entry, patience))
		dist_log_info("rpcbind-left", "prog=%#x vers=%u netid=%s why=\"%s\"",
		              entry.prog, entry.vers, entry.netid, dist_error_text());
}

void
dist_announce_stop(struct dist_announce *announce)
{
	struct dist_patience patience;

	if (!announce)
		return;
	dist_lock(&announce->lock);
	atomic_store(&announce->stopping, true);
	dist_cond_signal(&announce->wake);
	dist_unlock(&announce->lock);
	pthread_join(announce->thread, NULL);

	patience = (struct dist_patience){ dist_deadline_in_ms(TAKE_BACK_MS), NULL };
	for (unsigned i = 0; i < announce->n_claims; i++)
		claim_take_back(announce, &announce->claims[i], patience);
	announce_free(announce);
}
