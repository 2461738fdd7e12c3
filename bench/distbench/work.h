/*
 * What is called: ARITH_SUM with so many integers, or a procedure of the user's with
 * bytes that the user prepared. One for all threads, and read-only.
 */
#ifndef DISTBENCH_WORK_H
#define DISTBENCH_WORK_H

#include "arith.h"
#include "distbench/config.h"

#include <dist/dist.h>

struct work {
	rpcprog_t prog;
	rpcvers_t vers;
	bool own_call;
	size_t arguments_size; /* in XDR */

	int_array ints;
	quad_t sum; /* of @ints: what must come back */

	rpcproc_t proc;
	char *arguments; /* config's */
	int64_t result_bytes;
};

/* What came back: one of them, by the kind of work. */
union work_result {
	quad_t sum;
	size_t n_bytes;
};

/* False: no memory. */
bool work_init(struct work *work, const struct config *config);
void work_fini(struct work *work);

/* The plain call of a stub. */
enum clnt_stat work_call(const struct work *work, CLIENT *client,
                         union work_result *result);

/* The same stub under dist_go(): NULL, and dist_error_text() says why. */
struct dist_waiter *work_go(const struct work *work, CLIENT *client,
                            union work_result *result);

/* Of a call that succeeded: NULL, or what is wrong with its result. */
const char *work_fault(const struct work *work, const union work_result *result);

/* Bytes of XDR that came back. */
size_t work_result_bytes(const struct work *work, const union work_result *result);

#endif
