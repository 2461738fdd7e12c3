/* The same from C++: the stubs, the waiters and the headers are plain C there too. */
#include "matrix.h"

#include <dist/dist.h>

#include <iostream>
#include <memory>
#include <vector>

namespace {

struct close_cluster {
	void operator()(dist_cluster *cluster) const { dist_cluster_close(cluster); }
};

struct destroy_client {
	void operator()(CLIENT *client) const { clnt_destroy(client); }
};

struct free_waiter {
	void operator()(dist_waiter *waiter) const { dist_waiter_free(waiter); }
};

matrix
view_of(std::vector<double> &cells, unsigned size)
{
	matrix square{};

	square.size = size;
	square.cells.cells_len = static_cast<u_int>(cells.size());
	square.cells.cells_val = cells.data();
	return square;
}

bool
multiply_and_trace(CLIENT *client)
{
	std::vector<double> cells{ 1, 2, 3, 4 };
	matrix square = view_of(cells, 2), product{};
	double sum = 0;

	if (matrix_multiply_1(square, square, &product, client) != RPC_SUCCESS)
		return false;
	for (u_int i = 0; i < product.cells.cells_len; i++)
		std::cout << product.cells.cells_val[i] << ' ';
	clnt_freeres(client, reinterpret_cast<xdrproc_t>(xdr_matrix), &product);

	std::unique_ptr<dist_waiter, free_waiter> waiter(
		dist_go(client, matrix_trace_1, square, &sum));
	if (dist_waiter_wait(waiter.get(), DIST_FOREVER) != DIST_OK)
		return false;
	std::cout << "trace " << sum << " from " << dist_waiter_node(waiter.get())->name
	          << '\n';
	return true;
}

} /* namespace */

int
main(int argc, char **argv)
{
	dist_cluster *opened = nullptr;

	if (argc != 2 || dist_cluster_open(&opened, argv[1], nullptr)) {
		std::cerr << dist_error_text() << '\n';
		return 1;
	}
	std::unique_ptr<dist_cluster, close_cluster> cluster(opened);
	std::unique_ptr<CLIENT, destroy_client> client(
		dist_client_create(cluster.get(), MATRIX_PROG, MATRIX_V1));
	if (multiply_and_trace(client.get()))
		return 0;
	std::cerr << dist_error_text() << '\n';
	return 1;
}
