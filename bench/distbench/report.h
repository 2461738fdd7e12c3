/* What is printed at the end: for people, as JSON, or some values alone. */
#ifndef DISTBENCH_REPORT_H
#define DISTBENCH_REPORT_H

#include "distbench/config.h"
#include "measure/tally.h"

struct outcome {
	struct tally tally;
	double seconds;      /* in which calls counted */
	double client_cpu_s; /* in those seconds */
	double client_switches;
	double server_cpu_s; /* negative: not known */
};

/* False, with a sentence: @names, "NAME[,NAME...]", has one that is no member. */
bool report_check_names(const char *names);

/* As the configuration asks for. Returns an exit status. */
int report_print(const struct config *config, const struct outcome *outcome);

#endif
