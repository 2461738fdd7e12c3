/* The procedures of matrix.x: a module for distnode. */
#include "matrix.h"

bool_t
matrix_multiply_1_svc(matrix left, matrix right, matrix *product, struct svc_req *rqstp)
{
	u_int size = left.size;
	double *cells;

	(void)rqstp;
	if (right.size != size || left.cells.cells_len != size * size ||
	    right.cells.cells_len != size * size)
		return FALSE;
	cells = calloc((size_t)size * size, sizeof(*cells));
	if (!cells)
		return FALSE;
	for (u_int row = 0; row < size; row++) {
		for (u_int column = 0; column < size; column++) {
			for (u_int i = 0; i < size; i++)
				cells[row * size + column] +=
					left.cells.cells_val[row * size + i] *
					right.cells.cells_val[i * size + column];
		}
	}
	product->size = size;
	product->cells.cells_len = size * size;
	product->cells.cells_val = cells; /* freed by matrix_prog_1_freeresult() */
	return TRUE;
}

bool_t
matrix_trace_1_svc(matrix square, double *trace, struct svc_req *rqstp)
{
	(void)rqstp;
	if (square.cells.cells_len != square.size * square.size)
		return FALSE;
	*trace = 0;
	for (u_int i = 0; i < square.size; i++)
		*trace += square.cells.cells_val[i * square.size + i];
	return TRUE;
}
