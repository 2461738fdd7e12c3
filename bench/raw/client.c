/*
 * The client of the baseline, plain TCP; see measure/peer.h for how it is run.
 *
 * One connection and one thread. With one call in flight: send, then wait for the
 * reply. With more: for whatever replies one recv() brings, as many new calls leave in
 * one send(), which is batching by hand.
 */
#include "measure/peer.h"
#include "raw/wire.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct window {
	struct peer_thread *thread;
	int fd;
	size_t call_size;
	char *calls;        /* room for all that may leave at once */
	int64_t *began_ns;  /* by id, round: replies come in the order of the calls */
	uint32_t n_started; /* the next id */
	uint32_t n_ended;
	char in[32768];
	size_t n_in;
};

static void
encode(const struct window *window, char *bytes)
{
	const struct peer *peer = window->thread->peer;
	uint32_t *words = (uint32_t *)bytes;

	memset(words, 0, RAW_CALL_HEADER);
	words[RAW_LENGTH] = htonl((uint32_t)window->call_size - 4);
	words[RAW_ID] = htonl(window->n_started);
	words[RAW_COUNT] = htonl((uint32_t)peer->n_ints);
	for (size_t i = 0; i < peer->n_ints; i++)
		words[RAW_INTS + i] = htonl((uint32_t)peer->ints[i]);
}

static void
window_start(struct window *window, size_t n, int64_t now_ns)
{
	for (size_t i = 0; i < n; i++) {
		encode(window, window->calls + i * window->call_size);
		window->began_ns[window->n_started++ %
		                 window->thread->peer->n_in_flight] = now_ns;
	}
	if (!raw_send(window->fd, window->calls, n * window->call_size))
		peer_die("the server is gone");
}

static void
window_end(struct window *window, const char *reply, int64_t now_ns)
{
	size_t place = window->n_ended % window->thread->peer->n_in_flight;
	int64_t sum;
	uint32_t id;

	memcpy(&id, reply + 4, sizeof(id));
	if (ntohl(id) != window->n_ended)
		peer_die("a reply came out of order");
	memcpy(&sum, reply + RAW_SUM * 4, sizeof(sum));
	peer_end(window->thread, window->began_ns[place], now_ns, sum);
	window->n_ended++;
}

/* What one recv() brings; returns how many calls ended. */
static size_t
window_harvest(struct window *window)
{
	ssize_t n = recv(window->fd, window->in + window->n_in,
	                 sizeof(window->in) - window->n_in, 0);
	size_t n_replies;
	int64_t now_ns = clock_now_ns();

	if (n <= 0)
		peer_die("the server is gone");
	window->n_in += (size_t)n;
	n_replies = window->n_in / RAW_REPLY;
	for (size_t i = 0; i < n_replies; i++)
		window_end(window, window->in + i * RAW_REPLY, now_ns);
	window->n_in -= n_replies * RAW_REPLY;
	memmove(window->in, window->in + n_replies * RAW_REPLY, window->n_in);
	return n_replies;
}

static void
run(struct peer_thread *thread)
{
	const struct peer *peer = thread->peer;
	struct window window = { .thread = thread, .fd = peer_connect(peer->port) };
	size_t n = peer->n_in_flight;
	int64_t now_ns;

	window.call_size = RAW_CALL_HEADER + 4 * peer->n_ints;
	window.calls = malloc(n * window.call_size);
	window.began_ns = calloc(n, sizeof(*window.began_ns));
	if (!window.calls || !window.began_ns || window.call_size > RAW_MAX_CALL)
		peer_die("no memory, or too many integers");
	while ((now_ns = clock_now_ns()) < peer->end_ns) {
		window_start(&window, n, now_ns);
		do
			n = window_harvest(&window);
		while (n == 0);
	}
	while (window.n_ended != window.n_started)
		window_harvest(&window);
	free(window.began_ns);
	free(window.calls);
}

int
main(int argc, char **argv)
{
	struct peer peer;

	peer_init(&peer, argc, argv);
	return peer_run(&peer, 1, run);
}
