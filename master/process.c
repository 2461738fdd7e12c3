/*
 * The metrics that every process has, under the names of Prometheus' own client
 * libraries. What /proc does not tell is left out.
 */
#include "metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void
print_metric(struct text *text, const char *name, const char *type, const char *help,
             double value)
{
	text_print(text, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name,
	           type, name, value);
}

/* Fields 14, 15, 22, 23 and 24 of proc_pid_stat(5); false: there are none. */
struct stat_fields {
	uint64_t user_ticks, system_ticks, start_ticks, virtual_bytes, resident_pages;
};

static bool
read_stat(struct stat_fields *ret)
{
	char line[1024] = "";
	FILE *file = fopen("/proc/self/stat", "re");
	const char *end;

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	end = strrchr(line, ')'); /* the name may have spaces */
	return end && sscanf(end + 1,
	                     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64
	                     " %" SCNu64 " %*d %*d %*d %*d %*d %*d %" SCNu64 " %" SCNu64
	                     " %" SCNu64,
	                     &ret->user_ticks, &ret->system_ticks, &ret->start_ticks,
	                     &ret->virtual_bytes, &ret->resident_pages) == 5;
}

/* Seconds since 1970; 0: not known. */
static double
boot_time(void)
{
	FILE *file = fopen("/proc/stat", "re");
	unsigned long long seconds = 0;
	char line[4096];

	while (file && !seconds && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "btime %llu", &seconds) != 1)
			seconds = 0;
	}
	if (file)
		fclose(file);
	return (double)seconds;
}

static unsigned
count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned n = 0;

	while (folder && readdir(folder))
		n++;
	if (folder)
		closedir(folder);
	return n > 3 ? n - 3 : 0; /* ".", "..", and the folder's own */
}

void
metrics_print_process(struct text *text)
{
	double ticks = (double)sysconf(_SC_CLK_TCK);
	struct stat_fields fields;
	struct rlimit limit;

	if (read_stat(&fields)) {
		print_metric(text, "process_cpu_seconds_total", "counter",
		             "CPU time of the master.",
		             (double)(fields.user_ticks + fields.system_ticks) / ticks);
		print_metric(text, "process_start_time_seconds", "gauge",
		             "When the master started, since 1970.",
		             boot_time() + (double)fields.start_ticks / ticks);
		print_metric(text, "process_virtual_memory_bytes", "gauge",
		             "Virtual memory of the master.",
		             (double)fields.virtual_bytes);
		print_metric(text, "process_resident_memory_bytes", "gauge",
		             "Resident memory of the master.",
		             (double)fields.resident_pages *
		                     (double)sysconf(_SC_PAGESIZE));
	}
	print_metric(text, "process_open_fds", "gauge", "Descriptors of the master.",
	             count_descriptors());
	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur != RLIM_INFINITY)
		print_metric(text, "process_max_fds", "gauge",
		             "Descriptors that the master may have.",
		             (double)limit.rlim_cur);
}
