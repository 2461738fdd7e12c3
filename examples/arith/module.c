/*
 * arith.so: the procedures of idl/arith.x, as a module for distnode.
 *
 * A module is one function for each procedure, linked with what distgen made of the
 * interface. A node runs several calls at once, so a procedure keeps no state of its
 * own, or guards it.
 *
 *	distnode --masters HOST ./arith.so
 *	ARITH_DELAY_MS=500 distnode --masters HOST ./arith.so
 *
 * The second makes each call take half a second.
 */
#include "arith.h"

#include "numbers.h"

#include <dist/request.h>

#include <stdio.h>
#include <time.h>

/* How long each call takes beyond its arithmetic: plays a long task. Set at loading. */
static int64_t arith_delay_ms;

__attribute__((constructor)) static void
arith_load(void)
{
	const char *text = getenv("ARITH_DELAY_MS");

	if (text && !number_parse(text, 0, 3600000, &arith_delay_ms))
		fprintf(stderr,
		        "arith: ARITH_DELAY_MS is '%s', not milliseconds from 0 to 3600000; "
		        "calls are not delayed\n",
		        text);
}

/* False: the caller gave up meanwhile. A long task looks from time to time. */
static bool
arith_delay(struct svc_req *rqstp)
{
	for (int64_t left_ms = arith_delay_ms; left_ms > 0; left_ms -= 10) {
		struct timespec slice = {
			.tv_nsec = (left_ms < 10 ? left_ms : 10) * 1000000,
		};

		if (dist_request_cancelled(rqstp))
			return false;
		nanosleep(&slice, NULL);
	}
	return true;
}

/* Returns FALSE for "no answer": the caller is told at once that the call failed. */
bool_t
arith_sum_1_svc(int_array numbers, quad_t *sum, struct svc_req *rqstp)
{
	*sum = 0;
	if (!arith_delay(rqstp))
		return FALSE;

	/* In 64 bits: the numbers of one record cannot overflow these. */
	for (u_int i = 0; i < numbers.int_array_len; i++)
		*sum += numbers.int_array_val[i];
	return TRUE;
}
