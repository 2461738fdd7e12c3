/*
 * distctl callers: who calls the nodes, and what all callers together count of each
 * procedure. What calls came to is known best where they began.
 */
#include "distctl/callers.h"

#include "distctl/config.h"
#include "distctl/figures.h"
#include "program/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct table_column caller_columns[] = {
	{ "CALLER", false },   { "ADDRESS", false }, { "CALLS/S", true },
	{ "FAILED/S", true },  { "IN FLIGHT", true }, { "LATENCY p50", true },
	{ "p99", true },       { "TRIES", true },     { "RETRIES", true },
};

static const struct table_column procedure_columns[] = {
	{ "PROCEDURE", false }, { "TRIES", true }, { "FAILED", true },   { "LOST", true },
	{ "NOT SENT", true },   { "RETRIES", true }, { "LATENCY p50", true }, { "p99", true },
};

/* --- Asking ------------------------------------------------------------------------ */

static bool
gathers(const dist_callers *callers)
{
	static const char nobody[DIST_ID_SIZE];

	return memcmp(callers->together.instance, nobody, sizeof(nobody)) != 0;
}

static void
callers_fini(dist_callers *callers)
{
	xdr_free((xdrproc_t)xdr_dist_callers, callers);
	memset(callers, 0, sizeof(*callers));
}

bool
callers_ask(const struct masters *masters, const bool *answered,
            dist_callers *ret_callers, char ret_why[CALLERS_WHY_MAX])
{
	bool found = false;

	memset(ret_callers, 0, sizeof(*ret_callers));
	snprintf(ret_why, CALLERS_WHY_MAX,
	         "no master gathers statistics: start distmaster with --http, see "
	         "distmaster(8)");
	for (size_t i = 0; i < masters->n; i++) {
		struct server *master = &masters->list[i];
		dist_callers answer = { 0 };

		if (answered && !answered[i])
			continue;
		if (dist_callers_1(&answer, master->client) != RPC_SUCCESS) {
			snprintf(ret_why, CALLERS_WHY_MAX, "%s: %s", master->address,
			         dist_error_text());
			continue;
		}
		if (!gathers(&answer) || (found && answer.n <= ret_callers->n)) {
			callers_fini(&answer);
			continue;
		}
		callers_fini(ret_callers);
		*ret_callers = answer;
		found = true;
	}
	return found;
}

/* --- Figures ----------------------------------------------------------------------- */

static uint64_t
counter(const dist_stat_counters *counters, const char *name)
{
	for (u_int i = 0; i < counters->dist_stat_counters_len; i++) {
		if (strcmp(counters->dist_stat_counters_val[i].name, name) == 0)
			return counters->dist_stat_counters_val[i].value;
	}
	return 0;
}

static double
per_second(const dist_caller *caller, uint64_t n)
{
	uint64_t interval_ns = caller->recent.interval_ns;

	return interval_ns ? (double)n * 1e9 / (double)interval_ns : 0;
}

/* As dist/stats.h has them, with @buckets' memory. NULL: there are none. */
static const struct dist_times *
latency_of(const dist_stat_procedure *procedure, struct dist_times *times,
           struct dist_times_bucket buckets[DIST_STAT_BUCKETS_MAX])
{
	for (u_int i = 0; i < procedure->times.times_len; i++) {
		const dist_stat_times *it = &procedure->times.times_val[i];

		if (strcmp(it->name, "latency") != 0)
			continue;
		for (u_int j = 0; j < it->buckets.buckets_len; j++) {
			const dist_stat_bucket *bucket = &it->buckets.buckets_val[j];

			buckets[j] = (struct dist_times_bucket){
				bucket->low_ns, bucket->end_ns, bucket->count
			};
		}
		*times = (struct dist_times){ .name = it->name,
			                      .count = it->count,
			                      .sum_ns = it->sum_ns,
			                      .max_ns = it->max_ns,
			                      .buckets = buckets,
			                      .n_buckets = it->buckets.buckets_len };
		return times;
	}
	return NULL;
}

/* --- For people -------------------------------------------------------------------- */

static void
add_rate(struct table *table, double rate)
{
	table_add(table, rate < 100 ? "%.1f" : "%.0f", rate);
}

static void
add_time(struct table *table, uint64_t ns)
{
	char text[FIGURES_TIME_MAX] = "-";

	if (ns)
		figures_time(ns, text);
	table_add(table, "%s", text);
}

void
callers_table(struct table *table, const dist_callers *callers)
{
	table_init(table, caller_columns,
	           sizeof(caller_columns) / sizeof(caller_columns[0]));
	for (u_int i = 0; i < callers->list.list_len; i++) {
		const dist_caller *caller = &callers->list.list_val[i];

		table_add(table, "%s", caller->name);
		table_add(table, "%s", *caller->address ? caller->address : "-");
		add_rate(table, per_second(caller, caller->recent.calls));
		add_rate(table, per_second(caller, caller->recent.failed));
		table_add(table, "%" PRIu64, counter(&caller->counters, "in_flight"));
		add_time(table, caller->recent.latency_p50_ns);
		add_time(table, caller->recent.latency_p99_ns);
		table_add(table, "%" PRIu64, counter(&caller->counters, "calls"));
		table_add(table, "%" PRIu64, counter(&caller->counters, "retries"));
	}
}

static void
add_procedure(struct table *table, const dist_stat_procedure *procedure)
{
	struct dist_times_bucket buckets[DIST_STAT_BUCKETS_MAX];
	const dist_stat_counters *counters = &procedure->counters;
	struct dist_times times;
	const struct dist_times *latency = latency_of(procedure, &times, buckets);
	uint64_t tries = counter(counters, "calls"), ok = counter(counters, "ok");
	const struct dist_procedure_stats named = {
		.program = procedure->prog,
		.version = procedure->vers,
		.procedure = procedure->proc,
		.program_name = *procedure->prog_name ? procedure->prog_name : NULL,
		.version_name = *procedure->vers_name ? procedure->vers_name : NULL,
		.procedure_name = *procedure->proc_name ? procedure->proc_name : NULL,
	};
	char name[FIGURES_NAME_MAX];

	figures_procedure_name(&named, name);
	table_add(table, "%s", name);
	table_add(table, "%" PRIu64, tries);
	table_add(table, "%" PRIu64, tries > ok ? tries - ok : 0);
	table_add(table, "%" PRIu64, counter(counters, "lost"));
	table_add(table, "%" PRIu64, counter(counters, "not_sent"));
	table_add(table, "%" PRIu64, counter(counters, "retries"));
	add_time(table, dist_times_percentile(latency, 50));
	add_time(table, dist_times_percentile(latency, 99));
}

static int
print_tables(const dist_callers *callers)
{
	struct table list, procedures;
	int status;

	callers_table(&list, callers);
	table_init(&procedures, procedure_columns,
	           sizeof(procedure_columns) / sizeof(procedure_columns[0]));
	for (u_int i = 0; i < callers->together.procedures.procedures_len; i++)
		add_procedure(&procedures,
		              &callers->together.procedures.procedures_val[i]);
	status = table_print(&list);
	if (!status && callers->n > callers->list.list_len)
		printf("... and %u more\n", callers->n - callers->list.list_len);
	putchar('\n');
	if (!status)
		status = table_print(&procedures);
	table_fini(&list);
	table_fini(&procedures);
	return status;
}

/* --- For programs ------------------------------------------------------------------ */

static json_t *
counters_json(const dist_stat_counters *counters)
{
	json_t *object = json_object();

	for (u_int i = 0; i < counters->dist_stat_counters_len; i++)
		json_put(object, counters->dist_stat_counters_val[i].name,
		         json_number(counters->dist_stat_counters_val[i].value));
	return object;
}

static json_t *
caller_json(const dist_caller *caller)
{
	json_t *object = json_object();

	json_put(object, "name", json_text(caller->name));
	json_put(object, "address", json_text(caller->address));
	json_put(object, "age_ms", json_number(caller->age_ms));
	json_put(object, "idle_ms", json_number(caller->idle_ms));
	json_put(object, "counters", counters_json(&caller->counters));
	json_put(object, "calls_per_s",
	         json_real(per_second(caller, caller->recent.calls)));
	json_put(object, "failed_per_s",
	         json_real(per_second(caller, caller->recent.failed)));
	json_put(object, "latency_p50_ns", json_number(caller->recent.latency_p50_ns));
	json_put(object, "latency_p99_ns", json_number(caller->recent.latency_p99_ns));
	return object;
}

json_t *
callers_json(const dist_callers *callers)
{
	json_t *array = json_array();

	for (u_int i = 0; i < callers->list.list_len; i++)
		json_add(array, caller_json(&callers->list.list_val[i]));
	return array;
}

static json_t *
procedure_json(const dist_stat_procedure *procedure)
{
	struct dist_times_bucket buckets[DIST_STAT_BUCKETS_MAX];
	struct dist_times times;
	const struct dist_times *latency = latency_of(procedure, &times, buckets);
	json_t *object = json_object();

	json_put(object, "program", json_number(procedure->prog));
	json_put(object, "version", json_number(procedure->vers));
	json_put(object, "procedure", json_number(procedure->proc));
	json_put(object, "program_name", json_text(procedure->prog_name));
	json_put(object, "version_name", json_text(procedure->vers_name));
	json_put(object, "procedure_name", json_text(procedure->proc_name));
	json_put(object, "counters", counters_json(&procedure->counters));
	json_put(object, "latency_p50_ns",
	         json_number(dist_times_percentile(latency, 50)));
	json_put(object, "latency_p99_ns",
	         json_number(dist_times_percentile(latency, 99)));
	return object;
}

static int
print_json(const dist_callers *callers)
{
	json_t *object = json_object(), *procedures = json_array();

	for (u_int i = 0; i < callers->together.procedures.procedures_len; i++)
		json_add(procedures,
		         procedure_json(&callers->together.procedures.procedures_val[i]));
	json_put(object, "n", json_number(callers->n));
	json_put(object, "callers", callers_json(callers));
	json_put(object, "procedures", procedures);
	return json_print_line(object);
}

/* --- Both -------------------------------------------------------------------------- */

int
callers_run(const struct config *config)
{
	char why[CALLERS_WHY_MAX];
	struct masters masters;
	dist_callers callers;
	int status;

	status = masters_open(&masters, config);
	if (status)
		return status;
	if (!callers_ask(&masters, NULL, &callers, why))
		status = program_fail("%s", why);
	else
		status = config->json ? print_json(&callers) : print_tables(&callers);
	callers_fini(&callers);
	masters_close(&masters);
	return status;
}
