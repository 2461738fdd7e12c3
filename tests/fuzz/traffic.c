/*
 * Makes seeds of real traffic: our client calls our server and our master through a
 * relay that writes down what goes either way, and each record becomes an input of the
 * targets that read such.
 *
 *	ninja -C build tests/fuzz/fuzz_traffic
 *	build/tests/fuzz/fuzz_traffic tests/fuzz/corpus
 *
 * Needed again when the protocols change, or the grammar of steps.h does.
 */
#include "client/peer.h"
#include "server/server.h"
#include "wire/callmsg.h"

#include "fuzz_proc.h"
#include "idl/node.h"
#include "idl/registry.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "bytes_buffer.h"
#include "procedures.h"
#include "served.h"
#include "stream.h"

#include <arpa/inet.h>
#include <dist/master.h>
#include <dist/waiter.h>
#include <poll.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RECORD_MAX ((size_t)1 << 20)

static const char *corpus;

/* Tokens and xids as the targets have them. */
ssize_t
getrandom(void *buffer, size_t length, unsigned flags)
{
	(void)flags;
	memset(buffer, 0x5a, length);
	return (ssize_t)length;
}

/* --- The relay ---------------------------------------------------------------- */

struct relay {
	int listener;
	struct dist_sockaddr address, to;
	pthread_t thread;
	struct bytes_buffer calls, replies; /* once the thread has ended */
};

/* What @from has, to @to and to @keep; false: it has ended. */
static bool
relay_pass(int from, int to, struct bytes_buffer *keep)
{
	uint8_t bytes[65536];
	ssize_t n = recv(from, bytes, sizeof(bytes), 0);

	if (n <= 0) {
		shutdown(to, SHUT_WR);
		return false;
	}
	bytes_buffer_add(keep, bytes, (size_t)n);
	FUZZ_CHECK(send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n);
	return true;
}

/* One connection, until both sides have ended it. */
static void *
relay_run(void *arg)
{
	struct relay *relay = arg;
	int caller = fuzz_accept(relay->listener);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd fds[] = { { .fd = caller, .events = POLLIN },
		                { .fd = server, .events = POLLIN } };

	FUZZ_CHECK(!connect(server, &relay->to.sa, relay->to.length));
	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		FUZZ_CHECK(poll(fds, 2, -1) > 0);
		if (fds[0].revents && !relay_pass(caller, server, &relay->calls))
			fds[0].fd = -1;
		if (fds[1].revents && !relay_pass(server, caller, &relay->replies))
			fds[1].fd = -1;
	}
	close(caller);
	close(server);
	return NULL;
}

static void
relay_start(struct relay *relay, unsigned port)
{
	*relay = (struct relay){ .listener = -1 };
	FUZZ_CHECK(dist_sockaddr_from_numeric("127.0.0.1", (int)port, &relay->to));
	FUZZ_CHECK(dist_sockaddr_from_numeric("127.0.0.1", 0, &relay->address));
	relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(!bind(relay->listener, &relay->address.sa, relay->address.length));
	FUZZ_CHECK(!listen(relay->listener, 4));
	FUZZ_CHECK(!getsockname(relay->listener, &relay->address.sa,
	                        &relay->address.length));
	FUZZ_CHECK(!pthread_create(&relay->thread, NULL, relay_run, relay));
}

/* --- Seeds -------------------------------------------------------------------- */

static void
seed_write(const char *target, const char *name, const struct bytes_buffer *bytes)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/traffic-%s", corpus, target, name);
	file = fopen(path, "wb");
	FUZZ_CHECK(file);
	FUZZ_CHECK(fwrite(bytes->data, 1, bytes->length, file) == bytes->length);
	FUZZ_CHECK(!fclose(file));
}

static void
step_add(struct bytes_buffer *to, unsigned kind, unsigned which,
         struct dist_bytes bytes)
{
	uint8_t header[STEP_HEADER] = { (uint8_t)kind, (uint8_t)which,
		                        (uint8_t)(bytes.length >> 8),
		                        (uint8_t)bytes.length };

	FUZZ_CHECK(bytes.length <= STEP_MAX);
	bytes_buffer_add(to, header, sizeof(header));
	bytes_buffer_add(to, bytes.data, bytes.length);
}

static void
seed_of_record(const char *target, const char *name, struct dist_bytes record)
{
	struct bytes_buffer seed = { 0 };

	bytes_buffer_add(&seed, record.data, record.length);
	seed_write(target, name, &seed);
	bytes_buffer_fini(&seed);
}

/* What is made of a stream: one seed of each record, and one of them all. */
struct maker {
	const char *target;
	const char *header_target; /* of seeds that are a record as it is */
	const char *const *names;  /* of the records in turn */
	const char *all;           /* of the one with all of them */
	int prefix;                /* the first byte; -1: none */
	unsigned kind;             /* of the step with the record */
	int after;                 /* a step after each; -1: none */
	bool numbered;             /* which of the step is the record's number */
};

static void
seeds_of_stream(const struct maker *maker, const struct bytes_buffer *bytes)
{
	static uint8_t joined[RECORD_MAX + 8];
	struct stream stream = { bytes->data, bytes->data + bytes->length, RECORD_MAX,
		                 joined };
	struct bytes_buffer all = { 0 }, one;
	uint8_t prefix = (uint8_t)maker->prefix;
	struct dist_bytes record = { joined, 0 };
	bool have = true;

	bytes_buffer_add(&all, &prefix, maker->prefix >= 0);
	for (unsigned i = 0;; i++) {
		FUZZ_CHECK(!stream_next(&stream, &record.length, &have));
		if (!have)
			break;
		FUZZ_CHECK(maker->names[i]);
		one = (struct bytes_buffer){ 0 };
		bytes_buffer_add(&one, &prefix, maker->prefix >= 0);
		step_add(&one, maker->kind, maker->numbered ? i : 0, record);
		step_add(&all, maker->kind, maker->numbered ? i : 0, record);
		if (maker->after >= 0) {
			step_add(&one, (unsigned)maker->after, 0,
			         (struct dist_bytes){ 0 });
			step_add(&all, (unsigned)maker->after, 0,
			         (struct dist_bytes){ 0 });
		}
		seed_write(maker->target, maker->names[i], &one);
		if (maker->header_target)
			seed_of_record(maker->header_target, maker->names[i], record);
		bytes_buffer_fini(&one);
	}
	seed_write(maker->target, maker->all, &all);
	bytes_buffer_fini(&all);
}

/* The same bytes, not taken apart. */
static void
seed_raw(const char *target, int prefix, const struct bytes_buffer *bytes)
{
	struct bytes_buffer seed = { 0 };
	uint8_t first = (uint8_t)prefix;

	bytes_buffer_add(&seed, &first, prefix >= 0);
	step_add(&seed, STEP_RAW, 0, (struct dist_bytes){ bytes->data, bytes->length });
	seed_write(target, "raw", &seed);
	bytes_buffer_fini(&seed);
}

/* --- Calls of a service ------------------------------------------------------- */

static void
pause_a_moment(void)
{
	nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
}

static struct dist_runtime *runtime;

static struct dist_peer *
dial(const struct relay *relay, unsigned features)
{
	const struct dist_peer_options options = { .features = features };
	struct dist_peer *peer;

	FUZZ_CHECK(!dist_peer_open(&peer, runtime, &relay->address, &options));
	return peer;
}

static CLIENT *
client_of(struct dist_peer *peer, rpcprog_t prog, rpcvers_t vers)
{
	CLIENT *client = dist_peer_client(peer, prog, vers, NULL);

	FUZZ_CHECK(client);
	return client;
}

static fuzz_shape
shape_make(void)
{
	static fuzz_choice choices[] = {
		{ .kind = FUZZ_NUMBER, .fuzz_choice_u.number = 5 },
		{ .kind = FUZZ_TEXT, .fuzz_choice_u.text = "text" },
		{ .kind = FUZZ_NOTHING },
	};
	static double factors[] = { 0.5, 2 };
	static fuzz_name names[] = { "one", "two" };
	static fuzz_link second = { 2, NULL }, first = { 1, &second };
	fuzz_shape shape = { .name = "shape",
		             .links = &first,
		             .flag = TRUE,
		             .tag = "tagg",
		             .small = -3 };

	shape.choices.choices_len = DIST_ARRAY_SIZE(choices);
	shape.choices.choices_val = choices;
	shape.factors.factors_len = DIST_ARRAY_SIZE(factors);
	shape.factors.factors_val = factors;
	shape.names.names_len = DIST_ARRAY_SIZE(names);
	shape.names.names_val = names;
	return shape;
}

/* In the order of the names below. The first six are those of fuzz_client.c. */
static void
call_service(struct dist_peer *peer)
{
	static int numbers[] = { 1, 2, 3 };
	CLIENT *client = client_of(peer, FUZZ_PROG, FUZZ_V1);
	CLIENT *serial = client_of(peer, FUZZ_PROG, FUZZ_V3);
	CLIENT *node = client_of(peer, DIST_NODE, DIST_NODE_V1);
	fuzz_bytes bytes = { 0, NULL };
	struct dist_waiter *later;
	fuzz_shape shape = { 0 };
	dist_stats_result stats = { 0 };
	dist_ping_result ping;
	fuzz_name name = NULL;
	bool_t yes;
	quad_t sum;
	int number;

	FUZZ_CHECK(!fuzz_sum_1((fuzz_ints){ 3, numbers }, &sum, client));
	FUZZ_CHECK(!fuzz_echo_1((fuzz_bytes){ 5, "bytes" }, &bytes, client));
	FUZZ_CHECK(!fuzz_shape_1(shape_make(), &shape, client));
	later = dist_go(client, fuzz_later_1, 7, &number);
	while (!procedures_answer(true))
		pause_a_moment();
	FUZZ_CHECK(!dist_waiter_wait(later, DIST_FOREVER));
	client->cl_auth = authunix_create("machine", 10, 20, 2, (gid_t[]){ 30, 40 });
	FUZZ_CHECK(!fuzz_who_1(&name, client));
	auth_destroy(client->cl_auth);
	client->cl_auth = authnone_create();
	FUZZ_CHECK(!fuzz_make_1(10, &bytes, client));
	FUZZ_CHECK(fuzz_refuse_1(1, &bytes, client) == RPC_SYSTEMERROR);
	FUZZ_CHECK(!fuzz_serial_3(5, &number, serial));
	FUZZ_CHECK(!dist_node_ping_1(&ping, node));
	FUZZ_CHECK(!dist_node_stats_1(&stats, node));
	FUZZ_CHECK(!dist_node_drain_1(&yes, node));
	FUZZ_CHECK(!dist_node_cancel_1(1, &yes, node));
	dist_waiter_free(later);
	clnt_destroy(client);
	clnt_destroy(serial);
	clnt_destroy(node);
	(void)shape;
}

static void
record_service(void)
{
	static const char *const names[] = { "sum",  "echo",  "shape",  "later",
		                             "who",  "make",  "refuse", "serial",
		                             "ping", "stats", "drain",  "cancel",
		                             NULL };
	const struct maker calls = { "server", "callmsg",   names,      "all",
		                     0,        STEP_RECORD, SERVED_RUN, false };
	const struct maker replies = { "client", "replymsg",    names, "all",
		                       0,        STEP_N_COMMON, -1,    true };
	const struct dist_server_options options = { .listen = "127.0.0.1:0" };
	struct dist_server *server;
	struct dist_peer *peer;
	struct relay relay;

	FUZZ_CHECK(!dist_server_open(&server, &options));
	FUZZ_CHECK(!dist_server_add(server, &fuzz_prog_1_service));
	FUZZ_CHECK(!dist_server_add(server, &fuzz_prog_3_service));
	FUZZ_CHECK(!dist_server_start(server));
	relay_start(&relay, dist_server_listeners(server)->port);
	peer = dial(&relay, DIST_FEATURE_META);
	call_service(peer);
	dist_peer_close(peer);
	pthread_join(relay.thread, NULL);
	dist_server_stop(server);
	seeds_of_stream(&calls, &relay.calls);
	seeds_of_stream(&replies, &relay.replies);
	seed_raw("server", 1, &relay.calls);
	seed_raw("client", 1, &relay.replies);
}

/* --- Calls of a master -------------------------------------------------------- */

static void
call_registry(struct dist_peer *peer, char *uaddr)
{
	CLIENT *client = client_of(peer, DIST_REGISTRY, DIST_REGISTRY_V1);
	dist_endpoint endpoint = { "tcp", uaddr };
	dist_service_entry service = { 0x20000099, 1, "HOLLOW_PROG", "HOLLOW_V1" };
	dist_attr attribute = { "rack", "r1" };
	dist_registration as = { .name = "node", .capacity = 2, .lease_ms = 3000 };
	dist_registered registered = { 0 };
	dist_heartbeat beat = { 0 };
	dist_watch watch = { 0 };
	dist_view view = { 0 };
	dist_report report;
	dist_registry_status status;
	bool_t yes;

	memset(as.instance, 7, sizeof(as.instance));
	memset(report.instance, 7, sizeof(report.instance));
	as.endpoints.endpoints_len = 1;
	as.endpoints.endpoints_val = &endpoint;
	as.services.services_len = 1;
	as.services.services_val = &service;
	as.attrs.dist_attrs_len = 1;
	as.attrs.dist_attrs_val = &attribute;
	FUZZ_CHECK(!dist_register_1(as, &registered, client));
	FUZZ_CHECK(registered.status == DIST_REGISTRY_OK);
	beat.session = registered.session;
	memcpy(beat.token, registered.token, sizeof(beat.token));
	FUZZ_CHECK(!dist_heartbeat_1(beat, &status, client));
	FUZZ_CHECK(!dist_list_1(TRUE, &view, client));
	xdr_free((xdrproc_t)xdr_dist_view, (char *)&view);
	memset(&view, 0, sizeof(view));
	FUZZ_CHECK(!dist_watch_1(watch, &view, client));
	FUZZ_CHECK(!dist_report_1(report, NULL, client));
	FUZZ_CHECK(!dist_drain_1("node", &yes, client));
	FUZZ_CHECK(!dist_deregister_1(beat, &status, client));
	clnt_destroy(client);
}

static void
record_master(void)
{
	static const char *const names[] = { "register",   "heartbeat", "list",
		                             "watch",      "report",    "order-drain",
		                             "deregister", NULL };
	const struct maker calls = { "master", "callmsg",   names,          "all",
		                     -1,       STEP_RECORD, SERVED_N_STEPS, false };
	const struct maker replies = { "client", "replymsg",    names, "registry",
		                       0,        STEP_N_COMMON, -1,    true };
	const struct dist_master_options options = { .listen = "127.0.0.1:0",
		                                     .no_rpcbind = true };
	/* A node that answers its probe. */
	struct dist_server_options node_options = { .listen = "127.0.0.1:0" };
	struct dist_sockaddr node_address;
	char uaddr[DIST_ADDRESS_TEXT_MAX];
	struct dist_master *master;
	struct dist_server *node;
	struct dist_peer *peer;
	struct relay relay;

	memset(node_options.instance, 7, sizeof(node_options.instance));
	FUZZ_CHECK(!dist_server_open(&node, &node_options));
	FUZZ_CHECK(!dist_server_start(node));
	FUZZ_CHECK(dist_sockaddr_from_numeric(
		"0.0.0.0", (int)dist_server_listeners(node)->port, &node_address));
	dist_uaddr_format(&node_address, uaddr);
	FUZZ_CHECK(!dist_master_start(&master, &options));
	relay_start(&relay, dist_master_port(master));
	peer = dial(&relay, 0);
	call_registry(peer, uaddr);
	dist_peer_close(peer);
	pthread_join(relay.thread, NULL);
	dist_master_stop(master);
	dist_server_stop(node);
	seeds_of_stream(&calls, &relay.calls);
	seeds_of_stream(&replies, &relay.replies);
	seed_raw("master", -1, &relay.calls);
}

int
main(int n_args, char **args)
{
	FUZZ_CHECK(n_args == 2);
	corpus = args[1];
	FUZZ_CHECK(!dist_runtime_start(&runtime, "seeds"));
	record_service();
	record_master();
	dist_runtime_stop(runtime);
	return 0;
}
