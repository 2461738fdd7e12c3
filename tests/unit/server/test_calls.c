/* Calls of stock libtirpc clients, and what a server says to calls made by hand. */
#include "fixture.h"

#include "idl/node.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- Stock clients -------------------------------------------------------------- */

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

static void
test_a_procedure_sees_an_auth_sys_credential(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	CLIENT *client = fixture_client(server, PROBE_PROG, PROBE_V1);
	gid_t groups[] = { 7, 8, 9 };
	probe_who who = { 0 };

	(void)state;
	client->cl_auth = authunix_create("a-machine", 1234, 567, 3, groups);
	assert_int_equal(probe_who_1(&who, client), RPC_SUCCESS);
	assert_int_equal(who.flavor, AUTH_SYS);
	assert_int_equal(who.uid, 1234);
	assert_int_equal(who.gid, 567);
	assert_string_equal(who.machine, "a-machine");
	xdr_free((xdrproc_t)xdr_probe_who, &who);
	auth_destroy(client->cl_auth);
	clnt_destroy(client);
	dist_server_stop(server);
}

static void
test_a_procedure_sees_auth_none_and_the_netid(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	CLIENT *client = fixture_client(server, PROBE_PROG, PROBE_V1);
	probe_who who = { 0 };

	(void)state;
	assert_int_equal(probe_who_1(&who, client), RPC_SUCCESS);
	assert_int_equal(who.flavor, AUTH_NONE);
	assert_string_equal(who.machine, "tcp");
	xdr_free((xdrproc_t)xdr_probe_who, &who);
	clnt_destroy(client);
	dist_server_stop(server);
}

/* Over the size that is copied, and over a read: into memory of its own both ways. */
static void
test_large_records_come_and_go_whole(void **state)
{
	static const u_int sizes[] = { 0, 1, 5000, 17000, 70000, 300000, 5000000 };
	struct dist_server *server = fixture_server(NULL);
	CLIENT *client = fixture_client(server, PROBE_PROG, PROBE_V1);

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		probe_bytes sent = { sizes[i], malloc(sizes[i] + 1) },
			    got = { 0, NULL };

		for (u_int at = 0; at < sizes[i]; at++)
			sent.probe_bytes_val[at] = (char)(at * 7 + at / 251);
		assert_int_equal(probe_echo_1(sent, &got, client), RPC_SUCCESS);
		assert_int_equal(got.probe_bytes_len, sizes[i]);
		assert_memory_equal(got.probe_bytes_val, sent.probe_bytes_val,
		                    sizes[i]);
		xdr_free((xdrproc_t)xdr_probe_bytes, &got);
		free(sent.probe_bytes_val);
	}
	clnt_destroy(client);
	dist_server_stop(server);
}

static void
test_a_procedure_that_says_false_is_answered_system_err(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	CLIENT *client = fixture_client(server, PROBE_PROG, PROBE_V1);
	probe_bytes nothing = { 0, NULL };
	int sum = 0;

	(void)state;
	for (int i = 0; i < 50; i++)
		assert_int_equal(probe_refuse_1(i, &nothing, client), RPC_SYSTEMERROR);
	assert_int_equal(probe_add_1(1, 2, &sum, client), RPC_SUCCESS);
	clnt_destroy(client);
	dist_server_stop(server);
}

static void
test_a_result_over_the_record_limit_is_answered_system_err(void **state)
{
	struct dist_server_options options = { .workers = 1,
		                               .max_record_bytes = 100000 };
	struct dist_server *server = fixture_server(&options);
	CLIENT *client = fixture_client(server, PROBE_PROG, PROBE_V1);
	probe_bytes bytes = { 0, NULL };

	(void)state;
	assert_int_equal(probe_make_1(200000, &bytes, client), RPC_SYSTEMERROR);
	assert_int_equal(probe_make_1(90000, &bytes, client), RPC_SUCCESS);
	assert_int_equal(bytes.probe_bytes_len, 90000);
	xdr_free((xdrproc_t)xdr_probe_bytes, &bytes);
	clnt_destroy(client);
	dist_server_stop(server);
}

/* --- The standard answers, word for word ---------------------------------------- */

static void
test_errors_are_answered_as_rfc_5531_has_them(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server);
	struct fixture_call call = { .prog = PROBE_PROG, .vers = 1, .proc = PROBE_ADD };

	(void)state;
	call.xid = 1, call.prog = PROBE_PROG + 1;
	fixture_send_call(fd, &call);
	fixture_expect(fd, 1, REPLY, MSG_ACCEPTED, 0, 0, PROG_UNAVAIL);

	call.xid = 2, call.prog = PROBE_PROG, call.vers = 2;
	fixture_send_call(fd, &call);
	fixture_expect(fd, 2, REPLY, MSG_ACCEPTED, 0, 0, PROG_MISMATCH, 1, 3);

	call.xid = 3, call.vers = 1, call.proc = 99;
	fixture_send_call(fd, &call);
	fixture_expect(fd, 3, REPLY, MSG_ACCEPTED, 0, 0, PROC_UNAVAIL);

	call.xid = 4, call.proc = PROBE_ADD, call.n_args = 1;
	fixture_send_call(fd, &call);
	fixture_expect(fd, 4, REPLY, MSG_ACCEPTED, 0, 0, GARBAGE_ARGS);

	call.xid = 5, call.rpc_version = 3;
	fixture_send_call(fd, &call);
	fixture_expect(fd, 5, REPLY, MSG_DENIED, RPC_MISMATCH, 2, 2);

	/* AUTH_TLS: RFC 9289 section 4.1 has a client fall back then. */
	call.xid = 6, call.rpc_version = 0, call.flavor = 7;
	fixture_send_call(fd, &call);
	fixture_expect(fd, 6, REPLY, MSG_DENIED, AUTH_ERROR, AUTH_REJECTEDCRED);

	/* An AUTH_SYS credential without a body. */
	call.xid = 7, call.flavor = AUTH_SYS;
	fixture_send_call(fd, &call);
	fixture_expect(fd, 7, REPLY, MSG_DENIED, AUTH_ERROR, AUTH_BADCRED);

	call.xid = 8, call.flavor = AUTH_NONE, call.n_args = 2;
	call.args[0] = 40, call.args[1] = 2;
	fixture_send_call(fd, &call);
	fixture_expect_success(fd, 8, 42);
	close(fd);
	dist_server_stop(server);
}

/* 44 bytes that claim two gigabytes: no memory is taken, and the answer is at once. */
static void
test_a_lying_count_is_garbage(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server);
	struct fixture_call call = { .xid = 9,
		                     .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = PROBE_SUM,
		                     .args = { 0x20000000 },
		                     .n_args = 1 };

	(void)state;
	fixture_send_call(fd, &call);
	fixture_expect(fd, 9, REPLY, MSG_ACCEPTED, 0, 0, GARBAGE_ARGS);
	close(fd);
	dist_server_stop(server);
}

static void
test_a_call_with_our_verifier_has_one_in_its_reply(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	int fd = fixture_connect(server);
	struct fixture_call call = { .xid = 10,
		                     .prog = PROBE_PROG,
		                     .vers = 1,
		                     .proc = PROBE_ADD,
		                     .with_meta = true,
		                     .args = { 1, 2 },
		                     .n_args = 2 };

	(void)state;
	fixture_send_call(fd, &call);
	fixture_expect(fd, 10, REPLY, MSG_ACCEPTED, DIST_META, DIST_META_SIZE, 0,
	               DIST_RAN, SUCCESS, 3);
	close(fd);
	dist_server_stop(server);
}

/* --- What the node program tells ------------------------------------------------ */

static void
test_ping_gives_the_instance_and_stats_the_counters(void **state)
{
	struct dist_server_options options = { .workers = 1 };
	struct dist_server *server;
	dist_ping_result ping = { 0 };
	dist_stats_result stats = { 0 };
	bool seen = false;
	CLIENT *client;

	(void)state;
	memset(options.instance, 0x5a, sizeof(options.instance));
	server = fixture_server(&options);
	client = fixture_client(server, DIST_NODE, DIST_NODE_V1);
	assert_int_equal(dist_node_ping_1(&ping, client), RPC_SUCCESS);
	assert_memory_equal(ping.instance, options.instance, sizeof(ping.instance));
	assert_false(ping.draining);

	assert_int_equal(dist_node_stats_1(&stats, client), RPC_SUCCESS);
	assert_memory_equal(stats.instance, options.instance, sizeof(stats.instance));
	for (u_int i = 0; i < stats.counters.dist_stat_counters_len; i++) {
		const dist_stat *stat = &stats.counters.dist_stat_counters_val[i];

		if (strcmp(stat->name, "calls") == 0) {
			seen = true;
			assert_int_equal(stat->value, 2);
		}
	}
	assert_true(seen);
	xdr_free((xdrproc_t)xdr_dist_stats_result, &stats);
	clnt_destroy(client);
	dist_server_stop(server);
}

static void
test_drain_is_refused_where_nobody_listens_for_it(void **state)
{
	struct dist_server *server = fixture_server(NULL);
	CLIENT *client = fixture_client(server, DIST_NODE, DIST_NODE_V1);
	bool_t accepted = TRUE;

	(void)state;
	assert_int_equal(dist_node_drain_1(&accepted, client), RPC_SUCCESS);
	assert_false(accepted);
	clnt_destroy(client);
	dist_server_stop(server);
}

static void
remember_drain(void *arg)
{
	*(bool *)arg = true;
}

static void
test_drain_from_loopback_is_passed_on(void **state)
{
	bool asked = false, *flag = &asked;
	struct dist_server_options options = { .on_drain = remember_drain,
		                               .arg = flag };
	struct dist_server *server = fixture_server(&options);
	CLIENT *client = fixture_client(server, DIST_NODE, DIST_NODE_V1);
	bool_t accepted = FALSE;

	(void)state;
	assert_int_equal(dist_node_drain_1(&accepted, client), RPC_SUCCESS);
	assert_true(accepted);
	clnt_destroy(client);
	dist_server_stop(server);
	assert_true(asked);
}

/* --- Services ------------------------------------------------------------------- */

static void
test_a_program_and_version_is_served_once(void **state)
{
	struct dist_server_options options = { .workers = 1 };
	struct dist_server *server = NULL;

	(void)state;
	assert_ok(dist_server_open(&server, &options));
	assert_ok(dist_server_add(server, &probe_prog_1_service));
	assert_err(dist_server_add(server, &probe_prog_1_service), DIST_EINVAL);
	dist_server_stop(server); /* never started */
}

/* A module may be of an earlier release, and no later one than the library. */
static void
test_a_service_of_an_earlier_release_is_served(void **state)
{
	const size_t first = offsetof(struct dist_service, interface);
	struct dist_server_options options = { .workers = 1 };
	struct dist_service service = probe_prog_1_service;
	struct dist_server *server = NULL;

	(void)state;
	assert_ok(dist_server_open(&server, &options));
	service.size = first - 1;
	assert_err(dist_server_add(server, &service), DIST_EINVAL);
	service.size = sizeof(service) + 1;
	assert_err(dist_server_add(server, &service), DIST_EINVAL);
	service.size = first;
	assert_ok(dist_server_add(server, &service));
	dist_server_stop(server);
}

static enum dist_err
count_service(const struct dist_service *service, void *arg)
{
	unsigned *n = arg;

	if (service->program == PROBE_PROG)
		assert_int_equal(service->version, (*n)++ == 0 ? 1 : 3);
	return DIST_OK;
}

static void
test_services_are_on_offer_in_order_until_withdrawn(void **state)
{
	struct dist_service twin = probe_prog_1_service;
	unsigned n = 0;

	(void)state;
	/* The constructor of the module offered them. */
	assert_ok(dist_service_each(count_service, &n));
	assert_int_equal(n, 2);
	dist_service_offer(&twin);
	dist_service_withdraw(&twin); /* it was not taken: the first stays */
	n = 0;
	assert_ok(dist_service_each(count_service, &n));
	assert_int_equal(n, 2);

	dist_service_withdraw(&probe_prog_1_service);
	dist_service_withdraw(&probe_prog_3_service);
	n = 0;
	assert_ok(dist_service_each(count_service, &n));
	assert_int_equal(n, 0);
	dist_service_offer(&probe_prog_3_service);
	dist_service_offer(&probe_prog_1_service);
	assert_ok(dist_service_each(count_service, &n));
	assert_int_equal(n, 2);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_stock_client_calls_an_unmodified_dispatcher),
	cmocka_unit_test(test_a_procedure_sees_an_auth_sys_credential),
	cmocka_unit_test(test_a_procedure_sees_auth_none_and_the_netid),
	cmocka_unit_test(test_large_records_come_and_go_whole),
	cmocka_unit_test(test_a_procedure_that_says_false_is_answered_system_err),
	cmocka_unit_test(test_a_result_over_the_record_limit_is_answered_system_err),
	cmocka_unit_test(test_errors_are_answered_as_rfc_5531_has_them),
	cmocka_unit_test(test_a_lying_count_is_garbage),
	cmocka_unit_test(test_a_call_with_our_verifier_has_one_in_its_reply),
	cmocka_unit_test(test_ping_gives_the_instance_and_stats_the_counters),
	cmocka_unit_test(test_drain_is_refused_where_nobody_listens_for_it),
	cmocka_unit_test(test_drain_from_loopback_is_passed_on),
	cmocka_unit_test(test_a_program_and_version_is_served_once),
	cmocka_unit_test(test_a_service_of_an_earlier_release_is_served),
	cmocka_unit_test(test_services_are_on_offer_in_order_until_withdrawn),
};

CHECK_MAIN(tests)
