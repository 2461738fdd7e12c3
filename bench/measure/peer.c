/* What the clients of all peers share; see peer.h. */
#include "measure/peer.h"

#include "measure/cpu.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_WARM_UP_S 0.5
#define MAX_PIDS      64

void
peer_die(const char *sentence)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, sentence);
	exit(1);
}

int64_t
peer_sum(const int32_t *ints, size_t n)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += ints[i];
	return sum;
}

void
peer_init(struct peer *peer, int argc, char **argv)
{
	double seconds = argc == 6 ? atof(argv[5]) : 0;

	if (seconds <= 0 || atoi(argv[4]) < 1 || atoi(argv[3]) < 0) {
		fprintf(stderr, "Usage: %s PORT PID[,PID...] N IN_FLIGHT SECONDS\n",
		        program_invocation_short_name);
		exit(2);
	}
	*peer = (struct peer){
		.port = atoi(argv[1]),
		.pids = argv[2],
		.n_ints = (size_t)atoi(argv[3]),
		.n_in_flight = (size_t)atoi(argv[4]),
	};
	peer->begin_ns = clock_now_ns() + (seconds < MAX_WARM_UP_S
	                                           ? (int64_t)(seconds * 1e9)
	                                           : (int64_t)(MAX_WARM_UP_S * 1e9));
	peer->end_ns = peer->begin_ns + (int64_t)(seconds * 1e9);
	peer->ints = (int32_t *)calloc(peer->n_ints + 1, sizeof(*peer->ints));
	if (!peer->ints)
		peer_die("out of memory");
	for (size_t i = 0; i < peer->n_ints; i++)
		peer->ints[i] = (int32_t)((uint32_t)(i + 1) * 2654435761U >> 8);
	peer->sum = peer_sum(peer->ints, peer->n_ints);
}

void
peer_end(struct peer_thread *thread, int64_t began_ns, int64_t now_ns, int64_t sum)
{
	if (sum != thread->peer->sum)
		peer_die("a wrong sum came back");
	tally_add(&thread->tally, began_ns, now_ns, 0, 0);
}

static double
servers_cpu_s(const struct peer *peer)
{
	int pids[MAX_PIDS];
	size_t n = 0;
	double seconds;

	for (const char *rest = peer->pids; *rest && n < MAX_PIDS;) {
		char *end;

		pids[n++] = (int)strtol(rest, &end, 10);
		rest = *end == ',' ? end + 1 : end;
		if (*end && *end != ',')
			peer_die("the second argument is no list of PIDs");
	}
	seconds = cpu_of_s(pids, n);
	if (seconds < 0)
		peer_die("a server is gone");
	return seconds;
}

static void *
thread_main(void *arg)
{
	struct peer_thread *thread = (struct peer_thread *)arg;

	thread->run(thread);
	return NULL;
}

/* While the threads run: the CPU times, without what the warm-up took. */
static void
measure(const struct peer *peer, double *ret_client_s, double *ret_servers_s)
{
	double client_s, servers_s;

	clock_sleep_until(peer->begin_ns);
	client_s = cpu_self_s();
	servers_s = servers_cpu_s(peer);
	clock_sleep_until(peer->end_ns);
	*ret_client_s = cpu_self_s() - client_s;
	*ret_servers_s = servers_cpu_s(peer) - servers_s;
}

int
peer_run(struct peer *peer, size_t n_threads, void (*run)(struct peer_thread *))
{
	struct peer_thread *threads = calloc(n_threads + 1, sizeof(*threads));
	pthread_t *ids = calloc(n_threads, sizeof(*ids));
	struct tally *all = &threads[n_threads].tally;
	double client_s, servers_s, n, seconds;

	if (!threads || !ids)
		peer_die("out of memory");
	for (size_t i = 0; i < n_threads; i++) {
		threads[i] =
			(struct peer_thread){ .peer = peer, .index = i, .run = run };
		tally_init(&threads[i].tally, peer->begin_ns, peer->end_ns);
		if (pthread_create(&ids[i], NULL, thread_main, &threads[i]))
			peer_die("a thread cannot start");
	}
	measure(peer, &client_s, &servers_s);
	for (size_t i = 0; i < n_threads; i++) {
		pthread_join(ids[i], NULL);
		tally_merge(all, &threads[i].tally);
	}
	if (!all->n_calls)
		peer_die("no call ended");
	n = (double)all->n_calls;
	seconds = (double)(peer->end_ns - peer->begin_ns) / 1e9;
	printf("%.1f\t%.2f\t%.2f\t%.3f\t%.3f\n", n / seconds,
	       latency_percentile_us(&all->latency, 0.5),
	       latency_percentile_us(&all->latency, 0.99), client_s * 1e6 / n,
	       servers_s * 1e6 / n);
	free(peer->ints);
	free(ids);
	free(threads);
	return 0;
}

static int
loopback_socket(int port, struct sockaddr_in *ret_address)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		peer_die(strerror(errno));
	*ret_address = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) },
	};
	/* What is accepted inherits it. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return fd;
}

int
peer_connect(int port)
{
	struct sockaddr_in address;
	int fd = loopback_socket(port, &address);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		peer_die(strerror(errno));
	return fd;
}

int
peer_listen(int port)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	int fd = loopback_socket(port, &address);

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 1024) || getsockname(fd, (struct sockaddr *)&address, &size))
		peer_die(strerror(errno));
	printf("listening on port %u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}
