/* Figures of <dist/stats.h> for people. */
#ifndef DISTCTL_FIGURES_H
#define DISTCTL_FIGURES_H

#include <dist/stats.h>
#include <stdbool.h>
#include <stdint.h>

#define FIGURES_NAME_MAX 256
#define FIGURES_TIME_MAX 32

/* "ARITH_SUM"; "ARITH_PROG/1 others" and "0x20000a01/1 7" where it has no name. */
void figures_procedure_name(const struct dist_procedure_stats *procedure,
                            char ret[FIGURES_NAME_MAX]);

/* "12.3us", "4.5ms", "6.7s". */
void figures_time(uint64_t ns, char ret[FIGURES_TIME_MAX]);

/* Whether it is of a program of ours, such as STATS itself, and not of the user's. */
bool figures_is_ours(const struct dist_procedure_stats *procedure);

#endif
