/* CPU time; see cpu.h. */
#include "measure/cpu.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double
seconds(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

double
cpu_self_s(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return seconds(&usage.ru_utime) + seconds(&usage.ru_stime);
}

double
cpu_self_switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_nvcsw + usage.ru_nivcsw);
}

/* Fields 14 and 15 of /proc/PID/stat; the second one is a name that may hold anything.
 */
static double
one_of_s(int pid)
{
	unsigned long user, system;
	char path[64], line[1024];
	const char *rest = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fgets(line, sizeof(line), file))
		rest = strrchr(line, ')');
	fclose(file);
	if (!rest ||
	    sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
	           &user, &system) != 2)
		return -1;
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

double
cpu_of_s(const int *pids, size_t n_pids)
{
	double sum = 0;

	for (size_t i = 0; i < n_pids; i++) {
		double one = one_of_s(pids[i]);

		if (one < 0)
			return -1;
		sum += one;
	}
	return sum;
}
