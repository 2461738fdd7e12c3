/* The report; see report.h. */
#include "distbench/report.h"

#include "program/options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- The values, by name ------------------------------------------------------ */

struct value {
	const char *name;
	double value; /* NAN: not known */
	int decimals;
};

enum { N_VALUES = 24 };

static double
per_call_us(double seconds, const struct tally *tally)
{
	return seconds < 0 || !tally->n_calls ? NAN
	                                      : seconds * 1e6 / (double)tally->n_calls;
}

static double
percentile(const struct tally *tally, double part)
{
	return tally->latency.n ? latency_percentile_us(&tally->latency, part) : NAN;
}

/* Both man page and --print know them by these names. */
static void
list_values(const struct config *config, const struct outcome *outcome,
            struct value ret[N_VALUES])
{
	const struct tally *t = &outcome->tally;
	const struct latency *l = &t->latency;
	double n = (double)t->n_calls;
	const struct value values[N_VALUES] = {
		{ "threads", (double)config->n_threads, 0 },
		{ "in_flight", (double)config->n_in_flight, 0 },
		{ "clusters", (double)config->n_clusters, 0 },
		{ "spin_us", (double)config->spin_us, 0 },
		{ "rate", config->rate ? (double)config->rate : NAN, 0 },
		{ "seconds", outcome->seconds, 3 },
		{ "calls", n, 0 },
		{ "failures", (double)t->n_failures, 0 },
		{ "unsent", (double)t->n_unsent, 0 },
		{ "calls_per_s", n / outcome->seconds, 1 },
		{ "sent_bytes", (double)t->sent_bytes, 0 },
		{ "received_bytes", (double)t->received_bytes, 0 },
		{ "sent_bytes_per_s", (double)t->sent_bytes / outcome->seconds, 1 },
		{ "received_bytes_per_s", (double)t->received_bytes / outcome->seconds,
		  1 },
		{ "mean_us", l->n ? l->sum_ns / 1e3 / (double)l->n : NAN, 2 },
		{ "p50_us", percentile(t, 0.5), 2 },
		{ "p90_us", percentile(t, 0.9), 2 },
		{ "p99_us", percentile(t, 0.99), 2 },
		{ "p999_us", percentile(t, 0.999), 2 },
		{ "max_us", l->n ? (double)l->max_ns / 1e3 : NAN, 2 },
		{ "client_cpu_us", per_call_us(outcome->client_cpu_s, t), 3 },
		{ "server_cpu_us", per_call_us(outcome->server_cpu_s, t), 3 },
		{ "client_switches", n > 0 ? outcome->client_switches / n : NAN, 4 },
		{ "latencies", (double)l->n, 0 },
	};

	memcpy(ret, values, sizeof(values));
}

static const struct value *
find_value(const struct value *values, const char *name, size_t length)
{
	for (size_t i = 0; i < N_VALUES; i++) {
		if (strlen(values[i].name) == length &&
		    strncmp(values[i].name, name, length) == 0)
			return &values[i];
	}
	return NULL;
}

bool
report_check_names(const char *names)
{
	static const struct config no_config = { 0 };
	static const struct outcome no_outcome = { .seconds = 1 };
	struct value values[N_VALUES];

	list_values(&no_config, &no_outcome, values);
	for (;; names++) {
		size_t length = strcspn(names, ",");

		if (!find_value(values, names, length)) {
			program_wrong_usage(
				"--print: '%.*s' is not a member of the JSON, "
				"such as calls_per_s or p99_us",
				(int)length, names);
			return false;
		}
		names += length;
		if (!*names)
			return true;
	}
}

/* --- Three ways to print them ------------------------------------------------- */

static void
print_value(const struct value *value, const char *unknown)
{
	if (isnan(value->value))
		fputs(unknown, stdout);
	else
		printf("%.*f", value->decimals, value->value);
}

static void
print_json(const struct value *values)
{
	printf("{\n");
	for (size_t i = 0; i < N_VALUES; i++) {
		printf("  \"%s\": ", values[i].name);
		print_value(&values[i], "null");
		printf("%s\n", i + 1 < N_VALUES ? "," : "");
	}
	printf("}\n");
}

static void
print_some(const struct value *values, const char *names)
{
	for (;; names++) {
		size_t length = strcspn(names, ",");

		print_value(find_value(values, names, length), "-");
		names += length;
		if (!*names)
			break;
		putchar('\t');
	}
	putchar('\n');
}

/* A latency or CPU time for people: three digits, in a unit that suits. */
static void
print_time(const char *label, double us)
{
	const char *unit = us < 1000 ? "us" : us < 1e6 ? "ms" : "s";
	double number = us < 1000 ? us : us < 1e6 ? us / 1e3 : us / 1e6;

	if (isnan(us))
		printf("  %s -", label);
	else
		printf("  %s %.*f %s", label,
		       number < 10    ? 2
		       : number < 100 ? 1
		                      : 0,
		       number, unit);
}

static void
print_work(const struct config *config)
{
	if (config->own_call)
		printf("program 0x%08lx version %lu procedure %lu",
		       (unsigned long)config->prog, (unsigned long)config->vers,
		       (unsigned long)config->proc);
	else
		printf("sums of %lld integers", (long long)config->n_ints);
	printf(", %lld in flight from each of %lld threads",
	       (long long)config->n_in_flight, (long long)config->n_threads);
	if (config->rate)
		printf(", %lld calls/s asked for", (long long)config->rate);
	printf("\n");
}

static void
print_text(const struct config *config, const struct outcome *outcome)
{
	const struct tally *t = &outcome->tally;

	print_work(config);
	printf("calls      %llu in %.3f s: %.1f calls/s",
	       (unsigned long long)t->n_calls, outcome->seconds,
	       (double)t->n_calls / outcome->seconds);
	printf(", %llu failed", (unsigned long long)t->n_failures);
	if (config->rate)
		printf(", %llu never started", (unsigned long long)t->n_unsent);
	printf("\nlatency  ");
	print_time("p50", percentile(t, 0.5));
	print_time("p90", percentile(t, 0.9));
	print_time("p99", percentile(t, 0.99));
	print_time("p99.9", percentile(t, 0.999));
	print_time("max", t->latency.n ? (double)t->latency.max_ns / 1e3 : NAN);
	printf("\nbytes      sent %.3f MB/s  received %.3f MB/s\n",
	       (double)t->sent_bytes / outcome->seconds / 1e6,
	       (double)t->received_bytes / outcome->seconds / 1e6);
	printf("CPU a call");
	print_time("client", per_call_us(outcome->client_cpu_s, t));
	print_time("servers", per_call_us(outcome->server_cpu_s, t));
	printf("\n");
}

int
report_print(const struct config *config, const struct outcome *outcome)
{
	const struct tally *t = &outcome->tally;
	struct value values[N_VALUES];

	list_values(config, outcome, values);
	if (config->print)
		print_some(values, config->print);
	else if (config->json)
		print_json(values);
	else
		print_text(config, outcome);
	if (t->n_failures)
		return program_fail("%llu calls failed; the first: %s",
		                    (unsigned long long)t->n_failures, t->reason);
	if (!t->n_calls)
		return program_fail("no call ended; the duration may be too short");
	return PROGRAM_DONE;
}
