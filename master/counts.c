#include "counts.h"

static void
print_counters(struct text *text, const struct dist_counters *counters)
{
	text_add(text, "\"counters\":{");
	for (size_t i = 0; i < counters->n; i++) {
		text_add(text, i ? "," : "");
		text_json(text, counters->list[i].name);
		text_print(text, ":%llu", (unsigned long long)counters->list[i].value);
	}
	text_add(text, "}");
}

static void
print_times(struct text *text, const struct dist_times *times)
{
	static const double percents[] = { 50, 90, 99, 99.9 };

	text_json(text, times->name);
	text_print(text, ":{\"count\":%llu,\"sum_ns\":%llu,\"max_ns\":%llu",
	           (unsigned long long)times->count, (unsigned long long)times->sum_ns,
	           (unsigned long long)times->max_ns);
	for (unsigned i = 0; i < 4; i++)
		text_print(
			text, ",\"p%g_ns\":%llu", percents[i],
			(unsigned long long)dist_times_percentile(times, percents[i]));
	text_add(text, "}");
}

void
counts_name(struct text *text, const char *key, const char *name)
{
	text_print(text, ",\"%s\":", key);
	text_json(text, name && *name ? name : NULL);
}

static void
print_procedure(struct text *text, const struct dist_procedure_stats *procedure)
{
	text_print(text, "{\"program\":%u,\"version\":%u,\"procedure\":%u",
	           procedure->program, procedure->version, procedure->procedure);
	counts_name(text, "program_name", procedure->program_name);
	counts_name(text, "version_name", procedure->version_name);
	counts_name(text, "procedure_name", procedure->procedure_name);
	text_add(text, ",");
	print_counters(text, &procedure->counters);
	text_add(text, ",\"times\":{");
	for (size_t i = 0; i < procedure->n_times; i++) {
		text_add(text, i ? "," : "");
		print_times(text, procedure->times[i]);
	}
	text_add(text, "}}");
}

void
counts_print(struct text *text, const struct dist_node_stats *stats)
{
	print_counters(text, &stats->counters);
	text_add(text, ",\"procedures\":[");
	for (size_t i = 0; i < stats->n_procedures; i++) {
		text_add(text, i ? "," : "");
		print_procedure(text, stats->procedures[i]);
	}
	text_add(text, "]");
}
