/*
 * A burst of large records both ways, client and server in this process: a moment after
 * it, the memory is the system's again. The quarantine of a sanitizer keeps what is freed,
 * so there only the burst itself is run.
 */
#include "server/fixture.h"

#include <dist/cluster.h>
#include <dist/waiter.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "client/peer.h"
#include "client/runtime.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
#define RECORD_BYTES ((size_t)2 * 1024 * 1024)
#define MAY_STAY SIZE_MAX
#else
#define RECORD_BYTES ((size_t)64 * 1024 * 1024)
#define MAY_STAY ((size_t)8 * 1024 * 1024)
#endif
#define N_CALLERS 3
#define N_CALLS 2

static char *large;
static CLIENT *probe;

static size_t
resident_bytes(void)
{
	FILE *statm = fopen("/proc/self/statm", "r");
	unsigned long size, resident;

	assert_non_null(statm);
	assert_int_equal(fscanf(statm, "%lu %lu", &size, &resident), 2);
	fclose(statm);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static bool
is_given_back(void *before)
{
	size_t limit = *(size_t *)before;

	return resident_bytes() <= (limit > SIZE_MAX - MAY_STAY ? limit : limit + MAY_STAY) ||
	       MAY_STAY == SIZE_MAX;
}

static void
echo(size_t length)
{
	probe_bytes bytes = { (u_int)length, large }, result = { 0, NULL };

	if (probe_echo_1(bytes, &result, probe) != RPC_SUCCESS)
		fail_msg("%s", dist_error_text());
	assert_int_equal(result.probe_bytes_len, length);
	assert_memory_equal(result.probe_bytes_val, large, length);
	assert_true(clnt_freeres(probe, (xdrproc_t)xdr_probe_bytes, (caddr_t)&result));
}

static void *
caller_main(void *arg)
{
	(void)arg;
	for (int i = 0; i < N_CALLS; i++)
		echo(RECORD_BYTES);
	return NULL;
}

static void
test_the_memory_of_a_burst_is_given_back(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	struct dist_cluster_options options = { 0 };
	pthread_t callers[N_CALLERS];
	struct dist_cluster *cluster;
	char address[64];
	size_t before;

	(void)state;
	/* Test runners have free() fill what it frees, which touches each page anew. */
	mallopt(M_PERTURB, 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u",
	         dist_server_listeners(server)->port);
	options.servers = address;
	assert_ok(dist_cluster_open(&cluster, NULL, &options));
	probe = dist_client_create(cluster, PROBE_PROG, PROBE_V1);
	assert_non_null(probe);
	large = malloc(RECORD_BYTES);
	assert_non_null(large);
	memset(large, 'x', RECORD_BYTES);
	echo(1000);

	before = resident_bytes();
	for (int i = 0; i < N_CALLERS; i++)
		assert_int_equal(pthread_create(&callers[i], NULL, caller_main, NULL), 0);
	for (int i = 0; i < N_CALLERS; i++)
		pthread_join(callers[i], NULL);
	fixture_until(is_given_back, &before);

	clnt_destroy(probe);
	dist_cluster_close(cluster);
	dist_server_stop(server);
	free(large);
}

/* Nobody accepts there; with its only place taken, connections do not even come about. */
static int
listen_and_never_accept(struct dist_sockaddr *ret_address, int *ret_first)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
		                    .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, length), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
	*ret_first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(*ret_first, (struct sockaddr *)&name, length), 0);
	memset(ret_address, 0, sizeof(*ret_address));
	memcpy(&ret_address->storage, &name, length);
	ret_address->length = length;
	return fd;
}

/* The call refers to its connection, and what the connection has to send to the call. */
static void
test_a_record_that_was_never_sent_goes_with_its_connection(void **state)
{
	struct dist_call_options options = { .timeout_ms = 50 };
	probe_bytes bytes = { 1000000, calloc(1, 1000000) }, result = { 0, NULL };
	struct dist_sockaddr address;
	struct dist_runtime *runtime;
	struct dist_waiter *waiter;
	struct dist_peer *peer;
	int first, fd = listen_and_never_accept(&address, &first);
	size_t before = mallinfo2().hblkhd;

	(void)state;
	assert_ok(dist_runtime_start(&runtime, "mem"));
	assert_ok(dist_peer_open(&peer, runtime, &address, NULL));
	probe = dist_peer_client(peer, PROBE_PROG, PROBE_V1, &options);
	waiter = dist_go(probe, probe_echo_1, bytes, &result);
	assert_int_equal(dist_waiter_wait(waiter, DIST_FOREVER), DIST_EDEADLINE);
	dist_waiter_free(waiter);
	clnt_destroy(probe);
	dist_peer_close(peer);
	dist_runtime_stop(runtime);
	assert_int_equal(mallinfo2().hblkhd, before);

	close(first);
	close(fd);
	free(bytes.probe_bytes_val);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_record_that_was_never_sent_goes_with_its_connection),
	cmocka_unit_test(test_the_memory_of_a_burst_is_given_back),
};

CHECK_MAIN(tests)
