/* The procedures of strain.x, as a module for distnode. */
#include "strain.h"

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

bool_t
strain_make_1_svc(u_int n_bytes, strain_bytes *result, struct svc_req *rqstp)
{
	(void)rqstp;
	if (n_bytes > STRAIN_BYTES_MAX)
		return FALSE;
	result->strain_bytes_val = calloc(n_bytes + 1, 1);
	result->strain_bytes_len = n_bytes;
	return result->strain_bytes_val != NULL;
}

bool_t
strain_sleep_1_svc(u_int us, u_int *result, struct svc_req *rqstp)
{
	struct timespec pause = { us / 1000000, us % 1000000 * 1000L };

	(void)rqstp;
	nanosleep(&pause, NULL);
	*result = us;
	return TRUE;
}

static int64_t
cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

bool_t
strain_spin_1_svc(u_int us, u_int *result, struct svc_req *rqstp)
{
	int64_t until_us = cpu_us() + us;

	(void)rqstp;
	while (cpu_us() < until_us)
		;
	*result = us;
	return TRUE;
}

bool_t
strain_take_1_svc(strain_bytes bytes, u_int *result, struct svc_req *rqstp)
{
	(void)rqstp;
	*result = bytes.strain_bytes_len;
	return TRUE;
}
