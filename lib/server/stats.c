#include "server/stats.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/snapshot.h"
#include "base/version.h"
#include "server/call.h"
#include "server/core.h"
#include "wire/callmsg.h"

#include <sys/resource.h>
#include <time.h>

/* --- The tally ------------------------------------------------------------------ */

static void
times_flush(struct dist_tally_times *times, struct dist_histogram *histogram)
{
	if (times->n == 0)
		return;
	dist_histogram_add(histogram, times->bucket, times->n, times->sum_ns,
	                   times->max_ns);
	times->n = times->sum_ns = times->max_ns = 0;
}

static void
times_add(struct dist_tally_times *times, struct dist_histogram *histogram, int64_t ns)
{
	uint64_t positive = (uint64_t)DIST_MAX(ns, 0);
	unsigned bucket = dist_histogram_bucket(ns);

	if (bucket != times->bucket)
		times_flush(times, histogram);
	times->bucket = bucket;
	times->n++;
	times->sum_ns += positive;
	times->max_ns = DIST_MAX(times->max_ns, positive);
}

/* Where nothing was gathered there is nothing to be written. */
static void
count_some(dist_count *count, uint64_t *n)
{
	if (*n > 0)
		dist_count_add(count, *n);
	*n = 0;
}

void
dist_server_tally_flush(struct dist_server_tally *tally)
{
	struct dist_served_counts *counts = tally->counts;

	if (!counts)
		return;
	count_some(&counts->taken, &tally->n_taken);
	count_some(&counts->n_inline, &tally->n_inline);
	count_some(&counts->outcomes[DIST_OUTCOME_OK], &tally->n_ok);
	count_some(&counts->call_bytes, &tally->call_bytes);
	count_some(&counts->reply_bytes, &tally->reply_bytes);
	times_flush(&tally->queue_time, &counts->queue_time);
	times_flush(&tally->service_time, &counts->service_time);
	tally->counts = NULL;
}

void
dist_server_tally_taken(struct dist_server_tally *tally,
                        struct dist_served_counts *counts, size_t length)
{
	if (tally->counts != counts)
		dist_server_tally_flush(tally);
	tally->counts = counts;
	tally->n_taken++;
	tally->call_bytes += DIST_RECORD_MARK_SIZE + length;
}

void
dist_server_tally_ran(struct dist_server_tally *tally,
                      const struct dist_server_call *call, int64_t began_ns,
                      int64_t ended_ns)
{
	struct dist_served_counts *counts = call->counts;

	tally->n_inline++;
	if (call->outcome == DIST_OUTCOME_OK)
		tally->n_ok++;
	else if (call->outcome != DIST_OUTCOME_NONE)
		dist_server_stats_over(counts, call->outcome);
	tally->reply_bytes += call->reply_bytes;
	times_add(&tally->queue_time, &counts->queue_time,
	          began_ns - call->received_ns);
	times_add(&tally->service_time, &counts->service_time, ended_ns - began_ns);
}

/* --- One by one ----------------------------------------------------------------- */

void
dist_server_stats_ran(const struct dist_server_call *call, bool is_inline,
                      int64_t began_ns, int64_t ended_ns)
{
	struct dist_served_counts *counts = call->counts;

	if (is_inline)
		dist_count_add(&counts->n_inline, 1);
	if (call->outcome != DIST_OUTCOME_NONE)
		dist_server_stats_over(counts, call->outcome);
	dist_count_add(&counts->reply_bytes, call->reply_bytes);
	dist_histogram_record(&counts->queue_time, began_ns - call->received_ns);
	dist_histogram_record(&counts->service_time, ended_ns - began_ns);
}

enum dist_outcome
dist_server_outcome(const struct rpc_msg *reply)
{
	if (reply->rm_reply.rp_stat == MSG_DENIED)
		return DIST_OUTCOME_AUTH_ERROR;
	return dist_outcome_of_accepted(reply->acpted_rply.ar_stat);
}

/* --- Snapshots ------------------------------------------------------------------ */

static const char *const outcome_names[DIST_N_OUTCOMES] = {
#define OUTCOME_NAME(name, text) [DIST_OUTCOME_##name] = text,
	DIST_OUTCOMES(OUTCOME_NAME)
#undef OUTCOME_NAME
};

static const char *
procedure_name(const struct dist_service *service, uint32_t proc)
{
	for (size_t i = 0; i < service->n_procedures; i++) {
		if (service->procedures[i].number == proc)
			return service->procedures[i].name;
	}
	return NULL;
}

static void
add_counters(struct dist_snapshot *snapshot, const struct dist_served_counts *counts)
{
	uint64_t outcomes[DIST_N_SERVER_OUTCOMES], over = 0, taken;

	/* In this order, so that none is over that was not taken. */
	for (unsigned i = 0; i < DIST_N_SERVER_OUTCOMES; i++)
		over += outcomes[i] = dist_count_get(&counts->outcomes[i]);
	taken = DIST_MAX(dist_count_get(&counts->taken), over);
	dist_snapshot_counter(snapshot, "calls", taken);
	dist_snapshot_counter(snapshot, "in_flight", taken - over);
	dist_snapshot_counter(snapshot, "inline", dist_count_get(&counts->n_inline));
	for (unsigned i = 0; i < DIST_N_SERVER_OUTCOMES; i++)
		dist_snapshot_counter(snapshot, outcome_names[i], outcomes[i]);
	dist_snapshot_counter(snapshot, "call_bytes",
	                      dist_count_get(&counts->call_bytes));
	dist_snapshot_counter(snapshot, "reply_bytes",
	                      dist_count_get(&counts->reply_bytes));
}

static void
add_procedure(struct dist_snapshot *snapshot, const struct dist_service *service,
              uint32_t proc, const struct dist_served_counts *counts)
{
	const struct dist_procedure_stats named = {
		.program = service->program,
		.version = service->version,
		.procedure = proc,
		.program_name = service->program_name,
		.version_name = service->version_name,
		.procedure_name = procedure_name(service, proc),
	};

	if (dist_count_get(&counts->taken) == 0)
		return;
	dist_snapshot_procedure(snapshot, &named);
	add_counters(snapshot, counts);
	dist_snapshot_times(snapshot, "queue_time", &counts->queue_time);
	dist_snapshot_times(snapshot, "service_time", &counts->service_time);
}

static uint64_t
microseconds(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

/* Of the whole process, whatever else it does. */
static void
add_cpu_times(struct dist_snapshot *snapshot)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage))
		return;
	dist_snapshot_counter(snapshot, "user_cpu_us", microseconds(&usage.ru_utime));
	dist_snapshot_counter(snapshot, "system_cpu_us", microseconds(&usage.ru_stime));
}

/* What lets others see whether this host's clock, or this release, is another than
 * theirs. */
static void
add_clock_and_version(struct dist_snapshot *snapshot)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	dist_snapshot_counter(snapshot, "clock_ms",
	                      (uint64_t)now.tv_sec * 1000 +
	                              (uint64_t)now.tv_nsec / 1000000);
	dist_snapshot_counter(snapshot, "version", DIST_VERSION_NUMBER);
}

static void
add_server(struct dist_snapshot *snapshot, struct dist_server *server)
{
	struct dist_server_load load;
	int64_t up_ns = dist_clock_ns() - server->started_ns;

	dist_server_load(server, &load);
	dist_snapshot_counter(snapshot, "uptime_ms",
	                      (uint64_t)(up_ns / DIST_NS_PER_MS));
	dist_snapshot_counter(snapshot, "capacity", load.capacity);
	dist_snapshot_counter(snapshot, "running", load.running);
	dist_snapshot_counter(snapshot, "queued", load.queued);
	dist_snapshot_counter(snapshot, "deferred", load.deferred);
	dist_snapshot_counter(snapshot, "connections", load.n_connections);
	dist_snapshot_counter(snapshot, "takeovers", load.n_takeovers);
#define ADD_COUNTER(name) \
	dist_snapshot_counter(snapshot, #name, dist_count_get(&server->counters.name));
	DIST_SERVER_COUNTERS(ADD_COUNTER)
#undef ADD_COUNTER
	add_cpu_times(snapshot);
	add_clock_and_version(snapshot);
}

void
dist_server_stats_add(struct dist_server *server, struct dist_snapshot *snapshot)
{
	add_server(snapshot, server);
	for (unsigned i = 0; i < server->services.n; i++) {
		const struct dist_served *served = server->services.list[i];

		for (unsigned j = 0; j < served->n_paces; j++)
			add_procedure(snapshot, served->service, served->paces[j].proc,
			              &served->counts[j]);
		add_procedure(snapshot, served->service, UINT32_MAX,
		              &served->counts[served->n_paces]);
	}
}
