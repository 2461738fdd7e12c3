/*
 * Stock libtirpc; see measure/peer.h for how it is run. A CLIENT carries one call at a
 * time, so as many threads as there are calls in flight have one each.
 */
#include "measure/peer.h"

#include "arith.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

static CLIENT *
connect_client(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) },
	};
	struct netbuf server = { sizeof(address), sizeof(address), &address };
	CLIENT *client =
		clnt_vc_create(peer_connect(port), &server, ARITH_PROG, ARITH_V1, 0, 0);

	if (!client)
		peer_die(clnt_spcreateerror("clnt_vc_create"));
	return client;
}

static void
run(struct peer_thread *thread)
{
	const struct peer *peer = thread->peer;
	int_array numbers = { (u_int)peer->n_ints, peer->ints };
	CLIENT *client = connect_client(peer->port);
	int64_t began_ns;

	while ((began_ns = clock_now_ns()) < peer->end_ns) {
		quad_t sum = 0;

		if (arith_sum_1(numbers, &sum, client) != RPC_SUCCESS)
			peer_die(clnt_sperror(client, "arith_sum_1"));
		peer_end(thread, began_ns, clock_now_ns(), sum);
	}
	clnt_destroy(client);
}

int
main(int argc, char **argv)
{
	struct peer peer;

	int status;

	peer_init(&peer, argc, argv);
	status = peer_run(&peer, peer.n_in_flight, run);
	fflush(stdout);
	/* libtirpc never frees the AUTH_NONE that each thread got: no leak of ours. */
	_exit(status);
}
