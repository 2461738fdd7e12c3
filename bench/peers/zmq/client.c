/* ZeroMQ: a DEALER socket, one connection, one thread; see measure/peer.h. */
#include "measure/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

static void
start(void *socket, const struct peer *peer, uint32_t id)
{
	size_t n_bytes = 4 * peer->n_ints;
	zmq_msg_t call;

	zmq_msg_init_size(&call, 4 + n_bytes);
	memcpy(zmq_msg_data(&call), &id, 4);
	memcpy((char *)zmq_msg_data(&call) + 4, peer->ints, n_bytes);
	if (zmq_msg_send(&call, socket, 0) < 0)
		peer_die(zmq_strerror(zmq_errno()));
}

/* Replies of one server to one socket come in the order of the calls. */
static void
run(struct peer_thread *thread)
{
	const struct peer *peer = thread->peer;
	void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
	int64_t *began_ns = calloc(peer->n_in_flight, sizeof(*began_ns));
	int64_t now_ns = clock_now_ns(), sum;
	uint32_t n_started = 0, n_ended = 0;
	char url[64], reply[12];

	snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", peer->port);
	if (!began_ns || zmq_connect(socket, url))
		peer_die(zmq_strerror(zmq_errno()));
	do {
		while (now_ns < peer->end_ns &&
		       n_started - n_ended < peer->n_in_flight) {
			began_ns[n_started % peer->n_in_flight] = now_ns;
			start(socket, peer, n_started++);
		}
		if (zmq_recv(socket, reply, sizeof(reply), 0) != sizeof(reply))
			peer_die(zmq_strerror(zmq_errno()));
		memcpy(&sum, reply + 4, sizeof(sum));
		now_ns = clock_now_ns();
		peer_end(thread, began_ns[n_ended++ % peer->n_in_flight], now_ns, sum);
	} while (now_ns < peer->end_ns || n_started != n_ended);
	free(began_ns);
	zmq_close(socket);
	zmq_ctx_term(context);
}

int
main(int argc, char **argv)
{
	struct peer peer;

	peer_init(&peer, argc, argv);
	return peer_run(&peer, 1, run);
}
