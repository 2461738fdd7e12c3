#include "fixture.h"

#include "base/blocking.h"
#include "base/clock.h"
#include "idl/node.h"
#include "server/core.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- Servers and clients -------------------------------------------------------- */

struct dist_server *
fixture_server_with(const struct dist_server_options *options,
                    const struct dist_service *service)
{
	struct dist_server_options defaults = { .workers = 2 };
	struct dist_server *server = NULL;

	fixture_gate_reset();
	if (!options)
		options = &defaults;
	assert_ok(dist_server_open(&server, options));
	assert_ok(dist_server_add(server, service));
	assert_ok(dist_server_add(server, &probe_prog_3_service));
	assert_ok(dist_server_start(server));
	return server;
}

struct dist_server *
fixture_server(const struct dist_server_options *options)
{
	return fixture_server_with(options, &probe_prog_1_service);
}

static struct sockaddr_in
server_address(struct dist_server *server)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)dist_server_listeners(server)->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

void
fixture_connect_socket(struct dist_server *server, int fd)
{
	struct sockaddr_in address = server_address(server);
	struct timeval limit = { 20, 0 };

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	/* Else the second of two pieces waits 40 ms for the server's word on the first. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

int
fixture_connect(struct dist_server *server)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	fixture_connect_socket(server, fd);
	return fd;
}

int
fixture_connect_small(struct dist_server *server)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), at_most = 65536;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &at_most, sizeof(at_most)), 0);
	fixture_connect_socket(server, fd);
	return fd;
}

void
fixture_accept(struct dist_server *server)
{
	struct pollfd listener = { .fd = server->listeners.fds[0], .events = POLLIN };

	/* connect() may return a little before the connection can be accepted. */
	assert_int_equal(poll(&listener, 1, 20000), 1);
	dist_server_accept(server, listener.fd);
}

CLIENT *
fixture_client(struct dist_server *server, rpcprog_t prog, rpcvers_t vers)
{
	struct sockaddr_in address = server_address(server);
	struct netbuf netbuf = { sizeof(address), sizeof(address), &address };
	struct timeval limit = { 20, 0 };
	CLIENT *client;

	client = clnt_vc_create(fixture_connect(server), &netbuf, prog, vers, 0, 0);
	assert_non_null(client);
	clnt_control(client, CLSET_FD_CLOSE, NULL);
	clnt_control(client, CLSET_TIMEOUT, (char *)&limit);
	return client;
}

/* --- Bytes by hand -------------------------------------------------------------- */

static uint8_t *
put(uint8_t *to, uint32_t word)
{
	dist_store_be32(to, word);
	return to + 4;
}

size_t
fixture_call_write(const struct fixture_call *call, uint8_t *to)
{
	uint8_t *at = to + 4;

	at = put(at, call->xid);
	at = put(at, CALL);
	at = put(at, call->rpc_version ? call->rpc_version : RPC_MSG_VERSION);
	at = put(at, call->prog);
	at = put(at, call->vers);
	at = put(at, call->proc);
	at = put(at, call->flavor);
	at = put(at, 0);
	at = put(at, call->with_meta ? DIST_META : AUTH_NONE);
	at = put(at, call->with_meta ? DIST_META_SIZE : 0);
	if (call->with_meta) {
		at = put(at, call->left_ms ? call->left_ms : DIST_META_NO_DEADLINE);
		at = put(at, call->attempt ? call->attempt : 1);
	}
	for (unsigned i = 0; i < call->n_args; i++)
		at = put(at, call->args[i]);
	put(to, 0x80000000u | (uint32_t)(at - to - 4));
	return (size_t)(at - to);
}

void
fixture_send(int fd, const void *data, size_t length)
{
	const char *at = data;

	while (length > 0) {
		ssize_t n = send(fd, at, length, MSG_NOSIGNAL);

		assert_true(n > 0);
		at += n;
		length -= (size_t)n;
	}
}

void
fixture_send_call(int fd, const struct fixture_call *call)
{
	uint8_t record[FIXTURE_CALL_MAX];

	fixture_send(fd, record, fixture_call_write(call, record));
}

static bool
receive_all(int fd, void *to, size_t length)
{
	return recv(fd, to, length, MSG_WAITALL) == (ssize_t)length;
}

bool
fixture_receive(int fd, struct fixture_reply *ret_reply)
{
	uint8_t mark[4];
	uint32_t length;

	if (!receive_all(fd, mark, sizeof(mark)))
		return false;
	length = dist_load_be32(mark);
	assert_true(length & 0x80000000u);
	length &= 0x7fffffff;
	assert_true(length <= sizeof(ret_reply->words));
	if (!receive_all(fd, ret_reply->words, length))
		return false;
	ret_reply->n_words = length / 4;
	for (unsigned i = 0; i < ret_reply->n_words; i++)
		ret_reply->words[i] = dist_load_be32(&ret_reply->words[i]);
	return true;
}

void
fixture_expect_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

/* --- The gate ------------------------------------------------------------------- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static unsigned gate_arrived, gate_waiting, gate_most;
static bool gate_is_open, moody_is_slow, moody_tells;
static struct dist_deferred *gate_deferred[64];
static unsigned gate_n_deferred;

void
fixture_gate_reset(void)
{
	pthread_mutex_lock(&gate_lock);
	gate_arrived = gate_waiting = gate_most = 0;
	gate_is_open = moody_is_slow = moody_tells = false;
	gate_n_deferred = 0;
	pthread_mutex_unlock(&gate_lock);
}

static void
gate_pass(void)
{
	pthread_mutex_lock(&gate_lock);
	gate_arrived++;
	gate_waiting++;
	if (gate_waiting > gate_most)
		gate_most = gate_waiting;
	pthread_cond_broadcast(&gate_changed);
	while (!gate_is_open)
		pthread_cond_wait(&gate_changed, &gate_lock);
	gate_waiting--;
	pthread_mutex_unlock(&gate_lock);
}

void
fixture_gate_wait(unsigned n)
{
	pthread_mutex_lock(&gate_lock);
	while (gate_arrived < n)
		pthread_cond_wait(&gate_changed, &gate_lock);
	pthread_mutex_unlock(&gate_lock);
}

unsigned
fixture_gate_arrived(void)
{
	unsigned n;

	pthread_mutex_lock(&gate_lock);
	n = gate_arrived;
	pthread_mutex_unlock(&gate_lock);
	return n;
}

unsigned
fixture_gate_most(void)
{
	unsigned n;

	pthread_mutex_lock(&gate_lock);
	n = gate_most;
	pthread_mutex_unlock(&gate_lock);
	return n;
}

void
fixture_gate_open(void)
{
	pthread_mutex_lock(&gate_lock);
	gate_is_open = true;
	pthread_cond_broadcast(&gate_changed);
	pthread_mutex_unlock(&gate_lock);
}

void
fixture_moody(bool slow)
{
	pthread_mutex_lock(&gate_lock);
	moody_is_slow = slow;
	pthread_mutex_unlock(&gate_lock);
}

void
fixture_moody_tells(bool tells)
{
	pthread_mutex_lock(&gate_lock);
	moody_tells = tells;
	pthread_mutex_unlock(&gate_lock);
}

struct dist_deferred *
fixture_deferred(void)
{
	struct dist_deferred *deferred;

	pthread_mutex_lock(&gate_lock);
	while (gate_n_deferred == 0)
		pthread_cond_wait(&gate_changed, &gate_lock);
	deferred = gate_deferred[--gate_n_deferred];
	pthread_mutex_unlock(&gate_lock);
	return deferred;
}

void
fixture_until(bool (*condition)(void *arg), void *arg)
{
	int64_t limit = dist_deadline_in_ms(20000);

	while (!condition(arg)) {
		if (dist_clock_ns() > limit)
			fail_msg("what was waited for did not come");
		sched_yield();
	}
}

/* --- The procedures ------------------------------------------------------------- */

bool_t
probe_add_1_svc(int a, int b, int *result, struct svc_req *rqstp)
{
	(void)rqstp;
	*result = a + b;
	return TRUE;
}

bool_t
probe3_add_3_svc(int a, int b, int *result, struct svc_req *rqstp)
{
	return probe_add_1_svc(a, b, result, rqstp);
}

bool_t
probe_hold_1_svc(int value, int *result, struct svc_req *rqstp)
{
	(void)rqstp;
	gate_pass();
	*result = value;
	return TRUE;
}

bool_t
probe_refuse_1_svc(int value, probe_bytes *result, struct svc_req *rqstp)
{
	(void)value;
	(void)rqstp;
	/* What must not be freed: rpcgen leaves a result undefined in this case. */
	memset(result, 0xa5, sizeof(*result));
	return FALSE;
}

bool_t
probe_defer_1_svc(int value, int *result, struct svc_req *rqstp)
{
	struct dist_deferred *deferred = dist_request_defer(rqstp);

	(void)result;
	pthread_mutex_lock(&gate_lock);
	gate_deferred[gate_n_deferred++] = deferred;
	pthread_cond_broadcast(&gate_changed);
	pthread_mutex_unlock(&gate_lock);
	return value ? TRUE : FALSE; /* neither is sent */
}

bool_t
probe_who_1_svc(probe_who *result, struct svc_req *rqstp)
{
	const struct authunix_parms *unix_cred = rqstp->rq_clntcred;

	memset(result, 0, sizeof(*result));
	result->flavor = rqstp->rq_cred.oa_flavor;
	if (result->flavor == AUTH_SYS) {
		result->uid = unix_cred->aup_uid;
		result->gid = unix_cred->aup_gid;
		result->machine = strdup(unix_cred->aup_machname);
	} else {
		result->machine = strdup(rqstp->rq_xprt->xp_netid);
	}
	return result->machine != NULL;
}

bool_t
probe_echo_1_svc(probe_bytes bytes, probe_bytes *result, struct svc_req *rqstp)
{
	(void)rqstp;
	result->probe_bytes_len = bytes.probe_bytes_len;
	result->probe_bytes_val = malloc(bytes.probe_bytes_len + 1);
	if (!result->probe_bytes_val)
		return FALSE;
	if (bytes.probe_bytes_len > 0)
		memcpy(result->probe_bytes_val, bytes.probe_bytes_val,
		       bytes.probe_bytes_len);
	return TRUE;
}

bool_t
probe_make_1_svc(u_int length, probe_bytes *result, struct svc_req *rqstp)
{
	(void)rqstp;
	result->probe_bytes_len = length;
	result->probe_bytes_val = calloc(1, length + 1);
	return result->probe_bytes_val != NULL;
}

bool_t
probe_sum_1_svc(probe_ints ints, quad_t *result, struct svc_req *rqstp)
{
	(void)rqstp;
	*result = 0;
	for (u_int i = 0; i < ints.probe_ints_len; i++)
		*result += ints.probe_ints_val[i];
	return TRUE;
}

bool_t
probe_wait_cancel_1_svc(int *result, struct svc_req *rqstp)
{
	pthread_mutex_lock(&gate_lock);
	gate_arrived++;
	pthread_cond_broadcast(&gate_changed);
	pthread_mutex_unlock(&gate_lock);
	while (!dist_request_cancelled(rqstp))
		sched_yield();
	*result = 1;
	return TRUE;
}

bool_t
probe_time_left_1_svc(quad_t *result, struct svc_req *rqstp)
{
	*result = dist_request_time_left_ms(rqstp);
	return TRUE;
}

bool_t
probe_attempt_1_svc(u_int *result, struct svc_req *rqstp)
{
	*result = dist_request_attempt(rqstp);
	return TRUE;
}

bool_t
probe_spin_1_svc(u_int us, int *result, struct svc_req *rqstp)
{
	int64_t until = dist_clock_ns() + us * DIST_NS_PER_US;

	while (dist_clock_ns() < until)
		;
	*result = dist_request_cancelled(rqstp);
	return TRUE;
}

bool_t
probe_wide_1_svc(probe_wide wide, probe_wide *result, struct svc_req *rqstp)
{
	(void)rqstp;
	*result = wide;
	result->number++;
	return TRUE;
}

bool_t
probe_moody_1_svc(int value, int *result, struct svc_req *rqstp)
{
	bool slow, tells;

	(void)rqstp;
	pthread_mutex_lock(&gate_lock);
	slow = moody_is_slow;
	tells = moody_tells;
	pthread_mutex_unlock(&gate_lock);
	if (tells)
		dist_thread_will_block();
	if (slow)
		gate_pass();
	*result = value;
	return TRUE;
}
