/* A round of distctl top; see report.h. What matters least is in the last columns. */
#include "distctl/report.h"

#include "distctl/callers.h"
#include "distctl/figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static const struct table_column node_columns[] = {
	{ "NODE", false },     { "STATE", false }, { "CALLS/S", true }, { "FAILED/S", true },
	{ "IN FLIGHT", true }, { "QUEUED", true }, { "RAN p50", true }, { "p99", true },
	{ "WAITED p99", true },
};

static const struct table_column procedure_columns[] = {
	{ "PROCEDURE", false }, { "CALLS/S", true }, { "FAILED/S", true },
	{ "IN FLIGHT", true },  { "RAN p50", true }, { "p99", true },
	{ "WAITED p99", true },
};

/* --- For people -------------------------------------------------------------------- */

static void
rate_text(const struct rates_row *row, double rate, char ret[FIGURES_TIME_MAX])
{
	if (!row->measured)
		snprintf(ret, FIGURES_TIME_MAX, "-");
	else
		snprintf(ret, FIGURES_TIME_MAX, rate < 100 ? "%.1f" : "%.0f", rate);
}

static void
add_rate(struct table *table, const struct rates_row *row, double rate)
{
	char text[FIGURES_TIME_MAX];

	rate_text(row, rate, text);
	table_add(table, "%s", text);
}

/* Where nothing ran there is no time. */
static void
time_text(uint64_t ns, char ret[FIGURES_TIME_MAX])
{
	if (ns == 0)
		snprintf(ret, FIGURES_TIME_MAX, "-");
	else
		figures_time(ns, ret);
}

static void
add_times(struct table *table, const struct rates_row *row)
{
	const uint64_t times[] = { row->ran_p50_ns, row->ran_p99_ns,
		                   row->waited_p99_ns };
	char text[FIGURES_TIME_MAX];

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		time_text(times[i], text);
		table_add(table, "%s", text);
	}
}

/* What it has now is not known of one that does not answer. */
static void
add_now(struct table *table, const struct rates_row *row, uint64_t number)
{
	if (row->answered)
		table_add(table, "%" PRIu64, number);
	else
		table_add(table, "-");
}

void
report_nodes(struct table *table, const struct rates *rates)
{
	table_init(table, node_columns, sizeof(node_columns) / sizeof(node_columns[0]));
	for (size_t i = 0; i < rates->nodes.n; i++) {
		const struct rates_row *row = &rates->nodes.list[i];

		table_add(table, "%s", row->name);
		table_add(table, "%s", row->answered ? row->state : "silent");
		add_rate(table, row, row->calls);
		add_rate(table, row, row->failed);
		add_now(table, row, row->in_flight);
		add_now(table, row, row->queued);
		add_times(table, row);
	}
}

void
report_procedures(struct table *table, const struct rates *rates)
{
	table_init(table, procedure_columns,
	           sizeof(procedure_columns) / sizeof(procedure_columns[0]));
	for (size_t i = 0; i < rates->procedures.n; i++) {
		const struct rates_row *row = &rates->procedures.list[i];

		table_add(table, "%s", row->name);
		add_rate(table, row, row->calls);
		add_rate(table, row, row->failed);
		table_add(table, "%" PRIu64, row->in_flight);
		add_times(table, row);
	}
}

void
report_summary(const struct gathered *gathered, char ret[REPORT_SUMMARY_MAX])
{
	const struct rates_row *total = &gathered->rates.total;
	char calls[FIGURES_TIME_MAX], failed[FIGURES_TIME_MAX];
	char p50[FIGURES_TIME_MAX], p99[FIGURES_TIME_MAX], stamp[16];
	time_t seconds = (time_t)(gathered->time_ms / 1000);
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(stamp, sizeof(stamp), "%H:%M:%S", &utc);
	rate_text(total, total->calls, calls);
	rate_text(total, total->failed, failed);
	time_text(total->ran_p50_ns, p50);
	time_text(total->ran_p99_ns, p99);
	snprintf(ret, REPORT_SUMMARY_MAX,
	         "%s UTC, %zu nodes, %s calls/s, %s failed/s, %" PRIu64
	         " in flight, %" PRIu64 " queued, ran p50 %s, p99 %s",
	         stamp, gathered->rates.nodes.n, calls, failed, total->in_flight,
	         total->queued, p50, p99);
}

/* --- For programs ------------------------------------------------------------------ */

static json_t *
time_json(uint64_t ns)
{
	return ns == 0 ? json_null() : json_number(ns);
}

static void
put_row(json_t *object, const struct rates_row *row)
{
	json_put(object, "calls_per_s", row->measured ? json_real(row->calls) : json_null());
	json_put(object, "failed_per_s",
	         row->measured ? json_real(row->failed) : json_null());
	json_put(object, "in_flight", json_number(row->in_flight));
	json_put(object, "ran_p50_ns", time_json(row->ran_p50_ns));
	json_put(object, "ran_p99_ns", time_json(row->ran_p99_ns));
	json_put(object, "waited_p99_ns", time_json(row->waited_p99_ns));
}

static json_t *
node_json(const struct rates_row *row)
{
	json_t *object = json_object();

	json_put(object, "name", json_text(row->name));
	json_put(object, "state", json_string(row->answered ? row->state : "silent"));
	put_row(object, row);
	json_put(object, "queued", json_number(row->queued));
	return object;
}

static json_t *
procedure_json(const struct rates_row *row)
{
	json_t *object = json_object();

	json_put(object, "name", json_text(row->name));
	json_put(object, "program", json_number(row->program));
	json_put(object, "version", json_number(row->version));
	json_put(object, "procedure", json_number(row->procedure));
	put_row(object, row);
	return object;
}

json_t *
report_json(const struct gathered *gathered)
{
	json_t *object = json_object(), *total = json_object();
	json_t *nodes = json_array(), *procedures = json_array();
	const struct rates *rates = &gathered->rates;

	put_row(total, &rates->total);
	json_put(total, "queued", json_number(rates->total.queued));
	for (size_t i = 0; i < rates->nodes.n; i++)
		json_add(nodes, node_json(&rates->nodes.list[i]));
	for (size_t i = 0; i < rates->procedures.n; i++)
		json_add(procedures, procedure_json(&rates->procedures.list[i]));
	json_put(object, "time_ms", json_integer(gathered->time_ms));
	json_put(object, "total", total);
	json_put(object, "nodes", nodes);
	json_put(object, "procedures", procedures);
	json_put(object, "callers", callers_json(&gathered->callers));
	json_put(object, "trouble", json_text(gathered->trouble));
	return object;
}
