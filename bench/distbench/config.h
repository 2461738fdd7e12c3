/* distbench's command line. */
#ifndef DISTBENCH_CONFIG_H
#define DISTBENCH_CONFIG_H

#include <rpc/rpc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_MAX_PIDS 64

struct config {
	const char *masters;
	const char *servers;

	/* What is called: sums of so many integers, or a procedure of the user's. */
	int64_t n_ints;
	bool own_call;
	rpcprog_t prog;
	rpcvers_t vers;
	rpcproc_t proc;
	char *arguments; /* XDR as it is sent; config_fini() frees it */
	size_t arguments_size;
	int64_t result_bytes; /* what a result must have; -1: anything */

	/* How it is called. */
	int64_t n_threads;
	int64_t n_in_flight; /* of each thread */
	int64_t n_clusters;
	int64_t rate; /* calls a second in all; 0: as fast as they end */
	bool in_order;
	int64_t timeout_ms;
	bool idempotent;
	int64_t spin_us;

	int64_t warm_up_ms;
	int64_t duration_ms;
	int64_t n_calls; /* of all threads, in place of the duration; 0: by time */

	/* What is reported. */
	int pids[CONFIG_MAX_PIDS]; /* of servers on this host; none: nodes are asked */
	size_t n_pids;
	bool json;
	const char *print;
};

/*
 * True: @ret_config is filled in, run it, then config_fini(). False: --help or
 * --version was printed, or a sentence about what is wrong; exit with @ret_status.
 */
bool config_parse(struct config *ret_config, int argc, char **argv, int *ret_status);
void config_fini(struct config *config);

#endif
