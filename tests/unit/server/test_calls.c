/* Calls of stock libtirpc clients, and what a server says to calls made by hand. */
#include "fixture.h"

#include "idl/node.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
test_a_stock_client_calls_an_unmodified_dispatcher(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	CLIENT *client = fixture_client(server, PROBE_PROG, PROBE_V1);
	struct timeval limit = { 20, 0 };
	int sum = 0;

	(void)state;
	assert_int_equal(clnt_call(client, NULLPROC, (xdrproc_t)xdr_void, NULL,
	                           (xdrproc_t)xdr_void, NULL, limit),
	                 RPC_SUCCESS);
	/* More than it takes to be run inline. */
	for (int i = 0; i < 200; i++) {
		assert_int_equal(probe_add_1(i, 2, &sum, client), RPC_SUCCESS);
		assert_int_equal(sum, i + 2);
	}
	clnt_destroy(client);
	dist_server_stop(server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stock_client_calls_an_unmodified_dispatcher),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
