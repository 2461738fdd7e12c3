/* A master that gathers what callers count, and a node with a service for them to call. */
#ifndef UNIT_MASTER_TRIAL_H
#define UNIT_MASTER_TRIAL_H

#include "unit/master/registry.h"

#include <dist/cluster.h>
#include <dist/node.h>
#include <dist/overview.h>

/* How often a master of trial_setup() wants to be told. */
#define OFTEN_MS 20
/* Its version 1 has a procedure 0, which does nothing, and no other. */
#define PROG     0x20000099
/* An account that was not taken in two seconds is told again after a minute. */
#define TOLD_MS  (60000 + PATIENCE_MS)

struct trial {
	struct registry registry;
	struct dist_node *node;
	struct dist_overview *overview; /* the last one that was looked at */
};

/* Where its master is, for those who call by the network. */
void trial_masters(const struct trial *trial, char text[32]);

void trial_begin(struct trial *trial, const struct dist_master_options *options);
void trial_end(struct trial *trial);

/* The same around a test, whose state is the trial. */
int trial_setup(void **state);
int trial_teardown(void **state);
#define WITH_TRIAL(test) \
	cmocka_unit_test_setup_teardown(test, trial_setup, trial_teardown)

/* One that knows of the node. */
struct dist_cluster *trial_cluster(struct trial *trial);

/* @n calls that succeed, and one that the node knows no procedure for. */
void trial_call(struct dist_cluster *cluster, unsigned n);

/* Another look; what was seen before is no more. */
const struct dist_overview *trial_look(struct trial *trial);

/* What all callers told of @counter, of procedure @proc. */
uint64_t trial_total(struct trial *trial, uint32_t proc, const char *counter);

/* Until that is @value; until there are @n callers. Fail after TOLD_MS. */
void trial_await_total(struct trial *trial, uint32_t proc, const char *counter,
                       uint64_t value);
void trial_await_callers(struct trial *trial, size_t n);

#endif
