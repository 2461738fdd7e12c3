/* CPU time, user and system: of this process, and of servers on this host. */
#ifndef MEASURE_CPU_H
#define MEASURE_CPU_H

#include <stddef.h>

double cpu_self_s(void);

/* How often its threads gave up the CPU, or had to. */
double cpu_self_switches(void);

/* Of all processes together, by /proc (proc(5)); negative: one of them is not there. */
double cpu_of_s(const int *pids, size_t n_pids);

#endif
