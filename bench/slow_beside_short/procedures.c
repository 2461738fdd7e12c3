/* The procedures of mixed.x. */
#include "measure/clock.h"
#include "mixed.h"

static void
keep_busy(u_int us)
{
	int64_t until_ns = clock_now_ns() + (int64_t)us * 1000;

	while (clock_now_ns() < until_ns)
		;
}

bool_t
mixed_short_1_svc(u_int us, u_int *result, struct svc_req *rqstp)
{
	(void)rqstp;
	keep_busy(us);
	*result = us;
	return TRUE;
}

bool_t
mixed_slow_1_svc(u_int us, u_int *result, struct svc_req *rqstp)
{
	return mixed_short_1_svc(us, result, rqstp);
}

bool_t
mixed_slow_asleep_1_svc(u_int us, u_int *result, struct svc_req *rqstp)
{
	(void)rqstp;
	clock_sleep_until(clock_now_ns() + (int64_t)us * 1000);
	*result = us;
	return TRUE;
}
