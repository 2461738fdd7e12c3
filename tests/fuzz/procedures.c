#include "procedures.h"

#include "fuzz_proc.h"

#include "base/cleanup.h"
#include "fuzz.h"
#include "wire/xdr.h"

#include <dist/request.h>
#include <string.h>

#define LATER_MAX 64
#define MAKE_MAX  600000

/* --- Answered later ----------------------------------------------------------- */

static struct later {
	struct dist_deferred *deferred;
	int number;
} laters[LATER_MAX];
static unsigned n_laters;

bool
procedures_answer(bool well)
{
	struct later later = laters[0];

	if (n_laters == 0)
		return false;
	memmove(&laters[0], &laters[1], --n_laters * sizeof(laters[0]));
	(void)dist_deferred_cancelled(later.deferred);
	(void)dist_deferred_time_left_ms(later.deferred);
	if (well)
		(void)!dist_deferred_reply(later.deferred, (xdrproc_t)xdr_int,
		                           &later.number);
	else
		dist_deferred_fail(later.deferred);
	return true;
}

bool_t
fuzz_later_1_svc(int number, int *result, struct svc_req *rqstp)
{
	struct dist_deferred *deferred = NULL;

	if (n_laters < LATER_MAX)
		deferred = dist_request_defer(rqstp);
	if (deferred)
		laters[n_laters++] = (struct later){ deferred, number };
	*result = number;
	return TRUE;
}

/* --- Answered at once --------------------------------------------------------- */

bool_t
fuzz_sum_1_svc(fuzz_ints ints, quad_t *result, struct svc_req *rqstp)
{
	(void)rqstp;
	*result = 0;
	for (u_int i = 0; i < ints.fuzz_ints_len; i++)
		*result += ints.fuzz_ints_val[i];
	return TRUE;
}

bool_t
fuzz_echo_1_svc(fuzz_bytes bytes, fuzz_bytes *result, struct svc_req *rqstp)
{
	(void)rqstp;
	result->fuzz_bytes_len = bytes.fuzz_bytes_len;
	result->fuzz_bytes_val = malloc(bytes.fuzz_bytes_len + 1);
	FUZZ_CHECK(result->fuzz_bytes_val);
	if (bytes.fuzz_bytes_len > 0)
		memcpy(result->fuzz_bytes_val, bytes.fuzz_bytes_val,
		       bytes.fuzz_bytes_len);
	return TRUE;
}

/*
 * A copy of its own, since arguments and result are freed apart. What decoded encodes,
 * unless it is nested nearly as deep as may be.
 */
bool_t
fuzz_shape_1_svc(fuzz_shape shape, fuzz_shape *result, struct svc_req *rqstp)
{
	DIST_CLEANUP(dist_encoder_fini) struct dist_encoder encoder;
	struct dist_decoder decoder;

	(void)dist_request_attempt(rqstp);
	(void)dist_request_time_left_ms(rqstp);
	dist_encoder_init(&encoder, NULL, 0, (size_t)64 << 20);
	if (dist_encoder_put(&encoder, (xdrproc_t)xdr_fuzz_shape, &shape) != DIST_OK) {
		FUZZ_CHECK(encoder.too_deep);
		return FALSE;
	}
	dist_decoder_init(
		&decoder,
		(struct dist_bytes){ encoder.data, dist_encoder_length(&encoder) },
		SIZE_MAX);
	memset(result, 0, sizeof(*result));
	if (dist_decoder_get(&decoder, (xdrproc_t)xdr_fuzz_shape, result) != DIST_OK) {
		FUZZ_CHECK(decoder.too_deep);
		return FALSE;
	}
	return TRUE;
}

bool_t
fuzz_who_1_svc(fuzz_name *result, struct svc_req *rqstp)
{
	const struct authunix_parms *unix_cred = rqstp->rq_clntcred;
	char name[FUZZ_NAME_MAX + 1];

	if (rqstp->rq_cred.oa_flavor == AUTH_SYS)
		snprintf(name, sizeof(name), "%u:%u/%u@%.20s", unix_cred->aup_uid,
		         unix_cred->aup_gid, unix_cred->aup_len,
		         unix_cred->aup_machname);
	else
		snprintf(name, sizeof(name), "%s", rqstp->rq_xprt->xp_netid);
	*result = strdup(name);
	return *result != NULL;
}

bool_t
fuzz_refuse_1_svc(int number, fuzz_bytes *result, struct svc_req *rqstp)
{
	(void)number;
	(void)rqstp;
	memset(result, 0xa5, sizeof(*result));
	return FALSE;
}

bool_t
fuzz_make_1_svc(u_int length, fuzz_bytes *result, struct svc_req *rqstp)
{
	(void)rqstp;
	result->fuzz_bytes_len = DIST_MIN(length, MAKE_MAX);
	result->fuzz_bytes_val = calloc(1, result->fuzz_bytes_len + 1);
	return result->fuzz_bytes_val != NULL;
}

bool_t
fuzz_serial_3_svc(int number, int *result, struct svc_req *rqstp)
{
	(void)dist_request_cancelled(rqstp);
	*result = number;
	return TRUE;
}
