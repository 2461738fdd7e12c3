/* What is called; see work.h. */
#include "distbench/work.h"

#include <stdlib.h>
#include <string.h>

/* --- A procedure of the user's ---------------------------------------------------- */

static bool_t
xdr_prepared(XDR *xdrs, const struct work *work)
{
	if (xdrs->x_op != XDR_ENCODE)
		return xdrs->x_op == XDR_FREE;
	return XDR_PUTBYTES(xdrs, work->arguments, (u_int)work->arguments_size);
}

/* To the end of the record, whatever it holds: nobody looks at it. */
static bool_t
xdr_discarded(XDR *xdrs, size_t *n_bytes)
{
	char scratch[4096];

	if (xdrs->x_op != XDR_DECODE)
		return xdrs->x_op == XDR_FREE;
	*n_bytes = 0;
	for (u_int piece = sizeof(scratch); piece >= BYTES_PER_XDR_UNIT; piece /= 2) {
		while (XDR_GETBYTES(xdrs, scratch, piece))
			*n_bytes += piece;
	}
	return TRUE;
}

/* In the shape of rpcgen's stubs, so that dist_go() takes it. */
static enum clnt_stat
prepared_call(const struct work *work, size_t *n_bytes, CLIENT *client)
{
	static const struct timeval unused;

	return clnt_call(client, work->proc, (xdrproc_t)xdr_prepared, (void *)work,
	                 (xdrproc_t)xdr_discarded, (void *)n_bytes, unused);
}

/* --- Either ----------------------------------------------------------------------- */

/* Values of 24 bits in no order, so that no sum overflows and each place counts. */
static bool
work_init_ints(struct work *work, size_t n_ints)
{
	int *ints = malloc((n_ints + 1) * sizeof(*ints));

	if (!ints)
		return false;
	work->sum = 0;
	for (size_t i = 0; i < n_ints; i++) {
		ints[i] = (int)((uint32_t)(i + 1) * 2654435761U >> 8);
		work->sum += ints[i];
	}
	work->ints = (int_array){ (u_int)n_ints, ints };
	return true;
}

bool
work_init(struct work *work, const struct config *config)
{
	memset(work, 0, sizeof(*work));
	work->own_call = config->own_call;
	if (!config->own_call) {
		work->prog = ARITH_PROG;
		work->vers = ARITH_V1;
		work->arguments_size =
			((size_t)config->n_ints + 1) * BYTES_PER_XDR_UNIT;
		return work_init_ints(work, (size_t)config->n_ints);
	}
	work->prog = config->prog;
	work->vers = config->vers;
	work->proc = config->proc;
	work->arguments = config->arguments;
	work->arguments_size = config->arguments_size;
	work->result_bytes = config->result_bytes;
	return true;
}

void
work_fini(struct work *work)
{
	free(work->ints.int_array_val);
}

enum clnt_stat
work_call(const struct work *work, CLIENT *client, union work_result *result)
{
	if (work->own_call)
		return prepared_call(work, &result->n_bytes, client);
	result->sum = 0;
	return arith_sum_1(work->ints, &result->sum, client);
}

struct dist_waiter *
work_go(const struct work *work, CLIENT *client, union work_result *result)
{
	if (work->own_call)
		return dist_go(client, prepared_call, work, &result->n_bytes);
	result->sum = 0;
	return dist_go(client, arith_sum_1, work->ints, &result->sum);
}

const char *
work_fault(const struct work *work, const union work_result *result)
{
	if (!work->own_call)
		return result->sum == work->sum ? NULL : "a wrong sum came back";
	if (work->result_bytes < 0 || result->n_bytes == (size_t)work->result_bytes)
		return NULL;
	return "a result is not as long as --result-bytes says";
}

size_t
work_result_bytes(const struct work *work, const union work_result *result)
{
	return work->own_call ? result->n_bytes : 2 * BYTES_PER_XDR_UNIT;
}
