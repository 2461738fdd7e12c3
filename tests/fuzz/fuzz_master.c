/*
 * A master's registry: what peers send goes through record reader, header and registry
 * program into the table, and back out to those who watch. The house thread's work is
 * done by the input: which nodes answer their probes, when leases end, when watchers
 * are told. Nothing is called back, for addresses are whatever a peer says.
 *
 * Secrets are not secret here: a token has the bytes 0x5a, so that an input can know
 * it.
 */
#include "served.h"

#include "base/clock.h"
#include "idl/registry.h"
#include "master/master_internal.h"
#include "registry/lease.h"

#include <string.h>
#include <sys/random.h>

enum {
	HOUSE = SERVED_N_STEPS, /* bytes: verdicts on the probes that wait, in turn */
	EXPIRE,                 /* bytes[0] * 5 seconds pass for the leases */
	TURN,                   /* a node whose turn it is is probed */
	N_STEPS,
};

#define N_VERDICTS 4

static struct served served;
static struct dist_master master;

/* In the place of the C library's. */
ssize_t
getrandom(void *buffer, size_t length, unsigned flags)
{
	(void)flags;
	memset(buffer, 0x5a, length);
	return (ssize_t)length;
}

/* --- The house ---------------------------------------------------------------- */

/* As in lib/master/master.c. */
static void
on_closed(uint64_t conn_id, void *arg)
{
	struct dist_suspect suspect;
	uint64_t session = 0;

	(void)arg;
	dist_lock(&master.lock);
	while ((session = dist_table_next_of(master.table, conn_id, session))) {
		if (dist_table_find(master.table, session, &suspect))
			dist_house_probe_locked(&master, DIST_PROBE_CLOSED, &suspect);
	}
	dist_unlock(&master.lock);
}

static void
judge(struct dist_probe *probe, enum dist_verdict verdict)
{
	dist_lock(&master.lock);
	dist_map_remove(&master.probed, &probe->by_session);
	master.n_admitting -= probe->kind == DIST_PROBE_ADMIT;
	if (probe->kind != DIST_PROBE_ADMIT && verdict == DIST_VERDICT_DEAD)
		(void)dist_table_drop(master.table, probe->session, "unreachable",
		                      dist_clock_ns());
	dist_unlock(&master.lock);
	if (probe->kind == DIST_PROBE_ADMIT)
		dist_admit_judged(&master, probe, verdict);
	dist_entry_unref(probe->entry);
	free(probe);
}

/* Whether any probe waited. */
static bool
judge_all(struct dist_bytes verdicts)
{
	struct dist_list *link;
	size_t n = 0;

	for (; (link = dist_list_pop(&master.queued)); n++)
		judge(DIST_CONTAINER_OF(link, struct dist_probe, link),
		      n < verdicts.length
		              ? (enum dist_verdict)(verdicts.data[n] % N_VERDICTS)
		              : DIST_VERDICT_ALIVE);
	return n > 0;
}

static void
tell(int64_t now_ns)
{
	dist_lock(&master.lock);
	if (dist_table_epoch(master.table) != master.told_epoch)
		master.tell_ns = now_ns;
	(void)dist_watch_answer_locked(&master, now_ns);
	dist_unlock(&master.lock);
}

static void
house_round(struct dist_bytes verdicts)
{
	(void)judge_all(verdicts);
	tell(dist_clock_ns());
}

static void
expire(unsigned seconds)
{
	int64_t now_ns = dist_clock_ns() + seconds * 1000 * DIST_NS_PER_MS;

	dist_lock(&master.lock);
	(void)dist_table_expire(master.table, now_ns);
	dist_unlock(&master.lock);
	tell(now_ns);
}

static void
take_turn(void)
{
	/* Whoever is here has had its turn no later than now. */
	int64_t now_ns = dist_clock_ns() + 60000 * DIST_NS_PER_MS, due_ns;
	struct dist_suspect suspect;

	dist_lock(&master.lock);
	if (dist_table_take_probe(master.table, now_ns, &suspect, &due_ns))
		dist_house_probe_locked(&master, DIST_PROBE_TURN, &suspect);
	dist_unlock(&master.lock);
}

/* Nothing is left unanswered: who watches is told no, at last. */
static bool
end_all(struct served *at_rest)
{
	bool had_watchers = master.n_watchers > 0;

	(void)at_rest;
	dist_lock(&master.lock);
	dist_watch_end_locked(&master);
	dist_unlock(&master.lock);
	return judge_all((struct dist_bytes){ NULL, 0 }) || had_watchers;
}

/* --- The master --------------------------------------------------------------- */

static void
open_master(void)
{
	const struct dist_service *services[] = { &dist_registry_1_service, NULL };
	const struct dist_server_options options = {
		.listen = "127.0.0.1:0",
		.name = "master",
		.workers = 2,
		.max_deferred = 8,
		.max_record_bytes = 65536,
		.prompt = true,
		.on_closed = on_closed,
		.arg = &master,
	};

	dist_mutex_init(&master.lock, DIST_RANK_MASTER);
	dist_cond_init(&master.work);
	dist_cond_init(&master.told);
	dist_list_init(&master.queued);
	dist_list_init(&master.running);
	dist_list_init(&master.finished);
	dist_list_init(&master.watchers);
	dist_deadlines_init(&master.holds);
	memset(master.id, 0x5a, sizeof(master.id));
	FUZZ_CHECK(dist_map_init(&master.probed, 1) == DIST_OK);
	served_open(&served, &options, services);
	served.on_rest = end_all;
}

static void
begin_table(void)
{
	const struct dist_table_options options = {
		.max_nodes = 8,
		.max_gone = 2,
	};

	FUZZ_CHECK(dist_table_new(&master.table, master.id, dist_clock_ns(),
	                          &options) == DIST_OK);
	master.told_epoch = dist_table_epoch(master.table);
	master.tell_ns = INT64_MAX;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct steps steps = { data, data + size, N_STEPS };
	struct step step;

	if (!served.server)
		open_master();
	begin_table();
	served_begin(&served, false);
	while (steps_next(&steps, &step)) {
		unsigned first = step.bytes.length ? step.bytes.data[0] : 0;

		if (served_step(&served, &step))
			continue;
		if (step.kind == HOUSE)
			house_round(step.bytes);
		else if (step.kind == EXPIRE)
			expire(5 * first);
		else
			take_turn();
		served_rest(&served, false);
	}
	served_end(&served);
	FUZZ_CHECK(master.n_admitting == 0 && master.n_watchers == 0);
	FUZZ_CHECK(dist_table_n_live(master.table) <= 8);
	dist_table_free(master.table);
	return 0;
}
