/* What this host allows its processes; see limits.h. */
#include "distctl/limits.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define HERE "this host"

/* Below that a daemon that raises its limit still ends connections for want of it. */
#define DESCRIPTORS_MIN 4096
/* What a caller has open beside its connections, and more. */
#define DESCRIPTORS_BESIDE 100
/* Connections that come at once, such as all callers after a restart. */
#define BACKLOG_MIN 1024
#define PORTS_MIN   10000

static void
check_descriptors(struct diagnosis *diagnosis)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	if (limit.rlim_max < DESCRIPTORS_MIN)
		diagnosis_add(diagnosis, VERDICT_WARNING, "descriptors", HERE,
		              "raise it where nodes and masters are started: ulimit -n, "
		              "or LimitNOFILE= of the unit",
		              "a process may have %llu descriptors at most, and each "
		              "connection takes one",
		              (unsigned long long)limit.rlim_max);
	else
		diagnosis_add(diagnosis, VERDICT_OK, "descriptors", HERE, NULL,
		              "%llu of a process, and %llu where it raises the limit",
		              (unsigned long long)limit.rlim_cur,
		              (unsigned long long)limit.rlim_max);
}

/* How many numbers there are in @path: up to two. */
static int
read_numbers(const char *path, unsigned *first, unsigned *second)
{
	FILE *file = fopen(path, "re");
	int n;

	if (!file)
		return 0;
	n = fscanf(file, "%u %u", first, second);
	fclose(file);
	return n;
}

static void
check_backlog(struct diagnosis *diagnosis)
{
	unsigned backlog, unused;

	if (read_numbers("/proc/sys/net/core/somaxconn", &backlog, &unused) < 1)
		return;
	if (backlog < BACKLOG_MIN)
		diagnosis_add(diagnosis, VERDICT_WARNING, "backlog", HERE,
		              "set net.core.somaxconn to 4096 with sysctl",
		              "%u connections may wait to be taken; when many callers "
		              "come at once, some wait seconds",
		              backlog);
	else
		diagnosis_add(diagnosis, VERDICT_OK, "backlog", HERE, NULL,
		              "%u connections may wait to be taken", backlog);
}

static void
check_ports(struct diagnosis *diagnosis)
{
	unsigned first, last, n;

	if (read_numbers("/proc/sys/net/ipv4/ip_local_port_range", &first, &last) < 2 ||
	    last < first)
		return;
	n = last - first + 1;
	if (n < PORTS_MIN)
		diagnosis_add(diagnosis, VERDICT_WARNING, "ports", HERE,
		              "widen net.ipv4.ip_local_port_range with sysctl",
		              "%u ports, %u to %u, for connections to one address", n,
		              first, last);
	else
		diagnosis_add(diagnosis, VERDICT_OK, "ports", HERE, NULL,
		              "%u ports for connections to one address", n);
}

void
limits_check(struct diagnosis *diagnosis)
{
	check_descriptors(diagnosis);
	check_backlog(diagnosis);
	check_ports(diagnosis);
}

void
limits_check_nodes(struct diagnosis *diagnosis, size_t n_nodes)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) ||
	    n_nodes + DESCRIPTORS_BESIDE <= limit.rlim_cur)
		return;
	diagnosis_add(diagnosis, VERDICT_WARNING, "descriptors", HERE,
	              "raise it where programs are started that call them: ulimit -n",
	              "a process has %llu descriptors, and there are %zu nodes to be "
	              "connected to",
	              (unsigned long long)limit.rlim_cur, n_nodes);
}
