/*
 * ZeroMQ: a ROUTER socket, one thread beside the library's own. No conversion of bytes,
 * no procedure, no status: a floor, and no RPC.
 *
 *	server PORT
 */
#include "measure/peer.h"

#include <stdio.h>
#include <string.h>
#include <zmq.h>

/* A call is an id and the integers; a reply the same id and their sum. */
static void
answer(void *socket)
{
	char caller[256];
	int32_t reply[3];
	int64_t sum;
	zmq_msg_t call;
	int n_caller = zmq_recv(socket, caller, sizeof(caller), 0);
	const int32_t *words;

	zmq_msg_init(&call);
	if (n_caller < 0 || zmq_msg_recv(&call, socket, 0) < 4)
		peer_die(zmq_strerror(zmq_errno()));
	words = zmq_msg_data(&call);
	sum = peer_sum(words + 1, zmq_msg_size(&call) / 4 - 1);
	reply[0] = words[0];
	memcpy(&reply[1], &sum, sizeof(sum));
	zmq_msg_close(&call);
	zmq_send(socket, caller, (size_t)n_caller, ZMQ_SNDMORE);
	zmq_send(socket, reply, sizeof(reply), 0);
}

int
main(int argc, char **argv)
{
	void *socket = zmq_socket(zmq_ctx_new(), ZMQ_ROUTER);
	char url[64], *colon;
	size_t size = sizeof(url);

	snprintf(url, sizeof(url), "tcp://127.0.0.1:%s", argc == 2 ? argv[1] : "0");
	if (zmq_bind(socket, url) ||
	    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, url, &size))
		peer_die(zmq_strerror(zmq_errno()));
	colon = strrchr(url, ':');
	printf("listening on port %s\n", colon + 1);
	fflush(stdout);
	for (;;)
		answer(socket);
}
